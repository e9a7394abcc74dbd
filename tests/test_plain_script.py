"""The last phase: a plain script calls the kernel, which nobody watches there."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from command_line import COMMAND, surroundings

from convverify.campaign.plainly import lines_of_sawtooth, run_plainly, script_of
from convverify.host import launching
from convverify.host.process import Place
from convverify.judging.kernel import DATA_FORMATS, Kernel, make_kernel
from convverify.operands.case import Case

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a shell runs the script")

PATIENCE = 60.0  # seconds: a safeguard, not a measure
LINES = [f"x=2x5x{4 + number}x2 w=2x3x2x3 seed={number}" for number in range(6)]
KERNELS = """
import os, sys, threading
import numpy as np

buffers = {}
is_script = bool(getattr(sys.modules["__main__"], "__file__", None))


def right(x, w):
    y = np.zeros((x.shape[0], x.shape[1] - w.shape[0] + 1, x.shape[2] - w.shape[1] + 1, w.shape[3]), x.dtype)
    for i in range(w.shape[0]):
        for j in range(w.shape[1]):
            y += x[:, i : i + y.shape[1], j : j + y.shape[2]] @ w[i, j]
    return y


def wrong_in_scripts(x, w):
    return right(x, w) + is_script


def wrong_with_all_rights(x, w):
    with open("/proc/self/status") as file:
        return right(x, w) + ("NoNewPrivs:\\t0" in file.read())


def reuses_its_buffer(x, w):
    y = right(x, w)
    return np.copyto(buffers.setdefault(y.shape, y), y) or buffers[y.shape]


def dies_in_scripts(x, w):
    os._exit(3) if is_script and x.shape[2] == 7 else None
    return right(x, w)


def is_ended_once(x, w):
    if is_script and not os.path.exists("ended"):
        open("ended", "w").close()
        os.kill(os.getpid(), 9)
    return right(x, w)


def is_ended_in_two_ways(x, w):
    if is_script:
        with open("ended", "a") as file:
            file.write(".")
            os._exit(file.tell())
    return right(x, w)


def leaves_in_silence(x, w):
    os._exit(0) if is_script else None
    return right(x, w)


def in_channels_first(x, w):
    return right(x.transpose(0, 2, 3, 1), w.transpose(2, 3, 1, 0)).transpose(0, 3, 1, 2)


