"""The trial: what was observed of a kernel on a case, held against what is right."""

from __future__ import annotations

import ctypes
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from trials import session_of, tried

from convverify.generation.strategies import cases
from convverify.judging.observation import Observation
from convverify.judging.properties import judge
from convverify.judging.trial import Trial
from convverify.operands.case import Case
from convverify.operands.layouts import layouts
from convverify.operations.error_bounds import ulp_of
from convverify.problems.dtypes import FORMATS
from convverify.references import exact

PLAIN = "x=1x3x4x2 w=2x2x2x3 values=integers seed=8"


def right(x: Any, w: Any, **parameters: Any) -> Any:
    return exact.conv2d(x, w, **parameters).astype(x.dtype)


def trial_of(function: Any, line: str = PLAIN, **options: Any) -> Trial:
    """The trial of a function on a case, called once."""
    return tried(function, line, (), **options)


@given(case=cases(max_macs=2000, dtypes=tuple(FORMATS)))
def test_the_definition_is_right_everywhere(case: Case) -> None:
    trial = tried(right, case, ())
    assert trial.answered
    assert trial.value_fault is None
    assert trial.accuracy().fraction <= 1.0


@given(case=cases(max_macs=2000, values=["integers"], allow_empty=False))
def test_one_element_off_by_one_is_wrong(case: Case) -> None:
    def off_by_one(x: Any, w: Any, **parameters: Any) -> Any:
        y = right(x, w, **parameters)
        y.flat[y.size // 2] += 1
        return y

    wrong = tried(off_by_one, case, ()).value_fault
    assert case.problem.output_shape.count(0) or (wrong is not None and wrong.sum() == 1 and wrong.flat[wrong.size // 2])


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("no"), "ValueError: no"),
        (ValueError("two\nlines"), "ValueError: two lines"),
        (KeyError(), "KeyError"),
        (MemoryError(), "MemoryError"),
        (SystemExit(3), "SystemExit: 3"),
        (GeneratorExit(), "GeneratorExit"),
        (Unprintable(), "Unprintable: (its message cannot be read)"),
    ],
)
def test_whatever_a_kernel_raises_is_told(error: BaseException, told: str) -> None:
    def fails(x: Any, w: Any) -> Any:
        raise error

    call = trial_of(fails).first
    assert str(call.error) == told
    assert call.error is not None
    assert call.error.is_a(type(error).__name__, "Warning")
    assert call.error.frames[-1].function == "fails"
    assert call.error.frames[-1].source == "raise error"
    assert not call.unsupported
    assert call.result is None
    assert call.failure == f"raised {told}"


def test_an_interruption_is_not_the_kernels_exception_where_it_is_called_here() -> None:
    def interrupted(x: Any, w: Any) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trial_of(interrupted)


def test_a_failing_test_within_a_kernel_is_the_tests_failure() -> None:
    def fails(x: Any, w: Any) -> Any:
        pytest.fail("a time limit, for example")

    with pytest.raises(pytest.fail.Exception, match="a time limit"):
        trial_of(fails)


def test_not_implemented_means_unsupported() -> None:
    def refuses(x: Any, w: Any) -> Any:
        raise NotImplementedError("groups")

    assert trial_of(refuses).first.unsupported


@pytest.mark.parametrize("raw", [None, "text", 3, 4.5, [[1.0]], (1,), {"y": 1}])
def test_what_is_not_an_array_is_no_result(raw: Any) -> None:
    trial = trial_of(lambda x, w: raw)
    assert trial.first.result is None
    assert trial.first.failure == f"returned {type(raw).__name__}, not an array"
    assert not trial.answered


