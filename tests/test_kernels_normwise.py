"""`fft`, `winograd_2x2` and `winograd_4x4`: within their bound on every form of problem, or unsupported."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from random_problems import arguments, integer_operands, random_problems

from convverify.kernels import kernels
from convverify.kernels.fft import _smooth
from convverify.kernels.shared.threads import limited_threads
from convverify.operands.fills import styles
from convverify.operands.layouts import layouts
from convverify.operands.placing import place, values_of
from convverify.operations.normwise import is_winograd_problem, normwise_bound
from convverify.problems.problem import Problem
from convverify.references.exact import convolve

NAMES = ("fft", "winograd_2x2", "winograd_4x4")
LARGER = ("x=2x40x37x9 w=3x3x9x30 padding=SAME", "x=2x31x30x12 w=3x3x4x18 padding=2,1,0,3", "x=1x20x21x40 w=3x3x40x200 dtype=float64")


def assert_within_bound(name: str, problem: Problem, x: np.ndarray, w: np.ndarray) -> None:
    x64, w64 = x.astype(np.float64), w.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):  # one style makes sums overflow, where the bound says nothing
        y = kernels[name].function(x, w, **arguments(problem))
        error = np.abs(y.astype(np.float64) - convolve(problem, x64, w64))
    assert y.dtype == x.dtype, problem
    bound = np.broadcast_to(normwise_bound(problem, x64, w64), error.shape)
    assert ((error <= bound) | np.isinf(bound)).all(), f"{name} on {problem}: {error.max()}"


def applicable(name: str, problem: Problem) -> Problem:
    """Return the problem, made one for Winograd's algorithm where the kernel asks for that."""
    if name == "fft":
        return problem
    return problem.with_(kernel_height=3, kernel_width=3, strides=(1, 1), dilations=(1, 1))


@pytest.mark.parametrize("name", NAMES)
def test_errors_stay_within_the_bound_on_every_form_of_problem_and_style(name):
    rounding = [style.name for style in styles if style.traits["stage"] != "special" and style.name != "overflowing"]
    for number, problem in enumerate(random_problems(seed=5, count=200)):
        problem = applicable(name, problem)
        x, w = values_of(problem, rounding[number % len(rounding)], number)
        assert_within_bound(name, problem, x, w)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("line", LARGER)
@pytest.mark.parametrize("style", ["normal", "mixed", "huge", "positive"])
def test_errors_stay_within_the_bound_on_larger_problems(name, line, style):
    problem = Problem.parse(line)
    assert_within_bound(name, problem, *values_of(problem, style, 1))


@pytest.mark.parametrize("name", NAMES)
def test_results_are_close_to_right_and_not_merely_within_a_loose_bound(name):
    for number, problem in enumerate(random_problems(seed=6, count=80)):
        problem = applicable(name, problem).with_(dtype="float64")
        x, w = integer_operands(problem, number)
        np.testing.assert_allclose(kernels[name].function(x, w, **arguments(problem)), convolve(problem, x, w), rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", ["winograd_2x2", "winograd_4x4"])
def test_what_winograd_does_not_take_is_unsupported(name):
    for problem in random_problems(seed=7, count=60):
        if not is_winograd_problem(problem):
            with pytest.raises(NotImplementedError, match="3x3"):
                kernels[name].function(*integer_operands(problem), **arguments(problem))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("layout", layouts.names())
def test_every_memory_layout_gives_the_same_bits_and_is_left_alone(name, layout):
    for number, problem in enumerate(random_problems(seed=8, count=12)):
        problem = applicable(name, problem)
        x, w = integer_operands(problem, number)
        placed_x, placed_w = place(x, layout, number * 7919), place(w, layout, number * 104729)
        y = kernels[name].function(placed_x.array, placed_w.array, **arguments(problem))
        plain = kernels[name].function(placed_x.values, placed_w.values, **arguments(problem))
        np.testing.assert_array_equal(y.astype(np.float64), plain.astype(np.float64), err_msg=f"{problem} {layout}")
        assert not placed_x.written()
        assert not placed_w.written()
        assert not placed_x.overlaps(y)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("line", LARGER)
def test_the_bits_are_the_same_for_every_number_of_threads_and_of_callers(name, line):
    problem = Problem.parse(line)
    x, w = values_of(problem, "normal", 2)
    kernel = kernels[name].function
    results = []
    for count in (1, 2, 3):
        with limited_threads(count):
            results.append(kernel(x, w, **arguments(problem)).tobytes())
    callers = [threading.Thread(target=lambda: results.append(kernel(x, w, **arguments(problem)).tobytes())) for _ in range(3)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(results) == 6
    assert len(set(results)) == 1


def test_lengths_of_transforms_have_no_prime_factor_above_five():
    assert [_smooth(extent) for extent in (1, 7, 11, 13, 30, 31, 127, 226)] == [1, 8, 12, 15, 30, 32, 128, 240]
