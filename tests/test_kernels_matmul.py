"""`matmul` and `matmul_offsets`: right on every form of problem, the same bits on any number of threads, little memory."""

from __future__ import annotations

import os
import sys
import threading
import tracemalloc

import numpy as np
import pytest
from random_problems import arguments, integer_operands, random_problems
from threadpoolctl import ThreadpoolController, threadpool_info, threadpool_limits

from convverify.kernels import matmul
from convverify.kernels.blocking import blocks_of
from convverify.kernels.depthwise import plan_of as depthwise_plan
from convverify.kernels.matmul import conv2d_matmul
from convverify.kernels.matmul_offsets import conv2d_matmul_offsets
from convverify.kernels.planning import COLUMNS, PATCHES, ROWS
from convverify.kernels.shared import threads
from convverify.kernels.shared.threads import limited_threads, run_pieces, thread_count
from convverify.operands.layouts import layouts
from convverify.operands.placing import place
from convverify.problems.problem import Problem
from convverify.problems.suites import find_suite
from convverify.references.exact import convolve

KERNELS = pytest.mark.parametrize("kernel", [conv2d_matmul, conv2d_matmul_offsets])
THREADED = (  # large enough for threads; every way that matmul can go
    "x=3x40x30x16 w=3x3x16x40 padding=SAME",
    "x=1x7x9x64 w=3x3x64x300 padding=1,1,1,1",
    "x=1x14x15x32 w=3x3x16x256 padding=SAME",
    "x=2x50x51x20 w=1x1x20x64",
    "x=2x40x41x40 w=3x3x1x40 padding=SAME",
    "x=2x40x41x40 w=3x3x1x80 strides=2x2 padding=SAME",
    "x=2x60x61x40 w=3x3x1x40 strides=2x2 padding=SAME",
    "x=2x41x150x80 w=3x5x1x80 padding=SAME",
    "x=8x7x8x64 w=3x3x64x48 padding=SAME",
    "x=3x70x50x30 w=3x5x1x30 strides=3x2 padding=4,1,0,3 dilations=2x1",
    "x=2x40x41x32 w=3x3x8x64 strides=1x2 padding=2,1,0,3 dilations=2x1",
    "x=40x16x17x3 w=3x3x3x16",
    "x=45x17x16x2 w=5x3x2x16 strides=2x3 padding=SAME",
    "x=2x66x64x16 w=3x5x16x33 strides=2x1 padding=SAME",
    "x=2x30x201x12 w=3x3x12x8 padding=SAME",
    "x=2x61x205x3 w=7x7x3x16 strides=2x2 padding=3,3,3,3",
)


