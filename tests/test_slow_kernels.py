"""A kernel that is slow, or that compiles itself, is neither taken for one that hangs nor praised for the little that was seen of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from convverify.campaign.events import Event, Slow
from convverify.campaign.floor import LEAST
from convverify.campaign.options import Options
from convverify.campaign.report import INCONCLUSIVE, VERIFIED, Report
from convverify.campaign.verification import Verification
from convverify.generation.few_problems import few_cases, few_problems
from convverify.problems.domain import Domain
from convverify.targets import resolve

KERNELS = '''
import os, time

import numpy as np

from convverify.kernels.matmul import conv2d_matmul

met = set()


def prepare(key, seconds):
    """What is met for the first time takes long, as where something is compiled for it."""
    if key not in met:
        met.add(key)
        time.sleep(seconds)


def right(x, w, strides, padding, dilations, groups):
    return conv2d_matmul(x, w, strides=strides, padding=padding, dilations=dilations, groups=groups)


def first_call(x, w, groups):
    prepare("first", 2.0)
    return conv2d_matmul(x, w, groups=groups)


def first_groups(x, w, groups):
    if groups > 1:
        prepare("groups", 1.5)
    return conv2d_matmul(x, w, groups=groups)


def compiled(x, w):
    from numba import njit, prange

    if "numba" not in globals():
        @njit(parallel=True)
        def numba(x, w, y):
            for n in prange(y.shape[0]):
                for i in range(y.shape[1]):
                    for j in range(y.shape[2]):
                        for k in range(y.shape[3]):
                            total = y[n, i, j, k]
                            for a in range(w.shape[0]):
                                for b in range(w.shape[1]):
                                    for c in range(w.shape[2]):
                                        total += x[n, i + a, j + b, c] * w[a, b, c, k]
                            y[n, i, j, k] = total

        globals()["numba"] = numba
    y = np.zeros((x.shape[0], x.shape[1] - w.shape[0] + 1, x.shape[2] - w.shape[1] + 1, w.shape[3]), x.dtype)
    globals()["numba"](np.ascontiguousarray(x), np.ascontiguousarray(w), y)
    return y


def sleeps(x, w, strides, padding, dilations, groups):
    time.sleep(0.06)
    return right(x, w, strides, padding, dilations, groups)


def sleeps_longer(x, w, strides, padding, dilations, groups):
    time.sleep(1.2)
    return right(x, w, strides, padding, dilations, groups)


def compiles_each(x, w, strides, padding, dilations, groups):
    prepare((x.shape, w.shape, x.dtype, tuple(strides), str(padding), tuple(dilations), groups), 0.3)
    return right(x, w, strides, padding, dilations, groups)


def one_shape(x, w):
    if x.shape != (1, 3, 3, 1) or w.shape != (3, 3, 1, 1):
        raise NotImplementedError
    return conv2d_matmul(x, w)


def lost(x, w):
    os._exit(1)
'''
PROBLEMS = ("x=2x5x4x4 w=2x3x4x4", "x=1x4x4x4 w=2x2x2x6 groups=2")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kernels.py").write_text(KERNELS)
    monkeypatch.chdir(tmp_path)


def verified(name: str, events: list[Event] | None = None, **options: Any) -> Report:
    known: dict[str, Any] = {"references": (), "timeout": 0.5}
    heard = [] if events is None else events
    return Verification(Options(f"kernels.py:{name}", **(known | options)), heard.append, resolve).run()


# Compiling is no hang.


@pytest.mark.parametrize("name", ["first_call", "first_groups"])
def test_a_kernel_that_prepares_itself_is_no_kernel_that_hangs(name: str) -> None:
    report = verified(name, problems=PROBLEMS)
    assert report.verdict == VERIFIED, str(report)


def test_a_kernel_that_numba_compiles_in_parallel_is_no_kernel_that_hangs() -> None:
    pytest.importorskip("numba")
    once = {"problems": PROBLEMS[:1], "dtypes": ("float32",), "properties": ("completes", "exact_on_integers", "within_error_bound")}
    report = verified("compiled", timeout=3.0, max_time=200.0, **once)
    assert report.verdict == VERIFIED, str(report)


# Slow kernels get few problems.


@pytest.mark.parametrize("name", ["sleeps", "compiles_each"])
def test_a_slow_kernel_reaches_a_verdict_on_few_problems_and_says_how_long_it_takes(name: str) -> None:
    events: list[Event] = []
    report = verified(name, events, max_time=20.0, max_examples=0)
    (slow,) = [event for event in events if isinstance(event, Slow)]
    assert report.verdict == VERIFIED, str(report)
    assert slow.sentence in report.warnings
    assert slow.cases == 3 * LEAST
    assert slow.problems == 6
    for kind in ("strides", "padding", "dilations", "groups", "dtype float32", "dtype float64", "stage special"):
        assert report.statistics.results[kind] >= LEAST


def test_a_fast_kernel_is_not_tried_on_few_problems_first() -> None:
    events: list[Event] = []
    verified("right", events, max_time=2.0)
    assert not any(isinstance(event, Slow) for event in events)


def test_few_problems_stay_in_a_domain_and_are_shared_by_the_dtypes() -> None:
    domain = Domain(kernel="square", strides="equal", padding="EXPLICIT", pads="equal")
    dtypes = ("float16", "bfloat16", "float32", "float64")
    problems = few_problems(domain, dtypes, 1 << 14)
    assert all(domain.admits(problem) for problem in problems)
    assert sorted(problem.dtype for problem in problems) == sorted(2 * dtypes)
    cases = list(few_cases(problems, 120, seed=1))
    assert {case.stage for case in cases} == {"exact", "rounding", "special"}
    assert len(set(cases)) == 120, "no case is tried twice"


# Too little is no praise.


def test_a_kernel_too_slow_for_the_time_is_not_verified_and_the_time_it_needs_is_named() -> None:
    report = verified("sleeps_longer", max_time=3.0, timeout=3.0)
    assert report.verdict == INCONCLUSIVE
    assert "raise --max-time, which was 3 s, to about " in report.sentence


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("one_shape", {"max_time": 15.0, "max_examples": 0}, ""),
        ("right", {"max_time": 0.2}, "--max-time"),
        ("right", {"problems": PROBLEMS, "references": ("kernels.py:lost",)}, "reference"),
    ],
    ids=["one supported shape", "no time", "a lost reference"],
)
def test_what_was_hardly_seen_is_not_verified(name: str, options: dict[str, Any], reason: str) -> None:
    report = verified(name, **options)
    assert report.verdict == INCONCLUSIVE, str(report)
    assert reason in report.sentence
