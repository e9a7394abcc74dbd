"""The table of edge cases: problems that every run tries first, whatever the seed.

Simple ones come first: most faults show within the first dozens, and then in a small form.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from convverify.generation.budget import fit_budget
from convverify.judging.kernel import Kernel
from convverify.operands.case import Case
from convverify.operands.fills import styles
from convverify.operands.layouts import PLAIN, layouts
from convverify.problems.domain import Domain
from convverify.problems.problem import Padding, Problem, is_degenerate

# Both sides of the sizes at which kernels cut tiles and vectors.
EDGES = tuple(sorted({edge + step for edge in (8, 16, 32, 64, 128, 256) for step in (-1, 0, 1)}))
_FIRST = 150  # ordinary cases before the degenerate ones
_PADDINGS: tuple[Padding, ...] = ("VALID", "SAME", ((1, 0), (0, 1)), ((2, 3), (0, 1)), ((0, 1), (4, 2)))


def corner_cases(kernel: Kernel, dtypes: Sequence[str], max_macs: int, *, degenerate: bool | None = None) -> Iterator[Case]:
    """Yield the cases of the table that the kernel's domain and the budget allow, each once: the simplest ordinary
    problems, degenerate ones, then all others.

    A problem outside of the domain stands for the one inside that is nearest.  `degenerate` True or False asks for one of the two alone.
    """
    ordinary = kernel.domain.ordinary
    table = itertools.chain(_table(ordinary, dtypes, max_macs), _placed_and_filled(ordinary, dtypes, max_macs))
    if degenerate is not True:
        yield from itertools.islice(table, _FIRST)
    if degenerate is not False and kernel.domain.degenerate:
        yield from _table(kernel.domain, dtypes, max_macs, degenerate=True)
    if degenerate is not True:
        yield from table


def _table(domain: Domain, dtypes: Sequence[str], max_macs: int, degenerate: bool = False) -> Iterator[Case]:
    """Yield a case of integers on each problem, and one of another style and layout on every other."""
    seen: set[Problem] = set()
    exact = ("integers", "long_integers", "cancelling_integers")  # all elements differ: no fault hides behind equal ones
    others = [entry.name for entry in styles if entry.traits["stage"] != "exact"]
    names = [name for name in layouts.names() if name != PLAIN]
    number = 0
    table = (
        *_basics(),
        *_alike(),
        *_small(),
        *_crossed(),
        *_sweeps(),
        *_conventional(),
        *_channels(),
        *_tails(),
        *_steps(),
        *_deep(),
        *_long(),
    )
    domain.foresee(wanted.with_(dtype=dtype) for wanted in table for dtype in dtypes)
    for wanted in table:
        if is_degenerate(wanted) != degenerate:
            continue
        problem = _inside(domain, wanted.with_(dtype=dtypes[number % len(dtypes)]), max_macs)
        if problem is None or problem in seen or problem.macs > max_macs or is_degenerate(problem) != degenerate:
            continue
        seen.add(problem)
        number += 1
        yield Case(problem, exact[number % len(exact)] if number > 12 else "integers", seed=number)
        if number % 2 == 0 and problem.macs < 1 << 16:
            placed = names[number // 2 % len(names)], names[number // 6 % len(names)]
            yield Case(problem, others[number // 2 % len(others)], placed if number % 4 else (PLAIN, PLAIN), seed=number + (number << 3))


def _inside(domain: Domain, wanted: Problem, max_macs: int) -> Problem | None:
    """Return the problem of the domain nearest to the one wanted, cheap enough where it is another; None where there is none."""
    problem = domain.restrict(wanted)
    return problem if problem is None or problem is wanted else fit_budget(problem, max_macs, domain=domain)


def _placed_and_filled(domain: Domain, dtypes: Sequence[str], max_macs: int) -> Iterator[Case]:
    """Yield every layout and every style on a few problems."""

    def inside(*wanted: Problem) -> list[Problem]:
        found = (_inside(domain, problem, max_macs) for problem in wanted)
        return list(dict.fromkeys(problem for problem in found if problem is not None and problem.macs <= max_macs))

    plain = Problem(2, 5, 6, 4, 3, 2, 6, strides=(1, 2), padding="SAME", groups=2)
    small = Problem(1, 4, 1, 3, 2, 1, 1)
    for dtype in dtypes:
        for number, name in enumerate(name for name in layouts.names() if name != PLAIN):
            for problem in inside(plain, small):
                for placed in ((name, PLAIN), (PLAIN, name), (name, name)):
                    yield Case(problem.with_(dtype=dtype), ("integers", "long_integers")[number % 2], placed, seed=number << 3)
    plainest = (Problem(1, 3, 4), Problem(1, 4, 5, strides=(2, 3)), Problem(2, 2, 9, kernel_width=3))
    one_tap = inside(Problem(2, 3, 4, 3, 1, 1, 3), Problem(1, 4, 5, 2, 1, 1, 2, strides=(2, 1)))
    for number, problem in enumerate(8 * one_tap):  # which an identity leaves as it is
        yield Case(problem, "simple", seed=number << 3)
    for problems, seeds in ((inside(plain), 2), (inside(small.with_(in_channels=40)), 1), (inside(*plainest), 4)):
        for problem, (number, name), seed in itertools.product(problems, enumerate(styles.names()), range(seeds)):
            yield Case(problem.with_(dtype=dtypes[seed % len(dtypes)]), name, seed=number + 8 * seed)


def _basics() -> Iterator[Problem]:
    yield Problem()
    yield Problem(1, 3, 3, 1, 3, 3, 1)
    yield Problem(1, 4, 5, 2, 2, 3, 3)
    yield Problem(1, 1, 3, 1, 1, 2, 1)
    yield Problem(1, 3, 1, 1, 2, 1, 1)
    yield Problem(2, 5, 4, 3, 3, 2, 2, padding="SAME")
    yield Problem(1, 6, 5, 2, 2, 3, 3, strides=(2, 1))
    yield Problem(1, 6, 7, 1, 2, 2, 2, strides=(2, 2), padding="SAME")
    yield Problem(1, 7, 6, 1, 2, 3, 2, dilations=(2, 1))
    yield Problem(1, 5, 5, 4, 2, 2, 6, groups=2)
    yield Problem(1, 4, 4, 3, 3, 3, 6, groups=3, padding="SAME")
    yield Problem(1, 3, 4, 2, 2, 2, 3, padding=((1, 2), (0, 3)))
    yield Problem(3, 4, 3, 5, 1, 1, 4)
    yield Problem(2, 6, 6, 1, 1, 1, 1, strides=(2, 2))


def _alike() -> Iterator[Problem]:
    """x and w of the same shape: both may be one array."""
    yield Problem(2, 3, 3, 3, 2, 3, 3)
    yield Problem(2, 2, 2, 2, 2, 2, 2)
    yield Problem(3, 3, 4, 4, 3, 3, 4, padding="SAME")


def _small() -> Iterator[Problem]:
    """What is small beside the kernel, the strides or the pads, down to nothing."""
    for padding in _PADDINGS:
        yield Problem(0, 4, 5, 2, 3, 2, 3, padding=padding)
        yield Problem(1, 1, 1, 2, 3, 3, 2, padding=padding)
        yield Problem(2, 1, 1, 3, 1, 1, 2, padding=padding)
        yield Problem(1, 2, 3, 1, 5, 7, 2, padding=padding, strides=(1, 2))
    for kernel, stride in itertools.product((1, 2, 3, 5), (1, 2, 3)):  # one pixel, and one row or column of them
        half = (kernel // 2, kernel // 2)
        yield Problem(1, 1, 1, 2, kernel, kernel, 2, strides=(stride, stride), padding=(half, half))
        yield Problem(1, 1, 1, 1, kernel, kernel, 3, strides=(stride, stride), padding="SAME", dilations=(1 + kernel % 2, 1))
        yield Problem(1, 1, 3, 1, kernel, kernel, 2, strides=(stride, stride), padding=(half, half))
        yield Problem(2, 4, 1, 1, kernel, kernel, 1, strides=(stride, 1), padding="SAME")
    for height, width, kernel in ((2, 2, 3), (2, 5, 3), (5, 2, 3), (1, 4, 2), (4, 1, 2), (3, 3, 4), (1, 1, 5)):
        yield Problem(1, height, width, 2, kernel, kernel, 2)
        yield Problem(2, height, width, 1, kernel, kernel, 3, strides=(3, 2))
    yield Problem(1, 4, 4, 0, 2, 2, 3)
    yield Problem(2, 3, 3, 2, 2, 2, 0)
    yield Problem(0, 3, 3, 4, 1, 1, 4, groups=4)
    yield Problem(1, 0, 4, 2, 1, 1, 2, padding="SAME")
    yield Problem(1, 4, 0, 2, 3, 3, 2, padding="SAME")
    yield Problem(1, 0, 3, 1, 2, 2, 1, padding=((2, 1), (0, 0)))
    for kernel in (2, 3, 4, 5):
        yield Problem(1, kernel, kernel, 2, kernel, kernel, 3)
        yield Problem(1, kernel, kernel + 1, 1, kernel, kernel, 1, strides=(kernel + 1, 7))
        yield Problem(1, 6, 7, 1, kernel, 1, 1, padding="SAME", strides=(3, 2))
        yield Problem(1, 2, 2, 1, kernel, kernel, 1, padding="SAME", dilations=(2, 3))
        yield Problem(1, 3, 3, 1, 1, 1, 1, padding=((kernel, 1), (0, kernel)), strides=(1, 2))


def _crossed() -> Iterator[Problem]:
    """Strides x padding x dilations x kernel x groups x channels: a walk through the product that meets every pair."""
    strides = ((1, 1), (2, 1), (1, 2), (2, 2), (3, 2), (2, 5), (4, 4))
    dilations = ((1, 1), (2, 1), (1, 2), (2, 2), (3, 1))
    kernels = ((3, 3), (2, 2), (1, 3), (3, 1), (2, 3), (4, 1), (1, 1), (5, 2), (1, 5), (7, 1))
    shapes = ((1, 1, 1), (1, 3, 2), (2, 2, 1), (3, 1, 1), (1, 4, 5), (4, 1, 2), (2, 3, 3), (3, 2, 2), (6, 1, 1))
    outputs = ((1, 1), (1, 4), (3, 1), (4, 5), (2, 3), (5, 2), (1, 2))
    for number in range(168):
        stride, dilation, kernel = strides[number % 7], dilations[number % 5], kernels[number * 3 % 10]
        padding, (groups, inputs, results) = _PADDINGS[number // 5 % 5], shapes[(number + number // 9) % 9]
        rows, columns = outputs[(number + number // 7) % 7]
        extents = [
            (o - 1) * s + (k - 1) * d + 1 + number // 3 % s for o, s, k, d in zip((rows, columns), stride, kernel, dilation, strict=True)
        ]
        yield Problem(
            1 + number % 2, extents[0], extents[1], groups * inputs, kernel[0], kernel[1], groups * results,
            strides=stride, padding=padding, dilations=dilation, groups=groups,
        )  # fmt: skip


def _sweeps() -> Iterator[Problem]:
    """Every kernel of one row or column, every square one, and every equal pair of strides and of dilations, to twice a vector's width;
    and kernels as large as the strides, which cut an image into patches."""
    for size in range(4, 41):
        yield Problem(1, 1, size + 3, 1, 1, size, 2)
        yield Problem(1, size + 2, 2, 2, size, 1, 1, padding="SAME")
        if size < 34:
            yield Problem(1, size + size % 3, size + 1, 1, size, size, 1, padding="SAME" if size % 3 == 0 else "VALID")
    for step in range(3, 33):
        yield Problem(1, 2 * step + 1, 2 * step + step % 3, 3, step, step, 2, strides=(step, step))
        yield Problem(1, 2 * step + 3, 2 * step + 2, 1, 3, 3, 2, dilations=(step, step), padding=("VALID", "SAME")[step % 2])
        yield Problem(1, step + 3, 2 * step + 2, 1, 3, 2, 1, strides=(step, step), padding=("SAME", "VALID")[step % 2])


def _conventional() -> Iterator[Problem]:
    """Small relatives of the layers that networks have, for which fast paths are written."""
    channels = ((3, 16), (16, 16), (4, 8), (8, 4), (32, 32), (1, 16), (16, 1), (3, 64), (64, 3), (48, 16))
    for number, (kernel, stride) in enumerate(itertools.product((3, 1, 5, 7, 2, 4, 11), (1, 2))):
        half = kernel // 2, kernel // 2
        paddings: tuple[Padding, ...] = ("SAME", (half, half), "VALID")
        for offset, padding in enumerate(paddings):
            inputs, results = channels[(number + 3 * offset) % len(channels)]
            rows, columns = kernel + 4 + number % 3, kernel + 5 + (number + offset) % 4
            yield Problem(1 + offset, rows, columns, inputs, kernel, kernel, results, strides=(stride, stride), padding=padding)
            inputs, results = channels[(number * 7 + offset + 1) % len(channels)]
            yield Problem(1, rows + 1, rows + 1, inputs, kernel, kernel, results, strides=(stride, stride), padding=padding)
            if kernel < 8:
                groups = (4, 8, 16)[offset]
                yield Problem(
                    1 + number % 2, rows, columns, groups, kernel, kernel, groups, strides=(stride, stride), padding=padding, groups=groups
                )
    for far in (4, 5, 8, 17, 33):  # large strides, dilations and pads, on one axis at a time
        yield Problem(1, 2 * far + 1, 3, 1, 3, 2, 2, dilations=(far, 1))
        yield Problem(1, 2, far + 2, 2, 1, 2, 1, dilations=(1, far))
        yield Problem(1, far + 2, 3, 1, 2, 2, 1, strides=(far, 1))
        yield Problem(1, 3, 2 * far + 3, 1, 2, 3, 2, strides=(2, far), padding="SAME")
        yield Problem(1, 2, 3, 1, 2, 2, 1, padding=((far, 1), (0, far - 1)))
        yield Problem(1, 3, 2, 2, 3, 1, 1, padding=((0, far), (far, 2)), strides=(1, 2))
    for taps in (65, 129, 257):
        yield Problem(1, 1, taps + 3, 1, 1, taps, 2)
        yield Problem(1, taps + 2, 2, 2, taps, 1, 1, padding="SAME")


def _channels() -> Iterator[Problem]:
    """Input channels x output channels, on both sides of the widths of vectors: blocks of the one are often chosen by the other."""
    extents = (1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 24, 32)
    kernels = ((1, 1), (3, 3), (1, 2), (1, 1), (2, 1))
    for number, (inputs, results) in enumerate(itertools.product(extents, extents)):
        kernel = kernels[number % 5]
        yield Problem(1, 1 + kernel[0] // 2, 2, inputs, kernel[0], kernel[1], results, padding="SAME" if kernel == (3, 3) else "VALID")


def _tails() -> Iterator[Problem]:
    """Each axis alone on both sides of the sizes of tiles and vectors."""
    for size in (*EDGES, 300):
        odd = size % 2
        yield Problem(1, 3, size, 2, 2, 3, 2, padding="SAME" if odd else "VALID")
        yield Problem(1, size, 3, 2, 3, 2, 2, padding="SAME" if odd else "VALID")
        yield Problem(1, 2, 3, size, 1 + odd, 2, 2)
        yield Problem(1, 2, 3, 2, 1 + odd, 2, size)
        yield Problem(size, 2, 3, 1, 2, 2, 2)
        yield Problem(1, 3, 3, size, 2, 2, size, groups=size)
        yield Problem(1, 2, size, 3, 1, 1, 5, strides=(1, 1 + odd))
        yield Problem(1, 1, 3, size, 1, 1, size)
    for size in (6, 10, 12, 20, 24, 48, 96):
        yield Problem(1, 3, size + 1, size, 1, 2, size + 2)
        yield Problem(1, size, size, 2, 3, 3, 2, padding="SAME", strides=(2, 2))


def _steps() -> Iterator[Problem]:
    """Every small pair of strides, and of dilations."""
    for number, (down, across) in enumerate(itertools.product(range(1, 7), repeat=2)):
        padding: Padding = "SAME" if number % 2 else "VALID"
        yield Problem(1, down + 3, 2 * across + 2, 1, 3, 2, 2, strides=(down, across), padding=padding)
        yield Problem(1, 2 * down + 2, across + 2, 2, 3, 2, 1, dilations=(down, across), padding=padding)


def _deep() -> Iterator[Problem]:
    """Long sums: where blocks over the depth of reduction end, and where a poor accumulator shows."""
    for depth in (257, 384, 511, 513, 576, 1023, 1025, 1027, 1030, 2047, 2049, 4097):
        yield Problem(1, 1, 2, depth, 1, 1, 3)
    for channels in (57, 64, 114, 115, 128, 256):
        yield Problem(1, 3, 4, channels, 3, 3, 2)
        yield Problem(1, 4, 3, 2 * channels, 3, 3, 4, padding="SAME", groups=2)


def _long() -> Iterator[Problem]:
    """One very long axis: indices beyond 15 and 16 bits."""
    yield Problem(1, 65, 66, 1, 3, 3, 1, padding="SAME")
    yield Problem(1, 70, 64, 2, 1, 1, 2)
    yield Problem(1, 130, 130, 1, 2, 2, 1, strides=(2, 1))
    for size in (1024, 1251, 2050, 4097):
        yield Problem(size, 2, 1, 1, 2, 1, 2)
        yield Problem(1, 1, size, 2, 1, 3, 1, padding="SAME")
        yield Problem(1, size, 1, 1, 2, 1, 2)
        yield Problem(1, 1, 2, 2, 1, 2, size)
    for size in (32769, 65537):
        yield Problem(size, 1, 1, 1, 1, 1, 1)
        yield Problem(1, 1, size, 1, 1, 2, 1)
        yield Problem(1, size, 1, 1, 2, 1, 1)
        yield Problem(1, 1, 1, size, 1, 1, 1)
        yield Problem(1, 1, 1, 1, 1, 1, size)
    yield Problem(1, 260, 256, 1, 1, 2, 1)