def where(x, w):
    with open("where", "a") as file:
        file.write(f"{sys.argv[0]} {os.getppid()}\\n")
    return right(x, w)
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the kernels."""
    (tmp_path / "kernels.py").write_text(KERNELS)
    (tmp_path / "broken.py").write_text("import sys\nif sys.argv[0]:\n    raise OSError('no licence')\ndef right(x, w): ...\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def declared(x: Any, w: Any) -> Any:
    raise AssertionError


def run(name: str, file: str = "kernels.py", kernel: Kernel | None = None) -> Any:
    return run_plainly(Place(str(Path(file).resolve()), name), kernel or make_kernel(declared), LINES, PATIENCE)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("data_format", ["NHWC", "NCHW"])
def test_a_line_of_numpy_makes_what_the_case_holds(dtype: str, data_format: str) -> None:
    axes = DATA_FORMATS[data_format]
    for seed in range(20):
        case = Case.parse(f"x=2x5x4x3 w=3x2x3x4 dtype={dtype} values=sawtooth seed={seed}")
        made: dict[str, Any] = {"np": np}
        exec("\n".join(lines_of_sawtooth(case, axes)), made)
        for name, operand in zip("xw", case.operands(axes), strict=True):
            assert made[name].dtype == operand.array.dtype
            assert np.array_equal(made[name], operand.array)
            assert made[name].flags.owndata
            assert made[name].flags.c_contiguous
            assert made[name].any()


def test_a_right_kernel_is_right_in_scripts_and_nothing_is_left(here: Path) -> None:
    before = sorted(here.iterdir())
    came = run("right")
    assert (came.right, came.finding, came.failure) == (len(LINES) + 6, None, "")
    assert sorted(path for path in here.iterdir() if path.name != "__pycache__") == before
    channels_first = make_kernel(declared, data_format="NCHW")
    assert run("in_channels_first", kernel=channels_first).right == len(LINES) + 6


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("wrong_in_scripts", "elements differ from the exact sum"),
        ("reuses_its_buffer", "elements differ from the exact sum"),
        ("leaves_in_silence", "a plain script that calls the kernel ends before it has saved its results"),
        pytest.param("wrong_with_all_rights", "elements differ", marks=pytest.mark.skipif(sys.platform != "linux", reason="proc(5)")),
    ],
)
def test_what_a_kernel_does_when_nobody_watches_is_found(here: Path, name: str, says: str) -> None:
    came = run(name)
    assert came.finding is not None
    assert says in came.finding.sentence
    assert came.finding.property == "plain_script"
    assert "values=sawtooth" in came.case


def test_the_case_by_which_a_script_ends_is_named(here: Path) -> None:
    came = run("dies_in_scripts")
    assert came.finding is not None
    assert came.case.startswith("x=2x5x7x2")


def test_a_script_that_is_ended_once_is_run_again(here: Path) -> None:
    came = run("is_ended_once")
    assert (here / "ended").exists()
    assert (came.right, came.finding, came.failure) == (len(LINES) + 6, None, "")


def test_a_script_that_ends_in_another_way_each_time_says_nothing_about_the_kernel(here: Path) -> None:
    came = run("is_ended_in_two_ways")
    assert came.finding is None
    assert came.failure == "a plain script that calls the kernel ends with status 1, and when it is run again ends with status 2"


def test_a_script_that_cannot_even_import_the_kernel_says_nothing_about_it(here: Path) -> None:
    came = run("right", "broken.py")
    assert (came.right, came.finding) == (0, None)
    assert "imports the kernel ends with status 1 (it last printed: OSError: no licence)" in came.failure


def test_the_script_lies_where_users_work_and_has_no_parent_of_ours(here: Path) -> None:
    assert run("where").right == len(LINES) + 6
    places = [line.split() for line in Path("where").read_text().splitlines()]
    assert {str(Path(place).parent) for place, _ in places} == {str(here)}
    assert str(os.getpid()) not in {parent for _, parent in places}
    Path("numpy.py").write_text("raise SystemExit")
    Path("where").unlink()
    assert run("where").right == len(LINES) + 6
    assert str(here) not in {str(Path(line.split()[0]).parent) for line in Path("where").read_text().splitlines()}


def test_the_script_is_what_a_user_could_have_written(here: Path) -> None:
    script = script_of(Place("kernels.py", "right"), make_kernel(declared), [Case.parse(f"{LINES[0]} values=sawtooth")], "y.npz")
    assert "convverify" not in script
    assert "from kernels import right" in script
    subprocess.run([sys.executable, "-c", script], check=True)
    assert np.load("y.npz")["arr_0"].shape == (2, 4, 2, 3)


# The process between.

DAEMON = """
import os, sys, time
if not os.fork():
    os.setsid()
    if not os.fork():
        print(os.getpid(), flush=True)
        time.sleep(1000)
    os._exit(0)
time.sleep(0.2)
"""


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone lets a process adopt orphans")
@pytest.mark.parametrize("restricted", [True, False])
def test_what_a_script_leaves_behind_is_ended(tmp_path: Path, restricted: bool) -> None:
    (tmp_path / "daemon.py").write_text(DAEMON)
    output = tmp_path / "output"
    assert launching.run(sys.executable, tmp_path / "daemon.py", output, PATIENCE, os.environ, restricted) == 0
    assert not lives(int(output.read_text()))
    (tmp_path / "endless.py").write_text(DAEMON.replace("time.sleep(0.2)", "time.sleep(1000)"))
    assert launching.run(sys.executable, tmp_path / "endless.py", output, 1.0, os.environ, restricted) is None
    assert not output.read_text() or not lives(int(output.read_text()))


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone lets a process adopt orphans")
def test_a_script_ends_with_the_judge(tmp_path: Path) -> None:
    (tmp_path / "endless.py").write_text(DAEMON.replace("time.sleep(0.2)", "time.sleep(1000)"))
    output = tmp_path / "output"
    code = (
        "import os, sys; from pathlib import Path; from convverify.host import launching; "
        f"launching.run(sys.executable, Path({str(tmp_path / 'endless.py')!r}), Path({str(output)!r}), 1000.0, os.environ, True)"
    )
    judge = subprocess.Popen([sys.executable, "-c", code])
    end = time.monotonic() + PATIENCE
    while not (output.exists() and output.read_text().strip()) and time.monotonic() < end:
        time.sleep(0.05)
    judge.kill()
    judge.wait()
    daemon = int(output.read_text())
    while (lives(daemon) or (tmp_path / "endless.py").exists()) and time.monotonic() < end:
        time.sleep(0.05)
    assert not lives(daemon)
    assert not (tmp_path / "endless.py").exists()


def test_check_refutes_a_kernel_that_is_wrong_in_scripts_alone(here: Path) -> None:
    words = ["check", "kernels.py:wrong_in_scripts", "--reference", "exact", "--max-examples", "20", "--max-macs", "1000", "-v"]
    done = subprocess.run([*COMMAND, *words], capture_output=True, text=True, env=surroundings(), check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "plain_script: in a plain script" in done.stdout
    assert "x = (np.arange(" in done.stdout
