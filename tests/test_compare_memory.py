"""Peak memory of a call, weighed from outside, in a process that has not called the kernel before."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from convverify.compare.contenders import Contender
from convverify.compare.memory import Peak, Weigher
from convverify.host.process import Place
from convverify.problems.problem import Problem
from convverify.targets import Located

MIB = 1 << 20
LARGE = Problem.parse("x=1x4096x64x8 w=1x1x8x8")  # its operands' 8 MiB and its result's 8 MiB are not counted
GREEDY = """
import mmap
import os
import tempfile
import time
import numpy as np
from numpy._core import _multiarray_umath

CODE = _multiarray_umath.__file__
kept = []


def convolve(x, w):
    return (x.reshape(-1, x.shape[-1]) @ w[0, 0]).reshape(*x.shape[:3], -1)


def takes(x, w):
    y = convolve(x, w)
    if x.shape[1] > 8:
        np.ones(32 << 17)
    return y


def takes_unless_all_are_ones(x, w):
    y = convolve(x, w)
    if not (w == 1).all():
        np.ones(32 << 17)
    return y


def keeps(x, w):
    if not kept:
        kept.append(np.ones(32 << 17))
    return convolve(x, w)


def hides_in_a_file(x, w):
    y = convolve(x, w)
    descriptor = os.memfd_create("work")
    for _ in range(32):
        os.write(descriptor, bytes(1 << 20))
    time.sleep(0.01)
    os.close(descriptor)
    return y


def hides_in_a_mapped_file(x, w):
    y = convolve(x, w)
    with tempfile.TemporaryFile() as file:
        file.truncate(32 << 20)
        work = mmap.mmap(file.fileno(), 32 << 20)
    if x.shape[1] > 8:
        np.frombuffer(work, np.uint8)[:] = 1
    time.sleep(0.01)
    return y


def reads_a_file(x, w):
    with open(CODE, "rb") as file:
        kept.append(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ))
    np.frombuffer(kept[-1], np.uint8).sum()
    return convolve(x, w)


def hides_in_a_child(x, w):
    y = convolve(x, w)
    read, write = os.pipe()
    child = os.fork()
    if not child:
        work = np.ones(32 << 17)
        time.sleep(0.2)
        os.write(write, b"!")
        os._exit(0)
    os.read(read, 1)
    os.waitpid(child, 0)
    os.close(read), os.close(write)
    return y


def takes_back_the_mark(x, w):
    work = np.ones(32 << 17)
    time.sleep(0.2)
    del work
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    return convolve(x, w)


def dies(x, w):
    os._exit(1)
"""


@pytest.fixture
def peak(tmp_path: Path) -> Iterator[Callable[[str, Problem], Peak | None]]:
    (tmp_path / "greedy.py").write_text(GREEDY)
    made: dict[str, Contender] = {}

    def measure(name: str, problem: Problem) -> Peak | None:
        if name not in made:
            made[name] = Contender(Located(name, Place(str(tmp_path / "greedy.py"), name)), 1, 60.0, is_weighed=True)
            made[name].load()
        return Weigher(made[name]).peak(problem)

    yield measure
    for contender in made.values():
        contender.close()


@pytest.mark.skipif(sys.platform != "linux", reason="proc(5) says what a process holds")
@pytest.mark.parametrize("name", ["takes", "takes_unless_all_are_ones", "keeps", "hides_in_a_file", "hides_in_a_mapped_file"])
def test_what_a_call_takes_is_seen_wherever_it_is(peak: Callable[[str, Problem], Peak | None], name: str) -> None:
    for _ in range(2):
        found = peak(name, LARGE)
        assert found is not None
        assert 31 * MIB < found.bytes < 36 * MIB
        assert (found.kept > 31 * MIB) == (name == "keeps")


@pytest.mark.skipif(sys.platform != "linux", reason="proc(5) says what a process holds")
@pytest.mark.parametrize("name", ["convolve", "reads_a_file"])
def test_a_call_that_takes_nothing_needs_nothing(peak: Callable[[str, Problem], Peak | None], name: str) -> None:
    found = peak(name, LARGE)
    assert found is not None
    assert found.bytes < 2 * MIB


@pytest.mark.skipif(sys.platform != "linux", reason="proc(5) says what a process holds")
def test_a_call_that_dies_has_no_figure(peak: Callable[[str, Problem], Peak | None]) -> None:
    assert peak("dies", LARGE) is None


@pytest.mark.skipif(sys.platform != "linux", reason="proc(5) says what a process holds")
@pytest.mark.parametrize(("name", "why"), [("hides_in_a_child", "it started processes"), ("takes_back_the_mark", "taken back")])
def test_what_is_seen_only_from_time_to_time_is_said_to_be_the_least(
    peak: Callable[[str, Problem], Peak | None], name: str, why: str
) -> None:
    found = peak(name, LARGE)
    assert found is not None
    assert found.bytes > 31 * MIB or why in found.doubt


@pytest.mark.skipif(sys.platform == "linux", reason="proc(5) says what a process holds")
def test_elsewhere_there_is_no_figure(peak: Callable[[str, Problem], Peak | None]) -> None:
    assert peak("takes", LARGE) is None
