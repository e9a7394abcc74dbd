"""What a problem takes is reckoned before it is allocated."""

from __future__ import annotations

import pytest

from convverify.problems import size
from convverify.problems.problem import Problem
from convverify.problems.size import bytes_needed, too_large, work_of
from convverify.problems.suites import find_suite, suites

ABSURD = (
    "x=1x10000000x10000000x1 w=1x1x1x1",
    "x=999999999999999x999999999999999x999999999999999x1 w=1x1x1x1",
    "x=1x1x1x1 w=999999999999999x1x1x1",
    "x=1x1x1x1 w=999999999999999x1x1x0",  # no elements, and loops without end
    "x=1x1x1x1 w=1x1x1x1 padding=0,900000000,0,900000000",
    "x=1x1x1x1 w=2x2x1x1 padding=900000000,0,900000000,0 dilations=900000000x900000000",  # one output, from a padded image of 1e18
)


@pytest.mark.parametrize("line", ABSURD)
def test_an_absurd_problem_is_too_large_for_any_machine(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(size, "bytes_of_machine", lambda: 1 << 45)
    assert " of memory, and this machine has 32 TiB" in too_large(Problem.parse(line))


@pytest.mark.parametrize("name", suites.names())
def test_shipped_suites_fit_a_small_machine(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(size, "bytes_of_machine", lambda: 2 << 30)
    assert [str(layer.problem) for layer in find_suite(name) if too_large(layer.problem)] == []


def test_bytes_are_those_of_operands_and_results() -> None:
    one, two = (Problem(1, 64, 64, 16, 1, 1, 16, dtype=dtype) for dtype in ("float32", "float64"))
    elements = 64 * 64 * 16
    assert bytes_needed(one) > 4 * 3 * elements + 8 * 3 * elements  # as the kernel has them, and for exact arithmetic
    assert bytes_needed(two) - bytes_needed(one) == 4 * (2 * (elements + 256) + elements)


def test_work_counts_calls_as_well_as_multiply_adds() -> None:
    small, large = Problem(), Problem(1, 64, 64, 16, 3, 3, 16)
    assert work_of(large) - work_of(small) == large.macs - small.macs
    assert work_of(small, 100_000) == 100_000 * work_of(small)


def test_the_machine_has_what_the_system_says_or_its_container(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = size.bytes_of_machine.__wrapped__()
    (place := tmp_path / "memory.max").write_text("1048576\n")  # type: ignore[operator]  # a path
    monkeypatch.setattr(size, "_CGROUP", (str(place),))
    assert size.bytes_of_machine.__wrapped__() == 1 << 20 < whole
    place.write_text("max\n")
    assert size.bytes_of_machine.__wrapped__() >= whole
