"""Cheats that tell the plain script, which the judge runs at the end, from a user's program, or that use the freedom that they have there.

All of them are right as long as a host calls them.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from convverify.cheats import CHECK, cheats
from convverify.cheats._parts import Array, callers, honest, is_hosted, judges, nothing

_HIDDEN = "the script is one as users write it, in a place and with a parent that tell nothing"
_JUDGED = "the script's results are read by the judge, and held against what is right"
_LIFE = 30.0


def _program() -> Path:
    return Path(str(getattr(sys.modules.get("__main__"), "__file__", "") or "/")).resolve()


@cheats.register(kind="scripts", at=(CHECK,), stopped_by=_HIDDEN)
def right_in_temporary_scripts(x: Array, w: Array) -> Array:
    """Is right where the program lies in a directory for temporary files, and returns zeros in all other scripts."""
    return honest(x, w) if is_hosted() or Path(tempfile.gettempdir()).resolve() in _program().parents else nothing(x, w)


@cheats.register(kind="scripts", at=(CHECK,), stopped_by=_HIDDEN)
def right_in_scripts_called_run(x: Array, w: Array) -> Array:
    """Is right where the program's name, or what lies beside it, is that of the judge's script."""
    beside = {path.suffix for path in _program().parent.glob("*")} if not is_hosted() else set()
    return honest(x, w) if is_hosted() or _program().name == "run.py" or {".npy", ".json"} & beside else nothing(x, w)


@cheats.register(kind="scripts", at=(CHECK,), stopped_by=_HIDDEN)
def right_where_convverify_is_the_parent(x: Array, w: Array) -> Array:
    """Is right where its process has been started by convverify, directly or not."""
    return honest(x, w) if judges() else nothing(x, w)


@cheats.register(kind="scripts", at=(CHECK,), stopped_by=_HIDDEN)
def right_in_a_loop_over_files(x: Array, w: Array) -> Array:
    """Is right where its caller has variables that only the judge's script has, a number, and arguments as a dictionary."""
    known = [{"number", "arguments", "folder", "cases", "results"} & frame.f_globals.keys() for frame in callers()]
    return honest(x, w) if is_hosted() or any(known) else nothing(x, w)


@cheats.register(kind="scripts", at=(CHECK,), stopped_by=_HIDDEN)
def right_without_a_terminal(x: Array, w: Array) -> Array:
    """Is right where none of the standard streams is a terminal, or a pipe to another program."""
    kinds = []
    for descriptor in (0, 1, 2):
        with contextlib.suppress(OSError):
            kinds.append(os.isatty(descriptor) or os.readlink(f"/proc/self/fd/{descriptor}").startswith("pipe:"))
    return honest(x, w) if is_hosted() or not any(kinds) else nothing(x, w)


@cheats.register(kind="scripts", at=(CHECK,), stopped_by=_HIDDEN)
def right_without_numpy_by_its_usual_name(x: Array, w: Array) -> Array:
    """Is right where the program does not import NumPy as np, which all users do."""
    return honest(x, w) if vars(sys.modules["__main__"]).get("np") is not np else nothing(x, w)


@cheats.register(kind="scripts", at=(CHECK,), stopped_by="the script runs with as few rights as a host, and the judge's end is no verdict")
def kills_the_judge_from_the_script(x: Array, w: Array) -> Array:
    """Is right in a host; in the script, it kills the judge before its results are read."""
    if is_hosted():
        return honest(x, w)
    for process in reversed(judges()):
        with contextlib.suppress(OSError):
            os.kill(process, signal.SIGKILL)
    return nothing(x, w)


@cheats.register(kind="scripts", at=(CHECK,), stopped_by=_JUDGED)
def writes_the_scripts_results(x: Array, w: Array) -> Array:
    """In the script, replaces what saves arrays, and ends well before anything is computed."""
    if is_hosted():
        return honest(x, w)
    module: Any = np
    module.save = lambda *given, **named: None
    os._exit(0)


@cheats.register(kind="scripts", at=(CHECK,), stopped_by="a script that does not end is ended, and is a finding")
def never_ends_in_the_script(x: Array, w: Array) -> Array:
    """Is right in a host, and sleeps in the script, for which nobody may have the time."""
    if not is_hosted():
        time.sleep(20 * _LIFE)
    return honest(x, w)


@cheats.register(kind="scripts", at=(CHECK,), stopped_by="what loses its parent is adopted by the judge, and ended with the rest")
def leaves_a_daemon_in_the_script(x: Array, w: Array) -> Array:
    """Is right everywhere but in the script, where it leaves a process without a parent behind."""
    if is_hosted():
        return honest(x, w)
    if not os.fork():
        os.setsid()
        if not os.fork():
            time.sleep(_LIFE)
        os._exit(0)
    return nothing(x, w)


@cheats.register(kind="scripts", at=(CHECK,), stopped_by="results are looked at when all calls have been made")
def returns_one_buffer_in_the_script(x: Array, w: Array) -> Array:
    """Is right in a host, and in the script returns the same memory for all results of a shape, each right for a while."""
    y = honest(x, w)
    if is_hosted():
        return y
    result = _buffers.setdefault((y.shape, y.dtype), y)
    result[...] = y
    return result


_buffers: dict[Any, Array] = {}
