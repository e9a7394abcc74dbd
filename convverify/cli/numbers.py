"""Numbers as options take them: decimal digits, and no more of them than a machine counts with.

Python's own `int` and `float` take digits of any script, underscores between them, and as many as there are.
"""

from __future__ import annotations

import math
import re
from typing import Any

import click

from convverify.problems.reading import parse_whole

_REAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|[+-]?(inf|nan)", re.IGNORECASE)


class Whole(click.ParamType):  # type: ignore[type-arg]  # click 8.1 takes none
    """An integer, from `least` to `most` where these are given: some options are judged where they are used."""

    name = "integer"

    def __init__(self, least: int | None = None, most: int | None = None) -> None:
        self.least, self.most = least, most

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> int:
        """Return the integer that a text spells; UsageError for a text that spells none, and for one that is not allowed."""
        number = parse_whole(value) if isinstance(value, str) else value
        if not isinstance(number, int):
            self.fail(f"{value!r} is not a valid integer, of up to 20 digits.", parameter, context)
        if (self.least is not None and number < self.least) or (self.most is not None and number > self.most):
            self.fail(f"{number} is not from {self.least} to {self.most}.", parameter, context)
        return number


class Real(click.ParamType):  # type: ignore[type-arg]  # likewise
    """A number, or "inf"; above `above` where that is given."""

    name = "float"

    def __init__(self, above: float | None = None) -> None:
        self.above = above

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> float:
        """Return the number that a text spells; UsageError for a text that spells none, and for one that is not allowed."""
        if isinstance(value, str) and not _REAL.fullmatch(value):
            self.fail(f"{value!r} is not a valid float.", parameter, context)
        try:
            number = float(value)
        except OverflowError:  # an integer of a configuration file
            number = math.inf if value > 0 else -math.inf
        if self.above is not None and not number > self.above:
            self.fail(f"{value} is not more than {self.above}.", parameter, context)
        return number


def workers(context: click.Context, parameter: click.Parameter, text: str) -> int:
    """Return a number of processes: as many as there are processors for "auto"."""
    if text == "auto":
        import os

        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not (number := parse_whole(text)) or number < 0:
        raise click.UsageError(f"workers must be a number from 1, or auto, not {text!r}")
    return number


def numbers(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> tuple[int, ...]:
    """Let an option for numbers be given several times, or once with commas."""
    found = []
    for text in (text.strip() for part in value for text in part.split(",") if text.strip()):
        number = parse_whole(text)
        if number is None or number < 0:
            raise click.UsageError(f"{parameter.opts[0].lstrip('-')} must be numbers from 1, not {text!r}")
        found.append(number)
    return tuple(found)
