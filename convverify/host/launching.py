"""A plain script under a shell: run as a user runs one, by a process that has no parent to tell who judges, and that outlives nothing.

`run` is the judge's side.  `main` is the program of the process between: it leaves its parent, adopts what the script leaves behind, and
ends all of it when the shell has ended, or when the judge has closed its end of a pipe, or is gone.
"""

from __future__ import annotations

import contextlib
import functools
import os
import select
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import boot, limits

_START = "import sys; exec(sys.stdin.readline())"
_LOOK = 0.01  # seconds after which one looks whether the shell has ended


def run(python: str, script: Path, output: Path, seconds: float, environment: Mapping[str, str], is_restricted: bool) -> int | None:
    """Run a script by an interpreter, its streams going to a file; return its exit status, None where it did not end in time.

    Where it is restricted, it may not reach the judge (`limits.restrict`).  Whatever it has started is ended before this returns.
    """
    said = {
        "judge": os.getpid() if is_restricted else 0,
        "line": f"{shlex.quote(python)} {shlex.quote(str(script))}; exit $?\n",
        "output": str(output),
        "script": str(script),
    }
    program = f"{boot.package()}from {boot.NAME}.launching import main\nmain({said!r})"
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _START], env=dict(environment), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        with contextlib.suppress(OSError):
            process.stdin.write(f"exec({program!r})\n".encode())
            process.stdin.flush()
        ready = select.select([process.stdout], [], [], seconds)[0]
        told = process.stdout.readline().strip() if ready else b""
    finally:
        with contextlib.suppress(OSError):
            process.stdin.close()  # which ends what is left
        process.stdout.read()
        process.stdout.close()
        process.wait()
    return int(told) if told else None


def main(said: dict[str, Any]) -> None:
    """Run a shell that is told a line as at a prompt, and print its exit status.

    `said` is {"judge": its process, 0 for no restrictions, "line", "output": a file, "script": what is removed if the judge is gone}.
    """
    if os.fork():
        os._exit(0)
    limits.adopt_orphans()
    _keep_away_from(said["judge"])
    with open(said["output"], "wb") as output:
        prepare = functools.partial(_keep_away_from, os.getpid() if said["judge"] else 0)
        shell = subprocess.Popen(["sh"], stdin=subprocess.PIPE, stdout=output, stderr=output, start_new_session=True, preexec_fn=prepare)
    assert shell.stdin is not None
    with contextlib.suppress(OSError):
        shell.stdin.write(said["line"].encode())
        shell.stdin.flush()
    while shell.poll() is None and not select.select([sys.stdin], [], [], _LOOK)[0]:  # nothing but its end comes from there
        pass
    status = shell.poll()
    limits.kill_descendants()
    if status is not None:
        print(status, flush=True)
    else:
        with contextlib.suppress(OSError):
            os.unlink(said["script"])  # which the judge, if it was killed, can do no more
    os._exit(0)


def _keep_away_from(process: int) -> None:
    """Give up what would reach a process, and those above it; 0 for what leaves no trace, where the system allows that."""
    if process:
        limits.restrict(process)
    else:
        limits.drop_tracing()
        limits.keep_signals_inside()
