"""The host that is started before the judge is imported is the one that is used, and does not outlive a run that has no use for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from convverify.host import early
from convverify.host.process import CannotLoad, Place

COUNTED = """\
import os, time
with open("loads", "a") as file:
    file.write(f"{os.getpid()} {time.monotonic()}\\n")

def conv2d(x, w, strides=(1, 1)):
    raise NotImplementedError
"""


def test_the_judge_takes_the_host_that_waits_and_only_once(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(COUNTED)
    place = Place(str(tmp_path / "mine.py"), "conv2d")
    with early.started(f"{place.place}::conv2d", "", 512):
        host = early.host_for(place, "", 512)
        assert host.pid
        other = early.host_for(place, "", 512)
        assert not other.pid
    assert psutil.pid_exists(host.pid)
    host.close()


@pytest.mark.parametrize("asked", [("", 256), (sys.executable, 512)])
def test_a_host_of_other_options_is_ended(tmp_path: Path, asked: tuple[str, float]) -> None:
    (tmp_path / "mine.py").write_text(COUNTED)
    with early.started(f"{tmp_path}/mine.py:conv2d", "", 512):
        assert not early.host_for(Place(f"{tmp_path}/mine.py", "conv2d"), *asked).pid
        children = psutil.Process().children()
        assert children
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize("target", ["matmul", ":conv2d", "mine.py:", ""])
def test_nothing_is_started_for_names_that_need_looking_up(target: str) -> None:
    before = len(psutil.Process().children())
    with early.started(target, "", 512):
        assert len(psutil.Process().children()) == before


def test_a_python_that_is_not_there_is_told_by_who_asks_for_it() -> None:
    with early.started("mine.py:conv2d", "/no/such/python", 512):
        host = early.host_for(Place("mine.py", "conv2d"), "/no/such/python", 512)
        with pytest.raises((OSError, CannotLoad)):
            host.ready(10)


@pytest.mark.parametrize("options", [[], ["--problem", "nonsense"], ["--no-isolation"]])
def test_a_check_loads_the_kernel_as_often_as_it_needs_and_leaves_no_process(tmp_path: Path, options: list[str]) -> None:
    (tmp_path / "mine.py").write_text(COUNTED)
    done = subprocess.run(
        [sys.executable, "-m", "convverify", "check", "mine.py:conv2d", "--reference", "exact", "--max-examples", "5", "--without",
         "plain_script", *options],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == (2 if "nonsense" in options else 3), done.stdout + done.stderr
    loads = (tmp_path / "loads").read_text().splitlines() if (tmp_path / "loads").exists() else []
    assert len(loads) <= 1
    for line in loads:
        pid = int(line.split()[0])
        assert not psutil.pid_exists(pid) or not _is_ours(pid)


def _is_ours(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIG_DFL)
        return "_kernel_host" in " ".join(psutil.Process(pid).cmdline())
    except (OSError, psutil.Error):
        return False
