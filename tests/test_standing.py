"""A host with all that it has started stands still when it is told to, and goes on when it may."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from convverify.host.standing import Tree, descendants, starved_seconds

# Threads and processes that count as fast as they can, one of which has left its parent's session and has lost its parent.
BUSY = """
import os, sys, threading, time

def count(name):
    with open(name, "w") as file:
        for number in range(10 ** 9):
            file.seek(0)
            file.write(str(number))
            file.flush()
            time.sleep(0.001)

from convverify.host import limits
limits.adopt_orphans()
threading.Thread(target=count, args=("thread",), daemon=True).start()
if not os.fork():
    count("child")
if not os.fork():
    os.setsid()
    if not os.fork():
        count("orphan")
    os._exit(0)
os.wait()
count("main")
"""
NAMES = ("thread", "child", "orphan", "main")


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[tuple[Tree, Path]]:
    process = subprocess.Popen([sys.executable, "-c", BUSY], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])})
    try:
        assert moves(tmp_path, NAMES)
        yield Tree(process.pid), tmp_path
    finally:
        for pid in reversed(descendants(process.pid)):
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


def moves(folder: Path, names: tuple[str, ...], seconds: float = 20.0) -> bool:
    """Return whether all of some counters have changed, after a while at the most."""

    def read() -> dict[str, str]:
        return {name: (folder / name).read_text() if (folder / name).exists() else "" for name in names}

    first, end = read(), time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.01)
        if all(text != first[name] for name, text in read().items()):
            return True
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="an orphan goes to the process that adopts it on Linux alone")
def test_threads_children_and_orphans_stand_still_and_go_on(busy: tuple[Tree, Path]) -> None:
    tree, folder = busy
    assert tree.halt() is True, "the children had to be looked for"
    assert len(tree.known) == 3
    assert not any(moves(folder, (name,), 0.1) for name in NAMES)
    spent = tree.processor_seconds()
    assert spent > 0.0
    assert tree.halt() is False
    assert tree.processor_seconds() == spent
    tree.go_on()
    assert moves(folder, NAMES)


def test_what_is_gone_stands_still() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    tree = Tree(process.pid)
    assert tree.halt() is False
    assert tree.processor_seconds() == 0.0
    tree.go_on()


def test_who_rests_has_settled_at_once_and_who_does_not_is_not_waited_for() -> None:
    resting = subprocess.Popen([sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"], stdout=subprocess.PIPE)
    working = subprocess.Popen([sys.executable, "-c", "print(flush=True)\nwhile True: pass"], stdout=subprocess.PIPE)
    try:
        for process, limit, waits in ((resting, 20.0, False), (working, 0.2, True)):
            assert process.stdout is not None
            process.stdout.readline()
            start = time.monotonic()
            Tree(process.pid).settle(limit)
            assert (time.monotonic() - start >= limit) == waits
    finally:
        for process in (resting, working):
            process.kill()
            process.communicate()


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="the system does not say")
def test_who_has_no_processor_is_said_to_have_none() -> None:
    code = "import os\nos.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\nprint(flush=True)\nwhile True: pass"
    several = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) for _ in range(3)]  # on one processor
    try:
        for process in several:
            assert process.stdout is not None
            process.stdout.readline()
        before = starved_seconds(several[0].pid)
        while starved_seconds(several[0].pid) < before + 0.05:  # which would not end where it said nothing
            time.sleep(0.01)
    finally:
        for process in several:
            process.kill()
            process.communicate()
    assert starved_seconds(0) == 0.0
