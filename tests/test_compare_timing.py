"""Timing in rounds: everyone as often, and nobody always after the same."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterator

from convverify.compare.timing import Samples, Spread, estimate, interleaved, rounds_for
from convverify.compare.turns import Turn


def taking(name: str, calls: list[str], seconds: Iterator[float] | None = None) -> Callable[[bool], Turn]:
    def take(warm: bool) -> Turn:
        calls.append(f"{name} warm" if warm else name)
        return Turn(next(seconds) if seconds else 1.0, 0.25, 2.0, 3.0)

    return take


def test_every_round_has_everyone_and_neighbours_change() -> None:
    calls: list[str] = []
    samples = interleaved({name: taking(name, calls) for name in "abc"}, dict.fromkeys("abc", 1.0), 6)
    assert all(len(one.seconds) == 6 and one.calls == 1 for one in samples.values())
    assert all(sorted(calls[3 * number : 3 * number + 3]) == ["a", "b", "c"] for number in range(6))
    assert Counter(calls[::3]) == dict.fromkeys("abc", 2), "everyone begins a round as often"
    before = {name: {calls[i - 1] for i in range(1, len(calls)) if calls[i] == name} - {name} for name in "abc"}
    assert all(len(names) == 2 for names in before.values()), "everyone follows each of the others"


def test_of_what_is_quick_a_sample_is_the_median_of_four_calls_each_after_one_that_does_not_count() -> None:
    calls: list[str] = []
    times = iter([1.0, 2.0, 4.0, 9.0] * 3)
    samples = interleaved({"quick": taking("quick", calls, times)}, {"quick": 0.001}, 3)
    assert samples["quick"] == Samples((3.0, 3.0, 3.0), 4, 0.5, 0.0625)
    assert calls == ["quick warm"] * 12
    assert gc.isenabled()


def test_an_estimate_is_a_call_like_those_that_are_timed() -> None:
    calls: list[str] = []
    assert estimate(taking("quick", calls, iter([0.5, 0.005, 0.003, 0.004]))).seconds == 0.004
    assert estimate(taking("slow", calls, iter([0.2, 0.1]))).seconds == 0.1
    assert calls == ["quick", "quick", "quick warm", "quick warm", "slow", "slow"]


def test_as_many_rounds_as_fit_but_three() -> None:
    turn = Turn(0.8, 0.0, 0.0, 1.0)
    assert rounds_for({"a": turn, "b": turn}, 15, 20.0) == 10
    assert rounds_for({"a": turn, "b": turn}, 15, 100.0) == 15
    assert rounds_for({"a": Turn(60.0, 0.0, 0.0, 60.0)}, 15, 1.0) == 3
    assert rounds_for({"quick": Turn(0.001, 0.0, 0.0, 0.125)}, 15, 3.0) == 6, "four calls"


def test_an_empty_call_is_taken_off_and_what_is_left_is_no_less_than_its_spread() -> None:
    samples = Samples((1.0, 0.5, 0.625), 1, 1.0).less(Spread(0.5, 0.375, 0.625))
    assert samples.seconds == (0.5, 0.25, 0.25)


def test_ratios_are_of_the_same_round() -> None:
    slow_machine_in_the_middle = Samples((2.0, 20.0, 2.2), 1, 1.0), Samples((1.0, 10.0, 1.1), 1, 1.0)
    assert Spread.of(slow_machine_in_the_middle[0].ratios(slow_machine_in_the_middle[1])) == Spread(2.0, 2.0, 2.0)


def test_a_spread_is_the_median_with_its_quartiles() -> None:
    spread = Spread.of([5.0, 1.0, 3.0, 2.0, 4.0])
    assert (spread.median, spread.low, spread.high) == (3.0, 2.0, 4.0)
    assert spread.relative == 2.0 / 3.0
