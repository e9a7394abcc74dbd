"""The problem of a domain that is nearest to a given one: how what was drawn, tabled or made smaller is brought inside."""

from __future__ import annotations

import functools
import itertools
import random
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from convverify.problems.problem import Padding, Problem, is_degenerate, kind_of

_TRIED = 4000  # problems
_AT_ONCE = 16  # of which a condition is asked
_CHANNELS = ("in_channels", "out_channels", "groups")
# What may have to change together comes together first.
_STEPS: tuple[tuple[str, ...], ...] = (
    ("dtype",), _CHANNELS, ("in_channels", "out_channels"), ("in_channels",), ("out_channels",), ("kernel_height", "kernel_width"),
    ("kernel_height",), ("kernel_width",), ("padding",), ("height", "width"), ("height",), ("width",), ("batch",), ("strides",),
    ("dilations",), _CHANNELS,
)  # fmt: skip

if TYPE_CHECKING:
    from convverify.problems.domain import Domain


def nearest(domain: Domain, problem: Problem) -> Problem | None:
    """Return a problem of the domain near to the given one, which is itself where it is inside; None where none is found.

    What is not degenerate stays so, where that is possible.
    """
    if domain.admits(problem):
        return problem
    ordinary = not (domain.degenerate and is_degenerate(problem))
    for wanted in (True, False) if ordinary and domain.degenerate else (ordinary,):
        near = _within_fields(domain, problem, wanted)
        if near is not None and not domain.holds(near):
            near = _varied(domain, near, wanted) or _from_inside(domain, near)
        if near is not None:
            return near
    return None


def _varied(domain: Domain, near: Problem, ordinary: bool) -> Problem | None:
    """Return the first variation of a problem that the condition holds for."""
    fields = (_within_fields(domain, varied, ordinary) for varied in _variations(near))
    others = (other for other in fields if other is not None)
    while several := list(itertools.islice(others, _AT_ONCE)):
        domain.foresee(several)
        for other in several:
            if domain.holds(other):
                return other
    return None


