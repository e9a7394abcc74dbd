"""asv's files as typed data: what a field may hold is checked here, once, so that a damaged file costs a sentence and no traceback.

The format (version 2) is described in asv's documentation, "Benchmark suite layout and file formats"; columns are named in each file.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from convverify.problems.reading import brief, parse_json, read_text

VERSION = 2
T = TypeVar("T")
_MOST_CHOICES = 100_000  # of parameters of one benchmark
_LEAST, _MOST = 1e-30, 1e30  # of whatever is measured, in whatever unit


class ResultsError(ValueError):
    """Results that cannot be read; the message is one sentence for the person who named them."""


@dataclass(frozen=True)
class Benchmark:
    """What `benchmarks.json` says of a benchmark; `version` is "" where it says none."""

    title: str
    unit: str
    version: str


@dataclass(frozen=True)
class Measured:
    """What one choice of parameters came to; `value` is None where it failed, NaN for n/a; the quartiles are None without samples."""

    parameters: tuple[str, ...]
    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Row:
    """What one benchmark came to; `version` says which of its definitions was measured, "" where the file does not."""

    version: str
    measured: tuple[Measured, ...]


@dataclass(frozen=True)
class Result:
    """A file of results: of one commit in one environment.  `date` is in milliseconds since 1970, `day` as YYYY-MM-DD."""

    commit: str
    environment: str
    date: float
    day: str
    python: str
    requirements: Mapping[str, str]
    rows: Mapping[str, Row]


def read_benchmarks(path: Path) -> dict[str, Benchmark]:
    """Return the benchmarks by name; ResultsError where the file cannot be read."""
    return _read(path, _benchmarks)


def read_machine(path: Path) -> str:
    """Return in words what a machine is; ResultsError where the file cannot be read."""
    return _read(path, _machine)


def read_result(path: Path) -> Result:
    """Return a file of results; ResultsError where it cannot be read."""
    return _read(path, _result)


def _read(path: Path, understand: Callable[[dict[str, Any]], T]) -> T:
    try:
        data = parse_json(read_text(path))
        if not isinstance(data, dict):
            raise ValueError("is not what asv writes: no object of JSON")
        return understand(data)
    except ValueError as error:
        raise ResultsError(f"{path} {error}") from None


def _field(data: dict[str, Any], key: str, kind: type[T] | tuple[type[T], ...]) -> T:
    """Return a field's value; ValueError where it is of another kind, or not there."""
    value = data.get(key)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f"is not what asv writes: {key} is {brief(value)}")
    return value


def _text(data: dict[str, Any], key: str) -> str:
    """Return a field's text; "" where it is not there."""
    return "" if data.get(key) is None else _field(data, key, str)


def _benchmarks(data: dict[str, Any]) -> dict[str, Benchmark]:
    return {
        name: Benchmark(_text(found, "pretty_name") or name, _text(found, "unit"), _text(found, "version"))
        for name, found in data.items()
        if isinstance(found, dict)
    }


def _machine(data: dict[str, Any]) -> str:
    return ", ".join(str(data[key]) for key in ("cpu", "num_cpu", "ram", "os") if isinstance(data.get(key), str | int) and data[key])


def _result(data: dict[str, Any]) -> Result:
    if data.get("version") != VERSION:
        raise ValueError(f"has version {brief(data.get('version'))} of asv's format, where {VERSION} is understood")
    date = _number(_field(data, "date", (int, float)), "date")
    try:
        day = str(datetime.fromtimestamp(date / 1000, UTC).date())
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"is not what asv writes: date is {date}") from None
    columns = _field(data, "result_columns", list)
    rows = {}
    for name, values in _field(data, "results", dict).items():
        if not isinstance(values, list) or not all(isinstance(column, str) for column in columns):
            raise ValueError(f"is not what asv writes: results of {brief(name)} are {brief(values)}")
        rows[name] = _row(dict(zip(columns, values, strict=False)))
    requirements = {} if data.get("requirements") is None else _field(data, "requirements", dict)
    return Result(
        _field(data, "commit_hash", str), _text(data, "env_name"), date, day, _text(data, "python"),
        {str(name): str(version) for name, version in requirements.items() if isinstance(version, str)}, rows,
    )  # fmt: skip


def _row(row: dict[str, Any]) -> Row:
    parameters = [] if row.get("params") is None else _field(row, "params", list)
    if not all(isinstance(words, list) and all(isinstance(word, str) for word in words) for words in parameters):
        raise ValueError(f"is not what asv writes: params is {brief(parameters)}")
    count = math.prod(len(words) for words in parameters)
    if count > _MOST_CHOICES:
        raise ValueError(f"is not what asv writes: params has {count} choices")
    columns = [_values(row, key, count) for key in ("result", "stats_q_25", "stats_q_75")]
    choices = (tuple(word.strip("'\"") for word in words) for words in itertools.product(*parameters))
    return Row(_text(row, "version"), tuple(Measured(*one) for one in zip(choices, *columns, strict=True)))


def _values(row: dict[str, Any], key: str, count: int) -> list[float | None]:
    """Return a column of numbers, one for each choice of parameters; None for each where there is no column."""
    if row.get(key) is None:
        return [None] * count
    values = _field(row, key, list)
    if len(values) != count:
        raise ValueError(f"is not what asv writes: {key} has {len(values)} values for {count} choices of parameters")
    return [None if value is None else _number(value, key, nan=True) for value in values]


def _number(value: Any, key: str, *, nan: bool = False) -> float:
    """Return a number, or a NaN where that is allowed; ValueError for anything else, and for what is no measure of anything."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and ((nan and value != value) or value == 0 or _LEAST <= abs(value) <= _MOST):
        return float(value)
    raise ValueError(f"is not what asv writes: {key} holds {brief(value)}")
