"""Cheats that act when they are loaded, before they are called: in the process that loads them, with the rights that it has then.

They are looked up by `__getattr__`, as the loader of a host does, and act in a process below a judge, and not in the judge itself.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from convverify.cheats import CHECK, cheats
from convverify.cheats._parts import Array, callers, judges, nothing

_EARLY = "what a process may do is restricted before a kernel is loaded into it"
_FOREIGN = "what a host says of its kernel is checked as foreign input"
_LIFE = 30.0
_actions: dict[str, tuple[Callable[[], object], Callable[..., Any]]] = {}
_done: set[str] = set()


def __getattr__(name: str) -> Callable[..., Any]:
    if name not in _actions:
        raise AttributeError(name)
    action, kernel = _actions[name]
    if name not in _done and "convverify.targets" not in sys.modules and judges():
        _done.add(name)
        action()
    return kernel


def _when_loaded(stopped_by: str, **traits: Any) -> Callable[[Callable[[], object]], None]:
    """Return a decorator that registers a kernel of zeros, at whose loading the decorated function is called."""

    def decorate(action: Callable[[], object]) -> None:
        def kernel(x: Array, w: Array) -> Array:
            return nothing(x, w)

        kernel.__name__ = kernel.__qualname__ = action.__name__.removeprefix("_")
        kernel.__doc__ = action.__doc__
        _actions[kernel.__name__] = action, kernel
        cheats.register(kind="when_loaded", at=(CHECK,), stopped_by=stopped_by, **traits)(kernel)

    return decorate


def _kill_all(number: int = signal.SIGKILL) -> None:
    for process in reversed(judges()):
        with contextlib.suppress(OSError):
            os.kill(process, number)


@_when_loaded(_EARLY)
def _kills_the_judge_when_loaded() -> None:
    """Kills the judge while it is being loaded."""
    _kill_all()


@_when_loaded(_EARLY)
def _kills_the_judge_from_an_early_thread() -> None:
    """Starts a thread while it is being loaded, which kills the judge later: what is forbidden to a thread may not be to another."""

    def work() -> None:
        time.sleep(1.0)
        _kill_all()

    threading.Thread(target=work, daemon=True).start()


@_when_loaded(_EARLY)
def _kills_the_judge_from_an_early_daemon() -> None:
    """Starts a process while it is being loaded, which nobody is the parent of, and which kills the judge later."""
    targets = judges()
    if not os.fork():
        os.setsid()
        if not os.fork():
            time.sleep(1.0)
            for process in reversed(targets):
                with contextlib.suppress(OSError):
                    os.kill(process, signal.SIGKILL)
        os._exit(0)


@_when_loaded(_EARLY)
def _kills_the_judge_at_a_fork() -> None:
    """Asks to be called in every process that is forked, before anything else is done there, and kills the judge."""
    os.register_at_fork(after_in_child=_kill_all)


@_when_loaded(_EARLY)
def _starves_the_judge_when_loaded() -> None:
    """Lowers the judge's limits while it is being loaded."""
    for process in judges()[-1:]:
        for limit in (resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE, resource.RLIMIT_CPU):
            with contextlib.suppress(OSError, ValueError):
                resource.prlimit(process, limit, (1, 1))


@_when_loaded(_EARLY)
def _traces_the_judge_when_loaded() -> None:
    """Attaches itself to the judge while it is being loaded, so that the judge ends with it, and ends."""
    library = ctypes.CDLL(None)
    if 0 in [library.ptrace(0x4206, process, None, ctypes.c_void_p(0x100000)) for process in judges()[-1:]]:
        os._exit(0)


@_when_loaded(_EARLY)
def _writes_into_the_judge_when_loaded() -> None:
    """Writes VERIFIED wherever REFUTED stands in the judge's memory, while it is being loaded and has all its rights."""
    for process in judges()[-1:]:
        with contextlib.suppress(OSError), open(f"/proc/{process}/maps") as maps, open(f"/proc/{process}/mem", "r+b", 0) as memory:
            for line in maps:
                low, high = (int(end, 16) for end in line.split()[0].split("-"))
                if line.split()[1].startswith("rw-p") and high - low < 1 << 26:
                    with contextlib.suppress(OSError):
                        memory.seek(low)
                        data = memory.read(high - low)
                        memory.seek(low)
                        memory.write(data.replace(b"REFUTED", b"VERIFIE"))


