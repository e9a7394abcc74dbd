"""The problem owns the arithmetic of extents, prints itself as one line, and refuses what is not a convolution."""

from __future__ import annotations

import itertools
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from convverify.generation.strategies import problems
from convverify.problems.dtypes import FORMATS
from convverify.problems.problem import Problem, output_extent, same_pads
from convverify.references import tensorflow
from convverify.references.exact import convolve

DTYPES = tuple(FORMATS)
EXTENT = st.integers(0, 12)


# The line.


@given(problem=problems(dtypes=DTYPES))
@example(problem=Problem(0, 0, 0, 0, out_channels=0, groups=3))
@example(problem=Problem(in_channels=0, out_channels=4, groups=2))
def test_a_problem_is_read_back_from_its_line(problem: Problem) -> None:
    assert Problem.parse(str(problem)) == problem


def test_a_line_says_only_what_is_not_ordinary() -> None:
    assert str(Problem(1, 5, 6, 2, 3, 4, 7)) == "x=1x5x6x2 w=3x4x2x7"
    line = "x=2x7x9x4 w=3x2x2x6 strides=2x1 padding=1,2,3,4 dilations=1x2 dtype=float16"
    problem = Problem.parse(line)
    assert str(problem) == line
    assert (problem.groups, problem.pads, problem.strides) == (2, ((1, 2), (3, 4)), (2, 1))


def test_the_order_of_keys_does_not_matter() -> None:
    words = ["x=1x5x6x4", "w=3x3x2x2", "strides=2x1", "padding=same", "dtype=float64"]
    assert len({Problem.parse(" ".join(order)) for order in itertools.permutations(words)}) == 1


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("x=1x5x5x3", "key 'w' is missing"),
        ("w=1x1x1x1", "key 'x' is missing"),
        ("x=1x5x5 w=1x1x1x1", "x must be 4 integers as NxNxNxN, not '1x5x5'"),
        ("x=1x5x5x3 w=3x3x3x1 w=1x1x3x1", "key 'w' is given twice"),
        ("x=1x5x5x3 w=3x3x3x1 stride=2x2", "key 'stride' is unknown; allowed: x, w, strides"),
        ("x=1x5x5x3 w=3x3x3x1 fast", "'fast' is not of the form key=value"),
        ("x=1x5x5x3 w=3x3x2x1", "3 channels, which are not a multiple of w's 2"),
        ("x=1x5x5x4 w=3x3x2x3", "out_channels must be a multiple of groups=2, not 3"),
        ("x=1x5x5x4 w=3x3x2x2 groups=4", "in each of 4 groups"),
        ("x=1x5x5x4 w=3x3x4x2 groups=0", "groups must be at least 1"),
        ("x=1x5x5x3 w=0x3x3x1", "kernel_height must be at least 1, not 0"),
        ("x=-1x5x5x3 w=3x3x3x1", "batch must be at least 0, not -1"),
        ("x=1x5x5x3 w=3x3x3x1 strides=0x1", "strides must be at least 1, not 0"),
        ("x=1x5x5x3 w=3x3x3x1 dilations=1x0", "dilations must be at least 1, not 0"),
        ("x=1x5x5x3 w=3x3x3x1 padding=0,-1,0,0", "padding (bottom) must be at least 0, not -1"),
        ("x=1x5x5x3 w=3x3x3x1 padding=FULL", "padding must be 4 integers as N,N,N,N, not 'FULL'"),
        ("x=1x5x5x3 w=3x3x3x1 dtype=int8", "dtype must be one of float16, bfloat16, float32, float64, not 'int8'"),
        ("x=1x5x5x9999999999999999 w=1x1x1x1", "x must be 4 integers"),
        ("x=1x5x5x³ w=1x1x1x1", "x must be 4 integers"),
        ("x=1x5x5x٣ w=1x1x1x1", "x must be 4 integers"),
        ("x=1x5x5x1_0 w=1x1x1x1", "x must be 4 integers"),
        (f"x=1x5x5x1{'0' * 400} w=1x1x1x1", "x must be 4 integers"),
        ("", "missing"),
    ],
)
def test_an_impossible_line_is_refused_in_one_sentence(line: str, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)) as caught:
        Problem.parse(line)
    assert "\n" not in str(caught.value)


