"""Random small problems, and operands whose convolution is exact, for the tests of kernels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from convverify.problems.dtypes import FORMATS, numpy_dtype
from convverify.problems.problem import Problem

DEGENERATE = (
    "x=0x5x5x3 w=3x3x3x4",  # no image
    "x=2x5x5x3 w=3x3x3x0",  # no output channel
    "x=2x0x5x3 w=1x1x3x4",  # no row
    "x=2x5x5x0 w=3x3x0x4",  # no term: zeros
    "x=2x0x5x3 w=3x3x3x4 padding=2,2,1,1",  # nothing but pads
    "x=1x3x4x2 w=5x7x2x3",  # kernel larger than the image: no output
    "x=1x3x4x2 w=5x7x2x3 padding=SAME",
    "x=1x3x4x2 w=3x3x2x3 padding=9,0,0,8",  # pads larger than the kernel
    "x=2x3x4x2 w=2x2x2x3 strides=7x5 padding=9,9,9,9",  # strides larger than the kernel
    "x=1x5x6x2 w=3x2x2x3 dilations=40x50 padding=60,50,40,70",  # dilations larger than the image
    "x=2x5x5x3 w=3x3x1x3",  # a group for each channel
    "x=2x5x5x3 w=3x3x1x9 strides=2x1 padding=SAME",
    "x=2x6x5x6 w=3x3x2x9 padding=1,2,0,3",
    "x=3x1x1x1 w=1x1x1x1",
    "x=1x1x1x700 w=1x1x700x1",
)


def random_problem(rng: np.random.Generator, most_macs: int = 1_000_000) -> Problem:
    """Return a problem with every parameter drawn, mostly small and now and then with one large extent."""

    def between(low: int, high: int) -> int:
        return int(rng.integers(low, high + 1))

    while True:
        large = [between(7, 70) if rng.random() < 0.08 else None for _ in range(4)]
        groups = (1, 1, 1, 2, 3, 7)[between(0, 5)]
        inputs, outputs = (1, between(1, 2)) if groups > 3 else (large[0] or between(0, 5), large[1] or between(0, 6))
        pads = ("VALID", "SAME", ((between(0, 4), between(0, 4)), (between(0, 4), between(0, 4))))[between(0, 2)]
        problem = Problem(
            between(0, 3), large[2] or between(0, 12), large[3] or between(0, 12), groups * inputs, between(1, 4), between(1, 4),
            groups * outputs, (between(1, 3), between(1, 3)), pads, (between(1, 3), between(1, 3)), groups,
            ("float32", "float32", "float64", "float16", "bfloat16")[between(0, 4)],
        )  # fmt: skip
        if problem.macs <= most_macs and problem.terms <= FORMATS[problem.dtype].exact_integers:
            return problem


def random_problems(seed: int, count: int) -> Iterator[Problem]:
    """Yield the degenerate problems and `count` random ones."""
    yield from map(Problem.parse, DEGENERATE)
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield random_problem(rng)


def integer_operands(problem: Problem, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return x and w of small integers: every sum of their products is exact in the problem's dtype."""
    rng = np.random.default_rng(seed)
    most = 1 if FORMATS[problem.dtype].precision < 24 else 4
    x, w = rng.integers(-most, most + 1, problem.x_shape), rng.integers(-most, most + 1, problem.w_shape)
    return x.astype(numpy_dtype(problem.dtype)), w.astype(numpy_dtype(problem.dtype))


def arguments(problem: Problem) -> dict[str, object]:
    """Return the keyword arguments that pose the problem to a kernel."""
    return {"strides": problem.strides, "padding": problem.tf_padding, "dilations": problem.dilations, "groups": problem.groups}
