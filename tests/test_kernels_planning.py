"""How `matmul` chooses: the cheapest plan of a model whose constants a script measures."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest

from convverify.kernels import planning
from convverify.kernels.planning import COLUMNS, MOST_BYTES, PATCHES, ROWS, buffers, candidates, cost, plan, shape_of
from convverify.problems.problem import Problem
from convverify.problems.suites import find_suite

COLUMNS_CHEAP = Problem.parse("x=1x224x224x3 w=7x7x3x64 strides=2x2 padding=3,3,3,3")
ROWS_CHEAP = Problem.parse("x=16x28x28x64 w=5x5x64x32 padding=SAME")
MATRIX = Problem.parse("x=8x56x56x64 w=1x1x64x256")


@pytest.fixture
def costs(monkeypatch):
    """Set constants of the model, for plans that are made anew."""

    def set_to(**values: float) -> None:
        monkeypatch.setattr(planning, "COSTS", planning.Costs(**values))
        plan.cache_clear()

    yield set_to
    plan.cache_clear()


@pytest.mark.parametrize(("problem", "way"), [(COLUMNS_CHEAP, COLUMNS), (ROWS_CHEAP, ROWS), (MATRIX, PATCHES)])
def test_each_way_is_chosen_where_it_is_cheapest(problem, way):
    chosen = plan(problem)
    assert chosen.way == way
    assert chosen.blocks


def test_a_plan_follows_the_constants(costs):
    costs(copied=0.0, run=0.0)
    assert plan(ROWS_CHEAP).way == PATCHES
    costs(copied=100.0)
    assert plan(ROWS_CHEAP).way == ROWS
    assert plan(COLUMNS_CHEAP).way in (ROWS, COLUMNS)
    costs(piece=1e12)
    assert len(plan(ROWS_CHEAP).blocks) == min(len(planning.blocks_of(ROWS_CHEAP, pixels)) for _, pixels, _ in candidates(ROWS_CHEAP))


def test_no_candidate_costs_less_than_the_one_that_is_chosen():
    for layer in find_suite("resnet50", 1):
        chosen = plan(layer.problem)
        cheapest = min(candidates(layer.problem), key=lambda candidate: cost(layer.problem, *candidate))
        assert (chosen.way, len(chosen.channels)) == (cheapest[0], cheapest[2])


@pytest.mark.parametrize("suite", ["resnet50", "vgg16", "unet", "inception_v3"])
def test_buffers_of_a_block_have_room(suite):
    for layer in find_suite(suite, 8):
        for way, pixels, count in candidates(layer.problem):
            shape = shape_of(layer.problem, pixels)
            assert buffers(layer.problem, way, shape) <= MOST_BYTES or shape.pixels == 1 or count > 1


def test_problems_of_one_pixel_and_of_large_windows_have_a_plan():
    for line in ("x=1x1x1x1 w=1x1x1x1", "x=1x2000x2000x8 w=2000x2000x8x1", "x=3x5x5x4 w=5x5x2x6"):
        problem = Problem.parse(line)
        chosen = plan(problem)
        assert sum(block.pixels for block in chosen.blocks) == problem.batch


def test_the_script_finds_the_constants_that_times_are_made_of():
    fitted = runpy.run_path(str(Path(__file__).parents[1] / "tools" / "measure_costs.py"))["fitted"]
    rng = np.random.default_rng(0)
    terms = rng.uniform(1, 1000, (200, 3))
    times = terms @ [2.0, 0.0, 0.5]
    times[::20] *= 5  # something else kept the processor
    coefficients, errors = fitted(terms, times)
    np.testing.assert_allclose(coefficients, [2.0, 0.0, 0.5], atol=1e-9)
    assert np.abs(np.delete(errors, np.s_[::20])).max() < 1e-9
