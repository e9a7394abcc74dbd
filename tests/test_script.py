"""Scripts: how memory is handed out, and what a host is told."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from convverify.host.mapping import PAGE, Mapping
from convverify.judging.kernel import make_kernel
from convverify.judging.script import Arena, NoRoom, Plan, dtype_of
from convverify.operands.case import Case
from convverify.problems.dtypes import FORMATS, numpy_dtype

CASE = Case.parse("x=1x3x4x2 w=2x2x2x3 values=integers seed=8")


@pytest.fixture
def arena() -> Arena:
    """A slot of memory of this process."""
    return Arena(Mapping(-1, 1 << 26), 1)


def plan_of(arena: Arena, case: Case = CASE, **options: Any) -> Plan:
    """A plan without steps."""

    def kernel(x: Any, w: Any, stride: Any = (1, 1), padding: Any = "VALID") -> Any: ...

    return Plan(make_kernel(kernel, **options), case, arena)


# Memory.


def test_pieces_do_not_overlap_and_begin_with_a_cache_line(arena: Arena) -> None:
    end = arena.first
    for size in (1, 63, 64, 65, 1000, 0, 7):
        memory, at = arena(size)
        assert (memory.size, at % 64) == (size, 0)
        assert at >= end
        end = at + size
    assert arena.used == end - arena.first
    fenced, at = arena(2 * PAGE, True)
    assert at % PAGE == 0
    assert fenced.size == 2 * PAGE


def test_a_piece_is_the_shared_memory_itself(arena: Arena) -> None:
    memory, at = arena(8)
    memory[...] = range(8)
    assert bytes(arena.mapping.buffer[at : at + 8]) == bytes(range(8))
    assert arena.read(at, 8).tolist() == list(range(8))


def test_what_does_not_fit_is_told_and_what_is_left_can_still_be_had(arena: Arena) -> None:
    size = arena.end - arena.first
    with pytest.raises(NoRoom, match=f"{size + 1} bytes are more than what is left"):
        arena(size + 1)
    memory, _ = arena(size)
    assert memory.size == size
    with pytest.raises(NoRoom):
        arena(1)
    arena.reset()
    assert arena(size)[0].size == size


def test_operands_that_do_not_fit_are_not_even_filled(arena: Arena) -> None:
    with pytest.raises(NoRoom):
        plan_of(arena, Case.parse("x=99999x9999x9999x1 w=1x1x1x1"))
    assert arena.used == 0


def test_a_slot_ends_before_the_other_begins() -> None:
    mapping = Mapping(-1, 1 << 26)
    assert Arena(mapping, 0).end <= Arena(mapping, 1).first


def test_much_memory_is_given_back_after_a_batch_and_little_is_kept() -> None:
    arena = Arena(Mapping(-1, 1 << 28), 0)
    memory, at = arena(100 << 20)
    memory[...] = 1
    arena.reset()
    kept = [bool(arena.read(at + offset, 1)[0]) for offset in (0, 1 << 20, (32 << 20) + PAGE, 99 << 20)]
    assert kept == [True, True, False, False]


# What a host is told.


def test_operands_are_told_once_however_often_they_are_used(arena: Arena) -> None:
    plan = plan_of(arena)
    plan.call("first")
    plan.call("second", plan.x, plan.place(np.ones((2, 2, 2, 3), np.float32)))
    said = plan.to_json()
    assert [operand["shape"] for operand in said["operands"]] == [(1, 3, 4, 2), (2, 2, 2, 3), (2, 2, 2, 3)]
    assert [(step["x"], step["w"]) for _, step in said["steps"]] == [(0, 1), (0, 2)]


def test_a_call_has_the_kernels_own_arguments_and_a_place_for_its_result(arena: Arena) -> None:
    case = Case.parse("x=1x5x5x2 w=2x2x2x3 strides=2x1 padding=1,0,0,2 values=integers")
    plan = plan_of(arena, case)
    plan.call("first", before=3)
    plan.call("second", may_fail=True)
    plan.hold("second")
    first, second = (step for _, step in plan.to_json()["steps"])
    assert first["args"] == {"stride": (2, 1), "padding": [[0, 0], [1, 0], [0, 2], [0, 0]]}
    assert (first["before"], first.get("may_fail"), first.get("hold")) == (3, None, None)
    assert (second.get("before"), second["may_fail"], second["hold"]) == (None, True, True)
    assert first["out"] != second["out"]
    assert first["room"] >= 8 * np.prod(case.problem.output_shape)


@pytest.mark.parametrize("dtype", FORMATS)
def test_a_result_that_is_never_written_reads_as_nan(arena: Arena, dtype: str) -> None:
    arena(1 << 16)[0][...] = 0
    arena.reset()
    case = CASE.with_(problem=CASE.problem.with_(dtype=dtype))
    plan = plan_of(arena, case)
    plan.call("first")
    size = int(np.prod(case.problem.output_shape))
    result = arena.read(plan.steps["first"][1]["out"], size * numpy_dtype(dtype).itemsize).view(numpy_dtype(dtype))
    assert np.isnan(result.astype(np.float64)).all()


def test_a_step_is_asked_for_once(arena: Arena) -> None:
    plan = plan_of(arena)
    plan.call("call 2")
    before = arena.used
    plan.call("call 2", may_fail=True)
    assert arena.used == before
    assert list(plan.steps) == ["call 2"]
    assert "may_fail" not in plan.steps["call 2"][1]


def test_new_bytes_wait_beside_the_operands(arena: Arena) -> None:
    plan = plan_of(arena)
    plan.call("first")
    x, w = (operand.with_values(operand.values + 1) for operand in (plan.x, plan.w))
    plan.put("values", x, w)
    (_, changes) = plan.to_json()["steps"][1]
    assert [number for number, _ in changes] == [0, 1]
    for (_, at), content, operand in zip(changes, (x, w), (plan.x, plan.w), strict=True):
        assert arena.read(at, content.size).tobytes() == content.tobytes()
        assert operand.written() == ""


def test_threads_have_places_of_their_own_for_each_call(arena: Arena) -> None:
    plan = plan_of(arena)
    plan.at_once("threads", [(plan.x, plan.w, CASE.problem)] * 2, 3)
    jobs = plan.to_json()["steps"][0][1]["jobs"]
    assert [len(calls) for calls in jobs] == [3, 3]
    assert len({call["out"] for calls in jobs for call in calls}) == 6


def test_guarded_operands_are_fenced_on_either_side(arena: Arena) -> None:
    plan = plan_of(arena, CASE.with_(layouts=("guarded", "contiguous")))
    plan.call("first")
    said = plan.to_json()
    (before, after) = said["fences"]
    x = said["operands"][0]
    assert before[0] + before[1] <= x["at"]
    assert x["at"] + x["size"] == after[0]
    assert all(at % PAGE == length % PAGE == 0 for at, length in said["fences"])
    assert "fences" not in plan_of(arena).to_json()


@pytest.mark.parametrize("layouts", [("contiguous", "contiguous"), ("reversed_axes", "unaligned"), ("readonly", "guarded")])
def test_what_a_host_makes_of_a_script_are_the_operands(arena: Arena, layouts: tuple[str, str]) -> None:
    plan = plan_of(arena, CASE.with_(layouts=layouts), data_format="NCHW")
    plan.call("first")
    said = json.loads(json.dumps(plan.to_json()))
    for operand, told in zip((plan.x, plan.w), said["operands"], strict=True):
        if told["owner"] is None:
            memory = arena.mapping.buffer
            again: Any = np.ndarray(told["shape"], told["dtype"], memory, told["at"] + told["start"], told["strides"])
            np.testing.assert_array_equal(again, operand.array)
            assert again.ctypes.data == operand.array.ctypes.data
        assert told["writeable"] == operand.array.flags.writeable


def test_values_may_stand_in_for_the_cases_own(arena: Arena) -> None:
    x, w = (np.asarray(values + 1) for values in CASE.values())
    plan = Plan(make_kernel(lambda x, w: None, data_format="NCHW"), CASE.with_(layouts=("fortran", "sliced")), arena, (x, w))
    np.testing.assert_array_equal(plan.x.array, x.transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(plan.w.array, w.transpose(3, 2, 0, 1))
    assert plan.x.array.flags.c_contiguous
    assert plan.w.array.flags.c_contiguous


@pytest.mark.parametrize("name", [*FORMATS, "int64", "bool"])
def test_a_dtype_of_numbers_is_known_by_its_name(name: str) -> None:
    assert dtype_of(name).name == name


@pytest.mark.parametrize("name", ["object", "str96", "f4", "float33", "i4,(", "", "float32 "])
def test_any_other_name_is_a_value_error(name: str) -> None:
    with pytest.raises(ValueError, match="is unknown"):
        dtype_of(name)
