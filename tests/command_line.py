"""Runs of the command line, each in a process and a directory of its own, and the kernels that they verify."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import convverify

ROOT = str(Path(convverify.__file__).parents[1])
COMMAND = [sys.executable, "-m", "convverify"]
PATIENCE = 300.0  # seconds until a run that does not end is given up: a safeguard, not a measure
QUICK = ("--reference", "exact", "--max-examples", "0", "--max-macs", "1000")  # small edge cases alone, without TensorFlow
ONE = ("--reference", "exact", "--problem", "x=1x3x4x2 w=2x2x2x3")

KERNELS = '''
"""What users bring."""

import time

import numpy as np

from convverify import conv2d_matmul

number = 3


def right(x, w):
    return conv2d_matmul(x, w)


def flipped(x, w):
    return conv2d_matmul(x, w[::-1, ::-1])


def slow(x, w):
    time.sleep(0.01)
    return conv2d_matmul(x, w)


def wrong_on_wide_images(x, w):
    time.sleep(0.01)
    return conv2d_matmul(x, w) + (x.shape[2] > 5)


def unsupported(x, w):
    raise NotImplementedError("on Sundays")


def greedy(x, w, bias):
    return x


def says(x, w):
    raise KeyError("größe ☃ a:key:b ##[add-mask]x")


key = says


def escapes(x, w):
    raise ValueError("\\x1b[31mred\\x1b[0m [bold]markup[/bold]\\nsecond line")
'''


def surroundings() -> dict[str, str]:
    """The environment of a run: this package, no colours, and a word about files that are not closed."""
    return os.environ | {"PYTHONPATH": ROOT, "NO_COLOR": "1", "PYTHONWARNINGS": "error::ResourceWarning"}


@functools.cache
def has_sandbox() -> bool:
    """Whether this system lets a kernel be put into a sandbox."""
    code = "from convverify.host.sandbox import _enter; _enter(())"
    return subprocess.run([sys.executable, "-c", code], env=surroundings(), capture_output=True, check=False).returncode == 0


def run(*words: str, cwd: Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run `convverify` with some arguments to its end."""
    (cwd / "kernels.py").write_text(KERNELS)
    return subprocess.run(
        [*COMMAND, *words], cwd=cwd, env=surroundings(), capture_output=True, text=True, timeout=PATIENCE, check=False, **options
    )


def hear_signals(*ignored: signal.Signals) -> None:
    """Give a process the dispositions of signals that a terminal gives, whatever it has inherited, but for those to be ignored.

    What a script runs in the background ignores SIGINT, and lets all ignore it that it starts.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)


def start(*words: str, cwd: Path, ignored: tuple[signal.Signals, ...] = ()) -> subprocess.Popen[str]:
    """Start `convverify` and return when it has said that the campaign is under way.

    It begins with the dispositions of signals that a terminal gives, but for those to be ignored.
    """
    (cwd / "kernels.py").write_text(KERNELS)
    process = subprocess.Popen(
        [*COMMAND, *words, "-v"],  # which tells of every phase
        cwd=cwd,
        env=surroundings(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: hear_signals(*ignored),
    )
    wait_for(process, "edge cases:")
    return process


def wait_for(process: subprocess.Popen[str], word: str) -> None:
    """Read what a run prints up to a line that holds a word."""
    assert process.stdout is not None
    for line in process.stdout:
        if word in line:
            return
    raise AssertionError(f"the run ended without {word!r}: {process.communicate()}")