WORDS = st.sampled_from(("x=", "w=", "strides=", "padding=", "groups=", "1x5x5x3", "3x3x3x2", "2x2", "SAME", ",", " ", "-", "0", "٣"))


@given(line=st.one_of(st.text("xw=1 ,-³٣\n\0", max_size=40), st.lists(WORDS, max_size=14).map("".join)))
def test_any_text_is_a_problem_or_a_value_error(line: str) -> None:
    try:
        problem = Problem.parse(line)
    except ValueError:
        return
    assert Problem.parse(str(problem)).x_shape == problem.x_shape


# The fields.


@pytest.mark.parametrize(
    ("fields", "error", "told"),
    [
        ({"batch": -1}, ValueError, "batch must be at least 0, not -1"),
        ({"height": 2.0}, TypeError, "height must be an integer, not 2.0"),
        ({"width": True}, TypeError, "width must be an integer, not True"),
        ({"kernel_width": 0}, ValueError, "kernel_width must be at least 1, not 0"),
        ({"groups": 0}, ValueError, "groups must be at least 1, not 0"),
        ({"in_channels": 3, "groups": 2}, ValueError, "in_channels must be a multiple of groups=2, not 3"),
        ({"in_channels": 2, "out_channels": 3, "groups": 2}, ValueError, "out_channels must be a multiple of groups=2, not 3"),
        ({"strides": (0, 1)}, ValueError, "strides must be at least 1, not 0"),
        ({"batch": 10**15}, ValueError, "batch must be at most 999999999999999, not 1000000000000000"),
        ({"padding": ((10**400, 0), (0, 0))}, ValueError, "padding (top) must be at most 999999999999999, not 1000"),
        ({"strides": 2}, TypeError, "strides must be a pair of integers (vertical, horizontal), not 2"),
        ({"strides": (1, 2, 2, 1)}, TypeError, "strides must be a pair"),
        ({"dilations": (1, -1)}, ValueError, "dilations must be at least 1, not -1"),
        ({"padding": "FULL"}, ValueError, "padding must be VALID, SAME or"),
        ({"padding": 1}, TypeError, "padding must be VALID, SAME or"),
        ({"padding": ((1, 1),)}, ValueError, "padding must be VALID, SAME or"),
        ({"padding": ((1, 1), (0, -1))}, ValueError, "padding (right) must be at least 0, not -1"),
        ({"padding": ((1, 1), (0, 0.5))}, TypeError, "padding (right) must be an integer, not 0.5"),
        ({"padding": ((1, 0), (0, 0), (0, 0), (0, 0))}, ValueError, "padding must leave the batch and the channels alone"),
        ({"dtype": "int32"}, ValueError, "dtype must be one of float16, bfloat16, float32, float64, not 'int32'"),
    ],
)
def test_what_is_not_a_convolution_is_refused_by_the_name_of_its_field(fields: dict[str, Any], error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=re.escape(told)):
        Problem(**fields)


def test_numpy_integers_are_integers() -> None:
    problem = Problem(np.int64(2), 3, 3, strides=np.array([2, 1]), padding=np.array([[1, 0], [0, 1]]))
    assert problem == Problem(2, 3, 3, strides=(2, 1), padding=((1, 0), (0, 1)))
    assert hash(problem) == hash(Problem(2, 3, 3, strides=(2, 1), padding=((1, 0), (0, 1))))