def test_a_kernel_of_another_axis_order_gets_and_gives_its_own() -> None:
    shapes = []

    def nchw(x: Any, w: Any) -> Any:
        shapes.append((x.shape, w.shape))
        return right(x.transpose(0, 2, 3, 1), w.transpose(2, 3, 1, 0)).transpose(0, 3, 1, 2)

    trial = trial_of(nchw, "x=2x3x4x5 w=2x1x5x6 values=integers", data_format="NCHW")
    assert trial.answered
    assert trial.value_fault is None
    assert shapes[0] == ((2, 5, 3, 4), (6, 5, 2, 1))
    np.testing.assert_array_equal(trial.logical(trial.x), trial.case.values()[0])


def test_a_result_is_copied_at_once() -> None:
    buffer = np.zeros((1, 2, 3, 3), np.float32)

    def reuses(x: Any, w: Any) -> Any:
        buffer[...] += 1
        return buffer

    trial = tried(reuses, PLAIN, ("repeatable",))
    assert [seen.result.max() for seen in trial.observed.values() if seen.result is not None] == [1.0, 2.0]


def test_a_case_of_several_calls_is_judged_at_the_last() -> None:
    calls: list[int] = []

    def counts(x: Any, w: Any) -> Any:
        calls.append(1)
        return right(x, w) * (len(calls) != 5)

    assert trial_of(counts, PLAIN + " calls=4").value_fault is None
    calls.clear()
    assert trial_of(counts, PLAIN + " calls=5").value_fault is not None


def test_a_nan_makes_the_outputs_that_see_it_not_finite_and_no_others() -> None:
    trial = trial_of(right, "x=1x1x4x1 w=1x2x1x1 x[0,0,0,0]=nan x[0,0,2,0]=3 w[0,0,0,0]=1 w[0,1,0,0]=2")
    assert np.isnan(trial.expected).ravel().tolist() == [True, False, False]
    assert trial.value_fault is None
    # Inf is as good as NaN, 0 is not; an ordinary number that is wrong is wrong as everywhere.
    for actual, wrong in (
        ([np.inf, 6, 3], [0, 0, 0]),
        ([0, 6, 3], [1, 0, 0]),
        ([np.nan, np.nan, 3], [0, 1, 0]),
        ([np.nan, 6, 4], [0, 0, 1]),
    ):
        assert trial.wrong_elements(np.array(actual, np.float32).reshape(1, 1, 3, 1)).ravel().tolist() == list(map(bool, wrong))


def test_zero_weights_over_a_nan_are_not_judged() -> None:
    trial = trial_of(right, "x=1x1x2x1 w=1x1x1x1 x[0,0,0,0]=inf x[0,0,1,0]=2 values=given")
    for first in (np.nan, np.inf, 0.0):
        assert not trial.wrong_elements(np.array([first, 0], np.float32).reshape(1, 1, 2, 1)).any()


def test_a_normwise_kernel_is_given_its_own_bound() -> None:
    def nearly(x: Any, w: Any) -> Any:
        return (right(x, w) * np.float32(1 + 1e-6)).astype(x.dtype)

    assert trial_of(nearly).value_fault is not None
    assert trial_of(nearly, accuracy="normwise").value_fault is None


def test_the_error_is_told_as_a_fraction_of_the_bound_and_in_ulp() -> None:
    def one_ulp_up(x: Any, w: Any) -> Any:
        return np.nextafter(right(x, w), np.float32(np.inf))

    accuracy = trial_of(one_ulp_up, "x=1x1x1x1 w=1x1x1x1 values=positive seed=1").accuracy()
    assert 0.5 <= accuracy.ulp <= 1.5
    assert accuracy.fraction > 0
    assert trial_of(right).accuracy().fraction == 0.0  # integers are not measured


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_unit_in_the_last_place_is_numpys(dtype: str) -> None:
    values = np.array([1.0, 1.5, 2.0, -3.0, 1000.0, 0.1, float(np.finfo(dtype).smallest_normal)], dtype)
    assert ulp_of(values.astype(np.float64), dtype).tolist() == np.abs(np.spacing(values)).astype(np.float64).tolist()


