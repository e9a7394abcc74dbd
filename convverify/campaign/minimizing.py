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
from convverify.problems.domain import Domain
from convverify.problems.dtypes import FORMATS
from convverify.problems.problem import Problem, is_degenerate

Fails: TypeAlias = Callable[[Case], bool | None]
EXTENTS = ("batch", "height", "width", "in_channels", "kernel_height", "kernel_width", "out_channels")
_EVERYTHING = Domain()
_LARGE = 1 << 20  # multiply-adds from which on a probe takes long
_NEXT = 256  # values below an extent among which the next one of the domain is looked for
_MOST_ELEMENTS = 1 << 13  # beyond, a line of elements says less than a seed does


@dataclass(frozen=True)
class Minimal:
    """A minimised case; `boundaries` says for each extent that could be smaller where the fault ends, where both sides were tried;
    `complete` whether time sufficed to try everything."""

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


def minimize(case: Case, fails: Fails, seconds: float, *, values: bool = True, domain: Domain = _EVERYTHING) -> Minimal:
    """Return the smallest case that `fails`, in the given time.

    Parameters
    ----------
    case : a case that fails
    fails : says of any case whether it fails in the same way; None where it cannot be judged, as where a kernel refuses it
    seconds : time to spend
    values : whether to simplify the operands, too (where the fault is in the numbers)
    domain : which problems may be tried; what would be smaller outside of it is brought inside

    Notes
    -----
    What is not degenerate stays so: a fault that shows on ordinary problems is shown on one.
    """
    if not is_degenerate(case.problem):
        domain = domain.ordinary
    budget = _Budget(seconds)
    search = _Search(fails, domain, budget, {case: True}, {case})
    case = _shrink_problem(case, search)
    boundaries = tuple(_boundaries(case, search))
    complete = not budget.exhausted
    if values and case.calls == 1:
        search.budget = _Budget(max(1.0, budget.deadline - time.monotonic()))
        case = _simplify_values(case, search)
    return Minimal(case, boundaries, complete)


@dataclass
class _Search:
    """What has been tried: `known` says of each case whether it fails, None where it cannot be judged; `taken` were the smallest once."""

    fails: Fails
    domain: Domain
    budget: _Budget
    known: dict[Case, bool | None]
    taken: set[Case]

    def tried(self, candidate: Case) -> bool | None:
        """Return whether a case fails; None where there is no time, or no judgement."""
        if candidate not in self.known:
            if not self.budget.left():
                return None
            self.known[candidate] = self.fails(candidate)
        return self.known[candidate]

    def smaller(self, case: Case, candidates: Iterator[Case]) -> Case | None:
        """Return the first of the candidates, each brought into the domain, that fails and has not been taken before."""
        for candidate in candidates:
            inside = self._inside(case, candidate)
            if inside is not None and inside not in self.taken and self.tried(inside):
                self.taken.add(inside)
                return inside
            if self.budget.exhausted:
                return None
        return None

    def _inside(self, case: Case, candidate: Case) -> Case | None:
        """Return a candidate that the domain has, or what is nearest there, if that is simpler than the case; None where it is not."""
        problem = self.domain.restrict(candidate.problem)
        if problem == candidate.problem:
            return candidate
        return None if problem is None or _weight(problem) >= _weight(case.problem) else _posed(candidate, problem)


def _weight(p: Problem) -> int:
    """A number that is less for what is simpler."""
    pads = 1 if p.padding == "SAME" else sum(map(sum, p.pads)) + 2 * (p.padding != "VALID")
    return sum((*p.x_shape, *p.w_shape, *p.strides, *p.dilations, p.groups, pads))


# The problem.


def _shrink_problem(case: Case, search: _Search) -> Case:
    if case.problem.macs >= _LARGE:
        case = _to_boundary(case, search)
    progress = True
    while progress and search.budget.left():
        progress = False
        for candidates in (_leaps, _plainer, _whole_features, _extents, _joint):
            while (smaller := search.smaller(case, candidates(case))) is not None:
                case, progress = smaller, True
    return case


def _to_boundary(case: Case, search: _Search) -> Case:
    """Halve the distance to where the fault ends, extent by extent, the largest first: a probe of a large case takes long."""
    for name in sorted(EXTENTS, key=lambda name: -int(getattr(case.problem, name))):
        unit = case.problem.groups if name.endswith("channels") else 1
        passes, fails = 0, getattr(case.problem, name) // unit
        while fails - passes > 1 and search.budget.left():
            tried = (passes + fails) // 2 if passes else 1
            smaller = search.smaller(case, _legal(case, **{name: tried * unit}))
            if smaller is None:
                passes = tried
            else:
                case, fails = smaller, getattr(smaller.problem, name) // unit
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
        for seed in (0, 1, 8, case.seed & 7):
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


def _boundaries(case: Case, search: _Search) -> Iterator[str]:
    """Say of each extent above its least value whether the next smaller one passes, where that has been tried."""
    p = case.problem
    for name in EXTENTS:
        unit = p.groups if name.endswith("channels") else 1
        extent = getattr(p, name)
        for value in range(extent - unit, 0, -unit)[:_NEXT]:
            smaller = next(_legal(case, **{name: value}), None)
            if smaller is not None and search.domain.admits(smaller.problem):
                if search.tried(smaller) is False:
                    yield f"fails for {name} = {extent}; passes at {value}"
                break


# The operands.


def _simplify_values(case: Case, search: _Search) -> Case:
    """Fewest nonzeros first, then the smallest integers."""
    given = _as_given(case)
    if given is None or not search.tried(given):
        return case
    given = _fewer(given, "x_elements", search)
    given = _fewer(given, "w_elements", search)
    given = _fewer(given, "x_elements", search)
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
                    if search.tried(candidate):
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


def _fewer(case: Case, name: str, search: _Search) -> Case:
    """Delta debugging: drop halves, quarters, and so on down to single elements (Zeller and Hildebrandt, 2002)."""
    elements: Elements = getattr(case, name)
    chunk = max(1, len(elements) // 2)
    while True:
        position, dropped = 0, False
        while position < len(elements) and len(elements) > 1 and search.budget.left():
            kept = elements[:position] + elements[position + chunk :]
            candidate = case.with_(**{name: kept})
            if kept and search.tried(candidate):
                elements, case, dropped = kept, candidate, True
            else:
                position += chunk
        if (chunk == 1 and not dropped) or not search.budget.left():
            return case
        chunk = max(1, chunk // 2)
