"""The sandbox: what a kernel that nobody has read can reach, and that there is no half of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import COMMAND, ONE, PATIENCE, has_sandbox, surroundings

from convverify.campaign.options import Options
from convverify.host import sandbox
from convverify.host.process import CannotLoad, Host, Place
from convverify.host.surroundings import surroundings as of_a_host

KERNELS = '''
import os, socket, subprocess, sys, tempfile, threading
import ctypes

from convverify import conv2d_matmul

libc = ctypes.CDLL(None)


def right(x, w):
    return conv2d_matmul(x, w)


def flipped(x, w):
    return conv2d_matmul(x, w[::-1, ::-1])


def fails(what):
    """Return whether a thing cannot be done."""
    try:
        return what() in (-1, None)
    except (OSError, ProcessLookupError):
        return True


def confined(x, w):
    """Is right where it can reach nothing."""
    here = os.path.abspath(__file__)
    unreachable = {
        "a socket": lambda: socket.socket(),
        "a socket of this machine": lambda: socket.socket(socket.AF_UNIX),
        "the kernel's own file": lambda: open(here, "a"),
        "a file beside it": lambda: open(here + ".new", "w"),
        "its permissions": lambda: os.chmod(here, 0o777) or 0,
        "a directory for all": lambda: open("/tmp/written-by-a-kernel", "w"),
        "a device": lambda: os.stat("/dev/pts"),
        "a signal to another process": lambda: os.kill(JUDGE, 0) or 0,
        "new namespaces": lambda: libc.unshare(0x10000000),
        "a mount": lambda: libc.mount(b"tmpfs", b"/mnt", b"tmpfs", 0, None),
        "the root, writable": lambda: libc.mount(None, b"/", None, 0x1000 | 32, None),
    }
    reached = [name for name, what in unreachable.items() if not fails(what)]
    reached += ["capabilities"] * any(int(line.split()[1], 16) for line in open("/proc/self/status") if line.startswith("CapEff"))
    reached += ["other processes"] * (len([name for name in os.listdir("/proc") if name.isdigit()]) > 2)
    reached += ["a network"] * (len(open("/proc/net/dev").readlines()) > 3)
    reached += [name for name in os.environ if "NOT_FOR_KERNELS" in name]
    assert not reached, reached
    return right(x, w)


def at_home(x, w):
    """Is right where what kernels need is there."""
    with tempfile.TemporaryFile() as file:
        file.write(b"written")
    with open(os.devnull, "w") as file:
        file.write("written")
    assert subprocess.run(["true"]).returncode == 0
    thread = threading.Thread(target=os.getpid)
    thread.start()
    thread.join()
    return right(x, w)


def dies(x, w):
    os.abort()


def greedy(x, w):
    import numpy
    return numpy.ones(1 << 26)
'''


needs_sandbox = pytest.mark.skipif(not has_sandbox(), reason="this system lets nobody make namespaces")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "kernels.py").write_text(KERNELS.replace("JUDGE", str(os.getpid())))
    return tmp_path


def run(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = surroundings() | {"NOT_FOR_KERNELS": "anything", "NOT_FOR_KERNELS_TOKEN": "secret"}
    return subprocess.run(
        [*COMMAND, *words], cwd=cwd, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip


CASE = "x=1x3x4x2 w=2x2x2x3 values=integers seed=1"


@needs_sandbox
@pytest.mark.parametrize("kernel", ["confined", "at_home"])
def test_a_kernel_in_a_sandbox_reaches_nothing_and_has_what_it_needs(folder: Path, kernel: str) -> None:
    done = run("replay", f"kernels.py:{kernel}", CASE, "--sandbox", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_sandbox
def test_what_is_not_judged_in_a_sandbox_is_told(folder: Path) -> None:
    done = run("check", "kernels.py:right", "--sandbox", *ONE, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "plain_script was not judged: a plain script is in no sandbox" in done.stdout


def test_without_a_sandbox_it_reaches_much(folder: Path) -> None:
    done = run("replay", "kernels.py:confined", CASE, cwd=folder)
    assert done.returncode == 1
    assert "AssertionError" in done.stdout
    assert "TOKEN" not in done.stdout  # what is called a secret is kept from kernels everywhere


@needs_sandbox
@pytest.mark.parametrize(
    ("kernel", "options", "told"),
    [
        ("flipped", (), "exact_on_integers: "),
        ("dies", (), "the process was ended by SIGABRT"),
        ("greedy", ("--memory-limit", "256"), "the kernel used more than 256 MiB of memory"),
    ],
)
def test_what_is_wrong_in_a_sandbox_is_told_as_ever(folder: Path, kernel: str, options: tuple[str, ...], told: str) -> None:
    done = run("check", f"kernels.py:{kernel}", "--sandbox", *ONE, *options, cwd=folder)
    assert done.returncode == 1
    assert told in done.stdout
    assert "--sandbox" in done.stdout.partition("replay:")[2]


@needs_sandbox
def test_compare_and_pytest_use_it(folder: Path) -> None:
    words = ("--against", "loops", "--problem", "x=1x4x4x2 w=2x2x2x2", "--rounds", "3", "--check-examples", "0", "--sandbox")
    done = run("compare", "kernels.py:confined", *words, "--json", "comparison.json", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((folder / "comparison.json").read_text())
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--convverify", "kernels.py:confined", "--convverify-sandbox",
         *(f"--convverify-{word[2:]}" if word.startswith("--") else word for word in ONE)],
        cwd=folder, env=surroundings(), capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert " failed" not in done.stdout, done.stdout
    assert " passed" in done.stdout, done.stdout


def test_where_there_is_no_sandbox_nothing_is_loaded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "writes.py").write_text("open('loaded', 'w')\ndef kernel(x, w): return x\n")
    monkeypatch.chdir(folder)
    monkeypatch.setattr("convverify.host.boot.CODE", "import ctypes; ctypes.CDLL(None).unshare\n" + _WITHOUT)
    host = Host(Place("writes.py", "kernel", sandbox=True))
    try:
        with pytest.raises(CannotLoad, match=r"there is no sandbox on this system \(unshare: .*\); run it in a container, or without"):
            host.ready(60.0)
    finally:
        host.close()
    assert not (folder / "loaded").exists()


# The start of a host on a system that refuses user namespaces.
_WITHOUT = __import__("convverify.host.boot", fromlist=["CODE"]).CODE.replace(
    "    enter(text)",
    "    import {name}.sandbox as sandbox\n    sandbox._NEW_USER = 1 << 62\n    enter(text)",
)


def test_a_kernel_in_this_process_is_in_no_sandbox() -> None:
    with pytest.raises(ValueError, match="sandbox needs isolation"):
        Options("k.py:f", isolation=False, sandbox=True)


def test_the_filter_is_a_program_whose_jumps_stay_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    import struct

    for machine in sandbox._CALLS:
        monkeypatch.setattr("platform.machine", lambda machine=machine: machine)
        parts = list(struct.iter_unpack("=HBBI", sandbox._filter()))
        for place, (code, yes, no, _) in enumerate(parts):
            if code & 7 == 5:  # a jump
                assert place + 1 + max(yes, no) < len(parts)
        assert parts[-1][0] == 6  # an answer


def test_secrets_are_kept_from_kernels_and_in_a_sandbox_all_that_is_not_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "PGPASSWORD", "SSH_AUTH_SOCK", "OPENAI_API_KEY", "MY_DATA", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    usual, confined = of_a_host(sys.executable), of_a_host(sys.executable, sandbox=True)
    assert {"MY_DATA", "OMP_NUM_THREADS", "PATH"} <= set(usual)
    assert not {"GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "PGPASSWORD", "SSH_AUTH_SOCK", "OPENAI_API_KEY"} & set(usual)
    assert {"OMP_NUM_THREADS", "PATH", "PYTHONPATH"} <= set(confined)
    assert "MY_DATA" not in confined
