"""The fault rig: commands to which something is done at a random moment, and what must hold whatever it was.

A verdict is right or inconclusive.  A finding that was announced is in the corpus.  Files are whole or absent.  No process and no temporary
directory stays.  One sentence, no traceback, and the right status.  CONVVERIFY_FAULTS=N injects N faults instead of a few; the seed that a
test's name shows decides the command, the fault, and the moment.  What damaged input does is tried in `test_damaged_files.py`.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import history_results
import psutil
import pytest
from command_line import COMMAND, hear_signals, surroundings

FAULTS = int(os.environ.get("CONVVERIFY_FAULTS", "5"))
PATIENCE = 300.0  # seconds until a run that does not end is given up: a safeguard, not a measure
KERNELS = """
import time

from convverify import conv2d_matmul


def right(x, w):
    time.sleep(0.002)
    return conv2d_matmul(x, w)


def wrong(x, w):
    time.sleep(0.002)
    y = conv2d_matmul(x, w)
    return y + (x.shape[2] > 4)


def rarely_wrong(x, w):
    time.sleep(0.002)
    y = conv2d_matmul(x, w)
    return y + (x.shape[2] > 20)
"""
CLOCK = """
import itertools
import random
import time

_dice, _clock, _calls = random.Random(0), time.time, itertools.count()
time.time = lambda: _clock() + (_dice.choice((-40, 20)) * 31_556_952 if next(_calls) > 3 else 0)
"""  # a clock that somebody sets, by years, again and again
FULL_DISK = """
mount -t tmpfs -o size=4m tmpfs disk && cp -r kernels.py results tmp disk && cd disk || exit 97
cat /dev/zero > filler 2> /dev/null
truncate -s -"$1" filler
[ "$2" ] && export TMPDIR="$PWD/tmp"
shift 2
"$@"
status=$?
rm filler
cp -r . ../kept
exit $status
"""  # a file system that no process but this one's sees: some bytes are left, perhaps for temporary files, too
PROBLEM = ("--problem", "x=1x8x8x2 w=3x3x2x2")
IN_A_NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")
KILLED = -signal.SIGKILL
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Command:
    """What is run, and what it may come to where nothing is wrong but the fault: `right` statuses are those of a run to its end."""

    words: tuple[str, ...]
    right: tuple[int, ...]
    kernel: str = ""
    longest: float = 6.0  # seconds until the fault


def _check(kernel: str, *words: str) -> Command:
    small = ("--max-examples", "20", "--max-macs", "2000", "--large-time", "0", "--dtype", "float32")
    shown = ("--seed", "1", *small, "--reference", "exact", "--json", "report.json", *words)
    return Command(("check", f"kernels.py:{kernel}", *shown), (0,) if kernel == "right" else (1,), kernel)


COMMANDS = (
    _check("right"), _check("wrong"), _check("rarely_wrong"), _check("right", "--workers", "2"), _check("wrong", "--workers", "2"),
    _check("wrong", "--html", "report.html", "--junit", "report.xml"),
    Command(("replay", "kernels.py:right", "x=1x3x9x2 w=2x2x2x3 values=integers seed=3"), (0,), "right", 2.0),
    Command(("replay", "kernels.py:wrong", "x=1x3x9x2 w=2x2x2x3 values=integers seed=3"), (1,), "wrong", 2.0),
    Command(
        ("compare", "kernels.py:right", "--against", "matmul", *PROBLEM, "--check-examples", "0", "--max-time", "1", "--rounds", "3",
         "--json", "comparison.json"), (0,), "right",
    ),
    Command(("mutants", "kernel_flipped", "same_odd_pad_first", "--max-examples", "20", "--json", "matrix.json"), (0,)),
    Command(("report", "--results", "results", "--output", "page.html"), (0,), longest=3.0),
    Command(("list", "suites"), (0,), longest=0.5),
    Command(("pytest", "-q", "-p", "no:cacheprovider", "--convverify", "kernels.py:right", "--convverify-reference", "exact",
             "--convverify-max-macs", "2000", "--convverify-large-time", "0", "--convverify-max-examples", "20"), (0, 1), "right"),
)  # fmt: skip


@dataclass
class Run:
    """A run of a command: its process, and what tells its processes from all others."""

    command: Command
    folder: Path
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    process: subprocess.Popen[str] | None = None

    def start(self, fault: Fault, dice: random.Random) -> None:
        words = self.command.words
        program = [*fault.around(dice), *([sys.executable, "-m"] if words[0] == "pytest" else COMMAND), *words]
        environment = surroundings() | {"RIG": self.mark, "TMPDIR": str(self.folder / "tmp")}
        if fault.name == "clock":
            environment["PYTHONPATH"] = os.pathsep.join((str(self.folder / "clock"), environment["PYTHONPATH"]))
        elif fault.name == "it is interrupted":
            del environment["PYTHONWARNINGS"]  # Python's own import leaves a file to be closed
        with contextlib.ExitStack() as files:
            stdout: Any = files.enter_context(open("/dev/full", "w")) if fault.name == "full output" else subprocess.PIPE
            self.process = subprocess.Popen(
                program, cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE, text=True,
                preexec_fn=fault.begin, start_new_session=True,
            )  # fmt: skip

    @property
    def others(self) -> list[psutil.Process]:
        """The processes of the run besides the command's own: hosts, their children, other judges, scripts."""
        assert self.process is not None
        return [process for process in marked(self.mark) if process.pid != self.process.pid]


