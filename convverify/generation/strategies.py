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

from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st

from convverify.judging.kernel import Kernel, make_kernel
from convverify.operands.case import Case
from convverify.operands.fills import styles
from convverify.operands.layouts import PLAIN, layouts
from convverify.problems.dtypes import DEFAULT_DTYPES, FORMATS
from convverify.problems.problem import Padding, Pair, Problem

DEFAULT_MACS = 1 << 18

# Both sides of the sizes at which kernels cut tiles and vectors.
EDGES = tuple(sorted({edge + step for edge in (8, 16, 32, 64, 128, 256) for step in (-1, 0, 1)}))
_FOCUSES = (
    (), (), (), (), ("width",), ("height",), ("in_channels",), ("out_channels",), ("batch",), ("height", "width"),
    ("in_channels", "out_channels"), ("groups",), ("width", "out_channels"), ("width", "in_channels"), ("in_channels", "deep"),
    ("kernel",), ("batch", "width"), ("groups", "out_channels"), ("height", "in_channels"), ("oversize",), ("oversize",),
    ("batch", "out_channels"),
)  # fmt: skip


def problems(
    *,
    strides: st.SearchStrategy[Pair] | None = None,
    padding: st.SearchStrategy[Padding] | Sequence[str] | None = None,
    dilations: st.SearchStrategy[Pair] | None = None,
    grouped: bool = True,
    dtypes: Sequence[str] = DEFAULT_DTYPES,
    max_macs: int = DEFAULT_MACS,
    allow_empty: bool = True,
) -> st.SearchStrategy[Problem]:
    """Return a strategy for problems: mostly small, with one or two extents on either side of 8, 16, 32, 64, 128 or 256.

    Parameters
    ----------
    strides, dilations : strategies for pairs, vertical and horizontal (default: mostly 1 and 2, up to 7)
    padding : a strategy, or a selection of "VALID", "SAME" and "EXPLICIT" (default: all three)
    grouped : whether to draw grouped and depthwise problems
    dtypes : names of the dtypes to draw from
    max_macs : largest number of multiply-adds
    allow_empty : whether to draw empty batches and kernels larger than the padded image

    Raises
    ------
    TypeError, ValueError
        Naming the argument.
    """
    for name, value in (("strides", strides), ("dilations", dilations)):
        if value is not None and not isinstance(value, st.SearchStrategy):
            raise TypeError(f"{name} must be a strategy for pairs of integers, not {value!r}")
    for dtype in dtypes:
        if dtype not in FORMATS:
            raise ValueError(f"dtypes must be among {', '.join(FORMATS)}, not {dtype!r}")
    if not dtypes:
        raise ValueError("dtypes must name at least one dtype")
    if max_macs < 1:
        raise ValueError(f"max_macs must be at least 1, not {max_macs}")
    if padding is not None and not isinstance(padding, st.SearchStrategy):
        unknown = [name for name in padding if name not in ("VALID", "SAME", "EXPLICIT")]
        if unknown or not padding:
            raise ValueError(f"padding must be a strategy or a selection of VALID, SAME and EXPLICIT, not {padding!r}")
    return _problems(
        strides if strides is not None else _STRIDES,
        padding if isinstance(padding, st.SearchStrategy) else st.sampled_from(tuple(padding or ("VALID", "SAME", "EXPLICIT"))),
        dilations if dilations is not None else _DILATIONS,
        grouped,
        st.sampled_from(tuple(dtypes)),
        max_macs,
        allow_empty,
    )


def _simplest_first(pairs: Sequence[Pair]) -> st.SearchStrategy[Pair]:
    """Draw one of the pairs, each as likely as another, and shrink towards the smallest."""
    return st.sampled_from(sorted(pairs, key=lambda pair: (pair[0] * pair[1], pair)))


