"""The program of a host: loads one kernel, then calls it on request, in itself or in children that it forks.

A child costs milliseconds, and holds a kernel that has never been called.  The judge speaks to the program through a socket, one line
of JSON a message, and to who calls the kernel through shared memory alone: a child has no descriptor of the judge's.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import socket
import sys
import threading
from typing import Any

from . import limits
from .calls import Runner
from .heap import tidy
from .loading import LoadError, describe, load, load_kernel
from .mapping import IDLE, TO_HOST, TO_JUDGE, Mapping

_LOOK = 0.5  # seconds after which one looks whether the judge is still there


def main(text: str) -> None:
    """Do what the judge has written down: {"descriptor", "size", "socket", "place", "attribute", "fork", "prepare", "convert", "judge"}."""
    said, judge = json.loads(text), os.getppid()
    limits.die_with_parent(judge)  # loading may take as long as it likes
    with contextlib.suppress(Exception):
        import faulthandler

        faulthandler.enable()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # nobody interrupts a host but its kernel, and then that shall show
    limits.adopt_orphans()
    mapping = Mapping(said["descriptor"], said["size"])
    os.close(said["descriptor"])
    control = _Control(socket.socket(fileno=said["socket"]))
    threads = _threads()
    limits.restrict(said["judge"])  # before the user's module runs
    try:
        function = load_kernel(said["place"], said["attribute"])
        if said["prepare"]:
            load(*said["prepare"])()
        convert = load(*said["convert"]) if said["convert"] else None
        described = describe(function)
    except LoadError as error:
        control.say({"failed": str(error)})
        os._exit(0)
    except BaseException as error:
        from .calls import told

        problem = told(error)
        control.say(
            {"failed": f"{said['place']}:{said['attribute']} failed to load: {problem['classes'][0]}: {problem['text']}", "raised": True}
        )
        os._exit(0)
    gc.collect()
    gc.freeze()  # a collection in a child would copy every page that a fork shares
    forks = bool(said["fork"]) and _threads() <= threads and not _UNFORKABLE & set(sys.modules)
    if not control.say({"loaded": described, "forks": forks, "pid": os.getpid()}):
        os._exit(0)
    if forks:
        limits.outlive_parent()  # to end what is left behind
        _fork_on_request(control, mapping, function, convert, said)
    else:
        control.close()
        _serve(mapping, function, convert, said, judge)


_UNFORKABLE = {"tensorflow", "jax"}  # a forked child of theirs waits for threads that it has not


def _threads() -> int:
    """Return the number of this process's threads, those of libraries included; a child has but one of them."""
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return threading.active_count()


class _Control:
    """The socket to the judge."""

    def __init__(self, link: socket.socket) -> None:
        self._link, self._kept = link, b""

    def fileno(self) -> int:
        return self._link.fileno()

    def say(self, message: dict[str, Any]) -> bool:
        """Say something; return whether the judge is there to hear it."""
        try:
            self._link.sendall((json.dumps(message) + "\n").encode())
        except OSError:
            return False
        return True

    def hear(self) -> list[dict[str, Any]] | None:
        """Return the messages that have come; None where the judge is gone."""
        try:
            data = self._link.recv(65536)
        except OSError:
            return None
        if not data:
            return None
        *lines, self._kept = (self._kept + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def close(self) -> None:
        self._link.close()


def _fork_on_request(control: _Control, mapping: Mapping, function: Any, convert: Any, said: dict[str, Any]) -> None:
    """Fork a child when the judge asks for one, end it when asked, and say how it ended; until the judge is gone."""
    woken, wakes = os.pipe()
    os.set_blocking(wakes, False)
    os.set_blocking(woken, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    child, program = 0, os.getpid()
    while True:
        ready = select.select([control.fileno(), woken], [], [], _LOOK)[0]
        with contextlib.suppress(OSError):
            os.read(woken, 4096)
        messages = control.hear() if control.fileno() in ready else []
        child = _reap(control, child)
        if messages is None:
            limits.kill_descendants()
            os._exit(0)
        for message in messages:
            if "end" in message and child:
                with contextlib.suppress(OSError):
                    os.kill(child, signal.SIGKILL)
                child = _reap(control, child, wait=True)
            limits.kill_descendants()  # what an earlier child has left behind
            if "fork" in message:
                child = os.fork()
                if not child:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    for descriptor in (woken, wakes):
                        os.close(descriptor)
                    control.close()
                    _serve(mapping, function, convert, said, program)
                control.say({"child": child})


def _reap(control: _Control, child: int, *, wait: bool = False) -> int:
    """Say how the child ended, where it has; return the child that is left.  Orphans that ended are reaped on the way."""
    while True:
        try:
            pid, status = os.waitpid(child if wait else -1, 0 if wait else os.WNOHANG)
        except OSError:
            return 0
        if not pid:
            return child
        if pid == child:
            control.say({"exit": os.waitstatus_to_exitcode(status), "of": child})
            return 0


def _serve(mapping: Mapping, function: Any, convert: Any, said: dict[str, Any], parent: int) -> None:
    """Carry out batches until the process is ended, or its parent has; never returns."""
    with contextlib.suppress(OSError):
        os.setpgid(0, 0)
    limits.die_with_parent(parent)
    limits.restrict(said["judge"])
    runner, done = Runner(mapping, function, convert=convert), mapping.word(TO_JUDGE)
    while True:
        asked = mapping.wait(TO_HOST, done, _LOOK)
        if asked == done:
            if os.getppid() != parent:
                os._exit(0)
            continue
        done = (done + 1) & 0xFFFFFFFF
        runner.run(done, done % 2)
        mapping.set_state(done, 0, 0, IDLE, runner.calls)
        mapping.set_word(TO_JUDGE, done)
        tidy()