@dataclass(frozen=True)
class Fault:
    """What is done: `before` the command starts, in its process, by a program `around` it, or to its processes at some moment.

    `statuses` are those that it may have for that.
    """

    name: str
    deed: Callable[[Run, random.Random], None] = lambda run, dice: None
    before: Callable[[], None] | None = None
    around: Callable[[random.Random], list[str]] = lambda dice: []
    statuses: tuple[int, ...] = (3,)
    weight: int = 1

    def begin(self) -> None:
        """Prepare the command's process."""
        hear_signals()
        if self.before is not None:
            self.before()


def marked(mark: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if f"RIG={mark}".encode() in Path(f"/proc/{process.pid}/environ").read_bytes() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _kill_another(run: Run, dice: random.Random) -> None:
    if others := run.others:
        with contextlib.suppress(psutil.Error):
            dice.choice(others).send_signal(dice.choice((signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGHUP, signal.SIGXCPU)))


def _kill_several(run: Run, dice: random.Random) -> None:
    for _ in range(3):
        _kill_another(run, dice)
        time.sleep(dice.random())


def _stop_for_a_while(run: Run, dice: random.Random) -> None:
    assert run.process is not None
    everybody = [*run.others, *marked_command(run)]
    stopped = dice.sample(everybody, min(dice.choice((1, 2, len(everybody))), len(everybody)))
    for number in (signal.SIGSTOP, signal.SIGCONT):
        for process in stopped:
            with contextlib.suppress(psutil.Error):
                process.send_signal(number)
        time.sleep(dice.random())


def marked_command(run: Run) -> list[psutil.Process]:
    assert run.process is not None
    with contextlib.suppress(psutil.Error):
        return [psutil.Process(run.process.pid)]
    return []


def _kill_the_command(run: Run, dice: random.Random) -> None:
    assert run.process is not None
    run.process.kill()


def _interrupt(run: Run, dice: random.Random) -> None:
    assert run.process is not None
    for _ in range(dice.choice((1, 1, 2, 3))):
        run.process.send_signal(dice.choice(SIGNALS))
        time.sleep(dice.random() * 0.2)


def _leave(run: Run, dice: random.Random) -> None:
    """Stop reading what the command prints."""
    assert run.process is not None
    assert run.process.stdout is not None
    run.process.stdout.close()
    run.process.stdout = None


def _limited(what: int, most: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(what, (most, most))


def _without(descriptor: int) -> Callable[[], None]:
    return lambda: os.close(descriptor)


def _on_a_full_disk(dice: random.Random) -> list[str]:
    left, temporary = 4096 * dice.choice((0, 1, 2, 3, 4, 8, 16, 32)), dice.choice(("", "too"))
    return [*IN_A_NAMESPACE, "sh", "-c", FULL_DISK, "sh", str(left), temporary]


_BY_SIGNAL = tuple(-number for number in SIGNALS)  # before Python has come to hear signals
FAULTS_ = (
    Fault("a process is killed", _kill_another, weight=4),
    Fault("processes are killed", _kill_several, weight=2),
    Fault("processes stand still", _stop_for_a_while, weight=3),
    Fault("the command is killed", _kill_the_command, statuses=(KILLED,), weight=2),
    Fault("it is interrupted", _interrupt, statuses=(130, *_BY_SIGNAL), weight=3),
    Fault("few descriptors", before=_limited(resource.RLIMIT_NOFILE, 24)),
    Fault("little memory", before=_limited(resource.RLIMIT_AS, 3 << 30)),
    Fault("little processor time", before=_limited(resource.RLIMIT_CPU, 4), statuses=(3, -signal.SIGXCPU, KILLED)),
    Fault("short files", before=_limited(resource.RLIMIT_FSIZE, 1 << 12), statuses=(2, 3)),
    Fault("full disk", around=_on_a_full_disk, statuses=(2, 3), weight=2),
    Fault("few processes", before=_limited(resource.RLIMIT_NPROC, 40)),
    Fault("no input", before=_without(0)),
    Fault("no output", before=_without(1)),
    Fault("no errors", before=_without(2)),
    Fault("full output"),
    Fault("nobody reads", _leave),
    Fault("clock"),
)


def _chosen(seed: int) -> tuple[random.Random, Command, Fault]:
    """Return what a seed stands for; neighbouring seeds go through all commands, and all faults."""
    dice = random.Random(seed)
    faults = [fault for fault in FAULTS_ for _ in range(fault.weight)]
    command, fault = COMMANDS[seed % len(COMMANDS)], faults[seed * 7 % len(faults)]
    if command.words[0] == "pytest" and fault.name not in (
        "a process is killed",
        "processes stand still",
        "the command is killed",
        "clock",
    ):
        fault = FAULTS_[0]  # what pytest makes of the others is its own
    return dice, command, fault


@functools.cache
def has_namespaces() -> bool:
    """Whether this system lets a user have a file system of his own."""
    with contextlib.suppress(OSError):
        return subprocess.run([*IN_A_NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", "/tmp"], capture_output=True, check=False).returncode == 0
    return False


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "kernels.py").write_text(KERNELS)
    (tmp_path / "tmp").mkdir()
    (tmp_path / "disk").mkdir()
    (tmp_path / "clock").mkdir()
    (tmp_path / "clock" / "sitecustomize.py").write_text(CLOCK)
    history_results.write(tmp_path / "results", [{"speed.Matmul.time_call": (0.001, 0.002)}] * 3)
    return tmp_path


@pytest.mark.parametrize("seed", range(FAULTS))
def test_whatever_happens_the_verdict_is_right_and_nothing_is_lost(folder: Path, seed: int) -> None:
    dice, command, fault = _chosen(seed)
    if fault.name == "full disk" and not has_namespaces():
        pytest.skip("this system lets nobody but root have a small file system, which takes user namespaces")
    run = Run(command, folder)
    run.start(fault, dice)
    assert run.process is not None
    time.sleep(dice.random() * command.longest)
    if run.process.poll() is None:
        fault.deed(run, dice)
    out, err = (text or "" for text in run.process.communicate(timeout=PATIENCE))
    status = run.process.returncode
    told = f"{fault.name}, at {' '.join(command.words)}, seed {seed}: status {status}\n{out[-3000:]}\n{err[-3000:]}"

    early = fault.name == "it is interrupted" and err.rstrip().endswith("KeyboardInterrupt")  # Python was still starting
    assert early or "Traceback" not in out + err, told
    assert status in (*command.right, *fault.statuses, 3, *((1,) if early else ())), told
    assert command.kernel != "right" or "REFUTED" not in out, told  # a test that could not be made fails, too
    for where in (folder, folder / "kept"):
        for file in (*where.glob("*.json"), *where.glob(".convverify/**/*.json")):
            json.loads(file.read_text())
    if command.words[0] == "check" and " refuted" in out and fault.name not in ("short files", "full disk"):
        assert list(folder.glob(".convverify/corpus/*/*.json")), told
    _assert_nothing_stays(run)


def _assert_nothing_stays(run: Run) -> None:
    """Assert that all processes end soon, and take their temporary files with them (those of a command that was killed may stay)."""
    assert run.process is not None
    deadline = time.monotonic() + 20.0
    while (left := marked(run.mark)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not left, [process.cmdline() for process in left]
    if run.process.returncode >= 0:
        assert not (temporary := [*(run.folder / "tmp").iterdir(), *(run.folder / "kept" / "tmp").glob("*")]), temporary
