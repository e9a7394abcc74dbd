"""The minimiser: from a failing case to the smallest one, first the problem, then the operands.

Hypothesis could shrink what it has drawn, but not what crashed its process, nor a case of the corpus or of the table; and "smallest"
here means something that can be checked: one less in any extent, and the case passes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from convverify.operands.case import Case, Elements
from convverify.operands.layouts import PLAIN, SHARING
from convverify.problems.dtypes import FORMATS
from convverify.problems.problem import Problem

Fails: TypeAlias = Callable[[Case], bool]
EXTENTS = ("batch", "height", "width", "in_channels", "kernel_height", "kernel_width", "out_channels")
_MOST_ELEMENTS = 1 << 13  # beyond, a line of elements says less than a seed does


@dataclass(frozen=True)
class Minimal:
    """A minimised case; `boundaries` says for each extent that could be smaller where the fault ends; `complete` whether time sufficed
    to try everything."""

    case: Case
    boundaries: tuple[str, ...]
    complete: bool


class _Budget:
    def __init__(self, seconds: float) -> None:
        self.deadline = time.monotonic() + seconds
        self.exhausted = False

    def left(self) -> bool:
        if time.monotonic() > self.deadline:
            self.exhausted = True
        return not self.exhausted


def minimize(case: Case, fails: Fails, seconds: float, *, values: bool = True) -> Minimal:
    """Return the smallest case that `fails`, in the given time.

    Parameters
    ----------
    case : a case that fails
    fails : says of any case whether it fails in the same way
    seconds : time to spend
    values : whether to simplify the operands, too (where the fault is in the numbers)
    """
    budget = _Budget(seconds)
    seen: dict[Case, bool] = {}

    def test(candidate: Case) -> bool:
        if candidate not in seen:
            seen[candidate] = budget.left() and fails(candidate)
        return seen[candidate]

    case = _shrink_problem(case, test, budget)
    boundaries = tuple(_boundaries(case, test))
    complete = not budget.exhausted
    if values and case.calls == 1:
        budget = _Budget(max(1.0, budget.deadline - time.monotonic()))
        case = _simplify_values(case, test, budget)
    return Minimal(case, boundaries, complete)


# The problem.


def _shrink_problem(case: Case, test: Fails, budget: _Budget) -> Case:
    progress = True
    while progress and budget.left():
        progress = False
        for candidates in (_leaps, _plainer, _whole_features, _extents, _joint):
            found = True
            while found and budget.left():
                found = False
                for candidate in candidates(case):
                    if test(candidate):
                        case, found, progress = candidate, True, True
                        break
    return case


def _legal(case: Case, **changes: object) -> Iterator[Case]:
    try:
        problem = case.problem.with_(**changes)
    except ValueError:
        return
    if problem != case.problem:
        smaller = _posed(case, problem)
        yield smaller
        if case.stage == "rounding":
            yield smaller.with_(seed=case.seed + 1)


def _posed(case: Case, problem: Problem) -> Case:
    """Return the case on another problem, with the elements that are still inside, where it has any."""
    x, w = _inside(case.x_elements, problem.x_shape), _inside(case.w_elements, problem.w_shape)
    return case.with_(problem=problem, x_elements=x, w_elements=w)


def _inside(elements: Elements, shape: tuple[int, ...]) -> Elements:
    """Return the elements that an array of another shape still has."""
    return tuple(item for item in elements if all(i < extent for i, extent in zip(item[0], shape, strict=True)))


def _fits(case: Case) -> bool:
    """Return whether the case's dtype holds its elements."""
    largest = FORMATS[case.problem.dtype].largest
    return not any(largest < abs(value) < math.inf for _, value in case.x_elements + case.w_elements)


def _leaps(case: Case) -> Iterator[Case]:
    """Many extents at once: most faults need few of them."""
    p = case.problem
    image: dict[str, object] = {"batch": min(1, p.batch), "in_channels": p.groups, "out_channels": p.groups}
    ones: dict[str, object] = {"batch": 1, "in_channels": 1, "out_channels": 1, "groups": 1}
    pixel: dict[str, object] = {"height": 1, "width": 1, "kernel_height": 1, "kernel_width": 1}
    for changes in (ones | pixel, ones | {"height": min(p.height, 4), "width": min(p.width, 4)}, ones, image | pixel, image):
        yield from _legal(case, **changes)