def test_pads_are_taken_in_every_form_that_tensorflow_takes() -> None:
    pads = [[0, 0], [1, 2], [3, 4], [0, 0]]
    explicit = Problem(1, 5, 5, padding=pads)  # type: ignore[arg-type]  # lists, as users write them
    assert explicit == Problem(1, 5, 5, padding=((1, 2), (3, 4)))
    assert explicit.tf_padding == pads
    assert Problem(padding="same").tf_padding == "SAME"
    assert Problem(padding="VALID").pads == ((0, 0), (0, 0))


# The arithmetic.


@given(extent=EXTENT, before=st.integers(0, 5), after=st.integers(0, 5), kernel=st.integers(1, 9), stride=st.integers(1, 5))
def test_the_output_has_one_element_for_each_window_that_fits(extent: int, before: int, after: int, kernel: int, stride: int) -> None:
    padded = before + extent + after
    windows = sum(start + kernel <= padded for start in range(0, padded + 1, stride))
    assert output_extent(extent, (before, after), kernel, stride) == windows


@given(extent=EXTENT, kernel=st.integers(1, 9), stride=st.integers(1, 5))
def test_same_pads_give_an_output_for_each_stride_and_put_the_odd_one_behind(extent: int, kernel: int, stride: int) -> None:
    before, after = same_pads(extent, kernel, stride)
    assert after - before in (0, 1)
    if extent:
        assert output_extent(extent, (before, after), kernel, stride) == len(range(0, extent, stride))
    if extent and before:  # no more of them than are needed
        assert output_extent(extent, (before, after - 1), kernel, stride) < len(range(0, extent, stride))


def test_same_pads_are_those_of_tensorflow() -> None:
    tf = tensorflow.load()
    for extent, kernel, stride, dilation in itertools.product(range(1, 7), range(1, 5), (1, 2, 3), (1, 2)):
        problem = Problem(1, extent, 1, 1, kernel, 1, 1, strides=(stride, 1), padding="SAME", dilations=(dilation, 1))
        x, w = np.arange(1.0, extent + 1, dtype=np.float32).reshape(problem.x_shape), np.ones(problem.w_shape, np.float32)
        w[:, 0, 0, 0] = 100.0 ** np.arange(kernel)  # each output tells which pixels its window holds, and where: exactly
        with tf.device("/CPU:0"):
            same = tf.nn.conv2d(x, w, problem.strides, "SAME", dilations=problem.dilations).numpy()
        explicit = convolve(problem.with_(padding=problem.pads), x.astype(np.float64), w.astype(np.float64))
        np.testing.assert_array_equal(same, explicit, err_msg=str(problem))


def test_a_kernel_larger_than_the_padded_image_gives_an_empty_output() -> None:
    problem = Problem.parse("x=1x3x4x2 w=5x7x2x3 padding=0,1,1,1")
    assert problem.output_shape == (1, 0, 0, 3)
    assert problem.is_empty
    assert problem.macs == 0


@given(problem=problems(max_macs=20_000))
def test_multiply_adds_are_those_of_the_definition(problem: Problem) -> None:
    y, weights = np.empty(problem.output_shape), np.empty(problem.w_shape)
    assert problem.terms == np.prod(weights.shape[:3])
    assert problem.macs == y.size * problem.terms


@given(problem=problems())
def test_the_last_window_ends_within_the_padded_image(problem: Problem) -> None:
    sizes = zip(
        (problem.height, problem.width), problem.pads, problem.effective_kernel, problem.strides, problem.output_shape[1:3], strict=True
    )
    for extent, (before, after), effective, stride, outputs in sizes:
        padded = before + extent + after
        assert outputs == 0 or (outputs - 1) * stride + effective <= padded
        assert outputs * stride + effective > padded


def test_a_dilated_kernel_covers_the_pixels_between_its_taps() -> None:
    problem = Problem(kernel_height=3, kernel_width=4, dilations=(2, 5))
    assert problem.effective_kernel == (len(range(0, 3 * 2, 2)) + 2, 16)


def test_a_copy_with_changes_is_checked_too() -> None:
    with pytest.raises(ValueError, match="height must be at least 0"):
        Problem().with_(height=-1)
