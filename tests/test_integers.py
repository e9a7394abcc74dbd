"""Sets of integers and of tuples read as they print, and choose, intersect and count as sets do."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from convverify.problems.integers import Integers, Tuples

SMALL = range(121)
SOME = st.one_of(
    st.sampled_from(["any", "odd", "even", "8n", "3n+2", "5", "1,3,8", "1..64", "..7", "4..", "8n:16..64", "odd:..9", "3n+1:10.."]),
    st.lists(st.integers(0, 40), min_size=1, max_size=4),
    st.builds(lambda start, count, step: range(start, start + count * step, step), st.integers(0, 9), st.integers(1, 9), st.integers(1, 7)),
)


def members(integers: Integers) -> list[int]:
    return [value for value in SMALL if value in integers]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, [3]),
        ("3", [3]),
        ("1,5,3", [1, 3, 5]),
        ([5, 1], [1, 5]),
        ({4}, [4]),
        ("8n", [0, 8, 16, 24]),
        ("8n+1", [1, 9, 17, 25]),
        ("8n+16", [16, 24]),
        ("odd:..7", [1, 3, 5, 7]),
        ("even:24..", [24, 26, 28]),
        ("1..4", [1, 2, 3, 4]),
        ("..2", [0, 1, 2]),
        ("27..", [27, 28]),
        ("8n:16..64", [16, 24]),
        (range(1, 4), [1, 2, 3]),
        (range(8, 25, 8), [8, 16, 24]),
        ("any", list(range(29))),
        (None, list(range(29))),
    ],
)
def test_integers_are_what_their_words_say(value: Any, expected: list[int]) -> None:
    assert [number for number in members(Integers.of("batch", value)) if number < 29] == expected


@given(value=SOME)
def test_integers_are_read_as_they_print(value: Any) -> None:
    integers = Integers.of("batch", value)
    assert Integers.of("batch", str(integers)) == integers


@given(first=SOME, second=SOME)
def test_an_intersection_has_what_both_have(first: Any, second: Any) -> None:
    one, two = Integers.of("batch", first), Integers.of("batch", second)
    both = one.intersect(two)
    assert (members(both) if both else []) == [value for value in members(one) if value in two]


@given(value=SOME, number=st.integers(0, 60), least=st.integers(0, 50))
def test_the_nearest_member_is_nearest(value: Any, number: int, least: int) -> None:
    integers = Integers.of("batch", value)
    allowed = [member for member in members(integers) if member >= least]
    assume(max(allowed, default=0) < max(SMALL) or not allowed or number < 50)
    assert integers.nearest(number, least) == min(allowed, key=lambda member: (abs(member - number), member), default=None)


@given(value=SOME, number=st.integers(1, 20))
def test_a_number_picks_a_member_above_zero_and_small_numbers_pick_different_ones(value: Any, number: int) -> None:
    integers = Integers.of("batch", value)
    positive = [member for member in members(integers) if member]
    if not positive:
        assert integers.pick(number) is None
        return
    assert integers.pick(number) in integers
    if number in integers:
        assert integers.pick(number) == number
    others = [n for n in range(1, len(positive) + 1) if n not in integers][:5]
    assert len({integers.pick(n) for n in others}) == len(others)


def test_multiples_start_with_the_first_and_go_on() -> None:
    assert [Integers.of("channels", "8n").pick(number) for number in (1, 2, 3, 8, 16)] == [8, 16, 24, 8, 16]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (-1, "batch must be integers from 0 on, not -1"),
        (True, "batch must be integers from 0 on, not True"),
        (2.5, "batch must be integers from 0 on, not 2.5"),
        (["a"], "batch must be integers from 0 on, not 'a'"),
        ([], "batch must name at least one number"),
        ("many", "batch must be a number (3), a list (1,3,5), multiples (8n), a range (1..64, ..64, 8n:16..64), odd, even or any, "
                 "not 'many'"),
        ("8n16", "not '8n16'"),
        ("8n..64", "not '8n..64'"),
        ("0n", "not '0n'"),
        ("", "not ''"),
        ("9..1", "batch must leave a number to choose; '9..1' has none"),
    ],
)  # fmt: skip
def test_what_is_no_set_of_integers_is_told_in_a_sentence(value: Any, told: str) -> None:
    with pytest.raises((TypeError, ValueError), match=re.escape(told)):
        Integers.of("batch", value)


# Pairs, and the four sides of explicit padding.

PAIRS = st.one_of(
    st.sampled_from(["any", "equal", "square,odd", "..3", "odd", "1,2", "3x3,1x5", "equal,2..5", "2x1"]),
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=3),
)
GRID = [(a, b) for a in range(8) for b in range(8)]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("..1", [(0, 0), (0, 1), (1, 0), (1, 1)]),
        ("equal,1..3", [(1, 1), (2, 2), (3, 3)]),
        ("square,odd", [(1, 1), (3, 3), (5, 5), (7, 7)]),
        (["equal", "..1"], [(0, 0), (1, 1)]),
        ("1,2", [(1, 1), (2, 2)]),
        ([1, 2], [(1, 1), (2, 2)]),
        ([1, (2, 1)], [(1, 1), (2, 1)]),
        ("3x1,1x3", [(1, 3), (3, 1)]),
        ([(3, 1)], [(3, 1)]),
        ((3, 3), [(3, 3)]),
        (range(3, 5), [(3, 3), (3, 4), (4, 3), (4, 4)]),
    ],
)
def test_pairs_are_what_their_words_say(value: Any, expected: list[tuple[int, int]]) -> None:
    pairs = Tuples.of("kernel", value, 2)
    assert [pair for pair in GRID if pair in pairs] == expected


@pytest.mark.parametrize(
    ("value", "inside", "outside"),
    [
        ("equal", [(2, 2, 2, 2)], [(2, 2, 1, 1), (1, 2, 1, 2)]),
        ("symmetric", [(2, 2, 1, 1), (0, 0, 0, 0)], [(1, 2, 1, 2)]),
        ("symmetric,..1", [(0, 0, 1, 1)], [(2, 2, 1, 1)]),
        ("1", [(1, 1, 1, 1)], [(0, 0, 0, 0)]),
        ("1x2", [(1, 1, 2, 2)], [(1, 2, 1, 2)]),
        ([((1, 2), (0, 3))], [(1, 2, 0, 3)], [(1, 1, 0, 0)]),
        ("0,1x2x0x3", [(0, 0, 0, 0), (1, 2, 0, 3)], [(1, 1, 1, 1)]),
    ],
)
def test_sides_are_what_their_words_say(value: Any, inside: list[tuple[int, ...]], outside: list[tuple[int, ...]]) -> None:
    sides = Tuples.of("pads", value, 4)
    assert all(pads in sides for pads in inside)
    assert not any(pads in sides for pads in outside)
    assert Tuples.of("pads", str(sides), 4) == sides


@given(value=PAIRS)
def test_pairs_are_read_as_they_print(value: Any) -> None:
    pairs = Tuples.of("kernel", value, 2)
    assert Tuples.of("kernel", str(pairs), 2) == pairs


@given(first=PAIRS, second=PAIRS)
def test_an_intersection_of_pairs_has_what_both_have(first: Any, second: Any) -> None:
    one, two = Tuples.of("kernel", first, 2), Tuples.of("kernel", second, 2)
    both = one.intersect(two)
    assert [pair for pair in GRID if both is not None and pair in both] == [pair for pair in GRID if pair in one and pair in two]


@given(value=PAIRS, wanted=st.sampled_from(GRID), least=st.sampled_from(GRID))
def test_a_near_pair_is_inside_and_not_below_the_least(value: Any, wanted: tuple[int, int], least: tuple[int, int]) -> None:
    pairs = Tuples.of("kernel", value, 2)
    found = pairs.nearest(wanted, least)
    if found is None:
        assert not any(pair in pairs and pair[0] >= least[0] and pair[1] >= least[1] for pair in GRID)
    else:
        assert found in pairs
        assert found[0] >= least[0]
        assert found[1] >= least[1]
        assert found == wanted or wanted not in pairs or wanted[0] < least[0] or wanted[1] < least[1]


@pytest.mark.parametrize(
    ("value", "count", "told"),
    [
        ((2, 1), 2, "strides must not be (2, 1), which may mean one or several; write [(2, 1)], or [2, 1]"),
        ("round", 2, "strides must be of any, equal, square, odd, even, a range (1..5, ..3), multiples (2n), numbers, or lists such as "
                     "3x3, not 'round'"),
        ("symmetric", 2, "not 'symmetric'"),
        ("3x", 2, "not '3x'"),
        ("3x3x3", 2, "strides must be pairs, not '3x3x3'"),
        ([(1, 2, 3)], 4, "strides must be of one, two or four numbers, not (1, 2, 3)"),
        ([-1], 2, "strides must be integers from 0 on, not -1"),
        ([], 2, "strides must name at least one number"),
        ("equal,1x2", 2, "strides must leave something to choose; 'equal,1x2' has nothing"),
        ("odd,2..2", 2, "strides must leave a number to choose; 'odd,2..2' has none"),
    ],
)  # fmt: skip
def test_what_is_no_set_of_tuples_is_told_in_a_sentence(value: Any, count: int, told: str) -> None:
    with pytest.raises((TypeError, ValueError), match=re.escape(told)):
        Tuples.of("strides", value, count)