def normal_operands(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    return rng.standard_normal(problem.x_shape).astype(problem.dtype), rng.standard_normal(problem.w_shape).astype(problem.dtype)


@KERNELS
def test_integer_operands_give_exact_results_on_every_form_of_problem(kernel):
    for number, problem in enumerate(random_problems(seed=1, count=300)):
        x, w = integer_operands(problem, number)
        y = kernel(x, w, **arguments(problem))
        expected = convolve(problem, x.astype(np.float64), w.astype(np.float64))
        assert y.dtype == x.dtype, problem
        np.testing.assert_array_equal(y.astype(np.float64), expected.astype(x.dtype).astype(np.float64), err_msg=str(problem))


@pytest.mark.parametrize("line", THREADED)
def test_integer_operands_give_exact_results_whichever_way_is_taken(line):
    problem = Problem.parse(line)
    x, w = integer_operands(problem)
    expected = convolve(problem, x.astype(np.float64), w.astype(np.float64))
    np.testing.assert_array_equal(conv2d_matmul(x, w, **arguments(problem)), expected)


@KERNELS
@pytest.mark.parametrize("layout", layouts.names())
def test_every_memory_layout_gives_the_same_bits_and_is_left_alone(kernel, layout):
    for number, problem in enumerate(random_problems(seed=2, count=25)):
        x, w = integer_operands(problem, number)
        placed_x, placed_w = place(x, layout, number * 7919), place(w, layout, number * 104729)
        y = kernel(placed_x.array, placed_w.array, **arguments(problem))
        plain = kernel(placed_x.values, placed_w.values, **arguments(problem))
        np.testing.assert_array_equal(y.astype(np.float64), plain.astype(np.float64), err_msg=f"{problem} {layout}")
        assert not placed_x.written()
        assert not placed_w.written()
        assert not placed_x.overlaps(y)
        assert not placed_w.overlaps(y)


@pytest.mark.parametrize("line", THREADED)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_bits_are_the_same_for_every_number_of_threads(line, dtype):
    problem = Problem.parse(line).with_(dtype=dtype)
    x, w = normal_operands(problem)
    results = []
    for count in (1, 2, 3, 1):
        with limited_threads(count):
            results.append(conv2d_matmul(x, w, **arguments(problem)).tobytes())
    assert len(set(results)) == 1


def test_the_problems_above_take_every_way():
    plans = [matmul.plan(Problem.parse(line)) for line in THREADED]
    assert {plan.way for plan in plans} == {PATCHES, COLUMNS, ROWS}
    assert {len(plan.channels) > 1 for plan in plans} == {False, True}


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_layers_that_are_worth_two_threads_are_cut_into_two_pieces_at_least(batch):
    """One piece leaves a thread idle: 8x7x7 outputs of 512 channels once took twice the time."""
    for suite in ("resnet50", "vgg16", "mobilenet_v2", "inception_v3", "unet"):
        for layer in find_suite(suite, batch):
            problem = layer.problem
            if problem.macs >= 2 * matmul._THREADED:
                plan = matmul.plan(problem)
                depthwise = problem.groups > 1 and problem.groups == problem.in_channels
                pieces = len(depthwise_plan(problem, True).pieces) if depthwise else max(len(plan.channels), len(plan.blocks))
                assert pieces >= 2, (suite, layer.name)


def test_calls_from_several_threads_at_once_are_right_and_deterministic():
    problems = [Problem.parse(line) for line in THREADED]
    operands = [normal_operands(problem) for problem in problems]
    expected = [conv2d_matmul(*pair, **arguments(problem)) for pair, problem in zip(operands, problems, strict=True)]
    wrong: list[str] = []

    def work(first: int) -> None:
        for step in range(len(problems) * 2):
            number = (first + step) % len(problems)
            y = conv2d_matmul(*operands[number], **arguments(problems[number]))
            if not np.array_equal(y, expected[number]):
                wrong.append(str(problems[number]))

    threads = [threading.Thread(target=work, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_outputs_are_fresh():
    problem = Problem.parse("x=2x9x8x4 w=3x3x4x6 padding=SAME")
    x, w = integer_operands(problem)
    first = conv2d_matmul(x, w, padding="SAME")
    kept = first.copy()
    second = conv2d_matmul(x + 1, w, padding="SAME")
    np.testing.assert_array_equal(first, kept)
    assert not np.shares_memory(first, second)


@pytest.mark.parametrize("line", [*THREADED, "x=2x9x8x4 w=3x3x4x6 padding=SAME", "x=1x6x40x3 w=3x3x1x6 padding=SAME"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_special_value_stays_in_the_windows_that_hold_it(line, value):
    problem = Problem.parse(line)
    x, w = integer_operands(problem)
    w[w == 0] = 1
    x[-1, 3, 4, -1] = value
    with np.errstate(invalid="ignore"):
        y = conv2d_matmul(x, w, **arguments(problem))
    touched = np.zeros(problem.x_shape)
    touched[-1, 3, 4, -1] = 1
    reached = convolve(problem, touched, np.ones(problem.w_shape)) != 0
    assert reached.any()
    np.testing.assert_array_equal(np.isfinite(y), ~reached)


@pytest.mark.parametrize(
    "line",
    [
        "x=64x56x56x64 w=3x3x64x64 padding=SAME",
        "x=256x32x32x3 w=3x3x3x16",
        "x=8x28x28x1024 w=3x3x1024x16 padding=SAME",
        "x=64x56x56x32 w=3x3x1x32 padding=SAME",
        "x=1x3x60000x16 w=3x3x16x8 padding=SAME",
        "x=1x3000x3000x3 w=1x1x3x8 strides=30x30 padding=1,1,1,1",
        "x=1x3000x3000x3 w=1x1x1x3 strides=30x30 padding=1,1,1,1",
    ],
)
def test_extra_memory_stays_below_64_mebibytes_at_any_batch(line):
    problem = Problem.parse(line)
    x, w = np.ones(problem.x_shape, np.float32), np.ones(problem.w_shape, np.float32)
    with limited_threads(2):
        tracemalloc.start()
        y = conv2d_matmul(x, w, **arguments(problem))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak - y.nbytes < 64 << 20


@pytest.mark.parametrize("pixels", [1, 5, 12, 13, 40, 155, 156, 1000])
def test_blocks_cover_every_output_pixel_once(pixels):
    problem = Problem.parse("x=3x13x12x1 w=1x1x1x1")
    seen = np.zeros(problem.output_shape[:3], int)
    for block in blocks_of(problem, pixels):
        part = seen[block.image : block.image_end, block.row : block.row_end, block.column : block.column_end]
        part += 1
        assert 0 < block.pixels == part.size <= pixels
    assert (seen == 1).all()


def test_limited_threads_sets_the_number_and_restores_it():
    before = thread_count()
    with limited_threads(3):
        assert thread_count() == 3
    assert thread_count() == before
    with pytest.raises(ValueError, match="at least 1"), limited_threads(0):
        pass


def test_the_number_of_blas_threads_is_what_it_was_after_a_call():
    problem = Problem.parse(THREADED[0])
    x, w = normal_operands(problem)
    with threadpool_limits(2, user_api="blas"):
        conv2d_matmul(x, w, **arguments(problem))
        assert {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"} == {2}


def test_every_thread_can_hold_blas_to_one_thread():
    """threadpoolctl 3.8 listens to the first thread alone."""
    libraries = ThreadpoolController().select(user_api="blas").lib_controllers
    single_threaded_blas = type(threads.single_threaded_blas)()  # SciPy's BLAS may have come since another one looked

    def numbers():
        return {library.get_num_threads() for library in libraries}

    with threadpool_limits(2, user_api="blas"):
        inside, after = [], []

        def hold():
            with single_threaded_blas:
                inside.append(numbers())
            after.append(numbers())

        for _ in range(2):
            thread = threading.Thread(target=hold)
            thread.start()
            thread.join()
        hold()
    assert inside == [{1}] * 3
    assert after == [{2}] * 3


def test_an_error_in_a_piece_is_raised_and_the_rest_is_not_begun():
    begun = []

    def piece(number: int) -> None:
        begun.append(number)
        if number == 2:
            raise RuntimeError("piece 2")

    with pytest.raises(RuntimeError, match="piece 2"):
        run_pieces(piece, range(100), threads=1)
    assert begun == [0, 1, 2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_can_convolve():
    problem = Problem.parse(THREADED[0])
    x, w = normal_operands(problem)
    with limited_threads(2):
        expected = conv2d_matmul(x, w, **arguments(problem))
        child = os.fork()
        if child == 0:
            same = np.array_equal(conv2d_matmul(x, w, **arguments(problem)), expected)
            sys.stdout.flush()
            os._exit(0 if same else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
