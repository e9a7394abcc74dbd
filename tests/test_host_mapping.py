"""The memory that a judge and a host share: who sees what, who wakes whom, and what has no room."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convverify.host.mapping import CALLING, PAGE, RECORDS, SCRIPT, TO_HOST, TO_JUDGE, Mapping
from convverify.host.process import map_memory

SIZE = 1 << 26


@pytest.fixture
def mapping() -> Mapping:
    """Memory of this process alone."""
    return Mapping(-1, SIZE)


@pytest.fixture
def sides() -> Iterator[tuple[Mapping, Mapping]]:
    """The same memory as two sides see it."""
    judge, descriptor = map_memory()
    try:
        yield judge, Mapping(descriptor, judge.size)
    finally:
        os.close(descriptor)


def test_what_one_side_writes_the_other_reads(sides: tuple[Mapping, Mapping]) -> None:
    judge, host = sides
    judge.write_script(1, b"script")
    assert host.script(1) == b"script"
    host.append_record(1, b"[1]")
    host.append_record(1, b"[2]")
    assert judge.records(1) == [b"[1]", b"[2]"]
    host.set_state(3, 2, 1, CALLING, 1 << 40)
    assert judge.state() == (3, 2, 1, CALLING, 1 << 40)
    first, _ = judge.arena(0)
    judge.buffer[first] = 7
    assert host.buffer[first] == 7
    assert judge.address != host.address


def test_the_parts_do_not_overlap(mapping: Mapping) -> None:
    parts = [(0, PAGE)]
    for number in (0, 1):
        first, end = mapping.slot(number)
        arena, arena_end = mapping.arena(number)
        assert first % PAGE == arena % PAGE == 0
        parts += [(first, first + RECORDS), (first + RECORDS, first + RECORDS + SCRIPT), (arena, arena_end)]
        assert arena_end == end
    assert parts == sorted(parts)
    assert all(end <= first for (_, end), (first, _) in itertools.pairwise(parts))
    assert parts[-1][1] <= SIZE


def test_slots_are_independent(mapping: Mapping) -> None:
    mapping.write_script(0, b"one")
    mapping.append_record(0, b"1")
    mapping.write_script(1, b"two")
    assert (mapping.script(0), mapping.records(0)) == (b"one", [b"1"])
    assert (mapping.script(1), mapping.records(1)) == (b"two", [])


def test_a_new_script_takes_the_records_of_the_last_one_away(mapping: Mapping) -> None:
    mapping.append_record(0, b"old")
    mapping.write_script(0, b"new")
    assert mapping.records(0) == []


def test_a_script_that_has_no_room_is_an_error_and_a_record_is_left_out(mapping: Mapping) -> None:
    mapping.write_script(0, b"s" * SCRIPT)
    assert len(mapping.script(0)) == SCRIPT
    with pytest.raises(ValueError, match="a script is too long"):
        mapping.write_script(0, b"s" * (SCRIPT + 1))
    mapping.append_record(0, b"r" * (RECORDS - 1))
    mapping.append_record(0, b"")
    assert mapping.records(0) == [b"r" * (RECORDS - 1)]
    assert mapping.script(0)[:1] == b"s"


def test_a_waiter_is_woken_by_the_other_side(sides: tuple[Mapping, Mapping]) -> None:
    judge, host = sides
    seen: list[int] = []

    def wait() -> None:
        while not seen or not seen[-1]:
            seen.append(host.wait(TO_HOST, 0, 60.0))

    waiter = threading.Thread(target=wait)
    waiter.start()
    time.sleep(0.05)
    judge.set_word(TO_HOST, 5)
    waiter.join(30.0)  # half of what the wait itself would take
    assert seen[-1] == 5
    assert judge.word(TO_JUDGE) == 0


def test_a_wait_for_what_has_changed_already_or_never_changes_ends(mapping: Mapping) -> None:
    mapping.set_word(TO_HOST, 2)
    assert mapping.wait(TO_HOST, 1, 600.0) == 2
    assert mapping.wait(TO_HOST, 2, 0.01) == 2


def test_where_the_system_has_no_way_to_wait_the_word_is_looked_at(mapping: Mapping) -> None:
    mapping._syscall = None
    threading.Timer(0.05, mapping.set_word, (TO_HOST, 1)).start()
    assert mapping.wait(TO_HOST, 0, 60.0) == 1
    assert mapping.wait(TO_HOST, 1, 0.01) == 1


@given(st.integers(0, 2**40))
def test_words_count_in_32_bits(value: int) -> None:
    mapping = Mapping(-1, 1 << 24)
    mapping.set_word(TO_JUDGE, value)
    assert mapping.word(TO_JUDGE) == value % 2**32


@given(st.binary(min_size=64, max_size=64))
def test_whatever_a_host_writes_over_the_head_the_judge_can_read_it(garbage: bytes) -> None:
    mapping = Mapping(-1, 1 << 24)
    for at in range(128, 512, 64):
        mapping.buffer[at : at + 64] = garbage
    assert len(mapping.state()) == 5
    for number in (0, 1):
        records = mapping.records(number)
        assert sum(map(len, records)) <= RECORDS


def test_memory_that_is_released_reads_as_zeros_and_its_neighbours_stay(sides: tuple[Mapping, Mapping]) -> None:
    judge, host = sides
    first, _ = judge.arena(0)
    judge.buffer[first : first + 4 * PAGE] = b"\x07" * (4 * PAGE)
    judge.release(first + 1, first + 3 * PAGE + 1)
    assert bytes(host.buffer[first + PAGE : first + 3 * PAGE]) == bytes(2 * PAGE)
    assert bytes(host.buffer[first : first + PAGE]) == b"\x07" * PAGE
    assert bytes(host.buffer[first + 3 * PAGE : first + 4 * PAGE]) == b"\x07" * PAGE
