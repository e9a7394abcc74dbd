"""Observations: what a host reports of a call, checked as foreign input, with the judge's own copy of the result.

A report that makes no sense is an observation, too: `nonsense` says what is wrong with it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
_EXTENT, _AXES = 1 << 48, 32


@dataclass(frozen=True)
class Frame:
    """A line of code that was being executed when an exception was raised."""

    file: str
    line: int
    function: str
    source: str


@dataclass(frozen=True)
class Raised:
    """An exception: the names of its classes, the most special one first, its message, and where it came from."""

    classes: tuple[str, ...]
    text: str = ""
    frames: tuple[Frame, ...] = ()

    def __str__(self) -> str:
        """Return it in one line."""
        return f"{self.classes[0]}{': ' + self.text if self.text else ''}"

    def is_a(self, *names: str) -> bool:
        """Return whether it is of one of some classes."""
        return bool(set(names) & set(self.classes))


@dataclass(frozen=True)
class Observation:
    """What one call of the kernel came to: a result, an exception, or a refusal (NotImplementedError).

    `result` is the judge's own copy, in the kernel's order of axes, None where the kernel returned no array; `type` names what it did
    return, `shape` and `dtype` what it looked like where it could not be copied.  `written` says of x and of w whether their memory
    ("bytes") or their description ("form") has changed; `overlaps` which of them the result lies in; `shares` and `changed` in and of
    which results of earlier steps; `spoiled` which results that were kept of earlier cases have changed; `unsupported` whether the
    exception is one by which the kernel refuses a problem.
    """

    type: str = ""
    result: Array | None = None
    shape: tuple[int, ...] = ()
    dtype: str = ""
    error: Raised | None = None
    seconds: float = 0.0
    written: tuple[tuple[str, str], ...] = ()
    overlaps: tuple[str, ...] = ()
    shares: tuple[int, ...] = ()
    changed: tuple[int, ...] = ()
    spoiled: tuple[int, ...] = ()
    nonsense: str = ""
    unsupported: bool = False

    @property
    def is_array(self) -> bool:
        """Whether the kernel returned an array, of whatever kind."""
        return self.error is None and bool(self.dtype)

    @property
    def is_float(self) -> bool:
        """Whether the result holds floating-point numbers."""
        return self.result is not None and (self.result.dtype.kind == "f" or self.result.dtype.name == "bfloat16")

    @property
    def failure(self) -> str:
        """What happened instead of a result, in words; "" where there is one."""
        if self.error is not None:
            return f"raised {self.error}"
        return "" if self.is_array else f"returned {self.type or 'nothing'}, not an array"


Read: TypeAlias = Callable[[int, int], npt.NDArray[np.uint8]]


def records_of(lines: Sequence[bytes], steps: Sequence[int]) -> list[list[Any] | None]:
    """Return the records of a batch whose cases have so many steps each: lists, or None for a line that is nothing of the kind."""
    found: list[list[Any] | None] = []
    for line, count in zip(lines, steps, strict=False):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            record = None
        found.append(record if isinstance(record, list) and len(record) <= count else None)
    return found


def observe(
    record: Any, said: dict[str, Any], read: Read, dtype_of: Callable[[str], Any], refuses: Sequence[str] = ("NotImplementedError",)
) -> Observation:
    """Return the observation that a record makes, of the call that `said` asked for; `read(first, bytes)` returns shared memory,
    `refuses` names the exceptions by which the kernel refuses problems."""
    if not isinstance(record, dict):
        return Observation(nonsense="it is no record of a call")
    try:
        if "error" in record:
            error = _raised(record["error"])
            return Observation(error=error, seconds=_seconds(record.get("seconds", 0.0)), unsupported=error.is_a(*refuses))
        shape: tuple[int, ...] = ()
        name, result = "", None
        if "shape" in record:
            shape, name = tuple(map(_count, record["shape"])), _text(record["dtype"])
            if len(shape) > _AXES:
                raise ValueError(f"a shape of {len(shape)} axes")
            if record["copied"] is True:
                result = _result(shape, name, said, read, dtype_of)
        return Observation(
            _text(record["type"]), result, shape, name, None, _seconds(record["seconds"]),
            tuple([(letter, how) for letter, _, how in (_text(item).partition(":") for item in record.get("written", ()))]),
            tuple(map(_text, record.get("overlaps", ()))), tuple(map(_count, record.get("shares", ()))),
            tuple(map(_count, record.get("changed", ()))), tuple(map(_count, record.get("spoiled", ()))),
        )  # fmt: skip
    except (KeyError, ValueError, TypeError, OverflowError, MemoryError) as error:
        return Observation(nonsense=f"{type(error).__name__}: {' '.join(str(error).split())[:120]}")


def _result(shape: tuple[int, ...], name: str, said: dict[str, Any], read: Read, dtype_of: Callable[[str], Any]) -> Array | None:
    """Return the judge's copy of a result; None for texts, dates, fields: nothing that could be compared."""
    try:
        dtype = dtype_of(name)
    except ValueError:
        return None
    size = dtype.itemsize
    for extent in shape:
        size *= extent
    if size > said["room"]:
        raise ValueError("the result is larger than the room that it was copied to")
    result: Array = read(said["out"], size).copy().view(dtype).reshape(shape)
    return result


def _raised(data: Any) -> Raised:
    classes = tuple(_text(name) for name in data["classes"])
    if not classes:
        raise ValueError("an exception without a class")
    frames = tuple(Frame(_text(file), _count(line), _text(function), _text(source)) for file, line, function, source in data["frames"])
    return Raised(classes, _text(data["text"]), frames)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a text was expected, not {type(value).__name__}")
    return value[:500]


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < _EXTENT:
        raise ValueError("a count was expected")
    return value


def _seconds(value: Any) -> float:
    seconds = float(value)
    if not 0.0 <= seconds < 1e9:
        raise ValueError("seconds were expected")
    return seconds
