"""Host processes: how they start, load, die and end, and what is told of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from command_line import surroundings
from hypothesis import example, given, settings
from hypothesis import strategies as st
from trials import PATIENCE, hosted

from convverify.host.process import (
    EXITED,
    HUNG,
    LOST,
    MEMORY,
    SIGNALLED,
    CannotLoad,
    Death,
    EndedFromOutside,
    Host,
    Place,
    _Patience,
    _Tail,
    kill,
)
from convverify.host.weighing import mebibytes_of
from convverify.judging.trial import Trial
from convverify.operands.case import Case

SMALL = Case.parse("x=1x2x2x1 w=1x1x1x1 values=integers seed=1")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of a host."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, code: str) -> Place:
    """Write a file with a kernel that multiplies pixels, after some code."""
    (folder / "kernels.py").write_text(f"{code}\n\ndef conv2d(x, w):\n    return x @ w[0, 0]\n")
    return Place("kernels.py", "conv2d")


# Words.


@pytest.mark.parametrize(
    ("death", "told"),
    [
        (Death(EXITED, 0), "the process exited with status 0"),
        (Death(EXITED, 3, words=" (it last printed: bye)"), "the process exited with status 3 (it last printed: bye)"),
        (Death(SIGNALLED, 11), "the process was ended by SIGSEGV"),
        (Death(SIGNALLED, 77), "the process was ended by signal 77"),
        (Death(HUNG, 3.001), "the kernel did not return within 3 s"),
        (Death(MEMORY, 512), "the kernel used more than 512 MiB of memory"),
        (Death(LOST, 0), "the process is gone"),
    ],
)
def test_a_death_is_told_in_words(death: Death, told: str) -> None:
    assert str(death) == told


def test_the_tail_of_a_stream_is_kept_and_the_rest_counted() -> None:
    script = "import sys; sys.stdout.write('x' * 1000000 + 'the end')"
    with subprocess.Popen([sys.executable, "-S", "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        tail = _Tail(process.stdout)
        process.wait()
        deadline = time.monotonic() + PATIENCE
        while tail.total < 1_000_007 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert tail.text().endswith("xthe end")
    assert tail.total == 1_000_007
    assert len(tail.text()) < 20_000


def test_the_last_line_that_a_process_printed_is_told_and_what_python_says_before_it(tmp_path: Path) -> None:
    for printed, told in (
        ("one\n two \n\n", " (it last printed: two)"),
        ("Fatal Python error: Aborted\n\nCurrent thread\n  File\n", " (Fatal Python error: Aborted)"),
        ("\n\n", ""),
        ("x" * 1000, f" (it last printed: {'x' * 160})"),
    ):
        (tmp_path / "printed").write_text(printed)
        tail = _Tail((tmp_path / "printed").open("rb"))
        assert tail.words() == told


# Loading.


def test_a_host_says_what_its_kernel_looks_like(folder: Path) -> None:
    write(folder, "")
    (folder / "kernels.py").write_text("def mine(x, w, *, strides=(1, 1)):\n    pass\n\nmine.accuracy = 'normwise'\n")
    with hosted("kernels.py", "mine") as session:
        described = session.host.described
        assert (described["name"], described["attributes"], described["forks"]) == ("mine", {"accuracy": "normwise"}, True)
        assert [name for name, *_ in described["parameters"]] == ["x", "w", "strides"]
        assert session.kernel.accuracy == "normwise"


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("1 / 0", "file 'kernels.py' failed to import: ZeroDivisionError: division by zero"),
        (
            "import absent_module",
            "file 'kernels.py' failed to import: ModuleNotFoundError: No module named 'absent_module'; "
            "--python FILE names an interpreter that has it",
        ),
        ("import os; os._exit(7)", "the process exited with status 7 while loading kernels.py:conv2d"),
        ("import os; os.abort()", "the process was ended by SIGABRT (Fatal Python error: Aborted) while loading kernels.py:conv2d"),
        ("raise SystemExit(2)", "file 'kernels.py' failed to import: SystemExit: 2"),
        ("import time; time.sleep(1000)", "kernels.py:conv2d was not loaded within 0.5 s"),
    ],
)  # fmt: skip
def test_a_kernel_that_cannot_be_loaded_is_one_sentence(folder: Path, code: str, told: str) -> None:
    host = Host(write(folder, code), load_timeout=0.5 if "sleep" in code else PATIENCE)
    try:
        with pytest.raises(CannotLoad) as caught:
            host.ready(PATIENCE)
        assert str(caught.value) == told
        with pytest.raises(CannotLoad):  # and again, whoever asks
            host.ready()
    finally:
        host.close()


DIES = """
import os
import signal