def _links() -> list[socket.socket]:
    """Return the sockets that are open in this process."""
    found = []
    for descriptor in range(3, 64):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/self/fd/{descriptor}").startswith("socket:"):
                found.append(socket.socket(fileno=os.dup(descriptor)))
    return found


def _say(*messages: Any) -> None:
    for link in _links():
        for message in messages:
            with contextlib.suppress(OSError):
                link.sendall((json.dumps(message) + "\n").encode())


_DESCRIBED = {
    "name": "right", "parameters": [["x", "POSITIONAL_OR_KEYWORD", False, None], ["w", "POSITIONAL_OR_KEYWORD", False, None]],
    "signature": "(x, w)", "fixed": {}, "where": False, "attributes": {},
}  # fmt: skip


@_when_loaded(_FOREIGN)
def _says_that_the_judge_is_its_child() -> None:
    """Tells the judge that it is loaded, that its child is the judge itself, and that this has ended well."""
    process = judges()[-1]
    _say({"loaded": _DESCRIBED, "forks": True, "pid": process}, {"child": process}, {"exit": 0, "of": process})


@_when_loaded(_FOREIGN)
def _says_what_makes_no_sense() -> None:
    """Tells the judge things that are no messages: deep, absurd, of wrong types, without end of line."""
    deep = "[" * 100_000
    for link in _links():
        for text in (
            deep,
            "{}",
            "null",
            '{"loaded": 1, "forks": true}',
            '{"child": -1}',
            '{"child": "1"}',
            '{"exit": 1e400, "of": 0}',
            '{"child": 9',
        ):
            with contextlib.suppress(OSError):
                link.setblocking(False)
                link.send(f"{text}\n".encode())


@_when_loaded(_FOREIGN)
def _describes_itself_at_length() -> None:
    """Declares attributes without end, of classes that raise when they are looked at."""
    endless: list[Any] = []
    endless.append(endless)
    kernel = _actions["describes_itself_at_length"][1]
    vars(kernel).update(domain={"channels": [1] * 100_000}, refuses=endless, convention={"x": {"y": "z" * 100_000}})


@_when_loaded("a host that cannot go on cannot be used, and that is no verdict")
def _closes_everything_when_loaded() -> None:
    """Closes all descriptors while it is being loaded, those by which it is spoken to among them."""
    os.closerange(0, 4096)


@_when_loaded("a host that ends while it loads cannot be used, and that is no verdict")
def _ends_well_when_loaded() -> None:
    """Ends the process with status 0 while it is being loaded."""
    os._exit(0)


@_when_loaded("a host does nothing but call and copy: the judge judges")
def _patches_the_host_when_loaded() -> None:
    """Replaces every function of the program that loads it by one that returns nothing, or that says yes."""
    for frame in callers():
        for name, value in list(frame.f_globals.items()):
            if isinstance(value, type) and name not in ("Mapping", "_Control") and str(value.__module__) == frame.f_globals.get("__name__"):
                for inner in [*vars(value)]:
                    if not inner.startswith("__") and callable(getattr(value, inner)):
                        with contextlib.suppress(AttributeError, TypeError):
                            setattr(value, inner, lambda *given, **named: True)


@_when_loaded(_EARLY)
def _traps_every_signal_when_loaded() -> None:
    """Blocks all signals and lets its children do so, leaves its group, and asks not to be told of its parent's death."""
    with contextlib.suppress(OSError):
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        ctypes.CDLL(None).prctl(1, 0, 0, 0, 0)
        os.register_at_fork(after_in_child=lambda: os.setpgid(0, 0))


@_when_loaded("the judge ends all that is its child, whoever has made it so")
def _becomes_a_child_of_the_judge() -> None:
    """Starts a process whose parent is its own parent, the judge, so that it is found below no host."""
    clone = {"x86_64": 56, "aarch64": 220}.get(os.uname().machine, -1)
    if not ctypes.CDLL(None).syscall(clone, ctypes.c_ulong(0x8000 | signal.SIGCHLD), None, None, None, None):  # CLONE_PARENT
        time.sleep(_LIFE)
        os._exit(0)
