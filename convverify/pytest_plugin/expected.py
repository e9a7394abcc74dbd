"""Expected failures: a file of `target property  # reason`, strict in both directions: what is listed must fail, and in that way."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from convverify.judging.properties import properties
from convverify.problems.reading import exists, read_text
from convverify.pytest_plugin.campaigns import Refuted
from convverify.pytest_plugin.collection import target_of_test
from convverify.reporting.plain import one_line


@dataclass(frozen=True)
class Expected:
    """A property that is known not to hold for a target, and why."""

    target: str
    property: str
    reason: str


def read(path: Path) -> list[Expected]:
    """Return the lines of a file of expected failures.

    Raises pytest.UsageError, in one sentence with the line's number, where one is not understood.
    """
    try:
        text = read_text(path)
    except ValueError as error:
        raise pytest.UsageError(f"--convverify-xfail: file {str(path)!r} {error}") from None
    found: list[Expected] = []
    for number, line in enumerate(text.splitlines(), 1):
        content, _, reason = (part.strip() for part in line.partition("#"))
        if not content:
            continue
        target, _, name = content.rpartition(" ")
        place = f"--convverify-xfail: {one_line(str(path))}:{number}"
        if not target:
            raise pytest.UsageError(f"{place}: a line must be `target property  # reason`, not {line!r}")
        if name not in properties:
            raise pytest.UsageError(f"{place}: property {name!r} is unknown; known: {', '.join(properties.names())}")
        if not reason:
            raise pytest.UsageError(f"{place}: give the reason after #")
        found.append(Expected(target.strip(), name, reason))
    return found


def _found(config: pytest.Config, name: str) -> Path:
    """Return a file as it is seen from here, or else from where pytest's configuration is, which may have named it."""
    here = config.invocation_params.dir / name
    return here if exists(here) else config.rootpath / name


def mark_expected(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests of listed properties as expected failures."""
    listed = {(one.target, one.property): one for one in read(_found(config, config.getoption("convverify_xfail")))}
    for item in items:
        one = listed.get(target_of_test(item) or ("", ""))
        if one is not None:
            item.add_marker(pytest.mark.xfail(reason=one.reason, strict=True, raises=Refuted))