with open("deaths") as file:
    first, *others = file.read().split() or [""]
with open("deaths", "w") as file:
    file.write(" ".join(others))
if first:
    os.kill(os.getpid(), int(first))
"""  # once by each of the signals that a file names


@pytest.mark.parametrize(
    ("deaths", "told"),
    [
        ((), ""),
        ((signal.SIGKILL,), ""),
        ((signal.SIGKILL, signal.SIGKILL), ""),
        ((signal.SIGKILL, signal.SIGTERM), ""),
        ((signal.SIGUSR1,) * 3, "the process was ended by SIGUSR1 while loading kernels.py:conv2d"),
    ],
)  # fmt: skip
def test_only_what_recurs_keeps_a_kernel_from_being_loaded(folder: Path, deaths: tuple[int, ...], told: str) -> None:
    (folder / "deaths").write_text(" ".join(str(int(number)) for number in deaths))
    host = Host(write(folder, DIES))
    try:
        if told:
            with pytest.raises(CannotLoad) as caught:
                host.ready(PATIENCE)
            assert (str(caught.value), type(caught.value)) == (told, CannotLoad)
        else:
            assert host.ready(PATIENCE)
        assert [death.number for death in host.load_deaths] == list(deaths)
    finally:
        host.close()


def test_a_process_that_ends_in_another_way_each_time_is_ended_from_outside(folder: Path) -> None:
    (folder / "deaths").write_text("9 15 9")
    host = Host(write(folder, DIES))
    try:
        told = r"kernels\.py:conv2d ended 3 times, not always in the same way: it was ended by SIGKILL, was ended by SIGTERM$"
        with pytest.raises(EndedFromOutside, match=told):
            host.ready(PATIENCE)
    finally:
        host.close()


def test_nobody_waits_for_a_kernel_that_is_being_loaded(folder: Path) -> None:
    host = Host(write(folder, "import pathlib, time\nwhile not pathlib.Path('go').exists():\n    time.sleep(0.01)"))
    try:
        assert not host.ready()
        assert not host.ready(0.1)
        (folder / "go").touch()
        assert host.ready(PATIENCE)
    finally:
        host.close()


def test_a_host_has_neither_convverify_nor_what_knows_the_right_result(folder: Path) -> None:
    code = "import sys\nassert not [name for name in sys.modules if name.startswith(('convverify', 'hypothesis', 'tensorflow'))]"
    host = Host(write(folder, code))
    try:
        assert host.ready(PATIENCE)
    finally:
        host.close()


def test_a_file_called_like_a_module_of_the_host_does_not_take_its_place(folder: Path) -> None:
    for name in ("numpy.py", "json.py", "program.py"):
        (folder / name).write_text("raise RuntimeError('the wrong one')\n")
    host = Host(write(folder, ""))
    try:
        assert host.ready(PATIENCE)
    finally:
        host.close()


def test_a_host_cannot_read_what_is_typed_and_inherits_no_descriptor(folder: Path) -> None:
    read, write_end = os.pipe()
    os.set_inheritable(read, True)
    code = "import json, os, sys\nopen('seen', 'w').write(json.dumps([sorted(map(int, os.listdir('/proc/self/fd'))), sys.stdin.read()]))"
    host = Host(write(folder, code))
    try:
        assert host.ready(PATIENCE)
        descriptors, typed = json.loads((folder / "seen").read_text())
        assert typed == ""
        assert read not in descriptors
    finally:
        host.close()
        os.close(read)
        os.close(write_end)


# A life.


@pytest.mark.parametrize("forks", [True, False])
def test_a_fresh_host_holds_a_kernel_that_has_never_been_called(folder: Path, forks: bool) -> None:
    code = "calls = 0\n\ndef counts(x, w):\n    global calls\n    calls += 1\n    return x @ w[0, 0] + (calls - 1)"
    write(folder, code)
    with hosted("kernels.py", "counts", forks=forks) as session:
        assert session.host.described["forks"] == forks
        for _ in range(2):
            wrong = []
            for _ in range(2):
                trial = Trial(session.kernel, SMALL)
                session.submit([trial], ())
                assert session.collect().death is None
                wrong.append(trial.value_fault is not None)
            assert wrong == [False, True]
            session.fresh()


@pytest.mark.parametrize("forks", [True, False])
def test_no_process_is_left_when_a_host_is_closed(folder: Path, forks: bool) -> None:
    write(folder, "")
    with hosted("kernels.py", "conv2d", forks=forks) as session:
        trial = Trial(session.kernel, SMALL)
        session.submit([trial], ())
        session.collect()
        processes = [process for child in psutil.Process().children() for process in (child, *child.children(recursive=True))]
        pid = session.host.pid
        assert pid in [process.pid for process in processes]
    _, alive = psutil.wait_procs(processes, timeout=PATIENCE)
    assert alive == []
    session.host.close()  # once more is no error


JUDGE = """
import sys, time
from convverify.host.process import Host, Place

