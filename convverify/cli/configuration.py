"""Options of `convverify check` from a project's pyproject.toml, where it has a table [tool.convverify].

Keys are the long options without their dashes: `max-examples = 500`, `dtype = ["float32", "bfloat16"]`, `isolation = false`.  The nearest
pyproject.toml with that table counts, from the working directory upwards.  Files are named relative to it.  The command line wins.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

import click

from convverify.cli.numbers import Real, Whole
from convverify.problems.reading import brief, is_file, read_text

_FILES = ("json", "html", "junit", "corpus", "known", "write-known")
SOURCE = "convverify.cli.configuration"  # the key of click's `meta` that holds the file


class Configured(click.Command):
    """A command whose defaults come from [tool.convverify]."""

    def make_context(self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any) -> click.Context:
        """Read the configuration, unless help is asked for: it has to be there to mend what is wrong."""
        if not {"--help", "-h"} & set(args) and (found := find(Path.cwd())):
            file, table = found
            extra["default_map"] = defaults(self, file, table)
            context = super().make_context(info_name, args, parent, **extra)
            context.meta[SOURCE] = file
            return context
        return super().make_context(info_name, args, parent, **extra)


def told(context: click.Context) -> str:
    """Return which options a configuration has decided, and which file: "pyproject.toml (seed, dtype)"; "" for none."""
    names = [
        _key(parameter)
        for parameter in context.command.params
        if parameter.name and context.get_parameter_source(parameter.name) is click.core.ParameterSource.DEFAULT_MAP
    ]
    return f"{os.path.relpath(context.meta[SOURCE])} ({', '.join(names)})" if names else ""


def find(start: Path) -> tuple[Path, dict[str, Any]] | None:
    """Return the nearest pyproject.toml that has the table, and the table; None where there is none.

    Raises ClickException, in one sentence, for a file that cannot be read.
    """
    for folder in (start, *start.parents):
        file = folder / "pyproject.toml"
        try:
            if not file.is_file():
                continue
            text = read_text(file)
        except OSError as error:
            raise _Wrong(file, f"cannot be read: {error.strerror}") from None
        except ValueError as error:
            raise _Wrong(file, str(error)) from None
        try:
            table = tomllib.loads(text).get("tool", {}).get("convverify")
        except (ValueError, AttributeError, RecursionError) as error:
            raise _Wrong(file, f"is not a valid file of TOML: {error}") from None
        if isinstance(table, dict):
            return file, table
        if table is not None:
            raise _Wrong(file, f"tool.convverify must be a table, not {brief(table)}")
    return None


def defaults(command: click.Command, file: Path, table: dict[str, Any]) -> dict[str, Any]:
    """Return the table's values by the names of the command's parameters.

    Raises ClickException, in one sentence, for a key that is unknown and for a value that is not allowed.
    """
    options = {_key(parameter): parameter for parameter in command.params if isinstance(parameter, click.Option)}
    values: dict[str, Any] = {}
    for key, value in table.items():
        name = key.replace("_", "-")
        if name not in options:
            raise _Wrong(file, f"[tool.convverify] has the unknown key {key!r}; allowed: {', '.join(sorted(options))}")
        option = options[name]
        allowed, checked = _checked(option, value)
        if allowed:
            raise _Wrong(file, f"{key} in [tool.convverify] must be {allowed}, not {brief(value)}")
        if name in _FILES or (name == "suite" and is_file(file.parent / checked)):
            checked = os.path.relpath(file.parent / checked)
        assert option.name is not None
        values[option.name] = checked
    _check_ranges(file, values)
    return values


def _key(parameter: click.Parameter) -> str:
    """Return the long option's name without dashes, in its positive form."""
    return next((name for name in parameter.opts if name.startswith("--")), parameter.opts[0]).lstrip("-")


def _checked(option: click.Option, value: Any) -> tuple[str, Any]:
    """Return what is allowed where a value is not, else ""; and the value as click takes it."""
    kind = option.type
    if any("\0" in item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str)):
        return "text without NUL characters", value
    if option.is_flag:
        return ("" if isinstance(value, bool) else "true or false"), value
    if option.multiple:
        several = [value] if isinstance(value, str) else value
        right = isinstance(several, list) and all(isinstance(item, str) for item in several)
        return ("" if right else "a string or an array of strings"), several
    if isinstance(kind, click.Choice):
        right = isinstance(value, str) and value.upper() in [choice.upper() for choice in kind.choices]
        return ("" if right else "one of " + ", ".join(kind.choices)), value
    if isinstance(kind, Whole):
        return ("" if isinstance(value, int) and not isinstance(value, bool) else "an integer"), value
    if isinstance(kind, Real):
        return ("" if isinstance(value, int | float) and not isinstance(value, bool) else "a number"), value
    if option.name == "domain" and not isinstance(value, str):
        return _domain(value) if isinstance(value, dict) else ("a line of text or a table", value)
    if option.name == "workers":
        return ("" if value == "auto" or (type(value) is int and value > 0) else 'a number from 1, or "auto"'), str(value)
    return ("" if isinstance(value, str) else "a string"), value


def _domain(table: dict[str, Any]) -> tuple[str, Any]:
    """Return a table of a domain's fields as the line of text that the option takes."""
    from convverify.problems.domain import Domain

    try:
        return "", str(Domain.of(table))
    except (TypeError, ValueError) as error:
        return f"a domain ({error})", table


def _check_ranges(file: Path, values: dict[str, Any]) -> None:
    """Let the options judge the values that they judge, so that the sentence says where a wrong one comes from."""
    from dataclasses import fields

    from convverify.campaign.options import Options

    known = {item.name for item in fields(Options)} - {"workers"}
    chosen: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items() if name in known}
    for name in ("dtypes", "properties", "without", "references"):
        if name in chosen:
            chosen[name] = tuple(part.strip() for item in chosen[name] for part in item.split(",") if part.strip())
    if "data_format" in chosen:
        chosen["data_format"] = chosen["data_format"].upper()
    try:
        Options(**{"target": "", **chosen})
    except ValueError as error:
        raise _Wrong(file, f"[tool.convverify]: {error}") from None


class _Wrong(click.ClickException):
    """What is wrong with a file, in one sentence that names it."""

    def __init__(self, file: Path, sentence: str) -> None:
        super().__init__(f"{os.path.relpath(file)}: {sentence}")
