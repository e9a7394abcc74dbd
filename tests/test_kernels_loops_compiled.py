"""`loops_compiled`: right on every form of problem, and safe wherever Numba's own threads are not."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from random_problems import arguments, integer_operands, random_problems

from convverify.kernels.loops_compiled import conv2d_loops_compiled
from convverify.kernels.shared.threads import limited_threads
from convverify.operands.layouts import layouts
from convverify.operands.placing import place
from convverify.problems.problem import Problem
from convverify.references.exact import convolve

THREADED = (
    "x=2x40x30x13 w=3x3x13x40 padding=SAME",
    "x=1x7x9x64 w=3x3x64x300 padding=1,1,1,1",
    "x=2x60x61x40 w=3x3x1x40 padding=SAME",
    "x=2x60x61x40 w=3x3x1x80 strides=2x2 padding=SAME",
    "x=2x40x41x32 w=3x3x8x64 strides=1x2 padding=2,1,0,3 dilations=2x1",
)


def normal_operands(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    return rng.standard_normal(problem.x_shape).astype(problem.dtype), rng.standard_normal(problem.w_shape).astype(problem.dtype)


def test_integer_operands_give_exact_results_on_every_form_of_problem():
    for number, problem in enumerate(random_problems(seed=3, count=300)):
        x, w = integer_operands(problem, number)
        y = conv2d_loops_compiled(x, w, **arguments(problem))
        expected = convolve(problem, x.astype(np.float64), w.astype(np.float64))
        assert y.dtype == x.dtype, problem
        np.testing.assert_array_equal(y.astype(np.float64), expected.astype(x.dtype).astype(np.float64), err_msg=str(problem))


@pytest.mark.parametrize("layout", layouts.names())
def test_every_memory_layout_gives_the_same_bits_and_is_left_alone(layout):
    for number, problem in enumerate(random_problems(seed=4, count=25)):
        x, w = integer_operands(problem, number)
        placed_x, placed_w = place(x, layout, number * 7919), place(w, layout, number * 104729)
        writeable = placed_x.array.flags.writeable
        y = conv2d_loops_compiled(placed_x.array, placed_w.array, **arguments(problem))
        plain = conv2d_loops_compiled(placed_x.values, placed_w.values, **arguments(problem))
        np.testing.assert_array_equal(y.astype(np.float64), plain.astype(np.float64), err_msg=f"{problem} {layout}")
        assert placed_x.array.flags.writeable == writeable
        assert not placed_x.written()
        assert not placed_w.written()
        assert not placed_x.overlaps(y)


@pytest.mark.parametrize("line", THREADED)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_bits_are_the_same_for_every_number_of_threads(line, dtype):
    problem = Problem.parse(line).with_(dtype=dtype)
    x, w = normal_operands(problem)
    results = []
    for threads in (1, 2, 3, 1):
        with limited_threads(threads):
            results.append(conv2d_loops_compiled(x, w, **arguments(problem)).tobytes())
    assert len(set(results)) == 1


def test_calls_from_several_threads_at_once_are_right():
    problems = [Problem.parse(line) for line in THREADED]
    operands = [normal_operands(problem) for problem in problems]
    expected = [conv2d_loops_compiled(*pair, **arguments(problem)) for pair, problem in zip(operands, problems, strict=True)]
    wrong: list[str] = []

    def work(first: int) -> None:
        for step in range(len(problems) * 3):
            number = (first + step) % len(problems)
            if not np.array_equal(conv2d_loops_compiled(*operands[number], **arguments(problems[number])), expected[number]):
                wrong.append(str(problems[number]))

    threads = [threading.Thread(target=work, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


CONCURRENT = """
import threading
import numba
import numpy as np
from convverify.kernels.loops_compiled import conv2d_loops_compiled
from convverify.kernels.shared.threads import limited_threads
x, w = np.ones((4, 40, 40, 16), np.float32), np.ones((3, 3, 16, 32), np.float32)
def work():
    with limited_threads(2):
        for _ in range(20):
            assert (conv2d_loops_compiled(x, w) == 144).all()
threads = [threading.Thread(target=work) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
try:
    print(numba.threading_layer())
except ValueError:
    print("none")
"""


def test_numbas_own_threads_which_do_not_bear_two_callers_are_never_started():
    finished = subprocess.run([sys.executable, "-c", CONCURRENT], capture_output=True, text=True, timeout=120)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.strip() == "none"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_can_convolve():
    problem = Problem.parse(THREADED[0])
    x, w = normal_operands(problem)
    with limited_threads(2):
        expected = conv2d_loops_compiled(x, w, **arguments(problem))
        child = os.fork()
        if child == 0:
            same = np.array_equal(conv2d_loops_compiled(x, w, **arguments(problem)), expected)
            os._exit(0 if same else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("line", THREADED)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_special_value_stays_in_the_windows_that_hold_it(line, value):
    problem = Problem.parse(line)
    x, w = integer_operands(problem)
    w[w == 0] = 1
    x[-1, 3, 4, -1] = value
    y = conv2d_loops_compiled(x, w, **arguments(problem))
    touched = np.zeros(problem.x_shape)
    touched[-1, 3, 4, -1] = 1
    reached = convolve(problem, touched, np.ones(problem.w_shape)) != 0
    np.testing.assert_array_equal(np.isfinite(y), ~reached)


def test_where_operands_begin_changes_no_bit_and_large_outputs_begin_with_a_cache_line():
    problem = Problem.parse("x=2x20x21x32 w=3x3x32x48 padding=SAME")
    rng = np.random.default_rng(3)
    x, w = rng.standard_normal(problem.x_shape, np.float32), rng.standard_normal(problem.w_shape, np.float32)
    results = []
    for start in (0, 4, 16, 32):
        placed = np.zeros(w.nbytes + 128, np.uint8)
        first = -placed.ctypes.data % 64 + start
        moved = placed[first : first + w.nbytes].view(np.float32).reshape(w.shape)
        moved[...] = w
        y = conv2d_loops_compiled(x, moved, padding="SAME")
        assert y.ctypes.data % 64 == 0
        results.append(y.tobytes())
        np.testing.assert_array_equal(moved, w)
    assert len(set(results)) == 1
