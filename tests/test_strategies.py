"""Strategies draw legal problems under their budget, on both sides of the edges of tiles, and shrink to the smallest problem there is."""

from __future__ import annotations

import random
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

from convverify.generation.budget import DEFAULT_MACS, fit_budget
from convverify.generation.strategies import EDGES, cases, problems
from convverify.judging.kernel import make_kernel
from convverify.operands.case import Case
from convverify.operands.fills import styles
from convverify.operands.layouts import layouts
from convverify.problems.dtypes import DEFAULT_DTYPES, FORMATS
from convverify.problems.problem import Problem

PATIENT = settings(max_examples=3000, derandomize=False, database=None, suppress_health_check=list(HealthCheck))


def drawn(strategy: st.SearchStrategy[Any], count: int) -> list[Any]:
    """Draw from a strategy, the same examples every time."""
    examples: list[Any] = []

    @settings(max_examples=count, derandomize=True, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(strategy)
    def collect(example: Any) -> None:
        examples.append(example)

    collect()
    return examples


@given(problem=problems(dtypes=tuple(FORMATS)))
def test_problems_are_within_the_default_budget(problem: Problem) -> None:
    assert problem.macs <= DEFAULT_MACS
    assert problem.dtype in FORMATS


@given(problem=problems(max_macs=50))
def test_problems_are_within_a_small_budget(problem: Problem) -> None:
    assert problem.macs <= 50


@given(budget=st.integers(1, 2000), problem=problems())
def test_a_problem_is_cut_down_to_any_budget(budget: int, problem: Problem) -> None:
    cut = fit_budget(problem, budget)
    assert cut.macs <= budget
    assert cut.dtype == problem.dtype
    if (
        problem.macs <= budget
        and max(problem.batch * problem.height * problem.width * problem.in_channels, *problem.output_shape) <= budget
    ):
        assert cut.strides == problem.strides


@given(problem=problems(allow_empty=False))
def test_results_without_elements_can_be_left_out(problem: Problem) -> None:
    assert not problem.is_empty


@given(problem=problems(grouped=False))
def test_groups_can_be_left_out(problem: Problem) -> None:
    assert problem.groups == 1


@given(problem=problems(strides=st.just((3, 2)), dilations=st.just((1, 2)), padding=["SAME"], dtypes=["float16"]))
def test_problems_are_made_of_what_they_are_given(problem: Problem) -> None:
    assert problem.padding == "SAME"
    assert problem.dtype == "float16"
    assert (problem.strides, problem.dilations) == ((3, 2), (1, 2))


@given(problem=problems(padding=st.just(((1, 2), (3, 0)))))
def test_padding_can_be_a_strategy_of_its_own(problem: Problem) -> None:
    assert problem.padding in (((1, 2), (3, 0)), "VALID")


def test_two_arguments_mean_a_plain_problem() -> None:
    def function(x: Any, w: Any) -> None: ...

    kernel = make_kernel(function)
    assert drawn(cases(function, max_macs=1000), 100) == drawn(cases(kernel, max_macs=1000), 100)
    for case in drawn(cases(kernel, max_macs=1000), 100):
        assert kernel.explores(case.problem)


@pytest.mark.parametrize("first", ["", "import convverify.problems.problem; ", "from convverify import Problem; "])
def test_the_public_name_is_the_strategy_though_a_package_has_it_too(first: str) -> None:
    code = f"{first}from convverify import problems; from hypothesis.strategies import SearchStrategy as Strategy"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; print(isinstance(problems(max_macs=10), Strategy))"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "True\n"


def test_what_is_not_a_kernel_is_named() -> None:
    with pytest.raises(TypeError, match="must take two operands"):
        cases(lambda x: x)


# What is drawn.

_MOST = drawn(problems(dtypes=tuple(FORMATS)), 1500)


@pytest.mark.parametrize(
    "wanted",
    [
        lambda p: p.strides[0] != p.strides[1],
        lambda p: p.dilations[0] != p.dilations[1],
        lambda p: p.padding == "SAME" and p.pads[0][0] != p.pads[0][1],
        lambda p: len({pad for side in p.pads for pad in side}) == 4,
        lambda p: p.groups > 2 and p.groups == p.in_channels,
        lambda p: 1 < p.groups < p.in_channels,
        lambda p: p.batch == 0,
        lambda p: p.is_empty and p.batch,
        lambda p: p.kernel_height % 2 == 0 and p.padding == "SAME",
        lambda p: p.kernel_height != p.kernel_width,
        lambda p: p.kernel_height == p.height and p.kernel_width == p.width,
        lambda p: p.strides[0] > p.kernel_height,
        lambda p: min(p.pads[0]) > p.kernel_height,
        lambda p: p.kernel_height == p.kernel_width == 1,
        lambda p: p.in_channels > 256,
        lambda p: p.output_shape[2] > 256,
        lambda p: p.macs > 100_000,
    ],
)  # fmt: skip
def test_every_feature_of_a_convolution_is_drawn(wanted: Any) -> None:
    assert any(map(wanted, _MOST))


@pytest.mark.parametrize("name", ["batch", "in_channels", "out_channels", "groups"])
def test_extents_on_both_sides_of_tile_edges_are_drawn(name: str) -> None:
    seen = {getattr(problem, name) for problem in _MOST}
    assert len(seen & set(EDGES)) >= 6


def test_outputs_on_both_sides_of_tile_edges_are_drawn() -> None:
    for axis in (1, 2):
        assert len({problem.output_shape[axis] for problem in _MOST} & set(EDGES)) >= 10


def test_every_dtype_style_and_layout_is_drawn() -> None:
    some = drawn(cases(max_macs=100, dtypes=tuple(FORMATS)), 800)
    assert {case.problem.dtype for case in some} == set(FORMATS)
    assert {case.style for case in some} == set(styles.names())
    assert {case.layouts[0] for case in some} == {case.layouts[1] for case in some} == set(layouts.names())


def test_most_problems_are_different() -> None:
    assert len(set(_MOST)) > len(_MOST) / 2


# Shrinking.


@pytest.mark.parametrize(
    ("wanted", "smallest"),
    [
        (lambda p: p.width > 1, "x=1x1x2x1 w=1x2x1x1"),
        (lambda p: p.batch > 1, "x=2x1x1x1 w=1x1x1x1"),
        (lambda p: p.in_channels > 1, "x=1x1x1x2 w=1x1x2x1"),
        (lambda p: p.kernel_height != p.kernel_width, "x=1x1x2x1 w=1x2x1x1"),
        (lambda p: p.kernel_width > 1 and p.padding == "SAME", "x=1x1x1x1 w=1x2x1x1 padding=SAME"),
        (lambda p: p.strides != (1, 1), "x=1x1x1x1 w=1x1x1x1 strides=1x2"),
        (lambda p: p.dilations != (1, 1), "x=1x1x1x1 w=1x1x1x1 dilations=1x2"),
        (lambda p: p.groups > 1, "x=1x1x1x2 w=1x1x1x2"),
        (lambda p: p.in_channels > 16, "x=1x1x1x17 w=1x1x17x1"),
    ],
)
def test_a_fault_shrinks_to_what_it_needs(wanted: Any, smallest: str) -> None:
    """Shrinking is a search from where it starts, and may end where no single step leads on: one start of a few leads to the end."""
    ends = (str(find(problems(), wanted, settings=PATIENT, random=random.Random(start))) for start in range(8))
    assert smallest in ends


def test_a_case_shrinks_to_plain_integers() -> None:
    ends = (find(cases(), lambda case: case.problem.width > 1, settings=PATIENT, random=random.Random(start)) for start in range(8))
    assert "x=1x1x2x1 w=1x2x1x1 values=integers seed=0" in map(str, ends)


# Wrong use.


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        ({"strides": 2}, TypeError, "strides must be a strategy for pairs of integers, not 2"),
        ({"dilations": (1, 2)}, TypeError, "dilations must be a strategy"),
        ({"dtypes": ["int8"]}, ValueError, "dtypes must be among float16, bfloat16, float32, float64, not 'int8'"),
        ({"dtypes": []}, ValueError, "dtypes must name at least one dtype"),
        ({"max_macs": 0}, ValueError, "max_macs must be at least 1, not 0"),
        ({"padding": ["FULL"]}, ValueError, "padding must be a strategy or a selection of VALID, SAME and EXPLICIT"),
        ({"padding": []}, ValueError, "padding must be a strategy"),
    ],
)
def test_wrong_arguments_are_named(options: dict[str, Any], error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        problems(**options)
    with pytest.raises(error, match=told):
        cases(**options)


def test_unknown_styles_and_layouts_are_named() -> None:
    with pytest.raises(ValueError, match="style 'gaussian' is unknown"):
        cases(values=["gaussian"])
    with pytest.raises(ValueError, match="layout 'diagonal' is unknown"):
        cases(memory_layouts=["diagonal"])


@given(case=cases(problems=st.just(Problem(1, 2, 2)), values=["normal"], memory_layouts=["fortran"]))
def test_cases_are_made_of_what_they_are_given(case: Case) -> None:
    assert (case.problem, case.style, case.layouts) == (Problem(1, 2, 2), "normal", ("fortran", "fortran"))


@given(case=cases())
def test_dtypes_are_float32_and_float64_unless_asked_for(case: Case) -> None:
    assert case.problem.dtype in DEFAULT_DTYPES