host = Host(Place("kernels.py", "conv2d"), forks=sys.argv[1] == "forks")
host.start()
if sys.argv[2] == "loaded":
    host.ready(1000)
    while not host.pid:
        host.ready(1)
print("started", flush=True)
time.sleep(1000)
"""


@pytest.mark.parametrize("when", ["loaded", "loading"])
@pytest.mark.parametrize("forks", ["forks", "serves itself"])
def test_no_host_outlives_its_judge(folder: Path, forks: str, when: str) -> None:
    write(folder, "import time; time.sleep(1)" if when == "loading" else "")
    judge = subprocess.Popen([sys.executable, "-c", JUDGE, forks, when], stdout=subprocess.PIPE)
    try:
        assert judge.stdout is not None
        assert judge.stdout.readline() == b"started\n"
        hosts = psutil.Process(judge.pid).children(recursive=True)
        assert hosts
    finally:
        judge.kill()
        judge.communicate()
    _, alive = psutil.wait_procs(hosts, timeout=PATIENCE)
    kept = [process.pid for process in alive if process.status() != psutil.STATUS_ZOMBIE]
    for pid in kept:
        os.kill(pid, signal.SIGKILL)
    assert kept == []


def test_what_a_host_prints_is_drained_and_counted(folder: Path) -> None:
    write(folder, "def prints(x, w):\n    print('line ' * 100_000)\n    return x @ w[0, 0]")
    with hosted("kernels.py", "prints") as session:
        for _ in range(3):
            session.submit([Trial(session.kernel, SMALL)], ())
            assert session.collect().death is None
    assert session.host.printed >= 1_500_000


def test_a_process_is_killed_with_what_it_has_started() -> None:
    script = "import subprocess, sys; child = subprocess.Popen([sys.executable, '-S', '-c', 'input()'], stdin=subprocess.PIPE)"
    script += "; print(child.pid, flush=True); child.wait()"
    with subprocess.Popen([sys.executable, "-S", "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        child = psutil.Process(int(process.stdout.readline()))
        kill(process)
        assert process.returncode == -signal.SIGKILL
    child.wait(timeout=PATIENCE)
    assert mebibytes_of(child.pid) == 0.0
    kill(process)  # once more is no error


def test_memory_is_measured_without_what_is_shared(folder: Path) -> None:
    write(folder, "import numpy as np\nkept = []\n\ndef eats(x, w):\n    kept.append(np.ones(8 << 20))\n    return x @ w[0, 0]")
    with hosted("kernels.py", "eats") as session:
        before = None
        for _ in range(2):
            session.submit([Trial(session.kernel, SMALL)], ())
            assert session.collect().death is None
            now = mebibytes_of(session.host.pid, but=session.host.file)
            assert before is None or 56 <= now - before <= 80  # one array of 64 MiB
            before = now


@pytest.mark.skipif(sys.platform != "linux", reason="proc(5) says what processes share")
def test_memory_that_children_share_with_their_parent_is_counted_once(folder: Path) -> None:
    write(folder, FORKS)
    with hosted("kernels.py", "forks") as session:
        session.submit([Trial(session.kernel, SMALL)], ("completes",))
        assert session.collect().death is None
        assert 64 + 4 * 32 <= session.host.mebibytes() < 5 * 64 + 4 * 32


FORKS = """
import os, time
import numpy as np

