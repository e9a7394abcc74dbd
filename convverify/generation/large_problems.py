"""Large problems: layers as networks have them, large images, long axes, many channels, many images; from 10^6 multiply-adds on.

Faults of flat indices, of the split of work among threads, and of blocks of blocks show here alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from convverify.generation.budget import fit_budget
from convverify.operands.layouts import Choices, mixed
from convverify.problems.domain import Domain
from convverify.problems.problem import Padding, Problem

LEAST = 1 << 20  # multiply-adds from which on a problem is large
MOST_ELEMENTS = 3 << 20  # of an operand, and of the result
_MOST_WINDOWS = 1 << 24  # output pixels times terms: a kernel may gather them all


def large_problems(domain: Domain, dtypes: Sequence[str], number: int) -> Iterator[Problem]:
    """Yield ordinary problems of a domain without end, kind after kind; `number` decides all of them.

    There are none where the domain has none of that size.
    """
    domain, misses, place = domain.ordinary, 0, 0
    while misses < 4 * len(_KINDS):
        choices = Choices(mixed(number * 1_000_003 + place))
        turn, kind = divmod(place, len(_KINDS))
        draw, sizes = _KINDS[kind]
        wanted = draw(choices).with_(dtype=dtypes[choices.below(len(dtypes))])
        more = min(64, (1 << sizes[turn % len(sizes)]) // max(1, wanted.macs))
        inside = domain.restrict(wanted.with_(batch=max(more, wanted.batch)))
        problem = _fitted(inside, 1 << sizes[turn % len(sizes)], domain, images_first=bool(choices.below(2)))
        place += 1
        if problem is None:
            misses += 1
        else:
            misses = 0
            yield problem


def _fitted(problem: Problem | None, budget: int, domain: Domain, *, images_first: bool) -> Problem | None:
    """Return the problem cut down to a budget of multiply-adds and of memory, images before channels or behind them; None where it is not
    large then."""
    while problem is not None and budget >= LEAST:
        batch, rows, columns, channels = problem.output_shape
        elements = max(problem.batch * problem.height * problem.width * problem.in_channels, batch * rows * columns * channels)
        weights = problem.terms * channels
        if problem.macs <= budget and max(elements, weights) <= MOST_ELEMENTS and batch * rows * columns * problem.terms <= _MOST_WINDOWS:
            return problem if problem.macs >= LEAST or max(rows, columns, batch, channels) > 1 << 14 else None
        fewer = domain.restrict(problem.with_(batch=problem.batch // 2)) if problem.batch > 1 else None
        channels = max(problem.groups, problem.out_channels // 2 // problem.groups * problem.groups)
        narrower = domain.restrict(problem.with_(out_channels=channels)) if channels > 4 else None
        smaller = (fewer or narrower) if images_first else (narrower or fewer)
        if smaller is not None and smaller.macs < problem.macs:
            problem = smaller
        else:
            budget = min(budget, problem.macs) // 2 if problem.macs <= budget else budget
            problem = fit_budget(problem, budget, allow_empty=False, domain=domain)
            if problem.macs > budget:
                return None
    return None


def _one_of(choices: Choices, *numbers: int) -> int:
    return numbers[choices.below(len(numbers))]


def _near(choices: Choices, *numbers: int) -> int:
    """Return one of some numbers, or its neighbour."""
    return max(1, _one_of(choices, *numbers) + _one_of(choices, 0, -1, 1, 3))


def _padding(choices: Choices, kernel: int, dilation: int = 1) -> Padding:
    half = (kernel - 1) * dilation // 2
    return ("SAME", ((half, half), (half, half)), "VALID", "SAME")[choices.below(4)]


def _layer(choices: Choices) -> Problem:
    kernel, stride, dilation = _one_of(choices, 3, 3, 3, 1, 5, 7, 2), _one_of(choices, 1, 1, 1, 2), _one_of(choices, 1, 1, 1, 1, 2, 4)
    size, channels = ((56, 64), (28, 128), (14, 256), (7, 512), (112, 16), (33, 32), (17, 192))[choices.below(7)]
    inputs, results = channels * _one_of(choices, 1, 1, 1, 2) // _one_of(choices, 1, 1, 2, 4), channels // _one_of(choices, 1, 1, 2, 4)
    groups = _one_of(choices, 1, 1, 1, 1, 2, 4)
    return Problem(
        _one_of(choices, 1, 1, 2, 8, 16, 64), size, size + choices.below(2), inputs, kernel, kernel, results, strides=(stride, stride),
        padding=_padding(choices, kernel, dilation), dilations=(dilation, dilation), groups=groups,
    )  # fmt: skip


def _first_layer(choices: Choices) -> Problem:
    kernel, stride = ((7, 2), (3, 1), (3, 2), (5, 1), (11, 4), (16, 16), (14, 14))[choices.below(7)]
    size = _near(choices, 224, 224, 227, 256, 299, 320, 384)
    return Problem(
        _one_of(choices, 1, 1, 2, 4), size, size, _one_of(choices, 3, 3, 3, 1, 4), kernel, kernel, _one_of(choices, 64, 32, 16, 96),
        strides=(stride, stride), padding=_padding(choices, kernel),
    )  # fmt: skip


def _large_image(choices: Choices) -> Problem:
    kernel, stride = _one_of(choices, 3, 3, 1, 2, 5), _one_of(choices, 1, 1, 1, 2)
    return Problem(
        1, _near(choices, 512, 520, 640, 720, 1024), _near(choices, 512, 513, 640, 1024, 1280), _one_of(choices, 1, 2, 3, 4), kernel,
        kernel, _one_of(choices, 1, 2, 4, 8), strides=(stride, stride), padding=_padding(choices, kernel),
    )  # fmt: skip


def _long_axis(choices: Choices) -> Problem:
    length = _near(choices, 32770, 33000, 40000, 65537, 66000, 70001)
    inputs, results, taps = _one_of(choices, 1, 2, 4, 2), _one_of(choices, 1, 3, 4, 16), _one_of(choices, 3, 3, 1, 5)
    rows, padding = _one_of(choices, 1, 1, 2, 3), _padding(choices, 1)
    wide = Problem(1, rows, length, inputs, 1, taps, results, padding="SAME" if padding != "VALID" else padding)
    if choices.below(2):
        return wide
    return wide.with_(height=length, width=rows, kernel_height=taps, kernel_width=1)


def _many_channels(choices: Choices) -> Problem:
    pairs = ((512, 1024), (1024, 512), (2048, 512), (512, 2048), (1024, 1024), (1028, 1027))
    if choices.below(3):
        inputs, results = pairs[choices.below(len(pairs))]
        return Problem(_one_of(choices, 1, 1, 4), _one_of(choices, 1, 2, 4), _one_of(choices, 1, 3, 4), inputs, 1, 1, results)
    inputs, results = ((512, 512), (256, 1024), (1024, 256))[choices.below(3)]
    return Problem(1, _one_of(choices, 3, 5, 7), _one_of(choices, 3, 4), inputs, 3, 3, results, padding=_padding(choices, 3))


def _residual(choices: Choices) -> Problem:
    size, channels = ((56, 64), (28, 128), (14, 256), (7, 512))[choices.below(4)]
    strides = ((1, 1), (1, 1), (1, 1), (2, 2))[choices.below(4)]
    return Problem(1, size, size, channels, 3, 3, channels, padding=_padding(choices, 3), strides=strides)


def _many_images(choices: Choices) -> Problem:
    kernel, size = _one_of(choices, 3, 3, 1, 2), _one_of(choices, 3, 6, 8, 14, 14, 16)
    return Problem(
        _near(choices, 36, 64, 100, 128, 256, 1000), size, size + choices.below(2), _one_of(choices, 1, 3, 8, 16, 16, 32), kernel, kernel,
        _one_of(choices, 4, 8, 16, 32), padding=_padding(choices, kernel), strides=(1 + choices.below(2),) * 2,
    )  # fmt: skip


def _depthwise(choices: Choices) -> Problem:
    kernel, size, channels = _one_of(choices, 3, 3, 5, 7), _near(choices, 14, 28, 56, 112), _one_of(choices, 32, 64, 96, 144, 512)
    return Problem(
        _one_of(choices, 1, 1, 8, 32), size, size, channels, kernel, kernel, channels * _one_of(choices, 1, 1, 2), groups=channels,
        strides=(1 + choices.below(2),) * 2, padding=_padding(choices, kernel),
    )  # fmt: skip


# Each kind with its multiply-adds in powers of two, turn by turn: many take milliseconds, some a second of a quick kernel.
_KINDS: tuple[tuple[Callable[[Choices], Problem], tuple[int, ...]], ...] = (
    (_layer, (23, 25, 24, 26)), (_large_image, (23, 24, 26)), (_residual, (28,)), (_first_layer, (25, 26, 24, 27)),
    (_long_axis, (21, 23)), (_many_channels, (25,)), (_many_images, (24, 25, 26)), (_layer, (24, 27, 23, 28)),
    (_depthwise, (23, 24)),
)  # fmt: skip
