"""Whatever a kernel does to its process, the run goes on, and ends with a counterexample or an ordinary verdict."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from trials import hosted

from convverify.campaign.events import Event, Progress
from convverify.campaign.options import Options
from convverify.campaign.probing import Prober
from convverify.campaign.report import REFUTED, VERIFIED, Report
from convverify.campaign.verification import Verification
from convverify.host.process import SIGNALLED
from convverify.operands.case import Case
from convverify.targets import resolve

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


def forks(x, w):
    if is_at_fault(x, w):
        pid = os.fork()
        if not pid:
            os._exit(5)
        os.waitpid(pid, 0)
    return right(x, w)


def leaves_processes(x, w):
    """Starts what outlives the kernel, in a session of its own and once removed."""
    import subprocess

    if is_at_fault(x, w) and not os.path.exists("left"):
        code = "import subprocess; print(subprocess.Popen(['sleep', '1000'], start_new_session=True, stdout=-3, stderr=-3).pid)"
        done = subprocess.run([sys.executable, "-S", "-c", code], check=True, capture_output=True, text=True)
        with open("left", "w") as file:
            file.write(done.stdout)
    return right(x, w)


def leaves_threads(x, w):
    threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
    return right(x, w)


def has_no_streams(x, w):
    sys.stdin = sys.stdout = sys.stderr = None
    return right(x, w)


def ends_its_group(x, w):
    if is_at_fault(x, w):
        os.kill(0, signal.SIGKILL)
    return right(x, w)


def slow(x, w):
    time.sleep(0.02)
    return right(x, w)


lock = threading.Lock()


def keeps_its_lock(x, w):
    """Refuses one shape with a lock in its hand, and waits for it ever after."""
    lock.acquire()
    if w.shape[:2] == (1, 1):
        raise NotImplementedError("no kernels of one element")
    y = right(x, w)
    lock.release()
    return y


broken = False


def breaks_while_it_refuses(x, w):
    """Does harm where it refuses, and dies of it on the next call that it accepts."""
    global broken
    if w.shape[:2] == (1, 1):
        broken = True
        raise NotImplementedError("no kernels of one element")
    return os.abort() if broken else right(x, w)


calls = 0


def dies_at_the_100th_call(x, w):
    global calls
    calls += 1
    return os.abort() if calls == 100 else right(x, w)


def dies_once(x, w):
    """Dies at its 10th call, once in a directory."""
    global calls
    calls += 1
    if calls == 10 and not os.path.exists("died"):
        open("died", "w").close()
        os.abort()
    return right(x, w)


def flipped(x, w):
    return right(x, w[::-1, ::-1])
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
    "ends_its_group": "the process was ended by SIGKILL",
}
SURVIVE = (
    "right", "prints", "closes", "closes_everything", "is_deaf", "handles_everything", "warns", "raises_warnings", "moves",
    "starts_processes", "forks", "leaves_threads", "has_no_streams",
)  # fmt: skip
PROBLEMS = ("x=1x1x1x1 w=1x1x1x1", "x=1x3x4x2 w=2x2x2x3")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of a run, with the kernels in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kernels.py").write_text(KERNELS)
    return tmp_path


def verified(name: str, *, listener: Callable[[Event], None] = lambda event: None, **values: Any) -> Report:
    """Verify one of the kernels on two problems, without TensorFlow."""
    known: dict[str, Any] = {"timeout": 0.5, "memory_limit": 512, "references": (), "problems": PROBLEMS, "dtypes": ("float32",)}
    return Verification(Options(f"kernels.py:{name}", **(known | values)), listener, resolve).run()


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
    assert report.statistics.deaths == 0


def test_what_a_kernel_has_started_is_gone_with_it(folder: Path) -> None:
    report = verified("leaves_processes", timeout=20.0)
    assert report.verdict == VERIFIED, str(report)
    assert not psutil.pid_exists(int((folder / "left").read_text()))


@pytest.mark.parametrize("references", [(), ("exact",), ("kernels.py:right",)])
def test_a_kernel_that_dies_of_many_calls_is_refuted(folder: Path, references: tuple[str, ...]) -> None:
    report = verified("dies_at_the_100th_call", references=references, timeout=20.0)
    assert report.verdict == REFUTED
    assert report.reference_faults == ()
    example = report.counterexamples[0]
    assert example.property == "completes"
    assert "SIGABRT" in example.sentence
    assert example.history or Case.parse(example.case).calls > 1


@pytest.mark.parametrize(
    ("name", "told"), [("keeps_its_lock", "the kernel did not return within "), ("breaks_while_it_refuses", "ended by SIGABRT")]
)
def test_what_a_kernel_suffers_after_a_call_that_it_refused_is_laid_to_both(folder: Path, name: str, told: str) -> None:
    report = verified(name, properties=("completes", "shape"))  # none that calls the kernel on other shapes
    assert report.verdict == REFUTED
    example = report.counterexamples[0]
    assert example.property == "completes"
    assert told in example.sentence
    assert example.reproduced
    assert any(Case.parse(line).problem.w_shape[:2] == (1, 1) for line in example.history)


def test_a_wrong_kernel_keeps_its_counterexample_beside_a_reference_that_dies(folder: Path) -> None:
    report = verified("flipped", references=("kernels.py:dies_once",), timeout=20.0)
    assert (report.verdict, report.counterexamples[0].property) == (REFUTED, "exact_on_integers")


def test_much_printing_is_mentioned(folder: Path) -> None:
    assert any(warning.startswith("the kernel printed ") for warning in verified("prints", timeout=20.0).warnings)


# Deaths from outside.


class Ends:
    """Ends, once, the process that calls the kernel, or the one that forks it, while a campaign is under way."""

    def __init__(self, number: signal.Signals, *, program: bool = False) -> None:
        self.number, self.program, self.done = number, program, False

    def __call__(self, event: Event) -> None:
        if not self.done and isinstance(event, Progress):
            for host in psutil.Process().children():
                children = host.children()
                if children and "kernels.py" in " ".join(host.cmdline()):
                    (host if self.program else children[0]).send_signal(self.number)
                    self.done = True


@pytest.mark.parametrize("program", [False, True])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGXCPU])
def test_a_kernel_is_not_blamed_for_a_death_from_outside(folder: Path, number: signal.Signals, program: bool) -> None:
    ends = Ends(number, program=program)
    report = verified("slow", listener=ends, timeout=20.0)
    assert ends.done
    assert report.verdict == VERIFIED, str(report)
    assert report.statistics.deaths == 1
    (warning,) = [warning for warning in report.warnings if "ended once" in warning]
    assert program or number.name in warning
    assert "not again on the same calls" in warning
    assert not list(folder.glob(".convverify/**/*.json"))


def test_what_was_on_the_way_when_a_host_ended_is_tried_again(folder: Path) -> None:
    undisturbed, report = verified("right", timeout=20.0), verified("dies_once", timeout=20.0)
    assert (folder / "died").exists()
    assert report.verdict == VERIFIED, str(report)
    assert report.statistics.deaths == 1
    assert (report.statistics.cases, report.statistics.results) == (undisturbed.statistics.cases, undisturbed.statistics.results)


# The parts.


def test_a_prober_answers_and_begins_afresh(folder: Path) -> None:
    with hosted("kernels.py", "segfaults") as session:
        prober = Prober(session)
        passed = prober.probe("x=1x1x1x1 w=1x1x1x1")
        assert passed.finding is None
        assert passed.judged["exact_on_integers"]
        died = prober.probe("x=1x2x2x1 w=2x2x1x1").died
        assert died is not None
        assert (died.kind, died.number) == (SIGNALLED, signal.SIGSEGV)
        prober.fresh()
        assert prober.probe("x=1x1x1x1 w=1x1x1x1").died is None
        assert prober.probes == 3


def test_a_prober_finds_the_first_call_that_goes_wrong(folder: Path) -> None:
    (folder / "counts.py").write_text(COUNTS)
    with hosted("counts.py", "wrong_at_the_30th") as session:
        assert Prober(session).calls_until_wrong("x=1x2x2x1 w=1x1x1x1", 100, 60.0) == 30
        assert Prober(session).calls_until_wrong("x=1x2x2x1 w=1x1x1x1", 25, 60.0) == 0


COUNTS = """
import numpy as np

calls = 0


def wrong_at_the_30th(x, w):
    global calls
    calls += 1
    return (x @ w[0, 0] if calls != 30 else np.zeros_like(x @ w[0, 0]))
"""
