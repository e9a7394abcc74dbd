"""A domain's condition, `where`, is asked where the user's module is, and what it answers is foreign input."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from convverify.campaign.assembling import host_of, kernel_in
from convverify.campaign.condition import Condition, condition_of
from convverify.campaign.options import Options
from convverify.campaign.report import USAGE, VERIFIED
from convverify.campaign.verification import Verification
from convverify.generation.drawing import drawn_problems
from convverify.generation.edge_cases import corner_cases
from convverify.host.posed import Problem as Posed
from convverify.host.process import Host, Place
from convverify.judging.kernel import Kernel
from convverify.judging.script import posed
from convverify.problems.domain import ConditionError, Domain
from convverify.problems.problem import Problem
from convverify.targets import resolve

KERNELS = """
import os, sys, time

import numpy as np


def nothing(x, w):
    return x[..., :1] * 0


nothing.domain = {"in_channels": 0}


def conv2d(x, w, strides):
    rows, columns = (1 + (x.shape[axis + 1] - w.shape[axis]) // strides[axis] for axis in (0, 1))
    y = np.zeros((x.shape[0], rows, columns, w.shape[3]), x.dtype)
    for i in range(w.shape[0]):
        for j in range(w.shape[1]):
            y += x[:, i:, j:][:, : rows * strides[0] : strides[0], : columns * strides[1] : strides[1]] @ w[i, j]
    return y


def on(where):
    def kernel(x, w, strides):
        return conv2d(x, w, strides)

    kernel.domain = {"where": where, "padding": "VALID"}
    return kernel


def stops(problem):
    if problem.width > 8:
        time.sleep(1000)
    return True


def raises(problem):
    if problem.width > 8:
        raise RuntimeError("too wide")
    return True


def sets(problem):
    problem.height = 1
    return True


def counted(problem):
    asked.append(str(problem))
    return len(set(asked)) == len(asked)


def divides(problem):
    down, across = problem.strides
    return problem.height % down == 0 and problem.width % across == 0


asked = []
divisible = on(divides)
deep = on(lambda problem: problem.in_channels == 64 and problem.kernel_height == 7)
none_fits = on(lambda problem: False)
def is_ended_once(problem):
    if not os.path.exists("ended"):
        open("ended", "w").close()
        os.kill(os.getpid(), 9)
    return True


ended = on(is_ended_once)
hangs, fails, tampers, once = on(stops), on(raises), on(sets), on(counted)
forgets = on(lambda problem: None)
misspelt = on(lambda problem: problem.heigth > 2)
ends = on(lambda problem: os._exit(3))
alone = on(lambda problem: "convverify" not in sys.modules and type(problem.pads[0]) is tuple)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kernels.py").write_text(KERNELS)
    monkeypatch.chdir(tmp_path)


def test_a_condition_whose_process_is_ended_once_is_asked_again() -> None:
    host = Host(Place("kernels.py", "ended"))
    try:
        host.ready(60.0)
        condition = condition_of(host, 60.0)
        assert condition is not None
        assert condition(Problem.parse("x=1x1x1x1 w=1x1x1x1"))
        assert Path("ended").exists()
    finally:
        host.close()


@pytest.fixture
def host() -> Iterator[Host]:
    host = Host(Place("kernels.py", "divisible"))
    host.ready(60.0)
    yield host
    host.close()


def options(name: str) -> Options:
    return Options(
        f"kernels.py:{name}", references=(), max_examples=20, max_time=100.0, timeout=1.0, degenerate=False, dtypes=("float32",),
        properties=("completes", "exact_on_integers", "within_error_bound", "special_values"),
    )  # fmt: skip


def test_a_posed_problem_has_the_attributes_of_a_problem() -> None:
    import json

    problem = Problem(2, 7, 9, 4, 3, 2, 6, strides=(2, 1), padding=((1, 0), (0, 2)), groups=2, dtype="float64")
    ((_, said),) = json.loads(posed([problem]))["cases"][0]["steps"]
    seen = Posed(said)
    for name in (
        *(item.name for item in fields(Problem)),
        "pads",
        "output_shape",
        "x_shape",
        "w_shape",
        "macs",
        "terms",
        "is_empty",
        "tf_padding",
    ):
        assert getattr(seen, name) == getattr(problem, name)
    assert str(seen) == str(problem)
    with pytest.raises(AttributeError, match="a problem is to be read: height cannot be set"):
        seen.height = 1  # type: ignore[misc]


def test_a_condition_is_asked_in_a_host_of_its_own_which_ends_with_the_kernels(host: Host) -> None:
    condition = condition_of(host, 60.0)
    assert isinstance(condition, Condition)
    assert condition.__name__ == "divides"
    assert condition(Problem(1, 4, 6, strides=(2, 3)))
    assert not condition(Problem(1, 5, 6, strides=(2, 3)))
    host.close()
    with pytest.raises(ConditionError, match="the domain's where cannot be asked: its host was closed"):
        condition(Problem())


def test_an_answer_is_remembered_and_hundreds_are_asked_for_in_one_message() -> None:
    host = Host(Place("kernels.py", "once"))
    try:
        host.ready(60.0)
        condition = condition_of(host, 60.0)
        assert condition is not None
        problems = [Problem(1, height, width) for height in range(1, 31) for width in range(1, 31)]
        condition.foresee(problems)
        assert all(condition(problem) for problem in problems), "it says no where it is asked again"
        assert condition._host is not None
        assert condition._host._submitted == 3
    finally:
        host.close()


def kernel(name: str) -> tuple[Host, Kernel]:
    chosen = options(name)
    target, _ = resolve(chosen)
    host = host_of(target, chosen)
    assert isinstance(host, Host)
    return host, kernel_in(host, target, chosen)


@pytest.mark.parametrize(
    ("name", "inside"),
    [
        ("divisible", lambda p: p.height % p.strides[0] == 0 and p.width % p.strides[1] == 0),
        ("deep", lambda p: p.in_channels == 64 and p.kernel_height == 7),
    ],
)
def test_problems_are_drawn_from_a_condition_in_a_host(name: str, inside: object) -> None:
    host, found = kernel(name)
    try:
        dtypes = found.domain.dtypes
        drawn = [
            problem
            for problem, _ in zip((problem for problem, _ in drawn_problems(found.domain, dtypes, 1 << 18, 1)), range(40), strict=False)
        ]
        tabled = [case.problem for case, _ in zip(corner_cases(found, dtypes, 1 << 18), range(40), strict=False)]
    finally:
        host.close()
    assert len(set(drawn)) > 30
    assert len(set(tabled)) > 8
    assert all(inside(problem) for problem in (*drawn, *tabled))  # type: ignore[operator]


def test_a_condition_as_rare_as_one_in_thousands_is_found_and_left_again_a_step_at_a_time() -> None:
    rare = Domain(where=lambda p: p.in_channels == 64 and p.kernel_height == 7 and p.strides == (2, 2))
    near = rare.restrict(Problem(3, 20, 9, 5, 3, 4, 6, dtype="float64"))
    assert near is not None
    assert rare.admits(near)
    assert (near.batch, near.kernel_width, near.out_channels, near.dtype) == (3, 4, 6, "float64")


@pytest.mark.parametrize("name", ["divisible", "alone"])
def test_a_kernel_with_a_condition_is_verified_in_isolation(name: str) -> None:
    report = Verification(options(name), lambda event: None, resolve).run()
    assert report.verdict == VERIFIED, str(report)


@pytest.mark.parametrize(
    ("name", "told", "workers"),
    [
        ("hangs", "did not return within 1 s about x=", 1),
        ("fails", "raised RuntimeError: too wide (", 1),
        ("tampers", "raised AttributeError: a problem is to be read: height cannot be set", 1),
        ("forgets", "returned NoneType instead of True or False, about x=1x1x1x1 w=1x1x1x1", 1),
        ("misspelt", "raised AttributeError: 'Problem' object has no attribute 'heigth' (", 1),
        ("ends", "gave no answer, as the process exited with status 3, about x=", 1),
        ("none_fits", "no problem that its domain's where admits was found", 1),
        ("nothing", "its domain holds no problem on which anything is computed: ", 1),
        ("fails", "raised RuntimeError: too wide (", 2),
    ],
)
def test_a_condition_that_gives_no_answer_is_one_sentence_and_no_verdict(name: str, told: str, workers: int) -> None:
    chosen = Options(**{**vars(options(name)), "workers": workers})
    report = Verification(chosen, lambda event: None, resolve).run()
    assert report.verdict == USAGE, str(report)
    assert told in report.sentence
    assert not report.counterexamples


@pytest.mark.parametrize("answer", [None, "yes", 1.0, []])
def test_a_condition_in_this_process_is_held_to_an_answer_too(answer: object) -> None:
    with pytest.raises(ConditionError, match=f"the domain's where returned {type(answer).__name__} about x=1x1x1x1"):
        Domain(where=lambda problem: answer).admits(Problem())  # type: ignore[arg-type, return-value]