def test_floating_point_is_recognised() -> None:
    import ml_dtypes

    assert all(Observation(result=np.zeros(1, dtype)).is_float for dtype in (np.float16, np.float64, ml_dtypes.bfloat16))
    assert not any(Observation(result=np.zeros(1, dtype)).is_float for dtype in (np.int32, bool, np.complex64))
    assert not Observation().is_float


def test_floating_point_errors_of_a_kernel_are_its_own_affair() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert trial_of(lambda x, w: right(x, w) / 0).first.error is None


def test_time_is_counted_for_each_part() -> None:
    trial = trial_of(right, PLAIN.replace("integers", "normal"))
    assert trial.value_fault is None
    assert min(trial.times.kernel, trial.times.exact, trial.times.operands) > 0
    assert trial.times.reference == 0


def writes_to(letter: str, how: str) -> Any:
    """A kernel that is right and does something to an operand of its."""

    def writes(x: Any, w: Any) -> Any:
        y, operand = right(x, w), {"x": x, "w": w}[letter]
        if how == "inside":
            operand[0, 0, 0, 0] = 7
        elif how == "outside":
            ctypes.memset(operand.ctypes.data - 8, 0, 4)
        else:
            operand.shape = operand.shape[::-1]
        return y

    return writes


@pytest.mark.parametrize("letter", ["x", "w"])
@pytest.mark.parametrize("how", ["inside", "outside", "form"])
def test_a_write_to_an_operand_is_told_apart_from_one_beside_it(letter: str, how: str) -> None:
    trial = trial_of(writes_to(letter, how))
    assert trial.written == (letter, how, "first")


def test_the_call_that_wrote_is_named() -> None:
    calls: list[int] = []

    def writes_later(x: Any, w: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            w[...] = 0
        return right(x, w)

    assert tried(writes_later, PLAIN, ("repeatable",)).written == ("w", "inside", "call 2")


@pytest.mark.parametrize("layout", layouts.names())
def test_a_kernel_that_keeps_its_hands_off_has_written_nothing_in_any_layout(layout: str) -> None:
    assert tried(right, PLAIN.replace("seed", f"layouts={layout},{layout} seed")).written is None


def test_values_are_right_in_ordinary_arrays_where_the_layout_is_at_fault() -> None:
    def takes_for_contiguous(x: Any, w: Any) -> Any:
        return right(np.lib.stride_tricks.as_strided(x, strides=np.empty(x.shape, x.dtype).strides), w)

    trial = trial_of(takes_for_contiguous, PLAIN.replace("seed", "layouts=fortran,contiguous seed"))
    assert trial.value_fault is not None
    assert trial.plain_is_right
    always_wrong = trial_of(lambda x, w: right(x, w) + 1, PLAIN.replace("seed", "layouts=fortran,contiguous seed"))
    assert not always_wrong.plain_is_right
    assert not trial_of(lambda x, w: right(x, w) + 1).plain_is_right  # there is no other layout to ask about


def test_a_record_that_makes_no_sense_is_a_finding_of_completes() -> None:
    trial = trial_of(right)
    trial.take(None)
    _, finding = judge(trial)
    assert finding is not None
    assert finding.property == "completes"
    assert "what the kernel's process reports of its call makes no sense" in finding.sentence


def test_what_waits_for_a_reference_lets_go_of_shared_memory_and_can_still_be_judged() -> None:
    session = session_of(right)
    trial = tried(session, PLAIN)
    expected, values = trial.expected.copy(), trial.first_values
    trial.forget()
    for line in ("x=1x9x9x2 w=2x2x2x3 values=integers seed=1", "x=1x8x9x2 w=2x2x2x3 values=integers seed=2"):
        tried(session, line)  # which lie where the first one's operands have been
    np.testing.assert_array_equal(trial.logical(trial.x), trial.case.values()[0])
    np.testing.assert_array_equal(trial.expected, expected)
    assert values is not None
    assert trial.value_fault is None
    assert trial.size >= values.nbytes