def find_inside(domain: Domain) -> Problem | None:
    """Return an ordinary problem that keeps to the fields of a domain and to its condition, from a few thousand that are tried; None where
    none does."""
    sizes, depths = ((3, 3), (1, 1), (5, 5), (2, 2), (7, 7), (4, 4), (1, 3), (3, 1)), (8, 4, 16, 1, 3, 32, 64, 12, 2, 6, 128)
    images, steps = ((8, 8), (9, 7), (16, 16), (6, 12), (32, 32), (28, 28)), ((1, 1), (2, 2))
    tried: dict[Problem, None] = {}
    choices = list(itertools.product(sizes, depths, depths, images, steps))
    random.Random(0).shuffle(choices)
    for (rows, columns), ins, outs, image, strides in choices:
        half = (rows // 2, rows // 2), (columns // 2, columns // 2)
        padding = ("VALID", "SAME", half)[len(tried) % 3]
        near = _within_fields(domain, Problem(1, *image, ins, rows, columns, outs, strides=strides, padding=padding), True)
        if near is not None:
            tried[near] = None
        if len(tried) >= _TRIED:
            break
    domain.foresee(tried)
    return next((problem for problem in tried if domain.holds(problem)), None)


def _from_inside(domain: Domain, wanted: Problem) -> Problem | None:
    """Return a problem inside that is on the way to the one wanted, from one that is known to be inside, a step at a time."""
    inside = domain.example
    if inside is None:
        return None
    for changes in _STEPS:
        q = inside
        try:
            q = inside.with_(**{name: getattr(wanted, name) for name in changes})
        except ValueError:  # groups that do not divide the channels
            continue
        if q != inside and not is_degenerate(q) and domain.admits(q):
            inside = q
    return inside


def _within_fields(domain: Domain, p: Problem, ordinary: bool) -> Problem | None:
    """Return a problem that keeps to all fields but `where`; an extent becomes 0 only where it was."""

    def least(*extents: int) -> tuple[int, ...]:
        return tuple(1 if ordinary or extent else 0 for extent in extents)

    kernel = domain.kernel.nearest((p.kernel_height, p.kernel_width), (1, 1))
    strides, dilations = domain.strides.nearest(p.strides, (1, 1)), domain.dilations.nearest(p.dilations, (1, 1))
    image = domain.image.nearest((p.height, p.width), least(p.height, p.width))
    batch, channels = domain.batch.nearest(p.batch, *least(p.batch)), _channels(domain, p, *least(p.in_channels, p.out_channels))
    padding = _padding(domain, kind_of(p.padding), [pad for side in p.pads for pad in side])
    if batch is None or not (kernel and strides and dilations and image and channels and padding):
        return None
    near = p.with_(
        batch=batch, height=image[0], width=image[1], in_channels=channels[1], kernel_height=kernel[0], kernel_width=kernel[1],
        out_channels=channels[2], strides=strides, padding=padding, dilations=dilations, groups=channels[0],
        dtype=p.dtype if p.dtype in domain.dtypes else domain.dtypes[0],
    )  # fmt: skip
    return _fitted(domain, near) if ordinary else near


def _padding(domain: Domain, kind: str, pads: list[int]) -> Padding | None:
    """Return the padding of the same kind, or explicit pads, SAME, VALID: the first that the domain has."""
    for other in (kind, "EXPLICIT", "SAME", "VALID"):
        if other in domain.padding:
            if other != "EXPLICIT":
                return other
            if found := domain.pads.nearest(pads):
                return (found[0], found[1]), (found[2], found[3])
    return None


# Groups and channels hang together.


def _channels(domain: Domain, p: Problem, least_in: int, least_out: int) -> tuple[int, int, int] | None:
    """Return groups, input and output channels that go together, the groups as near as can be."""
    for unit in _units(domain, p):
        ins, outs = domain.in_channels.multiples(unit), domain.out_channels.multiples(unit)
        found_in = ins.nearest(p.in_channels, least_in) if ins else None
        found_out = outs.nearest(p.out_channels, least_out) if outs else None
        if found_in is not None and not domain.groups.admits(unit, found_in) and unit in domain.in_channels:
            found_in = unit  # depthwise
        if found_in is not None and found_out is not None and domain.groups.admits(unit, found_in):
            return unit, found_in, found_out
    return None


def _units(domain: Domain, p: Problem) -> Iterator[int]:
    """Yield numbers of groups to try, near ones first."""
    numbers = domain.groups.numbers
    if domain.groups.admits(p.groups, p.in_channels):
        yield p.groups
    if numbers is not None and (unit := numbers.nearest(p.groups, 1)):
        yield unit
    if domain.groups.depthwise and (unit := domain.in_channels.nearest(p.in_channels, 1)):
        yield unit
    yield from sorted(_divisors(domain), key=lambda unit: abs(unit - p.groups))


@functools.lru_cache(maxsize=64)
def _divisors(domain: Domain) -> tuple[int, ...]:
    """Return numbers of groups that may do where channels are few and fixed."""
    numbers = domain.groups.numbers
    fixed = {*domain.in_channels.listed, *domain.out_channels.listed}
    units = {*range(1, 65), *fixed, *(numbers.listed if numbers else ())}
    units |= {unit for number in fixed if number <= 1 << 14 for unit in range(1, number + 1) if number % unit == 0}
    return tuple(unit for unit in units if unit and (domain.groups.depthwise or (numbers is not None and unit in numbers)))


# The kernel and the padded image, too.


def _fitted(domain: Domain, p: Problem) -> Problem | None:
    """Return the problem with an image that the kernel fits into, or with a smaller kernel, or more pads; None where neither is."""
    for changes in _smaller_windows(domain, p):
        q = p.with_(**changes)
        if not q.is_empty:
            return q
        least = [
            max(1, extent, effective - sum(pads))
            for extent, effective, pads in zip((q.height, q.width), q.effective_kernel, q.pads, strict=True)
        ]
        if image := domain.image.nearest((q.height, q.width), least):
            return q.with_(height=image[0], width=image[1])
    return None


def _smaller_windows(domain: Domain, p: Problem) -> Iterator[dict[str, Any]]:
    yield {}
    dilations = {"dilations": domain.dilations.nearest((1, 1), (1, 1))}
    yield dilations
    yield dilations | dict(zip(("kernel_height", "kernel_width"), domain.kernel.nearest((1, 1), (1, 1)) or (), strict=True))
    rows, columns = p.effective_kernel
    for kind in ("EXPLICIT", "SAME"):
        yield {"padding": _padding(domain, kind, [rows, rows, columns, columns]) or p.padding}


# What a condition may ask for.


def _variations(p: Problem) -> Iterator[Problem]:
    """Yield problems around one that a condition does not hold for: what it may ask for is divisible, equal, smaller, or absent."""
    yield from (p.with_(height=p.height + i, width=p.width + j) for i in range(5) for j in range(5) if i or j)
    yield p.with_(width=p.height)
    (down, across), (rows, columns) = p.strides, p.effective_kernel
    yield p.with_(height=-(-p.height // down) * down, width=-(-p.width // across) * across)
    yield p.with_(height=max(p.height, rows), width=max(p.width, columns))
    top, left = p.pads[0][0], p.pads[1][0]
    half, full = (p.kernel_height // 2, p.kernel_width // 2), (p.kernel_height - 1, p.kernel_width - 1)
    sides = [((top, top), (left, left)), ((top, top), (top, top)), ((half[0], half[0]), (half[1], half[1]))]
    sides += [((full[0], full[0]), (full[1], full[1])), ((0, full[0]), (0, full[1])), ((full[0], 0), (full[1], 0))]
    paddings: list[Padding] = ["VALID", "SAME", *sides]
    yield from (p.with_(padding=padding) for padding in paddings)
    plain: dict[str, Any] = {"strides": (1, 1), "dilations": (1, 1)}
    square = {"kernel_width": p.kernel_height}
    for changes in (
        {"strides": (1, 1)}, {"strides": (down, down)}, {"dilations": (1, 1)}, {"dilations": p.dilations[:1] * 2}, square,
        {"kernel_height": 1, "kernel_width": 1}, {"groups": 1}, {"groups": max(1, p.in_channels)}, {"batch": 1},
        {"in_channels": p.out_channels}, {"out_channels": p.in_channels}, plain, plain | {"padding": "VALID"}, plain | {"padding": "SAME"},
        plain | {"padding": "VALID", "groups": 1}, plain | {"padding": "VALID"} | square,
    ):  # fmt: skip
        try:
            yield p.with_(**changes)
        except ValueError:  # groups that do not divide the channels
            continue
