"""The minimiser finds the smallest case that fails, says where the fault ends, and never leaves what can be replayed."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convverify.campaign.minimizing import EXTENTS, minimize
from convverify.generation.strategies import cases
from convverify.operands.case import Case
from convverify.problems.domain import Domain
from convverify.problems.dtypes import FORMATS
from convverify.problems.problem import Problem, is_degenerate

LONG = 60.0  # seconds: more than any of these needs


def shrunk(line: str, fails: Callable[[Case], bool], **options: bool) -> str:
    minimal = minimize(Case.parse(line), fails, LONG, **options)
    assert minimal.complete
    return str(minimal.case.problem)


@pytest.mark.parametrize(
    ("line", "fails", "smallest"),
    [
        ("x=3x9x8x5 w=3x3x5x7", lambda case: True, "x=1x1x1x1 w=1x1x1x1"),
        ("x=2x9x300x3 w=3x3x3x2 padding=SAME", lambda case: case.problem.width >= 129, "x=1x1x129x1 w=1x1x1x1"),
        ("x=1x8x8x40 w=3x3x40x2", lambda case: case.problem.in_channels > 16, "x=1x1x1x17 w=1x1x17x1"),
        ("x=2x8x8x3 w=3x2x3x2", lambda case: case.problem.kernel_height != case.problem.kernel_width, "x=1x1x2x1 w=1x2x1x1"),
        ("x=2x9x9x6 w=3x3x2x6", lambda case: case.problem.groups > 1, "x=1x1x1x2 w=1x1x1x2"),
        ("x=2x9x9x6 w=3x3x1x6", lambda case: case.problem.groups > 2, "x=1x1x1x3 w=1x1x1x3"),
        (
            "x=1x20x20x1 w=3x3x1x1 strides=3x2",
            lambda case: case.problem.strides[0] != case.problem.strides[1],
            "x=1x1x1x1 w=1x1x1x1 strides=2x1",
        ),
        ("x=1x9x9x2 w=3x3x2x2 padding=3,1,4,2", lambda case: case.problem.pads[1][0] > 1, "x=1x1x1x1 w=1x1x1x1 padding=0,0,2,0"),
        (
            "x=1x9x9x2 w=3x3x2x2 padding=SAME dtype=float64",
            lambda case: case.problem.pads != ((0, 0), (0, 0)),
            "x=1x1x1x1 w=1x2x1x1 padding=SAME",
        ),
        ("x=0x9x9x2 w=3x3x2x2", lambda case: case.problem.batch == 0, "x=0x1x1x1 w=1x1x1x1"),
        (
            "x=1x9x9x1 w=3x3x1x1 dilations=2x3",
            lambda case: case.problem.output_shape[2] > 2 and case.problem.kernel_width > 1,
            "x=1x1x4x1 w=1x2x1x1",
        ),
    ],
)
def test_a_problem_shrinks_to_what_the_fault_needs(line: str, fails: Callable[[Case], bool], smallest: str) -> None:
    assert shrunk(line, fails) == smallest


def test_where_the_fault_ends_is_said() -> None:
    minimal = minimize(Case.parse("x=1x9x40x3 w=3x3x3x2"), lambda case: case.problem.width >= 12 and case.problem.in_channels > 1, LONG)
    assert minimal.boundaries == ("fails for width = 12; passes at 11", "fails for in_channels = 2; passes at 1")


def test_layouts_styles_dtypes_and_seeds_become_ordinary() -> None:
    case = Case.parse("x=1x3x3x1 w=2x2x1x1 dtype=float64 values=mixed layouts=sliced,fortran seed=987654321")
    smallest = minimize(case, lambda case: True, LONG, values=False).case
    assert str(smallest) == "x=1x1x1x1 w=1x1x1x1 values=integers seed=0"


def test_the_layout_at_fault_stays() -> None:
    case = Case.parse("x=2x3x3x2 w=2x2x2x1 values=mixed layouts=sliced,fortran seed=4")
    smallest = minimize(case, lambda case: case.layouts[1] == "fortran", LONG).case
    assert smallest.layouts == ("contiguous", "fortran")


def test_values_become_few_and_small() -> None:
    case = Case.parse("x=1x3x3x1 w=2x2x1x1 values=integers seed=5")
    smallest = minimize(case, lambda case: np.count_nonzero(case.values()[0]) >= 2 and bool(case.values()[1].any()), LONG).case
    assert smallest.style == "given"
    assert len(smallest.x_elements) == 2
    assert len(smallest.w_elements) == 1
    assert {abs(value) for _, value in smallest.x_elements + smallest.w_elements} <= {1.0, 2.0}


def test_a_case_that_fails_at_a_later_call_keeps_its_values() -> None:
    case = Case.parse("x=1x3x3x1 w=2x2x1x1 values=integers seed=5 calls=3")
    assert minimize(case, lambda case: case.calls == 3, LONG).case.style == "integers"


def test_nothing_is_tried_when_there_is_no_time() -> None:
    case = Case.parse("x=3x9x8x5 w=3x3x5x7")
    tried: list[Case] = []
    minimal = minimize(case, lambda candidate: bool(tried.append(candidate)), -1.0, values=False)
    assert minimal.case == case
    assert tried == []
    assert not minimal.complete


GIVEN = "x=1x3x4x1 w=2x2x1x1 dtype=float64 x[0,2,3,0]=1e300 x[0,0,0,0]=2 w[1,1,0,0]=1 w[0,0,0,0]=-3"


@given(case=st.one_of(cases(dtypes=tuple(FORMATS), max_macs=500), st.just(Case.parse(GIVEN))), bits=st.integers(0, 2**32 - 1))
def test_every_candidate_can_be_replayed_and_the_smallest_still_fails(case: Case, bits: int) -> None:
    fails: dict[Case, bool] = {case: True}

    def at_random(candidate: Case) -> bool:
        assert str(Case.parse(str(candidate))) == str(candidate)
        return fails.setdefault(candidate, zlib.crc32(f"{candidate} {bits}".encode()) % 3 == 0 and len(fails) < 300)

    assert fails[minimize(case, at_random, LONG).case]


def test_what_is_ordinary_does_not_become_degenerate() -> None:
    fails = lambda case: case.problem.kernel_width > 2  # noqa: E731  # a fault that shows without any output, too
    assert shrunk("x=2x9x9x2 w=3x5x2x2", fails) == "x=1x1x3x1 w=1x3x1x1"
    assert shrunk("x=2x9x4x2 w=3x5x2x2", fails) == "x=1x1x1x1 w=1x3x1x1"


@given(case=cases(max_macs=2000), limits=st.lists(st.integers(1, 3), min_size=len(EXTENTS), max_size=len(EXTENTS)))
def test_what_is_called_minimal_is_minimal_in_each_extent(case: Case, limits: list[int]) -> None:
    least = dict(zip(EXTENTS, limits, strict=True))

    def fails(candidate: Case) -> bool:
        return all(getattr(candidate.problem, name) >= min(least[name], getattr(case.problem, name)) for name in EXTENTS)

    minimal = minimize(case, fails, LONG, values=False)
    assert fails(minimal.case)
    for name in EXTENTS:
        extent, unit = getattr(minimal.case.problem, name), minimal.case.problem.groups if name.endswith("channels") else 1
        smaller = minimal.case.problem.with_(**{name: extent - unit}) if extent > unit else minimal.case.problem
        if extent > unit and is_degenerate(smaller) <= is_degenerate(case.problem):
            assert not fails(minimal.case.with_(problem=smaller))
            assert f"fails for {name} = {extent}; passes at {extent - unit}" in minimal.boundaries


@pytest.mark.parametrize("seed", [9, 10, 13, 15, 16, 987654321])
def test_a_seed_becomes_small_and_the_search_ends(seed: int) -> None:
    tried: list[Case] = []

    def fails(candidate: Case) -> bool:
        tried.append(candidate)
        return candidate.problem.width > 1 and (candidate.seed in (2, seed))

    minimal = minimize(Case.parse(f"x=1x2x4x2 w=1x2x2x1 values=integers seed={seed}"), fails, LONG, values=False)
    assert minimal.complete
    assert minimal.case.seed == (seed if seed & 7 != 2 or seed < 10 else 2)
    assert len(set(tried)) == len(tried) < 200


def test_what_was_not_tried_is_not_said_to_pass() -> None:
    case = Case.parse("x=1x1x12x1 w=1x1x1x1")

    def fails(candidate: Case) -> bool | None:
        return None if candidate.problem.width == 11 else candidate.problem.width == 12  # as where the kernel refuses a width of 11

    assert minimize(case, fails, LONG).boundaries == ()
    assert minimize(case, lambda candidate: candidate.problem.width == 12, LONG).boundaries == ("fails for width = 12; passes at 11",)


def test_no_boundary_is_shown_when_time_is_over() -> None:
    now = time.monotonic()

    def slow(candidate: Case) -> bool:
        time.sleep(max(0.0, now + 0.2 - time.monotonic()))
        return False

    minimal = minimize(Case.parse("x=1x9x12x3 w=2x2x3x2"), slow, 0.1, values=False)
    assert not minimal.complete
    assert len(minimal.boundaries) <= 1


@pytest.mark.parametrize(
    ("domain", "line", "fails", "smallest", "boundaries"),
    [
        ("channels=8n", "x=3x9x8x40 w=3x3x40x24", lambda p: True, "x=1x1x1x8 w=1x1x8x8", ()),
        ("channels=8n", "x=3x9x8x64 w=3x3x64x24", lambda p: p.in_channels > 20, "x=1x1x1x24 w=1x1x24x8",
         ("fails for in_channels = 24; passes at 16",)),
        ("kernel=3x3 strides=equal", "x=3x9x8x4 w=3x3x4x2 strides=2x2", lambda p: p.strides != (1, 1),
         "x=1x3x3x1 w=3x3x1x1 strides=2x2", ()),
        ("kernel=square degenerate=no", "x=1x9x9x1 w=5x5x1x1", lambda p: p.kernel_width > 2, "x=1x3x3x1 w=3x3x1x1", ()),
        ("batch=2,4 padding=SAME", "x=4x9x9x1 w=5x5x1x1 padding=SAME", lambda p: True, "x=2x1x1x1 w=1x1x1x1 padding=SAME", ()),
        ("groups=depthwise", "x=1x5x5x6 w=2x2x1x12", lambda p: True, "x=1x1x1x1 w=1x1x1x1", ()),
        ("padding=EXPLICIT pads=equal", "x=1x5x5x1 w=2x2x1x1 padding=3,3,3,3", lambda p: p.pads[0][0] > 0,
         "x=1x1x1x1 w=1x1x1x1 padding=1,1,1,1", ()),
    ],
)  # fmt: skip
def test_a_case_shrinks_inside_the_domain(domain: str, line: str, fails: Callable[[Problem], bool], smallest: str, boundaries: Any) -> None:
    whole = Domain.of(domain)

    def fails_inside(candidate: Case) -> bool:
        assert whole.admits(candidate.problem)
        return fails(candidate.problem)

    minimal = minimize(Case.parse(line), fails_inside, LONG, values=False, domain=whole)
    assert minimal.complete
    assert str(minimal.case.problem) == smallest
    assert set(minimal.boundaries) >= set(boundaries)


def test_a_large_case_comes_to_the_boundary_in_few_probes() -> None:
    probes: list[Case] = []

    def fails(case: Case) -> bool:
        probes.append(case)
        return case.problem.macs > 4_000_000 and case.problem.height >= 97

    minimal = minimize(Case.parse("x=4x640x512x4 w=3x3x4x8 values=small_integers"), fails, 60.0, values=False)
    large = [case for case in probes if case.problem.macs > 8_000_000]
    assert minimal.case.problem.macs <= 5_000_000
    assert minimal.case.problem.height >= 97
    assert len(large) < 60
