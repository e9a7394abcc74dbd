"""Hypothesis strategies for problems and cases.

>>> from hypothesis import given
>>> from convverify.generation.strategies import cases
>>> @given(cases(dtypes=["float32"], max_macs=10_000))
... def test_my_convolution(case):
...     x, w = case.values()

Hypothesis draws a problem, a value style, layouts and a seed; NumPy fills the arrays from the seed.  Every draw is legal: extents are
generated from the output to the input.  Everything shrinks towards one image of one pixel and one channel.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import reject
from hypothesis import strategies as st

from convverify.generation.budget import default_budget, fit_budget
from convverify.generation.ranges import MOST_STEP, MOST_TAPS, Pairs, near_in, pairs_of, weighted
from convverify.judging.kernel import Kernel, make_kernel
from convverify.operands.case import Case
from convverify.operands.fills import styles
from convverify.operands.layouts import PLAIN, layouts
from convverify.problems.domain import Domain
from convverify.problems.dtypes import DEFAULT_DTYPES, FORMATS
from convverify.problems.problem import Padding, Pair, Problem, is_degenerate

# Both sides of the sizes at which kernels cut tiles and vectors.
EDGES = tuple(sorted({edge + step for edge in (8, 16, 32, 64, 128, 256) for step in (-1, 0, 1)}))
_FOCUSES = (
    (), (), (), (), ("width",), ("height",), ("in_channels",), ("out_channels",), ("batch",), ("height", "width"),
    ("in_channels", "out_channels"), ("groups",), ("width", "out_channels"), ("width", "in_channels"), ("in_channels", "deep"),
    ("kernel",), ("batch", "width"), ("groups", "out_channels"), ("height", "in_channels"), ("batch", "out_channels"),
)  # fmt: skip


def problems(
    *,
    domain: Domain | Mapping[str, Any] | str | None = None,
    strides: st.SearchStrategy[Pair] | None = None,
    padding: st.SearchStrategy[Padding] | Sequence[str] | None = None,
    dilations: st.SearchStrategy[Pair] | None = None,
    grouped: bool = True,
    dtypes: Sequence[str] = DEFAULT_DTYPES,
    max_macs: int | None = None,
    allow_empty: bool = True,
    degenerate: bool | None = None,
) -> st.SearchStrategy[Problem]:
    """Return a strategy for problems: mostly small, with one or two extents on either side of 8, 16, 32, 64, 128 or 256.

    Parameters
    ----------
    domain : which problems to draw, as a `Domain` or as what declares one (default: all)
    strides, dilations : strategies for pairs, vertical and horizontal (default: mostly 1 and 2, up to 32)
    padding : a strategy, or a selection of "VALID", "SAME" and "EXPLICIT" (default: all three)
    grouped : whether to draw grouped and depthwise problems
    dtypes : names of the dtypes to draw from
    max_macs : largest number of multiply-adds, as far as the domain has problems that are so cheap (default: 2**18, or more where the
        domain has none)
    allow_empty : whether to draw degenerate problems: with an extent of 0, or a kernel larger than the padded image
    degenerate : whether to draw these alone (True), or none (False); default: one in sixteen, where the domain has any

    Raises
    ------
    TypeError, ValueError
        Naming the argument, and where the domain has no problem.
    """
    for name, value in (("strides", strides), ("dilations", dilations)):
        if value is not None and not isinstance(value, st.SearchStrategy):
            raise TypeError(f"{name} must be a strategy for pairs of integers, not {value!r}")
    for dtype in dtypes:
        if dtype not in FORMATS:
            raise ValueError(f"dtypes must be among {', '.join(FORMATS)}, not {dtype!r}")
    if not dtypes:
        raise ValueError("dtypes must name at least one dtype")
    if max_macs is not None and max_macs < 1:
        raise ValueError(f"max_macs must be at least 1, not {max_macs}")
    named: Any = None if isinstance(padding, st.SearchStrategy) else padding
    if named is not None and (not named or any(name not in ("VALID", "SAME", "EXPLICIT") for name in named)):
        raise ValueError(f"padding must be a strategy or a selection of VALID, SAME and EXPLICIT, not {padding!r}")
    bounds = Domain(dtypes=tuple(dtypes), padding=named, groups=None if grouped else 1, degenerate=allow_empty)
    whole = Domain.of(domain).intersect(bounds)
    if degenerate and not whole.degenerate:
        raise ValueError(f"degenerate must not be True where the domain has no degenerate problem: {whole}")
    if whole.restrict(Problem(1, 8, 8, 8, 3, 3, 8)) is None:
        raise ValueError(f"the domain must have a problem to draw; none was found in {whole}")
    budget = default_budget(whole) if max_macs is None else max_macs
    plan = _Plan.of(whole, strides, padding if named is None else None, dilations, budget, degenerate)

    @st.composite
    def problems(draw: Any) -> Problem:  # without arguments: Hypothesis shows them, and the plan is long
        return _drawn(draw, plan)

    return problems()


_KERNELS = (
    (1, 1), (1, 1), (1, 1), (3, 3), (3, 3), (3, 3), (2, 2), (2, 2), (5, 5), (4, 4), (1, 2), (2, 1), (1, 3), (3, 1), (2, 3), (3, 2),
    (3, 4), (4, 2), (1, 5), (5, 1), (2, 5), (5, 3), (4, 1), (1, 7), (5, 6),
    (7, 7),
)  # fmt: skip
_STRIDES = (
    (1, 1), (1, 1), (1, 1), (1, 1), (1, 1), (2, 2), (2, 2), (2, 2), (1, 2), (2, 1), (1, 2), (2, 1), (3, 3), (2, 3), (3, 1), (1, 3),
    (3, 2), (4, 4), (4, 1), (1, 5), (5, 2), (2, 4), (7, 3), (3, 6),
)  # fmt: skip
_DILATIONS = (
    (1, 1), (1, 1), (1, 1), (1, 1), (1, 1), (1, 1), (1, 1), (2, 2), (2, 2), (2, 1), (1, 2), (3, 3), (1, 3), (2, 3), (3, 1), (5, 2), (1, 6),
    (4, 4),
)  # fmt: skip
_LARGE_KERNELS = weighted((1, (5, 6, 7, 8, 9, 11, 13, 16, 17, 33, 40)), (1, range(5, MOST_TAPS + 1)))
_MANY_TAPS = 150
_KINDS = st.sampled_from(("any",) * 10 + ("conventional",) * 4 + ("layer",) * 2)
_USUAL_KERNELS = tuple((size, size) for size in (1, 1, 2, 3, 3, 3, 3, 4, 5, 7, 11))
_USUAL_CHANNELS = st.sampled_from((1, 3, 4, 8, 16, 32, 3, 4, 8, 16, 2, 12, 24, 48, 64, 128))
_USUAL_GROUPS = st.sampled_from((1, 1, 1, 1, "depthwise", 2, 4))
_USUAL_IMAGE = st.one_of(st.integers(3, 20), st.sampled_from((6, 7, 8, 13, 14, 16, 27, 28, 32, 56)))
_USUAL_STRIDES = ((1, 1), (1, 1), (1, 1), (2, 2), (2, 2), (2, 1), (1, 2), (3, 3), (4, 4))
_USUAL_DILATIONS = ((1, 1),) * 10 + ((2, 2), (2, 2), (3, 3), (4, 4), (6, 6), (8, 8), (12, 12), (18, 18))
_SHAPES = st.sampled_from((4, 4, 4, 2, 8, 3, 6, 1, 16))  # of an output: quarters of the side of the square that the budget allows
_PATCHES = st.sampled_from((False,) * 9 + (True,))  # kernel = stride, as where images are cut into patches
_PATCH = weighted((1, (2, 4, 8, 14, 16, 32)), (1, range(2, MOST_STEP + 1)))
_COIN = st.booleans()
_CHANNELS = st.sampled_from((1, 1, 1, 2, 2, 3, 3, 4, 5, 6, 7, 8))
_BATCHES = weighted((6, (1, 1, 1, 2, 2, 3, 4, 5, 8)), (1, range(1, 41)), (1, EDGES[:12]))
_GROUPS = st.sampled_from((1, 1, 1, 1, 1, 2, 2, 3, 4, 6))
_PADS = weighted((5, (0, 0, 1, 1, 2, 3, 4, 5, 9)), (1, range(41)))
_SLACK = st.integers(0, 6)
_LARGE = weighted((6, EDGES), (1, range(5, 40)), (4, range(5, 301)), (1, range(5, 4500)))
_DEEP = weighted((1, (300, 511, 513, 640, 1000, 1025, 1027, 1030, 2049)), (1, range(257, 2100)))
_THRIFT = st.sampled_from((3, 3, 2, 1, 0))
_DEGENERATE = st.sampled_from((False,) * 15 + (True,))
_EMPTY = ("kernel", "batch", "height", "in_channels", "kernel", "width", "out_channels")
_EMPTIED = st.integers(0, len(_EMPTY) - 1)
_TRIES = 20  # draws of one problem: what `where` asks for may be missed now and then


@dataclass(frozen=True)
class _Plan:
    """What is drawn, as it follows from the domain once for all draws."""

    domain: Domain
    max_macs: int
    degenerate: bool | None
    focuses: st.SearchStrategy[tuple[str, ...]]
    kernels: Pairs
    strides: Pairs
    dilations: Pairs
    usual_kernels: Pairs
    usual_strides: Pairs
    usual_dilations: Pairs
    padding: st.SearchStrategy[Padding]
    dtypes: st.SearchStrategy[str]
    images: st.SearchStrategy[Pair] | None
    outputs: st.SearchStrategy[int]
    grouped: bool

    @classmethod
    def of(cls, domain: Domain, strides: Any, padding: Any, dilations: Any, max_macs: int, degenerate: bool | None) -> _Plan:
        """Return the plan for a domain; strategies that are given take the place of our own."""
        grouped = domain.groups.numbers is None or domain.groups.numbers.only != 1 or domain.groups.depthwise
        fixed = {
            "groups": not grouped, "kernel": domain.kernel.only, "batch": domain.batch.only, "in_channels": domain.in_channels.only,
            "out_channels": domain.out_channels.only, "height": domain.image.listed, "width": domain.image.listed,
        }  # fmt: skip
        narrow = None not in (domain.batch.only, domain.in_channels.only, domain.out_channels.only)
        return cls(
            domain,
            max_macs,
            degenerate if domain.degenerate else False,
            st.sampled_from([focus for focus in _FOCUSES if not any(fixed.get(name) for name in focus)]),
            pairs_of(domain.kernel, _KERNELS, MOST_TAPS),
            pairs_of(domain.strides, _STRIDES, MOST_STEP) if strides is None else Pairs(strategy=strides),
            pairs_of(domain.dilations, _DILATIONS, MOST_STEP) if dilations is None else Pairs(strategy=dilations),
            pairs_of(domain.kernel, _USUAL_KERNELS),
            pairs_of(domain.strides, _USUAL_STRIDES) if strides is None else Pairs(strategy=strides),
            pairs_of(domain.dilations, _USUAL_DILATIONS) if dilations is None else Pairs(strategy=dilations),
            padding if padding is not None else st.sampled_from(domain.padding),
            st.sampled_from(domain.dtypes),
            st.sampled_from(domain.image.listed) if domain.image.listed else None,
            st.integers(1, 24 if narrow else 6),  # where little else varies, images do
            grouped,
        )


def _drawn(draw: Any, plan: _Plan) -> Problem:
    for _ in range(_TRIES):
        kind = draw(_KINDS)
        drawn = _unconventional(draw, plan) if kind == "any" else _conventional(draw, plan, whole=kind == "layer")
        problem = plan.domain.ordinary.restrict(drawn)
        # Most problems are cheap, so that many can be tried.
        thrift = draw(_THRIFT)
        if problem is not None:
            budget = max(1, plan.max_macs >> (0 if kind == "layer" else thrift))
            problem = fit_budget(problem, budget, domain=plan.domain.ordinary)
        if plan.degenerate or (plan.degenerate is None and draw(_DEGENERATE)):
            emptied = _emptied(problem or drawn, plan.domain, draw(_EMPTIED))
            problem = emptied if plan.degenerate else emptied or problem
        if problem is not None:
            return problem
    return reject()


def _unconventional(draw: Any, plan: _Plan) -> Problem:
    focus, domain = draw(plan.focuses), plan.domain
    kernel = plan.kernels.draw(draw)
    if "kernel" in focus:
        kernel = near_in(domain.kernel, (kernel[0], draw(_LARGE_KERNELS))) or kernel
    stride, dilation = plan.strides.draw(draw), plan.dilations.draw(draw)
    pads = draw(plan.padding)
    groups = draw(_GROUPS) if plan.grouped else 1
    in_channels, out_channels, batch = draw(_CHANNELS), draw(_CHANNELS), draw(_BATCHES)
    rows, columns = draw(plan.outputs), draw(plan.outputs)
    if "groups" in focus:
        groups, in_channels, out_channels = draw(_LARGE), 1 + in_channels // 8, 1 + out_channels // 4
    if groups > 1 and "groups" not in focus:
        in_channels, out_channels = 1 + in_channels // 3, 1 + out_channels // 2
    batch = domain.batch.pick(batch) or 0
    in_channels = domain.in_channels.pick(in_channels * groups) or 0
    out_channels = domain.out_channels.pick(out_channels * groups) or 0
    large = draw(_LARGE) if focus else 1
    if "batch" in focus:
        batch = large
    if "in_channels" in focus:
        in_channels = draw(_DEEP) if "deep" in focus else large
    if "out_channels" in focus:
        out_channels = large if len(focus) == 1 else draw(_LARGE)
    if "height" in focus:
        rows = large
    if "width" in focus:
        columns = large if len(focus) == 1 else draw(_LARGE)
    if kernel[0] * kernel[1] > _MANY_TAPS:  # nothing else need be large then, and nothing can
        dilation = near_in(domain.dilations, (min(dilation[0], 3), min(dilation[1], 3))) or dilation
    extents, pads = _extents(draw, (rows, columns), kernel, stride, dilation, pads)
    if "width" in focus and domain.image.relation:
        extents[0] = extents[1]
    image = draw(plan.images) if plan.images is not None else domain.image.pick(extents) or extents
    in_channels, out_channels = (max(groups, channels // groups * groups) for channels in (in_channels, out_channels))
    return Problem(
        batch, image[0], image[1], in_channels, kernel[0], kernel[1], out_channels,
        strides=stride, padding=pads, dilations=dilation, groups=groups, dtype=draw(plan.dtypes),
    )  # fmt: skip


def _extents(
    draw: Any, outputs: Pair, kernel: Pair, strides: Pair, dilations: Pair, padding: Padding, *, halves: bool = False
) -> tuple[list[int], Padding]:
    """Return the image's extents that give so many outputs, some pixels left over that no window reaches, and the padding: of EXPLICIT
    ones some that are drawn, or `halves` of the kernel on each side."""
    extents, explicit = [], []
    for number, size, step, spread in zip(outputs, kernel, strides, dilations, strict=True):
        effective, slack = (size - 1) * spread + 1, draw(_SLACK) % step if step > 1 else 0
        extent = number * step - slack if padding == "SAME" else (number - 1) * step + effective + slack
        if padding == "EXPLICIT":
            explicit.append((effective // 2, effective // 2) if halves else (draw(_PADS), draw(_PADS)))
            extent -= sum(explicit[-1])
        extents.append(max(1, extent))
    return extents, (explicit[0], explicit[1]) if explicit else padding


def _conventional(draw: Any, plan: _Plan, *, whole: bool) -> Problem:
    """Draw a layer as networks have them: a square kernel, pads that keep the image, channels in fours, eights, sixteens, now and then
    dilated, strided, grouped, cropped, or cut into patches; one that uses the `whole` budget, or a smaller one.

    Fast paths are written for these, and faults of fast paths show nowhere else.  Choices come in the same order as for others, so that
    Hypothesis can put one kind of problem in place of the other when it shrinks.
    """
    draw(plan.focuses)
    domain = plan.domain
    kernel, stride, dilation = (pairs.draw(draw) for pairs in (plan.usual_kernels, plan.usual_strides, plan.usual_dilations))
    if draw(_PATCHES) and plan.strides.strategy is plan.dilations.strategy is None:
        size = draw(_PATCH)
        kernel, stride = near_in(domain.kernel, (size, size)) or kernel, near_in(domain.strides, (size, size)) or stride
        dilation = near_in(domain.dilations, (1, 1)) or dilation
    padding = draw(plan.padding)
    groups = draw(_USUAL_GROUPS) if plan.grouped else 1
    in_channels, out_channels, batch = draw(_USUAL_CHANNELS), draw(_USUAL_CHANNELS), draw(_BATCHES)
    in_channels, out_channels = domain.in_channels.pick(in_channels) or 1, domain.out_channels.pick(out_channels) or 1
    batch = domain.batch.pick(1 if whole else batch) or 0
    if groups == "depthwise":
        groups, out_channels = in_channels, in_channels * (1 + out_channels % 2)
    elif in_channels % groups or out_channels % groups:
        groups = 1
    outputs = draw(_USUAL_IMAGE), draw(_USUAL_IMAGE)
    if whole:
        room = Problem(max(1, batch), *kernel, in_channels, *kernel, out_channels, strides=stride, groups=groups)
        outputs = _side(plan.max_macs, room, draw(_SHAPES))
    extents, padding = _extents(draw, outputs, kernel, stride, dilation, padding, halves=True)
    image = draw(plan.images) if plan.images is not None else domain.image.pick(extents) or extents
    # Hypothesis takes the shorter of two series of choices for the simpler one.  This one has to be the longer, or all problems would
    # shrink to layers of networks.
    for _ in range(6):
        draw(_COIN)
    return Problem(
        batch, image[0], image[1], in_channels, kernel[0], kernel[1], out_channels,
        strides=stride, padding=padding, dilations=dilation, groups=groups, dtype=draw(plan.dtypes),
    )  # fmt: skip


def _side(budget: int, pixel: Problem, quarters: int) -> Pair:
    """Return the rows and columns of the output by which a layer, given for one pixel, uses a budget of multiply-adds, and its image no
    more elements than that; rows are so many quarters of the side of a square."""
    elements = max(1, pixel.batch * pixel.in_channels * pixel.strides[0] * pixel.strides[1])
    pixels = max(1, min(budget // max(1, pixel.macs), budget // elements))
    rows = min(pixels, max(1, math.isqrt(pixels) * quarters // 4))
    return rows, max(1, pixels // rows)


def _emptied(problem: Problem, domain: Domain, first: int) -> Problem | None:
    """Return a degenerate problem of the domain that is close to an ordinary one, trying the `first` way before others; None for none."""
    for way in (*_EMPTY[first:], *_EMPTY[:first]):
        if way == "kernel":
            small = problem.with_(height=1 + problem.height % 3, width=1 + problem.width % 4)
            if not is_degenerate(small):
                rows, columns = sum(small.pads[0]), sum(small.pads[1])
                small = small.with_(kernel_height=small.height + rows + 1 + columns % 2, kernel_width=max(1, small.width + columns - 1))
        else:
            small = problem.with_(**{way: 0})
        found = domain.restrict(small)
        if found is not None and is_degenerate(found):
            return found
    return None


def cases(
    kernel: Kernel | Callable[..., Any] | None = None,
    *,
    problems: st.SearchStrategy[Problem] | None = None,
    values: Sequence[str] | None = None,
    memory_layouts: Sequence[str] | None = None,
    **options: Any,
) -> st.SearchStrategy[Case]:
    """Return a strategy for cases: a problem, a value style, two memory layouts and a seed.

    Parameters
    ----------
    kernel : a function, or a Kernel: draw problems of its domain
    problems : strategy for the problem (default: `problems(**options)`); what it draws outside of the kernel's domain is brought inside
    values, memory_layouts : names of the styles and layouts to draw from (default: all)

    Raises
    ------
    TypeError, ValueError
        For what is not a kernel, and for an unknown name.
    """
    style_names, layout_names = tuple(values or styles.names()), tuple(memory_layouts or layouts.names())
    for given, registry in ((style_names, styles), (layout_names, layouts)):
        for name in given:
            _ = registry[name]
    made = None if kernel is None else kernel if isinstance(kernel, Kernel) else make_kernel(kernel)
    if problems is None:
        declared = made.domain.intersect(Domain.of(options.pop("domain", None))) if made else options.pop("domain", None)
        problems = globals()["problems"](domain=declared, **options)
    elif made is not None:
        inside: Any = problems.map(made.domain.restrict)
        problems = inside.filter(lambda problem: problem is not None)
    layout = st.sampled_from(sorted(layout_names, key=lambda name: name != PLAIN))
    return st.builds(Case, problems, st.sampled_from(style_names), st.tuples(layout, layout), st.integers(0, 2**32 - 1))
