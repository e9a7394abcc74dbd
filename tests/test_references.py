"""The references agree with each other, refuse what they say they refuse, and are quiet."""

from __future__ import annotations

import itertools
import subprocess
import sys
import tracemalloc
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import convverify
from convverify.generation.strategies import cases, problems
from convverify.operands.case import Case
from convverify.operations import forward
from convverify.operations.forward import convolve, gather_windows, tensorflow_refuses
from convverify.problems.problem import Problem
from convverify.references import exact, references, tensorflow


def parameters(problem: Problem) -> dict[str, Any]:
    return {"strides": problem.strides, "padding": problem.tf_padding, "dilations": problem.dilations, "groups": problem.groups}


def by_definition(problem: Problem, x: np.ndarray, w: np.ndarray) -> list[Fraction]:
    """The definition, in rational numbers."""
    (top, _), (left, _) = problem.pads
    inputs, outputs = problem.in_channels // problem.groups, problem.out_channels // max(1, problem.groups)
    y = []
    for n, i, j, k in itertools.product(*map(range, problem.output_shape)):
        total = Fraction(0)
        for a, b, c in itertools.product(*map(range, problem.w_shape[:3])):
            row, column = i * problem.strides[0] + a * problem.dilations[0] - top, j * problem.strides[1] + b * problem.dilations[1] - left
            if 0 <= row < problem.height and 0 <= column < problem.width:
                total += Fraction(float(x[n, row, column, k // outputs * inputs + c])) * Fraction(float(w[a, b, c, k]))
        y.append(total)
    return y


@given(case=cases(values=["integers", "long_integers", "cancelling_integers", "impulse", "simple"], max_macs=250))
def test_exact_arithmetic_is_exact_on_integers(case: Case) -> None:
    x, w = case.values()
    y = exact.conv2d(x, w, **parameters(case.problem))
    assert y.dtype == np.float64
    assert y.shape == case.problem.output_shape
    assert [Fraction(float(value)) for value in y.ravel()] == by_definition(case.problem, x, w)


@given(case=cases(values=["normal", "mixed", "cancelling"], max_macs=250, dtypes=["float32"]))
def test_exact_arithmetic_is_within_the_bound_of_float64_on_reals(case: Case) -> None:
    x, w = case.values()
    y, magnitude = (exact.conv2d(a, b, **parameters(case.problem)) for a, b in ((x, w), (abs(x), abs(w))))
    n = Fraction(case.problem.terms, 2**53)
    for value, right, size in zip(y.ravel(), by_definition(case.problem, x, w), magnitude.ravel(), strict=True):
        assert abs(Fraction(float(value)) - right) <= n / (1 - n) ** 2 * Fraction(float(size))


@given(case=cases(values=["integers", "long_integers"], max_macs=3000, allow_empty=False))
def test_tensorflow_and_exact_arithmetic_agree(case: Case) -> None:
    x, w = case.values()
    np.testing.assert_array_equal(tensorflow.conv2d(x, w, **parameters(case.problem)), exact.conv2d(x, w, **parameters(case.problem)))


REFUSED = st.builds(
    Problem,
    st.integers(0, 2), st.integers(0, 6), st.integers(1, 6), st.integers(0, 2), st.integers(1, 6), st.integers(1, 2), st.integers(0, 2),
    st.tuples(st.integers(1, 3), st.integers(1, 2)), st.sampled_from(("VALID", "SAME", ((0, 1), (1, 0)))),
    dtype=st.sampled_from(("float32", "float64", "float16")),
)  # fmt: skip


@settings(max_examples=300)
@given(problem=REFUSED)
def test_tensorflow_refuses_what_we_say_it_refuses_and_nothing_else(problem: Problem) -> None:
    tf = tensorflow.load()
    x, w = np.ones(problem.x_shape, problem.dtype), np.ones(problem.w_shape, problem.dtype)
    refused = False
    try:
        tf.nn.conv2d(x, w, problem.strides, problem.tf_padding)
    except tf.errors.InvalidArgumentError:
        refused = True
    # oneDNN, which not every processor gets, refuses a filter without output channels where others compute it
    assert refused == bool(tensorflow_refuses(problem)) or (not refused and not problem.out_channels)


def test_a_refusal_is_not_implemented() -> None:
    x, w = np.ones((1, 1, 3, 1), np.float32), np.ones((3, 1, 1, 1), np.float32)
    with pytest.raises(NotImplementedError, match="exceeds the padded image by two strides"):
        tensorflow.conv2d(x, w)


@pytest.mark.parametrize("name", references.names())
@pytest.mark.parametrize(
    ("change", "error", "told"),
    [
        ({"x": np.ones((3, 3, 1), np.float32)}, ValueError, "x must have 4 axes, not 3"),
        ({"w": np.ones((1, 1, 1, 1))}, TypeError, "x and w must have the same dtype"),
        ({"groups": 2}, ValueError, "groups"),
        ({"strides": (0, 1)}, ValueError, "strides must be at least 1"),
        ({"padding": "FULL"}, ValueError, "padding must be VALID, SAME or"),
    ],
)
def test_wrong_arguments_are_named(name: str, change: dict[str, Any], error: type[Exception], told: str) -> None:
    arguments = {"x": np.ones((1, 3, 3, 1), np.float32), "w": np.ones((1, 1, 1, 1), np.float32)} | change
    with pytest.raises(error, match=told):
        references[name].function(**arguments)


@given(problem=problems(max_macs=500, grouped=False))
def test_windows_hold_the_pixels_under_the_kernel(problem: Problem) -> None:
    x = np.arange(1.0, np.prod(problem.x_shape) + 1).reshape(problem.x_shape)
    windows = gather_windows(problem, x, outside=-1.0)
    assert windows.shape == (1, problem.batch, problem.output_shape[1] * problem.output_shape[2], problem.terms)
    assert np.isin(windows, [-1.0, *x.ravel()]).all()


@pytest.mark.parametrize("block", [1, 300, 2000])  # a row at a time, some rows, some images
def test_large_problems_are_done_in_blocks(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    problem = Problem(5, 6, 6, 4, 3, 3, 4, groups=2)
    rng = np.random.default_rng(0)
    x, w = rng.integers(-9, 9, problem.x_shape).astype(float), rng.integers(-9, 9, problem.w_shape).astype(float)
    whole = convolve(problem, x, w)
    monkeypatch.setattr(forward, "_BLOCK", block)
    np.testing.assert_array_equal(convolve(problem, x, w), whole)


def test_the_windows_of_a_large_image_are_never_all_in_memory() -> None:
    problem = Problem(1, 130, 130, 64, 3, 3, 2)
    x, w = np.ones(problem.x_shape), np.ones(problem.w_shape)
    tracemalloc.start()
    convolve(problem, x, w)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < problem.output_shape[1] * problem.output_shape[2] * problem.terms * 8 / 2


def test_tensorflow_forgets_what_it_keeps_for_each_combination_of_attributes(monkeypatch: pytest.MonkeyPatch) -> None:
    tensorflow.load()
    from tensorflow.python.eager.context import Context

    forgotten: list[int] = []
    monkeypatch.setattr(Context, "clear_kernel_cache", lambda self: forgotten.append(1))
    monkeypatch.setattr(tensorflow, "_FORGET_EVERY", 3)
    x, w = np.ones((1, 3, 3, 1), np.float32), np.ones((1, 1, 1, 1), np.float32)
    for _ in range(6):
        tensorflow.conv2d(x, w)
    assert len(forgotten) == 2


def test_tensorflow_is_loaded_late_and_writes_nothing() -> None:
    script = """
import sys, numpy as np
from convverify.references import references
reference = references["tensorflow"].function
assert "tensorflow" not in sys.modules
print(reference(np.ones((1, 2, 2, 1), np.float32), np.ones((2, 2, 1, 1), np.float32)).ravel().tolist())
"""
    environment = {"PYTHONPATH": str(Path(convverify.__file__).parents[1]), "PATH": "", "HOME": "/"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False)
    assert (done.stdout, done.stderr) == ("[4.0]\n", "")


def test_the_version_of_tensorflow_is_told() -> None:
    assert tensorflow.version() == f"tensorflow {tensorflow.load().__version__}"
