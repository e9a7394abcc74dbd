"""The fault rig: runs of the command line to which something is done at a random moment, and what must hold whatever it was.

A verdict is right or inconclusive.  A finding that was announced is in the corpus.  Files are whole or absent.  No process and no temporary
directory stays.  One sentence, no traceback, and the right status.  CONVVERIFY_FAULTS=N injects N faults instead of a few.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import signal
import subprocess
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from command_line import COMMAND, surroundings

FAULTS = int(os.environ.get("CONVVERIFY_FAULTS", "24"))
PATIENCE = 240.0  # seconds until a run that does not end is given up: a safeguard, not a measure
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
    return y + (x.shape[2] > 60)
"""


@dataclass
class Run:
    """A run of `convverify check`: its process, and what tells its processes from all others."""

    kernel: str
    folder: Path
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    process: subprocess.Popen[str] | None = None

    def start(self, *words: str, before: Callable[[], None] | None = None, stdout: Any = subprocess.PIPE) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, "check", f"kernels.py:{self.kernel}", "--seed", "1", "--max-examples", "60", "--json", "report.json", *words],
            cwd=self.folder, env=surroundings() | {"RIG": self.mark, "TMPDIR": str(self.folder / "tmp")}, stdout=stdout,
            stderr=subprocess.PIPE, text=True, preexec_fn=before, start_new_session=True,
        )  # fmt: skip

    @property
    def others(self) -> list[psutil.Process]:
        """The processes of the run besides the judge: hosts, their children, other judges, scripts."""
        assert self.process is not None
        return [process for process in marked(self.mark) if process.pid != self.process.pid]


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


def _stop_for_a_while(run: Run, dice: random.Random) -> None:
    stopped = dice.sample(run.others, min(2, len(run.others)))
    for number in (signal.SIGSTOP, signal.SIGCONT):
        for process in stopped:
            with contextlib.suppress(psutil.Error):
                process.send_signal(number)
        time.sleep(0.5)


def _kill_the_judge(run: Run, dice: random.Random) -> None:
    assert run.process is not None
    run.process.kill()


def _interrupt(run: Run, dice: random.Random) -> None:
    assert run.process is not None
    for _ in range(dice.choice((1, 1, 2, 3))):
        run.process.send_signal(dice.choice((signal.SIGINT, signal.SIGTERM, signal.SIGHUP)))
        time.sleep(dice.random() * 0.2)


def _nothing(run: Run, dice: random.Random) -> None:
    """Limits are set at the start instead."""


def _few_descriptors() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24))


def _little_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))


def _short_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 12, 1 << 12))


DEEDS: tuple[tuple[Callable[[Run, random.Random], None], Callable[[], None] | None], ...] = (
    (_kill_another, None), (_kill_another, None), (_stop_for_a_while, None), (_kill_the_judge, None), (_interrupt, None),
    (_nothing, _few_descriptors), (_nothing, _little_memory), (_nothing, _short_files),
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "kernels.py").write_text(KERNELS)
    (tmp_path / "tmp").mkdir()
    return tmp_path


@pytest.mark.parametrize("seed", range(FAULTS))
def test_whatever_happens_the_verdict_is_right_and_nothing_is_lost(folder: Path, seed: int) -> None:
    dice = random.Random(seed)
    deed, before = DEEDS[seed % len(DEEDS)]
    run = Run(dice.choice(("right", "wrong", "rarely_wrong")), folder)
    run.start("--reference", "exact", *dice.choice(((), ("--workers", "2"))), before=before)
    assert run.process is not None
    time.sleep(dice.random() * 6.0)
    deed(run, dice)
    out, err = run.process.communicate(timeout=PATIENCE)
    status = run.process.returncode
    told = f"{deed.__name__} of {run.kernel}, seed {seed}: status {status}\n{out[-3000:]}\n{err[-3000:]}"

    assert "Traceback" not in out + err, told
    assert status in ({-signal.SIGKILL} if deed is _kill_the_judge else {0, 1, 2, 3, 130}) | {0, 1}, told
    if run.kernel == "right":
        assert status != 1, told
    else:
        assert status != 0, told
    assert _files_are_whole(folder), told
    if " refuted" in out and before is not _short_files:
        assert list(folder.glob(".convverify/corpus/*/*.json")), told
    assert _nothing_stays(run), told


def _files_are_whole(folder: Path) -> bool:
    """Whether every JSON file that is there can be read."""
    for file in (*folder.glob("*.json"), *folder.glob(".convverify/**/*.json")):
        json.loads(file.read_text())
    return True


def _nothing_stays(run: Run) -> bool:
    """Whether all processes end soon, and take their temporary files with them (those of a judge that was killed may stay)."""
    assert run.process is not None
    deadline = time.monotonic() + 20.0
    while marked(run.mark) and time.monotonic() < deadline:
        time.sleep(0.1)
    left = marked(run.mark)
    temporary = [] if run.process.returncode == -signal.SIGKILL else list((run.folder / "tmp").iterdir())
    assert not left, [process.cmdline() for process in left]
    assert not temporary, temporary
    return True
