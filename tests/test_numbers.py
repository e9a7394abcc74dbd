"""Numbers on the command line: decimal digits, and no more than a machine counts with."""

from __future__ import annotations

import math
from typing import Any

import click
import pytest

from convverify.cli.numbers import Real, Whole, numbers, workers
from convverify.compare.options import CompareOptions

HUGE = "1" + "0" * 400
NO_INTEGERS = ("²", "٣", "1_0", HUGE, "1" * 5000, "1.0", "nan", "", " 1", "many")


def option(name: str = "--number") -> Any:
    return click.Option([name]), click.Context(click.Command("check"))


@pytest.mark.parametrize("text", NO_INTEGERS)
def test_what_is_no_integer_is_refused_in_one_sentence(text: str) -> None:
    parameter, context = option()
    with pytest.raises(click.UsageError, match="is not a valid integer"):
        Whole().convert(text, parameter, context)
    with pytest.raises(click.UsageError, match="workers must be a number from 1, or auto"):
        workers(context, parameter, text)


@pytest.mark.parametrize("text", ["²", "1_0", HUGE, "-1"])
def test_an_option_for_numbers_takes_no_others(text: str) -> None:
    parameter, context = option("--batch")
    with pytest.raises(click.UsageError, match="batch must be numbers from 1, not "):
        numbers(context, parameter, ("1,2", text))


def test_integers_are_taken_as_they_are() -> None:
    parameter, context = option()
    assert [Whole().convert(text, parameter, context) for text in ("0", "007", "-3", "+4", str(2**64))] == [0, 7, -3, 4, 2**64]
    assert numbers(context, parameter, ("1, 2", "3")) == (1, 2, 3)
    assert workers(context, parameter, "12") == 12
    assert workers(context, parameter, "auto") >= 1


@pytest.mark.parametrize("text", ["0", "11", "-1"])
def test_an_integer_that_is_not_allowed_is_refused_by_its_range(text: str) -> None:
    with pytest.raises(click.UsageError, match=rf"{text} is not from 1 to 10"):
        Whole(1, 10).convert(text, *option())


@pytest.mark.parametrize("text", ["²", "٣", "1_0", "x", "", "1e", ".", "1 ", "0x1"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(click.UsageError, match="is not a valid float"):
        Real().convert(text, *option())


def test_numbers_of_any_size_are_taken_as_what_they_come_to() -> None:
    found = [Real().convert(text, *option()) for text in ("1", ".5", "2.", "1e3", "inf", HUGE, "1e400", 10**400, -(10**400))]
    assert found == [1.0, 0.5, 2.0, 1000.0, math.inf, math.inf, math.inf, math.inf, -math.inf]


@pytest.mark.parametrize("text", ["nan", "1", "0.5", "-inf"])
def test_a_number_that_is_not_above_a_limit_is_refused(text: str) -> None:
    with pytest.raises(click.UsageError, match="is not more than 1"):
        Real(above=1.0).convert(text, *option())


@pytest.mark.parametrize("name", ["threads", "rounds", "check_examples", "seed"])
def test_a_comparison_has_limits(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be at most "):
        CompareOptions(("matmul",), **{name: 10**30})