_KERNELS = _simplest_first((
    (1, 1), (1, 1), (1, 1), (3, 3), (3, 3), (3, 3), (2, 2), (2, 2), (5, 5), (4, 4), (1, 2), (2, 1), (1, 3), (3, 1), (2, 3), (3, 2),
    (3, 4), (4, 2), (1, 5), (5, 1), (2, 5), (5, 3), (4, 1), (1, 7), (5, 6),
    (7, 7),
))  # fmt: skip
_STRIDES = _simplest_first((
    (1, 1), (1, 1), (1, 1), (1, 1), (1, 1), (2, 2), (2, 2), (2, 2), (1, 2), (2, 1), (1, 2), (2, 1), (3, 3), (2, 3), (3, 1), (1, 3),
    (3, 2), (4, 4), (4, 1), (1, 5), (5, 2), (2, 4), (7, 3), (3, 6),
))  # fmt: skip
_DILATIONS = _simplest_first((
    (1, 1), (1, 1), (1, 1), (1, 1), (1, 1), (1, 1), (1, 1), (2, 2), (2, 2), (2, 1), (1, 2), (3, 3), (1, 3), (2, 3), (3, 1), (5, 2), (1, 6),
    (4, 4),
))  # fmt: skip
_UNDILATED = st.just((1, 1))
_LARGE_KERNELS = st.sampled_from((5, 6, 7, 8, 9, 11, 13, 16, 17, 33, 40))
_CONVENTIONAL = st.sampled_from((False, False, True))
_USUAL_KERNELS = st.sampled_from((1, 1, 2, 3, 3, 3, 3, 4, 5, 7, 11))
_USUAL_CHANNELS = st.sampled_from((1, 3, 4, 8, 16, 32, 3, 4, 8, 16, 2, 12, 24, 48, 64, 128))
_USUAL_GROUPS = st.sampled_from((1, 1, 1, 1, "depthwise", 2, 4))
_USUAL_IMAGE = st.one_of(st.integers(3, 20), st.sampled_from((6, 7, 8, 13, 14, 16, 27, 28, 32, 56)))
_COIN = st.booleans()
_SMALL = st.integers(1, 6)
_CHANNELS = st.sampled_from((1, 1, 1, 2, 2, 3, 3, 4, 5, 6, 7, 8))
_BATCHES = st.sampled_from((1, 1, 1, 2, 2, 3, 4, 5, 8))
_GROUPS = st.sampled_from((1, 1, 1, 1, 1, 2, 2, 3, 4, 6))
_PADS = st.sampled_from((0, 0, 1, 1, 2, 3, 4, 5, 9))
_SLACK = st.integers(0, 6)
_LARGE = st.one_of(st.sampled_from(EDGES), st.integers(5, 300))
_DEEP = st.sampled_from((300, 511, 513, 640, 1000, 1025, 1027, 1030, 2049))
_FOCUS = st.sampled_from(_FOCUSES)
_THRIFT = st.sampled_from((3, 3, 2, 1, 0))


