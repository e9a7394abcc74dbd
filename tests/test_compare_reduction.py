"""Smaller problems: the same convolution, and never a call whose end nobody can wait for."""

from __future__ import annotations

import pytest

from convverify.compare.reduction import affordable, reduced
from convverify.problems.problem import Problem
from convverify.problems.suites import find_suite, suites

BIG = Problem.parse("x=8x56x56x64 w=3x3x64x64 padding=SAME")


class Machine:
    """Calls that take a fixed time, and some for each multiply-add."""

    def __init__(self, fixed: float, each: float) -> None:
        self.fixed, self.each, self.called = fixed, each, list[Problem]()

    def call(self, problem: Problem) -> float:
        self.called.append(problem)
        return self.seconds(problem)

    def seconds(self, problem: Problem) -> float:
        return self.fixed + self.each * problem.macs


@pytest.mark.parametrize("name", suites.names())
def test_a_reduced_problem_is_the_same_convolution_with_about_as_many_multiply_adds(name: str) -> None:
    for layer in find_suite(name, 8):
        problem = layer.problem
        for macs in (1 << 15, 1 << 20):
            smaller = reduced(problem, macs)
            kept = ("kernel_height", "kernel_width", "in_channels", "strides", "dilations", "padding", "groups", "dtype")
            assert all(getattr(smaller, field) == getattr(problem, field) for field in kept)
            assert 0 < smaller.macs <= max(macs, problem.groups * problem.terms)
            assert smaller == problem or smaller.macs > macs / 4
        assert reduced(problem, problem.macs) == problem


@pytest.mark.parametrize(
    ("fixed", "each", "whole"),
    [(2e-5, 1e-11, True), (0.0, 1e-6, False), (0.1, 1e-11, True), (0.0, 1.3e-9, True), (0.0, 1e-8, False)],
    ids=["fast", "interpreted", "fixed cost", "just fast enough", "slow"],
)
def test_what_takes_too_long_is_made_smaller(fixed: float, each: float, whole: bool) -> None:
    machine = Machine(fixed, each)
    chosen = affordable(machine.call, BIG, 1.25, 0.2)
    assert (chosen == BIG) == whole
    assert max(machine.seconds(problem) for problem in machine.called) <= 1.25
    if not whole:
        assert 0.05 < machine.seconds(chosen) <= 0.25


def test_a_problem_whose_single_pixel_is_large_is_tried_as_well() -> None:
    deep = Problem.parse("x=1x40x40x4096 w=7x7x4096x8")
    machine = Machine(0.0, 1e-11)
    assert affordable(machine.call, deep, 1.25, 0.2) == deep
