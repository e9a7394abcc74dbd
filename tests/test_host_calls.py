"""Calls: what a host does for each kind of step, and what it records of it."""

from __future__ import annotations

import ctypes
import errno
import os
import threading
import warnings
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from convverify.host.calls import Runner, dtype_of, told
from convverify.host.mapping import CALLING, PAGE, PREPARING, Mapping

X, W = np.arange(6, dtype=np.float32).reshape(1, 2, 3, 1), np.array([[[[2.0]]]], np.float32)


class Case:
    """A case as a judge writes it, its operands laid out one behind the other."""

    def __init__(self, mapping: Mapping) -> None:
        self.mapping = mapping
        self.next = mapping.arena(0)[0]
        self.said: dict[str, Any] = {"operands": [], "steps": []}

    def room(self, size: int) -> int:
        """Take whole pages."""
        at, self.next = self.next, self.next + -(-size // PAGE) * PAGE
        return at

    def operand(self, values: Any, *, owner: tuple[int, ...] | None = None, writeable: bool = True, dtype: str = "") -> int:
        """Add an operand with some values, contiguous; return its number."""
        at = self.room(values.nbytes)
        self.mapping.buffer[at : at + values.nbytes] = values.tobytes()
        self.said["operands"].append(
            {
                "at": at, "size": values.nbytes, "start": 0, "shape": values.shape, "strides": values.strides,
                "dtype": dtype or values.dtype.name, "owner": owner, "writeable": writeable,
            }
        )  # fmt: skip
        return len(self.said["operands"]) - 1

    def call(self, x: int = 0, w: int = 1, room: int = 4096, **more: Any) -> dict[str, Any]:
        """Return what is said of a call."""
        return {"x": x, "w": w, "args": {}, "out": self.room(room), "room": room} | more

    def step(self, *places: int, **more: Any) -> None:
        """Add a call."""
        self.said["steps"].append(["call", self.call(*places, **more)])

    def result(self, step: int, record: dict[str, Any]) -> Any:
        """Return the array that lies where a step's result was to be put."""
        at, dtype = self.said["steps"][step][1]["out"], dtype_of(record["dtype"])
        count = int(np.prod(record["shape"]))
        return np.frombuffer(self.mapping.buffer, dtype, count, at).reshape(record["shape"])


@pytest.fixture
def mapping() -> Mapping:
    """Memory of this process."""
    return Mapping(-1, 1 << 26)


@pytest.fixture
def case(mapping: Mapping) -> Case:
    """A case whose operands 0 and 1 are an image and a kernel of one element."""
    made = Case(mapping)
    made.operand(X)
    made.operand(W)
    return made


def multiplies(x: Any, w: Any, **parameters: Any) -> Any:
    return x * w[0, 0, 0, 0]


def recorded(function: Callable[..., Any], *cases: Case, runner: Runner | None = None) -> list[list[dict[str, Any]]]:
    """Carry out cases in one batch, and return what is recorded of each."""
    import json

    mapping = cases[0].mapping
    mapping.write_script(0, json.dumps({"cases": [case.said for case in cases]}).encode())
    (runner or Runner(mapping, function)).run(2, 0)
    return [json.loads(line) for line in mapping.records(0)]


def one(function: Callable[..., Any], case: Case) -> dict[str, Any]:
    """Return what is recorded of the only step."""
    ((record,),) = recorded(function, case)
    return record


# A result.


def test_a_result_is_described_and_lies_where_it_was_asked_for(case: Case) -> None:
    case.step()
    record = one(multiplies, case)
    assert (record["type"], record["shape"], record["dtype"], record["copied"]) == ("ndarray", [1, 2, 3, 1], "float32", True)
    assert (record["written"], record["overlaps"], record["shares"], record["changed"]) == ([], [], [], [])
    assert record["seconds"] > 0
    np.testing.assert_array_equal(case.result(0, record), 2 * X)


def test_a_result_in_another_order_or_dtype_is_copied_in_c_order_as_it_is(case: Case) -> None:
    case.step()
    record = one(lambda x, w: np.asfortranarray(x.astype(ml_dtypes.bfloat16)).transpose(3, 2, 1, 0), case)
    assert (record["shape"], record["dtype"]) == ([1, 3, 2, 1], "bfloat16")
    np.testing.assert_array_equal(case.result(0, record).astype(np.float32), X.transpose(3, 2, 1, 0))


class Lazy:
    """What computes when it is asked for an array."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.full((1, 2), 7.0)


def test_what_can_be_made_an_array_is_made_one_within_the_call(case: Case) -> None:
    case.step()
    record = one(lambda x, w: Lazy(), case)
    assert (record["type"], record["shape"]) == ("Lazy", [1, 2])
    np.testing.assert_array_equal(case.result(0, record), [[7.0, 7.0]])


@pytest.mark.parametrize("raw", [None, "text", 3, [[1.0]], (1,), {"y": 1}, object()])
def test_what_is_no_array_has_no_shape(case: Case, raw: Any) -> None:
    case.step()
    record = one(lambda x, w: raw, case)
    assert record["type"] == type(raw).__name__
    assert "shape" not in record


@pytest.mark.parametrize("result", [np.zeros(1025, np.float32), np.array([None, 1])])
def test_a_result_that_has_no_room_or_holds_objects_is_described_and_not_copied(case: Case, result: Any) -> None:
    case.step()
    behind = bytes(case.mapping.buffer[case.next : case.next + PAGE])
    record = one(lambda x, w: result, case)
    assert (record["shape"], record["dtype"], record["copied"]) == ([result.size], result.dtype.name, False)
    assert bytes(case.mapping.buffer[case.next : case.next + PAGE]) == behind


def test_an_empty_result_is_copied(case: Case) -> None:
    case.step(room=16)
    assert one(lambda x, w: np.zeros((3, 0, 2)), case)["copied"]


# Arguments.


def test_pairs_are_tuples_and_pads_are_lists_of_lists(case: Case) -> None:
    seen: dict[str, Any] = {}

    def looks(x: Any, w: Any, **parameters: Any) -> Any:
        seen.update(parameters)
        return x

    case.step(args={"strides": [1, 2], "padding": [[0, 0], [1, 2]], "groups": 3, "pad": "SAME"})
    one(looks, case)
    assert seen == {"strides": (1, 2), "padding": [[0, 0], [1, 2]], "groups": 3, "pad": "SAME"}


def test_further_operands_go_behind_the_two(case: Case) -> None:
    bias = case.operand(np.array([10.0], np.float32))
    case.step(more=[bias])
    record = one(lambda x, w, bias: x * w[0, 0, 0, 0] + bias, case)
    np.testing.assert_array_equal(case.result(0, record), 2 * X + 10)


def test_operands_look_as_they_are_described(mapping: Mapping) -> None:
    case = Case(mapping)
    memory = np.arange(24, dtype=np.float32)
    case.operand(memory)
    case.said["operands"][0] |= {"start": 92, "shape": [2, 3], "strides": [-8, -16], "writeable": False}
    case.operand(W)
    case.step()
    seen: list[Any] = []
    one(lambda x, w: seen.append((x.shape, x.strides, x.flags.writeable, x.copy(), x.base is None)), case)
    shape, strides, writeable, values, is_own = seen[0]
    assert (shape, strides, writeable, is_own) == ((2, 3), (-8, -16), False, False)
    np.testing.assert_array_equal(values, [[23, 19, 15], [21, 17, 13]])


def test_an_operand_that_owns_its_memory_is_of_the_hosts_own_and_shown_to_the_judge(case: Case, mapping: Mapping) -> None:
    case = Case(mapping)
    case.operand(X, owner=X.shape)
    case.operand(W)
    case.step()
    owns: list[Any] = []

    def writes(x: Any, w: Any) -> Any:
        owns.append((x.flags.owndata, x.flags.c_contiguous, x.tolist() == X.tolist()))
        x[0, 0, 0, 0] = 5.0
        return x * 1

    record = one(writes, case)
    assert owns == [(True, True, True)]
    assert record["written"] == ["x:bytes"]
    assert np.frombuffer(mapping.buffer, np.float32, 1, case.said["operands"][0]["at"])[0] == 5.0


def test_an_operand_may_be_a_view_of_an_array_that_owns_its_memory(mapping: Mapping) -> None:
    case = Case(mapping)
    case.operand(np.arange(12, dtype=np.float32), owner=(3, 4))
    case.said["operands"][0] |= {"start": 4, "shape": [3, 2], "strides": [16, 4]}
    case.operand(W)
    case.step()
    record = one(lambda x, w: x.copy() if x.base is not None and x.base.shape == (3, 4) else None, case)
    np.testing.assert_array_equal(case.result(0, record), [[1, 2], [5, 6], [9, 10]])


# Exceptions.


def test_an_exception_is_told_by_its_classes_and_where_it_was_raised(case: Case) -> None:
    class Odd(KeyError):
        pass

    def fails(x: Any, w: Any) -> Any:
        raise Odd("no\n such thing")

    case.step()
    error = one(fails, case)["error"]
    assert error["classes"][:4] == ["Odd", "KeyError", "LookupError", "Exception"]
    assert error["text"] == "'no\\n such thing'"
    file, line, function, source = error["frames"][-1]
    assert (file, function, source) == (__file__, "fails", 'raise Odd("no\\n such thing")')
    assert line > 0
    assert not any(frame[0].endswith("host/calls.py") for frame in error["frames"])  # our own code is none of the kernel's


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError])
def test_every_exception_is_the_kernels(case: Case, kind: type[BaseException]) -> None:
    def fails(x: Any, w: Any) -> Any:
        raise kind

    case.step()
    assert one(fails, case)["error"]["classes"][0] == kind.__name__


def test_exceptions_that_are_not_the_kernels_are_let_through(case: Case, mapping: Mapping) -> None:
    def fails(x: Any, w: Any) -> Any:
        raise KeyboardInterrupt

    case.step()
    with pytest.raises(KeyboardInterrupt):
        recorded(fails, case, runner=Runner(mapping, fails, (KeyboardInterrupt,)))
    assert mapping.records(0) == []


def test_what_an_array_raises_when_it_is_asked_for_its_elements_is_the_kernels(case: Case) -> None:
    class Bad:
        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            raise ValueError("not yet")

    case.step()
    assert one(lambda x, w: Bad(), case)["error"]["text"] == "not yet"


def test_a_message_is_cut_and_one_that_cannot_be_had_is_replaced() -> None:
    class Silent(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert told(Silent())["text"] == "(its message cannot be read)"
    assert len(told(ValueError("x" * 10_000))["text"]) == 300


def test_a_deep_traceback_ends_where_the_exception_was_raised(case: Case) -> None:
    def deep(x: Any, w: Any, left: int = 50) -> Any:
        if not left:
            raise ValueError("at the bottom")
        return deep(x, w, left - 1)

    case.step()
    frames = one(deep, case)["error"]["frames"]
    assert len(frames) == 8
    assert frames[-1][3] == 'raise ValueError("at the bottom")'


def test_floating_point_errors_are_the_kernels_own_affair(case: Case) -> None:
    case.step()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "error" not in one(lambda x, w: x / 0, case)


# The order of steps.


def counting() -> tuple[list[int], Callable[..., Any]]:
    """A kernel, and the list of its calls."""
    calls: list[int] = []

    def counts(x: Any, w: Any) -> Any:
        calls.append(len(calls) + 1)
        return np.full(1, float(calls[-1]))

    return calls, counts


def test_calls_that_go_before_are_not_recorded(case: Case) -> None:
    calls, counts = counting()
    case.step(before=4)
    record = one(counts, case)
    assert calls == [1, 2, 3, 4, 5]
    assert case.result(0, record).tolist() == [5.0]


def test_a_call_before_that_fails_is_what_is_recorded(case: Case) -> None:
    calls: list[int] = []

    def fails_at_first(x: Any, w: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            raise ValueError("first")
        return x

    case.step(before=4)
    assert one(fails_at_first, case)["error"]["text"] == "first"
    assert len(calls) == 1


def test_after_an_exception_the_rest_of_a_case_is_left_out_unless_it_may_fail(case: Case, mapping: Mapping) -> None:
    def fails_on_ones(x: Any, w: Any) -> Any:
        if x.shape == (1,):
            raise ValueError("ones")
        return multiplies(x, w)

    other = case.operand(np.ones(1, np.float32))
    case.step()
    case.step(other, 1, may_fail=True)
    case.step(other, 1)
    case.step()
    (records,) = recorded(fails_on_ones, case)
    assert ["error" in record for record in records] == [False, True, True]


def test_after_a_write_to_an_operand_the_rest_of_a_case_is_left_out_and_the_next_case_goes_on(mapping: Mapping) -> None:
    def writes(x: Any, w: Any) -> Any:
        if x[0, 0, 0, 0] == 0:
            w += 1
        return x * 1

    cases = [Case(mapping), Case(mapping)]
    for number, case in enumerate(cases):
        case.next += number << 20
        case.operand(X + number)
        case.operand(W)
        case.step()
        case.step()
    first, second = recorded(writes, *cases)
    assert [record["written"] for record in first] == [["w:bytes"]]
    assert [record["written"] for record in second] == [[], []]


@pytest.mark.parametrize("changes", ["shape", "writeable"])
def test_another_form_of_an_operand_is_told_apart_from_other_bytes(case: Case, changes: str) -> None:
    def reshapes(x: Any, w: Any) -> Any:
        if changes == "shape":
            x.shape = (6,)
        else:
            x.flags.writeable = False
        return w * 1

    case.step()
    assert one(reshapes, case)["written"] == ["x:form"]


def test_new_bytes_are_put_into_an_operand_between_calls(case: Case, mapping: Mapping) -> None:
    at = case.room(X.nbytes)
    mapping.buffer[at : at + X.nbytes] = (X + 1).tobytes()
    case.step()
    case.said["steps"].append(["put", [[0, at]]])
    case.step()
    (records,) = recorded(multiplies, case)
    assert records[1] == {}
    np.testing.assert_array_equal(case.result(0, records[0]), 2 * X)
    np.testing.assert_array_equal(case.result(2, records[2]), 2 * (X + 1))
    assert records[2]["written"] == []


# Memory.


def test_a_result_in_the_memory_of_an_operand_is_told(case: Case) -> None:
    for function, overlaps in ((lambda x, w: x, ["x"]), (lambda x, w: w[0], ["w"]), (lambda x, w: x * 1, []), (lambda x, w: x[:0], [])):
        case.said["steps"].clear()
        case.step()
        assert one(function, case)["overlaps"] == overlaps


def test_an_earlier_result_is_looked_at_again_where_it_is_to_be_held(case: Case) -> None:
    buffer = np.zeros(4)

    def reuses(x: Any, w: Any) -> Any:
        buffer[...] += 1
        return buffer

    case.step(hold=True)
    case.step()
    case.step()
    (records,) = recorded(reuses, case)
    assert [(record["shares"], record["changed"]) for record in records] == [([], []), ([0], [0]), ([0], [0])]
    case.said["steps"].clear()
    case.step()
    case.step(hold=True)
    (records,) = recorded(reuses, case)
    assert [(record["shares"], record["changed"]) for record in records] == [([], []), ([], [])]


def test_results_that_interleave_without_sharing_an_element_share_nothing(case: Case) -> None:
    buffer, calls = np.zeros((4, 2)), []

    def columns(x: Any, w: Any) -> Any:
        calls.append(1)
        return buffer[:, len(calls) % 2]

    case.step(hold=True)
    case.step()
    assert recorded(columns, case)[0][1]["shares"] == []


def test_a_later_call_that_changes_an_earlier_result_is_told_even_if_it_returns_another(case: Case) -> None:
    kept: list[Any] = []

    def spoils(x: Any, w: Any) -> Any:
        for earlier in kept:
            earlier[...] = -1
        kept.append(x * 1)
        return kept[-1]

    case.step(hold=True)
    case.step()
    (records,) = recorded(spoils, case)
    assert (records[1]["shares"], records[1]["changed"]) == ([], [0])


def keeping(mapping: Mapping, numbers: range) -> list[Case]:
    """Return cases of one call each, whose results are kept under some numbers."""
    cases = [Case(mapping) for _ in numbers]
    for made, number in zip(cases, numbers, strict=True):
        made.next = cases[0].next
        made.operand(X)
        made.operand(W)
        made.step(keep=number)
    return cases


def test_a_result_that_is_kept_is_looked_at_in_later_cases(mapping: Mapping) -> None:
    returned: list[Any] = []

    def wipes_the_third_of_four(x: Any, w: Any) -> Any:
        if len(returned) == 4:
            returned[2][...] = -1
        returned.append(x * 1)
        return returned[-1]

    records = recorded(wipes_the_third_of_four, *keeping(mapping, range(11, 17)))
    assert [record[0]["spoiled"] for record in records] == [[], [], [], [], [13], [13]]


def test_the_first_results_and_the_latest_are_kept_and_no_more(mapping: Mapping) -> None:
    returned: list[Any] = []

    def wipes_all_in_the_end(x: Any, w: Any) -> Any:
        if len(returned) == 49:
            for earlier in returned:
                earlier[...] = -1
        returned.append(x * 1)
        return returned[-1]

    records = recorded(wipes_all_in_the_end, *keeping(mapping, range(1, 51)))
    assert records[-1][0]["spoiled"] == [*range(1, 17), *range(34, 50)]


def test_a_result_is_not_kept_that_is_part_of_an_operand_or_of_a_large_array(mapping: Mapping) -> None:
    runner = Runner(mapping, lambda x, w: x if w[0, 0, 0, 0] == 2 and next(turns) else np.zeros(1 << 17)[:6].reshape(x.shape))
    turns = iter([True, False, True, False])
    recorded(runner.function, *keeping(mapping, range(1, 5)), runner=runner)
    assert runner._kept == []


def test_fenced_pages_cannot_be_touched_while_a_batch_runs_and_can_afterwards(case: Case, mapping: Mapping) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    read, write = os.pipe()
    fence = case.room(PAGE)
    case.said["fences"] = [[fence, PAGE]]
    case.step()

    def reads_at(offset: int) -> int:
        done = libc.write(write, ctypes.c_void_p(mapping.address + offset), 1)
        return 0 if done == 1 else ctypes.get_errno()

    seen: list[int] = []
    one(lambda x, w: seen.extend([reads_at(fence), reads_at(fence + PAGE - 1), reads_at(fence - 1), reads_at(fence + PAGE)]), case)
    assert seen == [errno.EFAULT, errno.EFAULT, 0, 0]
    assert reads_at(fence) == 0
    mapping.buffer[fence] = 1
    os.close(read)
    os.close(write)


def test_fences_are_opened_after_an_exception_that_is_let_through(case: Case, mapping: Mapping) -> None:
    def fails(x: Any, w: Any) -> Any:
        raise KeyboardInterrupt

    fence = case.room(PAGE)
    case.said["fences"] = [[fence, PAGE]]
    case.step()
    with pytest.raises(KeyboardInterrupt):
        recorded(fails, case, runner=Runner(mapping, fails, (KeyboardInterrupt,)))
    mapping.buffer[fence] = 1


# Threads.


def test_threads_call_at_once_and_each_records_its_own_calls(case: Case) -> None:
    together = threading.Barrier(3)
    names: set[str] = set()

    def meets(x: Any, w: Any) -> Any:
        names.add(threading.current_thread().name)
        together.wait(60.0)
        return multiplies(x, w)

    other = case.operand(X + 1)
    jobs = [[case.call(place, 1) for _ in range(2)] for place in (0, 0, other)]
    case.said["steps"].append(["threads", {"jobs": jobs}])
    record = one(meets, case)
    assert [len(series) for series in record["threads"]] == [2, 2, 2]
    assert len(names) == 3
    assert threading.current_thread().name not in names
    for series, values in zip(jobs, (X, X, X + 1), strict=True):
        for call in series:
            np.testing.assert_array_equal(np.frombuffer(case.mapping.buffer, np.float32, 6, call["out"]), 2 * values.ravel())


def test_a_thread_stops_at_its_first_exception_and_the_others_go_on(case: Case) -> None:
    def fails_on_ones(x: Any, w: Any) -> Any:
        if x.shape == (1,):
            raise ValueError("ones")
        return multiplies(x, w)

    other = case.operand(np.ones(1, np.float32))
    case.said["steps"].append(["threads", {"jobs": [[case.call(place, 1) for _ in range(3)] for place in (0, other)]}])
    series = one(fails_on_ones, case)["threads"]
    assert [["error" in call for call in calls] for calls in series] == [[False] * 3, [True]]


# What the judge can see meanwhile.


def test_the_state_says_which_case_and_step_is_being_called_and_the_calls_so_far(mapping: Mapping) -> None:
    seen: list[tuple[int, ...]] = []

    def looks(x: Any, w: Any) -> Any:
        seen.append(mapping.state())
        return x * 1

    cases = [Case(mapping), Case(mapping)]
    for number, case in enumerate(cases):
        case.next += number << 20
        case.operand(X)
        case.operand(W)
        case.step()
        case.step(before=1)
    runner = Runner(mapping, looks)
    recorded(looks, *cases, runner=runner)
    assert seen == [
        (2, 0, 0, CALLING, 1), (2, 0, 1, CALLING, 2), (2, 0, 1, CALLING, 3),
        (2, 1, 0, CALLING, 4), (2, 1, 1, CALLING, 5), (2, 1, 1, CALLING, 6),
    ]  # fmt: skip
    assert mapping.state() == (2, 1, 2, PREPARING, 6)
    assert runner.calls == 6


def test_each_case_is_recorded_when_it_is_done(mapping: Mapping) -> None:
    recorded_so_far: list[int] = []

    def looks(x: Any, w: Any) -> Any:
        recorded_so_far.append(len(mapping.records(0)))
        return x * 1

    cases = [Case(mapping) for _ in range(3)]
    for number, case in enumerate(cases):
        case.next += number << 20
        case.operand(X)
        case.operand(W)
        case.step()
    recorded(looks, *cases)
    assert recorded_so_far == [0, 1, 2]


def test_a_dtype_that_does_not_exist_is_a_type_error() -> None:
    assert dtype_of("bfloat16").itemsize == 2
    with pytest.raises(TypeError):
        dtype_of("float1")
