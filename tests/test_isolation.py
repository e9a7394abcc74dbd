"""Whatever a kernel does to its process, the run goes on, and ends with a counterexample or an ordinary verdict."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from convverify.campaign.events import Started
from convverify.campaign.isolation.journal import Journal
from convverify.campaign.isolation.patience import allowance, patience
from convverify.campaign.isolation.prober import decode, encode
from convverify.campaign.isolation.probing import Prober, ProberLost
from convverify.campaign.isolation.processes import Tail, kill, resident_mebibytes, told_exit
from convverify.campaign.options import Options
from convverify.campaign.report import REFUTED, VERIFIED, Report
from convverify.campaign.verification import Verification
from convverify.operands.case import Case

KERNELS = '''
import ctypes, os, signal, sys, threading, time, warnings

import numpy as np

from convverify.references.exact import conv2d


def right(x, w):
    return conv2d(x, w).astype(x.dtype)


def is_at_fault(x, w):
    """The fault strikes on kernels of 2 x 2 alone, so that there is something to shrink."""
    return w.shape[:2] == (2, 2)


def segfaults(x, w):
    if is_at_fault(x, w):
        ctypes.string_at(8)
    return right(x, w)


def aborts(x, w):
    if is_at_fault(x, w):
        os.abort()
    return right(x, w)


def leaves(x, w):
    if is_at_fault(x, w):
        os._exit(0)
    return right(x, w)


def exits(x, w):
    if is_at_fault(x, w):
        sys.exit(3)
    return right(x, w)


def interrupts(x, w):
    if is_at_fault(x, w):
        raise KeyboardInterrupt
    return right(x, w)


def hangs(x, w):
    while is_at_fault(x, w):
        time.sleep(0.01)
    return right(x, w)


def hangs_deaf(x, w):
    """Hangs where no Python signal handler and no other thread gets a turn."""
    if is_at_fault(x, w):
        ctypes.PyDLL(None).sleep(1000)
    return right(x, w)


def eats_memory(x, w):
    kept = []
    while is_at_fault(x, w):
        kept.append(bytearray(b"x") * (16 << 20))
    return right(x, w)


def prints(x, w):
    os.write(1, b"line\\n" * 20000)
    sys.stderr.write("line\\n" * 2000)
    return right(x, w)


def closes(x, w):
    os.closerange(3, 256)
    return right(x, w)


def closes_everything(x, w):
    os.closerange(0, 256)
    return right(x, w)


def is_deaf(x, w):
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
    return right(x, w)


def handles_everything(x, w):
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGALRM):
            signal.signal(number, lambda *_: None)
    return right(x, w)


def warns(x, w):
    warnings.warn("at each call", RuntimeWarning, stacklevel=1)
    return right(x, w)


def raises_warnings(x, w):
    warnings.simplefilter("error")
    return right(x, w)


def moves(x, w):
    os.chdir("/")
    return right(x, w)


def starts_processes(x, w):
    import subprocess

    subprocess.run([sys.executable, "-S", "-c", ""], check=True) if is_at_fault(x, w) else None
    return right(x, w)

calls = 0


def dies_at_the_100th_call(x, w):
    global calls
    calls += 1
    return os.abort() if calls == 100 else right(x, w)


def reference_that_dies_later(x, w):
    """Dies at its 10th call, once in a directory."""
    global calls
    calls += 1
    if calls == 10 and not os.path.exists("died"):
        open("died", "w").close()
        os.abort()
    return right(x, w)
'''

DIE = {
    "segfaults": "the process was ended by SIGSEGV",
    "aborts": "the process was ended by SIGABRT",
    "leaves": "the process exited with status 0",
    "exits": "the kernel raised SystemExit: 3",
    "interrupts": "the kernel raised KeyboardInterrupt",
    "hangs": "the kernel did not return within ",
    "hangs_deaf": "the kernel did not return within ",
    "eats_memory": "the kernel used more than 512 MiB of memory",
}
SURVIVE = (
    "right", "prints", "closes", "closes_everything", "is_deaf", "handles_everything", "warns", "raises_warnings", "moves",
    "starts_processes",
)  # fmt: skip
PROBLEMS = ("x=1x1x1x1 w=1x1x1x1", "x=1x3x4x2 w=2x2x2x3")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of a run, with the kernels in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kernels.py").write_text(KERNELS)
    return tmp_path


def verified(name: str, **values: Any) -> Report:
    """Verify one of the kernels on two problems, without TensorFlow."""
    limits = {"timeout": 0.5, "memory_limit": 512} | values
    options = Options(f"kernels.py:{name}", **({"references": ()} | limits), problems=PROBLEMS, dtypes=("float32",))
    return Verification(options, lambda event: None).run()


@pytest.mark.parametrize("name", DIE)
def test_a_kernel_that_does_not_return_is_refuted_by_its_smallest_case(folder: Path, name: str) -> None:
    report = verified(name, timeout=60.0 if name == "eats_memory" else 0.5)
    assert report.verdict == REFUTED
    example = report.counterexamples[0]
    assert example.property == "completes"
    assert DIE[name] in example.sentence
    assert example.reproduced
    problem = Case.parse(example.case).problem
    assert (problem.kernel_height, problem.kernel_width, problem.in_channels, problem.out_channels) == (2, 2, 1, 1)
    assert Path(example.file).is_file()


@pytest.mark.parametrize("name", SURVIVE)
def test_a_kernel_that_misbehaves_and_is_right_is_verified(folder: Path, name: str) -> None:
    report = verified(name, timeout=20.0)
    assert report.verdict == VERIFIED, str(report)
    assert report.statistics.judged["exact_on_integers"] > 10


def test_a_kernel_is_not_blamed_for_what_a_reference_does_to_the_process(folder: Path) -> None:
    report = verified("right", references=("kernels.py:reference_that_dies_later",), timeout=20.0)
    assert (folder / "died").exists()
    assert report.verdict == VERIFIED, str(report)
    (fault,) = report.reference_faults
    assert "SIGABRT, and not when the kernel made the same calls without kernels.py:reference_that_dies_later" in fault.sentence


@pytest.mark.parametrize("references", [(), ("exact",), ("kernels.py:right",)])
def test_a_kernel_that_dies_of_many_calls_is_refuted(folder: Path, references: tuple[str, ...]) -> None:
    report = verified("dies_at_the_100th_call", references=references, timeout=20.0)
    assert report.verdict == REFUTED
    assert report.reference_faults == ()
    assert report.counterexamples[0].property == "completes"
    assert "SIGABRT" in report.counterexamples[0].sentence


def test_much_printing_is_mentioned(folder: Path) -> None:
    assert any(warning.startswith("the kernel printed ") for warning in verified("prints", timeout=20.0).warnings)


# The parts.


def test_a_prober_answers_and_begins_afresh(folder: Path) -> None:
    with Prober(Options("kernels.py:segfaults", references=())) as prober:
        passed = prober.probe("x=1x1x1x1 w=1x1x1x1")
        assert passed.finding is None
        assert passed.judged["exact_on_integers"]
        assert isinstance(passed.started, Started)
        assert prober.probe("x=1x2x2x1 w=2x2x1x1").died == "the process was ended by SIGSEGV"
        prober.fresh()
        assert prober.probe("x=1x1x1x1 w=1x1x1x1").died == ""
        assert prober.probes == 3


def test_a_prober_that_cannot_load_its_kernel_says_why(folder: Path) -> None:
    with Prober(Options("absent.py:kernel", references=())) as prober, pytest.raises(ProberLost, match=r"there is no file 'absent\.py'"):
        prober.probe("x=1x1x1x1 w=1x1x1x1")


def test_a_journal_is_read_by_another_process(tmp_path: Path) -> None:
    writer = Journal(tmp_path / "journal", create=True)
    reader = Journal(tmp_path / "journal")
    assert (reader.read().line, reader.read().steps) == ("", 0)
    writer.name_case("x=1x1x1x1 w=1x1x1x1", (2, 7))
    entry = reader.read()
    assert (entry.line, entry.position, entry.activity) == ("x=1x1x1x1 w=1x1x1x1", (2, 7), "harness")
    with writer.watch("kernel"):
        assert reader.read().activity == "kernel"
        assert reader.read().calls == 1
    after = reader.read()
    assert after.activity == "harness"
    assert after.steps > entry.steps


def test_a_journal_says_that_a_kernel_runs_as_long_as_one_thread_is_in_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", create=True)
    inside, leave = threading.Event(), threading.Event()

    def work() -> None:
        with journal.watch("kernel"):
            inside.set()
            leave.wait()

    thread = threading.Thread(target=work)
    thread.start()
    inside.wait()
    with journal.watch("kernel"):
        pass
    assert journal.read().activity == "kernel"
    leave.set()
    thread.join()
    assert journal.read().activity == "harness"


def test_a_long_line_is_cut_and_does_not_overrun_the_journal(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", create=True)
    journal.name_case("x" * 100_000)
    assert set(journal.read().line) == {"x"}
    assert (tmp_path / "journal").stat().st_size == 1 << 16


def test_patience_grows_with_the_case_and_with_the_warm_up() -> None:
    small, large = "x=1x1x1x1 w=1x1x1x1", "x=9x64x64x8 w=3x3x8x8"
    assert allowance(large) > allowance(small) > 0
    assert patience(3.0, small) == 3.0 + allowance(small)
    assert patience(3.0, small, warm_up=2.0) == 20.0
    assert patience(3.0, small, warm_up=0.05) == patience(3.0, small)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (0, "exited with status 0"),
        (3, "exited with status 3"),
        (-11, "ended by SIGSEGV"),
        (-9, "ended by SIGKILL"),
        (-77, "ended by signal 77"),
        (None, "gone"),
    ],
)
def test_an_exit_code_is_told_in_words(code: int | None, told: str) -> None:
    assert told in told_exit(code)


def test_the_tail_of_a_stream_is_kept_and_the_rest_counted() -> None:
    script = "import sys; sys.stdout.write('x' * 1000000 + 'the end')"
    with subprocess.Popen([sys.executable, "-S", "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        tail = Tail(process.stdout)
        process.wait()
        assert tail.text().endswith("xthe end")
    assert tail.total == 1_000_007
    assert len(tail.text()) < 20_000


def test_a_process_is_killed_with_what_it_has_started() -> None:
    script = "import subprocess, sys; child = subprocess.Popen([sys.executable, '-S', '-c', 'input()'], stdin=subprocess.PIPE)"
    script += "; print(child.pid, flush=True); child.wait()"
    with subprocess.Popen([sys.executable, "-S", "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        child = psutil.Process(int(process.stdout.readline()))
        kill(process)
        assert process.returncode == -signal.SIGKILL
    child.wait(timeout=60.0)
    assert resident_mebibytes(child.pid) == 0.0
    kill(process)  # once more is no error


def test_memory_is_measured() -> None:
    assert resident_mebibytes(os.getpid()) > 10


@pytest.mark.parametrize(
    "array", [None, np.zeros((0, 2)), np.array([[True, False]]), np.array([1.5, np.nan, np.inf], np.float32), np.arange(6)[::-2]]
)
def test_arrays_travel_as_text(array: Any) -> None:
    again = decode(encode(array))
    if array is None:
        assert again is None
    else:
        assert again is not None
        np.testing.assert_array_equal(again, array)
