"""The diagnosis names faults that it knows, from outputs alone, and says nothing where nothing fits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from convverify.campaign.diagnosing import diagnose
from convverify.operands.case import Case
from convverify.references.exact import convolve

CASES = [
    Case.parse(line)
    for line in (
        "x=1x5x6x2 w=2x3x2x3 values=integers seed=1",
        "x=2x6x5x3 w=3x2x3x2 strides=2x1 padding=SAME values=integers seed=2",
        "x=1x7x7x4 w=3x3x2x4 padding=1,0,2,1 values=integers seed=3",
        "x=2x4x5x1 w=1x2x1x2 values=integers seed=4",
    )
]


def outputs(fault: Callable[[Case, Any, Any], Any], cases: list[Case]) -> list[tuple[Case, Any]]:
    """What a kernel with a fault returns on some cases."""
    return [(case, np.asarray(fault(case, *(array.astype(np.float64) for array in case.values())))) for case in cases]


def right(case: Case, x: Any, w: Any) -> Any:
    return convolve(case.problem, x, w)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (lambda case, x, w: right(case, x, w[::-1, ::-1]), "kernel flipped (true convolution)"),
        (lambda case, x, w: right(case, x, w[:, ::-1]), "kernel flipped left to right"),
        (lambda case, x, w: 2.0 * right(case, x, w), "weights used twice"),
    ],
)
def test_a_known_fault_is_named_from_its_outputs(fault: Callable[[Case, Any, Any], Any], words: str) -> None:
    sentence = diagnose(outputs(fault, CASES), seconds=20.0)[0]
    assert sentence == f"matches: {words} on 4 of 4 failing cases"


def test_an_unknown_fault_has_no_name() -> None:
    def odd(case: Case, x: Any, w: Any) -> Any:
        return right(case, x, w) + np.arange(case.problem.output_shape[-1]) ** 2 + 1.0

    assert diagnose(outputs(odd, CASES), seconds=20.0) == ()


def test_results_that_are_zero_all_over_say_nothing() -> None:
    assert diagnose(outputs(lambda case, x, w: 0.0 * right(case, x, w), CASES), seconds=20.0) == ()


def test_one_case_is_not_enough() -> None:
    flipped = outputs(lambda case, x, w: right(case, x, w[::-1, ::-1]), CASES[:1])
    assert diagnose(flipped, seconds=20.0) == ()
    assert diagnose(flipped * 2, seconds=20.0)


def test_a_mutant_is_not_explained_by_itself() -> None:
    flipped = outputs(lambda case, x, w: right(case, x, w[::-1]), CASES)
    named = "\n".join(diagnose(flipped, seconds=20.0))
    assert "mutant kernel_upside_down" in named
    assert "mutant kernel_upside_down" not in "\n".join(diagnose(flipped, seconds=20.0, without="kernel_upside_down"))
