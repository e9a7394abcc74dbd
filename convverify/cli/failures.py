"""Unforeseen ends of a command: a resource that the machine has run out of, or a fault of convverify itself."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import traceback

from convverify import __version__
from convverify.campaign.report import FAILED, INCONCLUSIVE
from convverify.host.process import CannotLoad

_OURS = (BrokenPipeError, ConnectionError, ChildProcessError, ProcessLookupError)  # between processes that we have started ourselves


def told_failure(error: BaseException) -> tuple[str, str]:
    """Return the verdict for an exception that should not be, and a sentence on it.

    What the machine does not give (OSError, MemoryError) makes a run inconclusive.  Anything else is a fault of the harness: its traceback
    is written to a file, which the sentence names.
    """
    if isinstance(error, CannotLoad):  # whom somebody ends, or who was loaded before
        return INCONCLUSIVE, str(error)
    if isinstance(error, MemoryError):
        return INCONCLUSIVE, "there is not enough memory for this"
    if isinstance(error, OSError) and not isinstance(error, _OURS):
        return INCONCLUSIVE, f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}"
    text = " ".join(str(error).split())[:300]
    return FAILED, f"the harness failed: {type(error).__name__}{': ' + text if text else ''}; {_kept(error)}"


def _kept(error: BaseException) -> str:
    """Keep the traceback of an exception for a report on it; return in words where it is."""
    head = f"convverify {__version__}, Python {platform.python_version()}, {platform.platform()}\n{sys.argv!r}\n\n"
    try:
        descriptor, name = tempfile.mkstemp(prefix="convverify-failure-", suffix=".txt")
        with open(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(head + "".join(traceback.format_exception(error)))
    except OSError as trouble:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"please report it, and that it was in {os.path.basename(place.filename)}, line {place.lineno} ({trouble.strerror})"
    return f"please report it with what is written in {name}"