@st.composite
def _problems(
    draw: Any, strides: Any, padding: Any, dilations: Any, grouped: bool, dtypes: Any, max_macs: int, allow_empty: bool
) -> Problem:
    if draw(_CONVENTIONAL):
        usual = _UNDILATED if dilations is _DILATIONS else dilations
        return fit_budget(_conventional(draw, strides, padding, usual, grouped, dtypes), max(1, max_macs >> draw(_THRIFT)), allow_empty)
    focus = draw(_FOCUS)
    kernel_height, kernel_width = draw(_KERNELS)
    if "kernel" in focus:
        kernel_width = draw(_LARGE_KERNELS)
    stride, dilation = draw(strides), draw(dilations)
    pads = draw(padding)
    groups = draw(_GROUPS) if grouped else 1
    in_channels, out_channels, batch = draw(_CHANNELS), draw(_CHANNELS), draw(_BATCHES)
    rows, columns = draw(_SMALL), draw(_SMALL)
    if "groups" in focus and grouped:
        groups, in_channels, out_channels = draw(_LARGE), 1 + in_channels // 8, 1 + out_channels // 4
    if groups > 1 and "groups" not in focus:
        in_channels, out_channels = 1 + in_channels // 3, 1 + out_channels // 2
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
    if groups > 1 and "groups" not in focus:
        in_channels, out_channels = max(1, in_channels // groups), max(1, out_channels // groups)
    extents, explicit = [], []
    for outputs, kernel, step, spread in zip((rows, columns), (kernel_height, kernel_width), stride, dilation, strict=True):
        effective, slack = (kernel - 1) * spread + 1, draw(_SLACK) % step if step > 1 else 0
        extent = outputs * step - slack if pads == "SAME" else (outputs - 1) * step + effective + slack
        if pads == "EXPLICIT":
            explicit.append((draw(_PADS), draw(_PADS)))
            extent -= sum(explicit[-1])
        extents.append(max(1, extent))
    if "oversize" in focus and allow_empty:
        extents = [1 + extents[0] % 3, 1 + extents[1] % 4]
        batch = 0 if large % 4 == 0 else batch
    return fit_budget(
        Problem(
            batch, extents[0], extents[1], in_channels * groups, kernel_height, kernel_width, out_channels * groups,
            strides=stride, padding=(explicit[0], explicit[1]) if pads == "EXPLICIT" else pads, dilations=dilation, groups=groups,
            dtype=draw(dtypes),
        ),
        max(1, max_macs >> draw(_THRIFT)),  # most problems are cheap, so that many can be tried
        allow_empty,
    )  # fmt: skip


def _conventional(draw: Any, strides: Any, padding: Any, dilations: Any, grouped: bool, dtypes: Any) -> Problem:
    """Draw a layer as networks have them: a square kernel, pads that keep the image, channels in fours, eights, sixteens.

    Fast paths are written for these, and faults of fast paths show nowhere else.  Choices come in the same order as in `_problems`, so
    that Hypothesis can put one kind of problem in place of the other when it shrinks.
    """
    draw(_FOCUS)
    kernel = draw(_USUAL_KERNELS)
    stride, dilation = draw(strides), draw(dilations)
    pads = draw(padding)
    if pads == "EXPLICIT":
        pads = ((kernel // 2, kernel // 2),) * 2
    groups = draw(_USUAL_GROUPS) if grouped else 1
    in_channels, out_channels, batch = draw(_USUAL_CHANNELS), draw(_USUAL_CHANNELS), draw(_BATCHES)
    if groups == "depthwise":
        groups, out_channels = in_channels, in_channels * (1 + out_channels % 2)
    elif in_channels % groups or out_channels % groups:
        groups = 1
    rows, columns = draw(_USUAL_IMAGE), draw(_USUAL_IMAGE)
    # Hypothesis takes the shorter of two series of choices for the simpler one.  This one has to be the longer, or all problems would
    # shrink to layers of networks.
    for _ in range(6):
        draw(_COIN)
    return Problem(
        batch, rows, columns, in_channels, kernel, kernel, out_channels, strides=stride, padding=pads, dilations=dilation, groups=groups,
        dtype=draw(dtypes),
    )  # fmt: skip


def fit_budget(problem: Problem, max_macs: int, allow_empty: bool = True) -> Problem:
    """Return the problem, cut down to `max_macs` multiply-adds where need be: smaller extents give way first, so that a large one stays."""
    if not allow_empty and problem.is_empty:
        rows, columns = problem.effective_kernel
        problem = problem.with_(batch=max(1, problem.batch), height=max(rows, problem.height), width=max(columns, problem.width))
    while max(problem.macs, _elements(problem)) > max_macs:
        effective = problem.effective_kernel
        choices = {
            "batch": (problem.batch, 1),
            "height": (problem.height, effective[0]),
            "width": (problem.width, effective[1]),
            "out_channels": (problem.out_channels // problem.groups, 1),
            "in_channels": (problem.in_channels // problem.groups, 1),
        }
        able = {name: extent for name, (extent, least) in choices.items() if extent > least}
        if not able:
            if problem.groups > 1:
                problem = problem.with_(groups=1, in_channels=1, out_channels=1)
            elif problem.kernel_height * problem.kernel_width > 1:
                problem = problem.with_(kernel_height=1, kernel_width=1)
            else:
                return Problem(dtype=problem.dtype, padding=problem.padding if isinstance(problem.padding, str) else "VALID")
            continue
        name = min(able, key=lambda name: able[name])
        unit = problem.groups if name in ("in_channels", "out_channels") else 1
        cut = able[name] // 2 if able[name] > 4 else able[name] - 1
        problem = problem.with_(**{name: max(choices[name][1], cut) * unit})
    return problem


def _elements(problem: Problem) -> int:
    """Elements of the larger of x and y, by which memory traffic grows."""
    batch, rows, columns, channels = problem.output_shape
    return max(problem.batch * problem.height * problem.width * problem.in_channels, batch * rows * columns * channels)


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
    kernel : a function, or a Kernel: restrict problems to what its signature declares
    problems : strategy for the problem (default: `problems(**options)`)
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
    drawn = problems if problems is not None else globals()["problems"](**options)
    if kernel is not None:
        drawn = drawn.map((kernel if isinstance(kernel, Kernel) else make_kernel(kernel)).restrict)
    layout = st.sampled_from(sorted(layout_names, key=lambda name: name != PLAIN))
    return st.builds(Case, drawn, st.sampled_from(style_names), st.tuples(layout, layout), st.integers(0, 2**32 - 1))
