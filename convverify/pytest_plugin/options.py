"""Options of the plugin's command line: those of `convverify check`, read off its definition, so that there is one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import click
import pytest

from convverify.campaign.options import Options
from convverify.cli import check
from convverify.cli.configuration import defaults, find
from convverify.problems.reading import parse_whole
from convverify.reporting.plain import one_line

_DESTINATION = "convverify_option_"


def _shared() -> Iterator[click.Option]:
    """Yield the options of `convverify check` that belong to a campaign, not to what is written about it."""
    known = {item.name for item in fields(Options)}
    yield from (option for option in check.params if isinstance(option, click.Option) and option.name in known)


def add_options(parser: pytest.Parser) -> None:
    """Add --convverify-NAME for each option --NAME of `convverify check`."""
    group = parser.getgroup("convverify")
    for option in _shared():
        dest = f"{_DESTINATION}{option.name}"
        if option.is_flag:
            for names, value in ((option.opts, True), (option.secondary_opts, False)):
                if names:
                    group.addoption(*map(_prefixed, names), dest=dest, action="store_const", const=value, default=None, help=option.help)
        else:
            metavar = option.make_metavar(click.Context(check)).strip("[]")
            group.addoption(*map(_prefixed, option.opts), dest=dest, action="append", default=None, metavar=metavar, help=_help(option))


def _prefixed(name: str) -> str:
    return "--convverify-" + name.removeprefix("--")


def _help(option: click.Option) -> str:
    return (option.help or "").replace("%", "%%")


def given(config: pytest.Config) -> dict[str, Any]:
    """Return the options that were given on pytest's command line, as `convverify check` would take them.

    Raises pytest.UsageError, in one sentence.
    """
    values: dict[str, Any] = {}
    seed = config.getoption("--hypothesis-seed", default=None)
    if seed is not None:
        values["seed"] = _as_seed(str(seed))
    context = click.Context(check)
    for option in _shared():
        value = config.getoption(f"{_DESTINATION}{option.name}", default=None)
        if value is None or option.name is None:
            continue
        try:
            values[option.name] = option.process_value(context, value if option.is_flag or option.multiple else value[-1])
        except click.ClickException as error:
            raise pytest.UsageError(one_line(error.format_message())) from None
    return values


def configured(config: pytest.Config) -> dict[str, Any]:
    """Return the options that the project's [tool.convverify] gives, as `convverify check` would take them.

    Raises pytest.UsageError, in one sentence.
    """
    context = click.Context(check)
    try:
        found = find(config.rootpath)
        values = defaults(check, *found) if found else {}
        return {option.name: option.process_value(context, values[option.name]) for option in _shared() if option.name in values}
    except click.ClickException as error:
        raise pytest.UsageError(one_line(error.format_message())) from None


def _as_seed(text: str) -> int:
    """Return a seed for what Hypothesis takes as one: a number of up to 64 bits, or any other text."""
    number = parse_whole(text)
    if number is not None and abs(number) < 1 << 64:
        return abs(number)
    return int.from_bytes(hashlib.sha256(text.encode(errors="surrogateescape")).digest()[:4])


def corpus_of(config: pytest.Config) -> str:
    """Return the corpus of the project: beside its configuration, as seen from here."""
    return os.path.relpath(config.rootpath / Options("").corpus)
