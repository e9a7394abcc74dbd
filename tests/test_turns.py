"""Calls in turns: one at a time, when the judge says so, and nothing that is done outside of them counts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from convverify.compare import turns as module
from convverify.compare.contenders import Contender
from convverify.compare.turns import TurnFailed, Turns
from convverify.compare.verified import _judge, cases_of
from convverify.host.process import Place
from convverify.judging.trial import Trial
from convverify.problems.problem import Problem
from convverify.targets import Located

PROBLEM = Problem.parse("x=1x6x6x2 w=3x3x2x4")
SLEEP = 0.05
KERNELS = """
import sys
import threading
import time
import numpy as np
from convverify import conv2d_matmul

ids = []


def right(x, w):
    return conv2d_matmul(x, w)


def slow(x, w):
    time.sleep(0.05)
    return conv2d_matmul(x, w)


def never_the_same_objects(x, w):
    ids.append((x, w))
    assert len({id(one) for one in ids[-1]} | {id(one) for one in ids[0]}) == 4 or len(ids) == 1
    return conv2d_matmul(x, w)


class Wrapped:
    def __init__(self, array):
        time.sleep(0.05)
        self.array = array.copy()


def of_wrapped(x, w):
    return conv2d_matmul(x.array, w.array)


def answers_before_it_is_done(x, w):
    from _kernel_host import calls

    y = np.zeros((1, 4, 4, 4), x.dtype)
    place = calls.Runner._copy

    def copy(self, array, first, room):
        said = place(self, array, first, room)
        shared = np.ndarray(array.shape, array.dtype, self.mapping.buffer, first)
        wanted = conv2d_matmul(x, w)
        threading.Timer(0.05, lambda: np.copyto(shared, wanted)).start()
        return said

    calls.Runner._copy = copy
    return y


def hangs(x, w):
    time.sleep(1000)


def eats_shared_memory(x, w):
    frame = sys._getframe()
    while "mapping" not in frame.f_locals:
        frame = frame.f_back
    np.frombuffer(frame.f_locals["mapping"].buffer, np.uint8)[::4096].sum()


def works_before_it_is_called(x, w):
    if not ids:
        ids.append(threading.Thread(target=lambda: [None for _ in iter(int, 1)], daemon=True))
        ids[0].start()
    return conv2d_matmul(x, w)
"""


@pytest.fixture
def contender(tmp_path: Path) -> Iterator[Callable[..., Contender]]:
    path = tmp_path / "kernels.py"
    path.write_text(KERNELS)
    made: list[Contender] = []

    def make(name: str, patience: float = 30.0, convert: str = "") -> Contender:
        place = Place(str(path), name, convert=(str(path), convert) if convert else None)
        made.append(Contender(Located(name, place), 1, patience))
        made[-1].load()
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_the_clock_runs_while_the_kernel_does_and_a_call_that_warms_up_does_not_count(contender: Callable[..., Contender]) -> None:
    with Turns(contender("slow"), PROBLEM) as turns:
        for warm in (False, True):
            turn = turns.call(warm)
            assert turn.seconds >= SLEEP
            assert turn.cost >= SLEEP * (1 + warm)
            assert turn.processor < turn.cost


def test_operands_are_other_objects_for_each_call(contender: Callable[..., Contender]) -> None:
    with Turns(contender("never_the_same_objects"), PROBLEM) as turns:
        for _ in range(3):
            turns.call()


def test_operands_are_converted_before_the_clock_starts(contender: Callable[..., Contender]) -> None:
    with Turns(contender("of_wrapped", convert="Wrapped"), PROBLEM) as turns:
        turn = turns.call()
        assert turn.cost >= turn.seconds + 2 * SLEEP


def test_a_host_stands_still_between_its_turns_and_does_as_it_is_told_afterwards(contender: Callable[..., Contender]) -> None:
    one = contender("right")
    with Turns(one, PROBLEM) as turns:
        turns.call()
        assert psutil.Process(one.host.root).status() == psutil.STATUS_STOPPED
    assert psutil.Process(one.host.root).status() == psutil.STATUS_STOPPED
    assert _judge(one, Trial(one.kernel, cases_of(PROBLEM, 0)[0])) is None
    with Turns(one, PROBLEM.with_(batch=3)) as turns:
        turns.call()


def test_a_result_that_is_finished_after_the_answer_does_not_count(contender: Callable[..., Contender]) -> None:
    with Turns(contender("answers_before_it_is_done"), PROBLEM) as turns, pytest.raises(TurnFailed, match="64 wrong elements of 64"):
        turns.call(warm=True)


@pytest.mark.parametrize(
    ("name", "why"),
    [("hangs", "the kernel did not return within 0.5 s"), ("eats_shared_memory", "the kernel used more than 8 MiB of memory")],
)
def test_what_does_not_end_is_ended(contender: Callable[..., Contender], name: str, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_GROWTH", 8.0)
    monkeypatch.setattr(module, "_LOOK", 0.0)
    one = contender(name, 0.5 if name == "hangs" else 30.0)
    with pytest.raises(TurnFailed, match=why) as failed, Turns(one, PROBLEM) as turns:
        turns.call()
    assert (failed.value.name, failed.value.problem, failed.value.property) == (name, PROBLEM, "completes")
    assert one.host.root == 0, "its host is gone"


def test_what_is_done_between_the_operands_and_the_clock_is_counted(
    contender: Callable[..., Contender], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_REST", 0.01)
    with Turns(contender("works_before_it_is_called"), Problem.parse("x=8x512x512x8 w=1x1x8x1")) as turns:
        turns.call()
        found = [turns.call() for _ in range(3)]
    assert max(turn.before for turn in found) > 0.0
    assert all(turn.seconds >= turn.before for turn in found)


JUDGE = """
import os, signal, sys
from convverify.compare.contenders import Contender
from convverify.compare.turns import Turns
from convverify.host.process import Place
from convverify.problems.problem import Problem
from convverify.targets import Located

made = [Contender(Located("right", Place(sys.argv[1], "right")), 1, 30.0, is_weighed=forks) for forks in (False, True)]
for one in made:
    one.load()
    Turns(one, Problem.parse("x=1x6x6x2 w=3x3x2x4")).call()
print(*(pid for one in made for pid in one.tree.known), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a process hears of its parent's death on Linux alone")
def test_who_stands_still_ends_with_the_judge(tmp_path: Path) -> None:
    (tmp_path / "kernels.py").write_text(KERNELS)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-c", JUDGE, str(tmp_path / "kernels.py")]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == -signal.SIGKILL
    pids = [int(word) for word in ended.stdout.split()]
    assert len(pids) == 3, "a host that is called itself, and one with a child"
    _, alive = psutil.wait_procs([psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)], timeout=20)
    assert [one for one in alive if one.status() != psutil.STATUS_ZOMBIE] == []