kept = np.ones(8 << 20)

def forks(x, w):
    for _ in range(4):
        if not os.fork():
            own = np.ones(4 << 20)
            time.sleep(1000)
    time.sleep(1.0)
    return x @ w[0, 0]
"""


@pytest.mark.parametrize("closed", [0, 1, 2])
def test_a_host_starts_where_a_standard_stream_is_closed(closed: int) -> None:
    code = (
        f"import os; os.close({closed})\n"
        "from convverify.host.process import Host, Place\n"
        "host = Host(Place('math', 'hypot'))\n"
        "loaded = host.ready(100.0)\n"
        "host.close()\n"
        "os._exit(0 if loaded else 1)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], env=surroundings(), check=False).returncode == 0


def test_a_limit_is_not_exceeded_by_who_had_no_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, starved, used = [100.0], [7.0], [50.0]
    monkeypatch.setattr("convverify.host.process.time.monotonic", lambda: clock[0])
    monkeypatch.setattr("convverify.host.process.starved_seconds", lambda root: starved[0])
    monkeypatch.setattr("convverify.host.process.processor_seconds", lambda root: used[0])
    patience = _Patience(1)
    clock[0] += 4.0
    assert patience.is_over(3.0)
    assert not patience.is_over(5.0)
    starved[0] += 2.0
    assert not patience.is_over(3.0)
    clock[0] += 1000.0
    assert patience.is_over(3.0)
    starved[0] += 1000.0
    assert not patience.is_over(3.0)  # however long that is
    used[0] += 31.0
    assert patience.is_over(3.0)  # it takes the processors from itself
    patience.begin()
    clock[0] += 4.0
    assert not patience.is_over(3.0)


_DEEP = 50_000
_SAID = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.sampled_from(("", "1", "\ud800", [], {}, [2], {"forks": 1})))


@example(
    lines=[b"[" * _DEEP, b'{"loaded": {}, "forks": 1}', b'{"child": 1e400}', b'{"child": -1}', b'{"child": 7}', b'{"exit": 1e400, "of": 7}']
)
@settings(max_examples=50)
@given(
    lines=st.lists(
        st.dictionaries(st.sampled_from(("failed", "loaded", "forks", "child", "exit", "of")), _SAID, max_size=4).map(
            lambda said: json.dumps(said).encode()
        )
        | st.binary(max_size=20),
        max_size=5,
    )
)
def test_whatever_a_host_says_the_judge_goes_on(lines: list[bytes]) -> None:
    host = Host(Place("math", "hypot"))  # which is never started
    for line in lines:
        host._understand(line)
    assert isinstance(host._failure, CannotLoad | None)
    assert isinstance(host.described, dict)
    assert 0 <= host._child < 1 << 31
    assert host._exit is None or abs(host._exit) < 1 << 16
