"""Timing in rounds: everyone as often, and nobody always after the same."""

from __future__ import annotations

import gc
from collections import Counter

import pytest

from convverify.compare.timing import CallFailed, Samples, Spread, estimate, interleaved, rounds_for


def test_every_round_has_everyone_and_neighbours_change() -> None:
    calls: list[str] = []
    thunks = {name: (lambda name=name: calls.append(name)) for name in "abc"}
    samples = interleaved(thunks, dict.fromkeys("abc", 1.0), 6)
    assert all(len(one.seconds) == 6 and one.calls == 1 for one in samples.values())
    assert all(sorted(calls[3 * number : 3 * number + 3]) == ["a", "b", "c"] for number in range(6))
    assert Counter(calls[::3]) == dict.fromkeys("abc", 2), "everyone begins a round as often"
    before = {name: {calls[i - 1] for i in range(1, len(calls)) if calls[i] == name} - {name} for name in "abc"}
    assert all(len(names) == 2 for names in before.values()), "everyone follows each of the others"


def test_what_is_quick_is_called_many_times_for_a_sample_and_once_before() -> None:
    calls: list[int] = []
    samples = interleaved({"quick": lambda: calls.append(0)}, {"quick": 0.001}, 3)
    assert samples["quick"].calls == 5
    assert len(calls) == 3 * (5 + 1)


def test_the_last_result_is_kept_and_the_collector_runs_again_afterwards() -> None:
    results = iter(range(100))
    assert interleaved({"counts": lambda: next(results)}, {"counts": 1.0}, 4)["counts"].last == 3
    assert gc.isenabled()


def test_a_call_that_fails_is_named_with_its_cause() -> None:
    def fails() -> None:
        raise ValueError("no")

    for time_it in (lambda: estimate("bad", fails), lambda: interleaved({"good": list, "bad": fails}, {"good": 1.0, "bad": 1.0}, 3)):
        with pytest.raises(CallFailed) as failed:
            time_it()
        assert failed.value.name == "bad"
        assert isinstance(failed.value.__cause__, ValueError)


def test_as_many_rounds_as_fit_but_three() -> None:
    assert rounds_for({"a": 1.0, "b": 1.0}, 15, 20.0) == 10
    assert rounds_for({"a": 1.0, "b": 1.0}, 15, 100.0) == 15
    assert rounds_for({"a": 60.0}, 15, 1.0) == 3


def test_ratios_are_of_the_same_round() -> None:
    slow_machine_in_the_middle = Samples((2.0, 20.0, 2.2), 1, 1.0), Samples((1.0, 10.0, 1.1), 1, 1.0)
    assert Spread.of(slow_machine_in_the_middle[0].ratios(slow_machine_in_the_middle[1])) == Spread(2.0, 2.0, 2.0)


def test_a_spread_is_the_median_with_its_quartiles() -> None:
    spread = Spread.of([5.0, 1.0, 3.0, 2.0, 4.0])
    assert (spread.median, spread.low, spread.high) == (3.0, 2.0, 4.0)
    assert spread.relative == 2.0 / 3.0