def _plainer(case: Case) -> Iterator[Case]:
    """Ordinary layouts, values, dtype, seed."""
    for layouts in ((PLAIN, PLAIN), (case.layouts[0], PLAIN), (PLAIN, case.layouts[1])):
        if layouts != case.layouts:
            yield case.with_(layouts=layouts)
    if case.style not in ("integers", "normal", "given"):
        for style in ("integers", "normal"):
            if not (style == "normal" and case.stage == "exact"):
                yield case.with_(style=style)
    elif case.style == "normal":
        yield case.with_(style="integers")
    if case.problem.dtype != "float32":
        yield from filter(_fits, _legal(case, dtype="float32"))
    if case.seed > 9:
        for seed in (0, 1, 8, case.seed & 15):
            yield case.with_(seed=seed)


def _whole_features(case: Case) -> Iterator[Case]:
    """No strides, no dilations, no padding, no groups."""
    p = case.problem
    if p.groups > 1:
        for groups in (1, 2):
            if groups < p.groups:
                yield from _legal(
                    case, groups=groups, in_channels=p.in_channels // p.groups * groups, out_channels=p.out_channels // p.groups * groups
                )
                yield from _legal(case, groups=groups)
        fewer = p.groups - 1
        yield from _legal(
            case, groups=fewer, in_channels=p.in_channels // p.groups * fewer, out_channels=p.out_channels // p.groups * fewer
        )
    for name in ("strides", "dilations"):
        first, second = getattr(p, name)
        for pair in ((1, 1), (first, 1), (1, second), (min(first, 2), min(second, 2)), (first - 1, second), (first, second - 1)):
            if min(pair) >= 1 and pair != (first, second) and pair <= (first, second):
                yield from _legal(case, **{name: pair})
    if p.padding != "VALID":
        yield from _legal(case, padding="VALID")
        (top, bottom), (left, right) = p.pads
        yield from _legal(case, padding="VALID", height=p.height + top + bottom, width=p.width + left + right)
    if not isinstance(p.padding, str):
        yield from _legal(case, padding="SAME")
        (top, bottom), (left, right) = p.padding
        sides = [top, bottom, left, right]
        for i in range(4):
            for value in (0, sides[i] // 2, sides[i] - 1):
                if 0 <= value < sides[i]:
                    smaller = [*sides[:i], value, *sides[i + 1 :]]
                    yield from _legal(case, padding=((smaller[0], smaller[1]), (smaller[2], smaller[3])))


def _extents(case: Case) -> Iterator[Case]:
    """Each extent alone: as small as can be, then halves, then one less."""
    p = case.problem
    for name in EXTENTS:
        unit = p.groups if name.endswith("channels") else 1
        extent = getattr(p, name) // unit
        least = 1 if extent else 0
        smaller = [
            least,
            least + 1,
            least + 2,
            extent // 4,
            extent // 2,
            extent * 3 // 4,
            extent - extent // 8,
            extent - 3,
            extent - 2,
            extent - 1,
        ]
        for value in sorted({value for value in smaller if least <= value < extent}):
            yield from _legal(case, **{name: value * unit})


def _joint(case: Case) -> Iterator[Case]:
    """Extents that hang together: the kernel with the image, the image by a stride, two channels at once."""
    p = case.problem
    for kernel, extent, axis in (("kernel_height", "height", 0), ("kernel_width", "width", 1)):
        taps, pixels = getattr(p, kernel), getattr(p, extent)
        for fewer in (taps - 1, 1 if taps == 2 else taps // 2):
            cut = (taps - fewer) * p.dilations[axis]
            if 1 <= fewer < taps and pixels - cut >= 1:
                yield from _legal(case, **{kernel: fewer, extent: pixels - cut})
        if p.dilations[axis] > 1 and pixels - (taps - 1) >= 1:
            dilations = list(p.dilations)
            dilations[axis] -= 1
            yield from _legal(case, **{"dilations": tuple(dilations), extent: pixels - (taps - 1)})
        if p.strides[axis] > 1:
            if pixels > p.strides[axis]:
                yield from _legal(case, **{extent: pixels - p.strides[axis]})
            outputs = p.output_shape[1 + axis]
            strides = list(p.strides)
            strides[axis] -= 1
            if pixels - (outputs - 1) >= 1:
                yield from _legal(case, **{"strides": tuple(strides), extent: pixels - (outputs - 1)})
    if p.height > 1 and p.width > 1:
        yield from _legal(case, height=p.height - 1, width=p.width - 1)
        if p.kernel_height > 1 and p.kernel_width > 1:
            yield from _legal(
                case, height=p.height - 1, width=p.width - 1, kernel_height=p.kernel_height - 1, kernel_width=p.kernel_width - 1
            )
    if p.kernel_height > 1 and p.kernel_width > 1:
        yield from _legal(case, kernel_height=p.kernel_height - 1, kernel_width=p.kernel_width - 1)
    if p.in_channels > p.groups and p.out_channels > p.groups:
        yield from _legal(case, in_channels=p.in_channels - p.groups, out_channels=p.out_channels - p.groups)
    if p.height != p.width and p.strides[0] == p.strides[1] and (p.kernel_height, p.height) > (p.kernel_width, p.width):
        turned = p.with_(height=p.width, width=p.height, kernel_height=p.kernel_width, kernel_width=p.kernel_height)
        if (
            isinstance(p.padding, str)
            and p.dilations[0] == p.dilations[1]
            and (turned.height, turned.kernel_height) < (p.height, p.kernel_height)
        ):
            yield _posed(case, turned)


def _boundaries(case: Case, test: Fails) -> Iterator[str]:
    """Say of each extent above its least value whether one less passes."""
    p = case.problem
    for name in EXTENTS:
        unit = p.groups if name.endswith("channels") else 1
        extent = getattr(p, name)
        if extent // unit > 1:
            smaller = next(_legal(case, **{name: extent - unit}), None)
            if smaller is not None and not test(smaller):
                yield f"fails for {name} = {extent}; passes at {extent - unit}"


# The operands.


def _simplify_values(case: Case, test: Fails, budget: _Budget) -> Case:
    """Fewest nonzeros first, then the smallest integers."""
    given = _as_given(case)
    if given is None or not test(given):
        return case
    given = _fewer(given, "x_elements", test, budget)
    given = _fewer(given, "w_elements", test, budget)
    given = _fewer(given, "x_elements", test, budget)
    if len(given.x_elements) + len(given.w_elements) > 64:
        return case
    for name in ("x_elements", "w_elements"):
        for position in range(len(getattr(given, name))):
            elements: Elements = getattr(given, name)
            index, value = elements[position]
            if not math.isfinite(value):
                continue
            for simpler in (1.0, 2.0, 3.0, float(position + 1), -1.0, float(round(value / 2.0))):
                if (simpler and abs(simpler) < abs(value)) or (simpler == 1.0 and value == -1.0):
                    candidate = given.with_(**{name: (*elements[:position], (index, simpler), *elements[position + 1 :])})
                    if test(candidate):
                        given = candidate
                        break
    return given


def _as_given(case: Case) -> Case | None:
    p = case.problem
    size = p.batch * p.height * p.width * p.in_channels + p.kernel_height * p.kernel_width * p.in_channels // p.groups * p.out_channels
    if size > _MOST_ELEMENTS or set(SHARING) & set(case.layouts):
        return None
    x, w = case.values()
    elements = [
        tuple((tuple(int(i) for i in index), float(array[index])) for index in zip(*array.nonzero(), strict=True)) for array in (x, w)
    ]
    return case.with_(style="given", x_elements=elements[0], w_elements=elements[1])


def _fewer(case: Case, name: str, test: Fails, budget: _Budget) -> Case:
    """Delta debugging: drop halves, quarters, and so on down to single elements (Zeller and Hildebrandt, 2002)."""
    elements: Elements = getattr(case, name)
    chunk = max(1, len(elements) // 2)
    while True:
        position, dropped = 0, False
        while position < len(elements) and len(elements) > 1 and budget.left():
            kept = elements[:position] + elements[position + chunk :]
            candidate = case.with_(**{name: kept})
            if kept and test(candidate):
                elements, case, dropped = kept, candidate, True
            else:
                position += chunk
        if (chunk == 1 and not dropped) or not budget.left():
            return case
        chunk = max(1, chunk // 2)
