"""Observations: what a host reports is foreign input, and nonsense of every kind is an observation, never an exception."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convverify.host.mapping import Mapping
from convverify.judging.kernel import make_kernel
from convverify.judging.observation import Frame, Observation, Raised, observe, records_of
from convverify.judging.properties import judge, prepare
from convverify.judging.script import Arena, dtype_of
from convverify.judging.trial import Trial, read_record
from convverify.operands.case import Case
from convverify.references import exact

MEMORY = np.arange(4096, dtype=np.uint8)
SAID = {"out": 64, "room": 256}
RIGHT = {
    "type": "ndarray", "seconds": 0.5, "shape": [2, 4], "dtype": "float32", "copied": True,
    "written": ["x:bytes", "w:form"], "overlaps": ["x"], "shares": [0], "changed": [0, 3],
}  # fmt: skip
CLEAN = RIGHT | {"written": []}


def read(first: int, size: int) -> Any:
    return MEMORY[first : first + size]


def observed(record: Any) -> Observation:
    return observe(record, SAID, read, dtype_of)


# What makes sense.


def test_a_report_is_read_with_the_judges_own_copy_of_the_result() -> None:
    seen = observed(RIGHT)
    assert seen.nonsense == ""
    assert (seen.type, seen.seconds, seen.shape, seen.dtype) == ("ndarray", 0.5, (2, 4), "float32")
    assert (seen.written, seen.overlaps, seen.shares, seen.changed) == ((("x", "bytes"), ("w", "form")), ("x",), (0,), (0, 3))
    assert seen.result is not None
    assert seen.result.tobytes() == bytes(range(64, 96))
    assert not np.shares_memory(seen.result, MEMORY)
    assert (seen.is_array, seen.is_float, seen.unsupported, seen.failure) == (True, True, False, "")


def test_a_result_that_was_not_copied_is_known_by_its_looks() -> None:
    seen = observed(RIGHT | {"copied": False})
    assert (seen.result, seen.shape, seen.dtype, seen.is_array, seen.is_float) == (None, (2, 4), "float32", True, False)


@pytest.mark.parametrize("dtype", ["str96", "object", "datetime64[s]", "void64", "float8_e4m3fn", "float33", "i4,(", "a", "", "f4"])
def test_a_result_of_what_are_no_numbers_here_is_known_by_its_looks(dtype: str) -> None:
    seen = observed(RIGHT | {"dtype": dtype})
    assert (seen.result, seen.shape, seen.dtype, seen.is_array, seen.nonsense) == (None, (2, 4), dtype, bool(dtype), "")


def test_what_is_no_array_is_told_by_its_type() -> None:
    seen = observed({"type": "NoneType", "seconds": 0})
    assert (seen.is_array, seen.failure, seen.nonsense) == (False, "returned NoneType, not an array", "")


def test_an_exception_is_known_by_all_its_classes_and_by_its_frames() -> None:
    seen = observed(
        {
            "error": {"classes": ["Odd", "KeyError", "Exception"], "text": "gone", "frames": [["k.py", 3, "conv2d", "raise Odd"]]},
            "seconds": 1,
        }
    )
    assert seen.error == Raised(("Odd", "KeyError", "Exception"), "gone", (Frame("k.py", 3, "conv2d", "raise Odd"),))
    assert seen.error.is_a("KeyError")
    assert not seen.error.is_a("ValueError", "TypeError")
    assert (str(seen.error), seen.failure, seen.unsupported) == ("Odd: gone", "raised Odd: gone", False)
    assert str(Raised(("Odd",))) == "Odd"


def test_a_subclass_of_not_implemented_error_is_a_refusal() -> None:
    seen = observed({"error": {"classes": ["Later", "NotImplementedError", "RuntimeError"], "text": "", "frames": []}})
    assert seen.unsupported


# What makes none.


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"type": 3}, "TypeError: a text was expected, not int"),
        ({"seconds": -1}, "ValueError: seconds were expected"),
        ({"seconds": float("nan")}, "ValueError: seconds were expected"),
        ({"seconds": 1e300}, "ValueError: seconds were expected"),
        ({"seconds": 10**400}, "OverflowError: int too large to convert to float"),
        ({"shape": [2, -4]}, "ValueError: a count was expected"),
        ({"shape": [2, 4.0]}, "ValueError: a count was expected"),
        ({"shape": [True, 4]}, "ValueError: a count was expected"),
        ({"shape": [1] * 33}, "ValueError: a shape of 33 axes"),
        ({"shape": 8}, "TypeError: 'int' object is not iterable"),
        ({"shape": [2**47, 2**47]}, "ValueError: the result is larger than the room that it was copied to"),
        ({"shape": [65]}, "ValueError: the result is larger than the room that it was copied to"),
        ({"dtype": None}, "TypeError: a text was expected, not NoneType"),
        ({"overlaps": 3}, "TypeError: 'int' object is not iterable"),
        ({"shares": ["x"]}, "ValueError: a count was expected"),
        ({"changed": [2**60]}, "ValueError: a count was expected"),
        ({"written": [["x", "bytes"]]}, "TypeError: a text was expected, not list"),
        ({"error": {}}, "KeyError: 'classes'"),
        ({"error": {"classes": [], "text": "", "frames": []}}, "ValueError: an exception without a class"),
        ({"error": {"classes": ["E"], "text": "", "frames": [["k.py", "3", "f", ""]]}}, "ValueError: a count was expected"),
        ({"error": "oops"}, "TypeError: string indices must be integers, not 'str'"),
    ],
)
def test_a_report_that_makes_no_sense_says_why(change: dict[str, Any], told: str) -> None:
    seen = observed(RIGHT | change)
    assert seen.nonsense == told
    assert seen.result is None


def test_a_report_that_lacks_something_says_what() -> None:
    for name in ("type", "seconds", "dtype", "copied"):
        assert observed({key: value for key, value in RIGHT.items() if key != name}).nonsense == f"KeyError: '{name}'"
    assert observed([]).nonsense == observed(None).nonsense == "it is no record of a call"


def test_long_texts_are_cut() -> None:
    error = observed({"error": {"classes": ["E" * 10_000], "text": "x" * 10_000, "frames": []}}).error
    assert error is not None
    assert (len(error.classes[0]), len(error.text)) == (500, 500)


KEYS = st.sampled_from([*RIGHT, "error", "threads"]) | st.text(max_size=5)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=12,
)
NUMBERS = ("float16", "bfloat16", "float64", np.dtype("longdouble").name, "int8", "uint64", "bool", "complex64")
DTYPES = st.sampled_from(
    [*NUMBERS, "datetime64[s]", "str96", "void64", "object", "f4,f4", "(2,3)f4", "i4,(", "float8_e4m3fn", "", "a", "S0"]
)
SHAPES = st.lists(st.integers(-1, 5) | st.sampled_from([2**31, 2**47, 2**63]), max_size=5)
ALMOST = st.builds(
    lambda change, dropped: {key: value for key, value in (RIGHT | change).items() if key not in dropped},
    st.fixed_dictionaries({}, optional=dict.fromkeys((*RIGHT, "error"), JSON) | {"dtype": DTYPES | JSON, "shape": SHAPES | JSON}),
    st.sets(st.sampled_from([*RIGHT]), max_size=2),
)


@given(record=JSON | ALMOST)
@settings(max_examples=200)
def test_any_report_is_an_observation(record: Any) -> None:
    seen = observed(record)
    assert isinstance(seen, Observation)
    assert seen.result is None or seen.result.nbytes <= SAID["room"]
    assert isinstance(seen.failure, str)


@given(lines=st.lists(st.binary(max_size=30) | JSON.map(lambda data: json.dumps(data).encode()), max_size=4))
def test_any_line_is_a_list_of_records_or_nothing(lines: list[bytes]) -> None:
    found = records_of(lines, [2] * len(lines))
    assert len(found) == len(lines)
    assert all(record is None or (isinstance(record, list) and len(record) <= 2) for record in found)


def test_lines_that_are_no_records_of_so_many_steps_are_none() -> None:
    deep, huge = b"[" * 100_000, b"[" + b"1" * 10_000 + b"]"
    assert records_of([b"[{}]", b"[{}, {}, {}]", b"{}", b"", b"\xff", deep, huge], [2] * 7) == [[{}], None, None, None, None, None, None]
    assert records_of([b"[]", b"[]"], [1]) == [[]]  # more lines than cases


# All the way to a verdict.

# Threads make the first call where bit 9 of the seed is 0.
CASES = [
    Case.parse("x=1x3x4x2 w=2x2x2x3 values=integers seed=520"),
    Case.parse("x=1x3x4x2 w=2x2x2x3 values=normal layouts=fortran,readonly seed=520"),
    Case.parse("x=1x3x4x2 w=2x2x2x3 values=special seed=520"),
    Case.parse("x=0x3x4x2 w=2x2x2x3 dtype=bfloat16 seed=520"),
]
ARENA = Arena(Mapping(-1, 1 << 26), 0)


def kernel(x: Any, w: Any) -> Any:
    return exact.conv2d(x, w).astype(x.dtype)


def laid_out(case: Case) -> Trial:
    """A trial of which nothing has been carried out."""
    ARENA.reset()
    trial = Trial(make_kernel(kernel), case)
    prepare(trial, ARENA)
    return trial


@given(case=st.sampled_from(CASES), record=st.none() | st.lists(JSON | ALMOST, max_size=12))
@settings(max_examples=200)
def test_whatever_a_host_reports_of_a_case_there_is_a_verdict(case: Case, record: list[Any] | None) -> None:
    trial = laid_out(case)
    trial.take(record)
    judged, finding = judge(trial)
    assert judged["completes"] or not finding
    if record and not isinstance(record[0], dict):
        assert finding is not None
        assert finding.property == "completes"


@given(case=st.sampled_from(CASES[:3]), key=st.integers(1, 11), dtype=DTYPES, shape=SHAPES | st.just([1, 2, 3, 3]))
@settings(max_examples=150)
def test_whatever_a_later_call_returns_there_is_a_verdict(case: Case, key: int, dtype: str, shape: list[int]) -> None:
    trial = laid_out(case)
    right = trial.expected.astype(np.float32)
    records: list[Any] = []
    for number, (kind, said) in enumerate(trial.plan.steps.values()):
        if kind == "call":
            ARENA.read(said["out"], right.nbytes)[...] = right.view(np.uint8).reshape(-1)
            record = RIGHT | {"shape": list(right.shape), "written": [], "overlaps": [], "shares": [], "changed": []}
            records.append(record | {"dtype": dtype, "shape": shape} if number == key else record)
        elif kind == "threads":
            records.append({"threads": [[RIGHT | {"dtype": dtype, "shape": shape}] * len(job) for job in said["jobs"]]})
        else:
            records.append({})
    trial.take(records)
    judge(trial)
    assert trial.first_values is not None
    np.testing.assert_array_equal(trial.first_values, right)


def test_threads_that_are_not_reported_as_such_are_nonsense() -> None:
    trial = laid_out(CASES[0])
    number = list(trial.plan.steps).index("threads")
    for part in (None, {}, {"threads": 3}, {"threads": []}, {"threads": [[]] * 3}):
        seen, threads = read_record(trial.plan, [CLEAN] * number + [part])
        assert seen["threads"].nonsense == "the record of calls at once is not one"
        assert threads == {}
    called = [CLEAN] * len(trial.plan.steps["threads"][1]["jobs"][0])
    for wrong, says in (
        (None, "not one"), ([], "ends before"), ([7] * len(called), "no record of a call"), (called[1:], "ends before")
    ):  # fmt: skip
        seen, _ = read_record(trial.plan, [CLEAN] * number + [{"threads": [called, wrong, called, called]}])
        assert says in seen["threads"].nonsense
    failed = {"error": {"classes": ["KeyError"], "text": "", "frames": []}}
    seen, threads = read_record(trial.plan, [CLEAN] * number + [{"threads": [called, [failed], called, called]}])
    assert "threads" not in seen or not seen["threads"].nonsense
    assert threads["threads"][1][0].error is not None


def test_a_record_may_end_behind_what_ends_a_script_and_nowhere_else() -> None:
    trial = laid_out(CASES[0])
    keys = list(trial.plan.steps)
    failed = {"error": {"classes": ["KeyError"], "text": "", "frames": []}}
    for last, ends in ((CLEAN, True), (failed, False), (CLEAN | {"written": ["x:bytes"]}, False)):
        seen, _ = read_record(trial.plan, [last])
        assert [*seen] == (keys[:2] if ends else keys[:1])
        assert bool(seen[[*seen][-1]].nonsense) == ends
