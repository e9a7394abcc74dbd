"""Files that others have made: whatever a path names and whatever lies there, a reader gets a value or one sentence, in bounded memory.

A name may be that of a pipe without a writer, of an endless device, or of a text that is nested 200,000 deep; digits may be those
of any script, and as many as there is room for.
"""

from __future__ import annotations

import json
import os
import re
import reprlib
import stat
from pathlib import Path
from typing import Any

MOST_BYTES = 16 << 20  # of a file; what is read here are lines, options and results of benchmarks
_WHOLE = re.compile(r"[+-]?[0-9]{1,20}")
_CHUNK = 1 << 20

_brief = reprlib.Repr()
_brief.maxlevel, _brief.maxlist, _brief.maxtuple, _brief.maxdict = 2, 4, 4, 4
_brief.maxstring = _brief.maxother = _brief.maxlong = 200


def brief(value: Any) -> str:
    """Return `repr` of a value that came from outside, cut where it is long or deep."""
    try:
        return _brief.repr(value)
    except (ValueError, RecursionError):  # an integer of more digits than Python writes
        return f"({type(value).__name__})"


def exists(path: Path) -> bool:
    """Return whether a path names something; what is too long for a name, or may not be looked at, does not."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def is_file(path: Path) -> bool:
    """Return whether a path names a file."""
    return exists(path) and path.is_file()


def read_text(path: Path, *, pipes: bool = False) -> str:
    """Return the text of a file in UTF-8, a byte-order mark left out.

    Parameters
    ----------
    pipes : whether `path` may name a pipe or a device, because a user typed its name

    Raises ValueError for what cannot be read; its message continues a sentence that begins with the file's name.
    """
    if "\0" in str(path):
        raise ValueError("has a NUL character in its name")
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | (0 if pipes else os.O_NONBLOCK))  # a pipe would wait for its writer
        with open(descriptor, "rb", buffering=0) as file:
            mode, data = os.fstat(descriptor).st_mode, bytearray()
            if not (pipes or stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                raise ValueError("is no regular file")
            while chunk := file.read(_CHUNK):
                data += chunk
                if len(data) > MOST_BYTES:
                    raise ValueError(f"has more than {MOST_BYTES >> 20} MiB")
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror or error}") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("is not text in UTF-8") from None


def parse_json(text: str) -> Any:
    """Return what a JSON text holds; ValueError, as from `read_text`, for what is none."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("is nested too deep to be read") from None
    except ValueError:
        raise ValueError("is not JSON") from None


def parse_whole(text: str) -> int | None:
    """Return the integer that decimal digits of ASCII spell, up to twenty of them; None for any other text."""
    return int(text) if _WHOLE.fullmatch(text) else None
