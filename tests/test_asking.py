"""The diagnosis asks the kernel through its host: causes are told apart, and a kernel that dies of a question is left in peace."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trials import hosted

from convverify import verify
from convverify.campaign.diagnosing import diagnose, probes
from convverify.campaign.probing import Prober
from convverify.campaign.report import REFUTED
from convverify.operands.case import Case
from convverify.operations.forward import convolve

KERNELS = """
import os, time

import numpy as np

from convverify import conv2d_matmul
from convverify.kernels.winograd import conv2d_winograd_4x4


def flipped(x, w):
    return conv2d_matmul(x, w[::-1, ::-1])


def flipped_and_dies_of_forty_rows(x, w):
    return os.abort() if x.shape[1] == 40 else flipped(x, w)


def flipped_and_hangs_at_forty_rows(x, w):
    while x.shape[1] == 40:
        time.sleep(0.01)
    return flipped(x, w)


def flipped_and_dies_of_others(x, w):
    return os.abort() if 4 < x.shape[1] < 12 else flipped(x, w)  # what a campaign begins with has twelve


def pads_without_the_stride(x, w, *, strides, padding):
    if padding == "SAME":
        halves = [(taps - 1) // 2 for taps in w.shape[2:]]
        padding = [[0, 0], *([half, taps - 1 - half] for half, taps in zip(halves, w.shape[2:])), [0, 0]]
    y = conv2d_matmul(x.transpose(0, 2, 3, 1), w.transpose(2, 3, 1, 0), strides=strides, padding=padding)
    return y.transpose(0, 3, 1, 2)


pads_without_the_stride.data_format = "NCHW"


def winograd(x, w):
    return conv2d_winograd_4x4(x, w)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with the kernels."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kernels.py").write_text(textwrap.dedent(KERNELS))
    return tmp_path


def case(rows: int) -> Case:
    """A case with so many rows."""
    return Case.parse(f"x=1x{rows}x4x1 w=2x2x1x1 values=integers seed={rows}")


def test_a_prober_returns_what_the_kernel_computes_right_or_wrong() -> None:
    with hosted("kernels.py", "flipped") as session:
        x, w = (array.astype(float) for array in case(3).values())
        assert np.array_equal(Prober(session).output(case(3)), convolve(case(3).problem, x, w[::-1, ::-1]))


def test_a_prober_asks_nothing_outside_of_the_kernels_domain() -> None:
    with hosted("kernels.py", "flipped") as session:
        prober = Prober(session)
        assert prober.output(Case.parse("x=1x5x5x1 w=2x2x1x1 strides=2x2")) is None
        assert session.calls == 0


@pytest.mark.parametrize("name", ["flipped_and_dies_of_forty_rows", "flipped_and_hangs_at_forty_rows"])
def test_a_kernel_that_does_not_survive_a_question_is_asked_no_more_and_goes_on_where_it_is_judged(name: str) -> None:
    with hosted("kernels.py", name, timeout=0.3) as session:
        prober = Prober(session)
        assert prober.output(case(3)) is not None
        assert prober.output(case(40)) is None
        assert prober.output(case(3)) is None
        assert prober.probe(str(case(3))).finding is not None
        assert prober.output(case(3)) is not None


def test_failures_before_a_death_are_evidence() -> None:
    with hosted("kernels.py", "flipped_and_dies_of_forty_rows") as session:
        failures = Prober(session).outputs([str(case(rows)) for rows in (3, 4, 40, 5)])
        assert [case.problem.height for case, _ in failures] == [3, 4]


def test_a_slow_kernel_is_called_on_few_of_its_failing_cases() -> None:
    with hosted("kernels.py", "flipped") as session:
        lines = [str(case(rows)) for rows in range(2, 14)]
        assert len(Prober(session).outputs(lines)) == 12
        assert len(Prober(session).outputs(lines, 0.0)) == 4


def test_a_death_by_a_question_is_nobodys_counterexample() -> None:
    lines = tuple(f"x=1x{rows}x4x1 w=2x2x1x1" for rows in (2, 3, 4))
    report = verify(
        "kernels.py:flipped_and_dies_of_others", references=("exact",), problems=lines, seed=1, properties=("exact_on_integers",)
    )
    assert report.verdict == REFUTED
    assert [example.property for example in report.counterexamples] == ["exact_on_integers"]
    assert report.statistics.deaths == 0
    assert report.counterexamples[0].diagnosis[0].startswith("matches: kernel flipped (true convolution) on ")


def test_causes_that_failures_leave_open_are_told_apart_by_asking_a_kernel_in_nchw() -> None:
    """On odd kernels at stride 2 these pads are those at the wrong end as well."""
    lines = tuple(f"x=1x{extent}x{extent}x1 w=3x3x1x1 strides=2x2 padding=SAME" for extent in (2, 4, 6, 8))
    report = verify("kernels.py:pads_without_the_stride", references=("exact",), problems=lines, seed=1)
    assert len(report.counterexamples[0].diagnosis) == 1
    assert report.counterexamples[0].diagnosis[0].startswith("matches: SAME pads computed without the stride on ")


def test_a_campaign_recognises_winograds_algorithm_and_says_what_to_do() -> None:
    report = verify("kernels.py:winograd", references=("exact",), max_examples=0, seed=1)
    assert report.verdict == REFUTED
    assert "--accuracy normwise" in report.counterexamples[0].diagnosis[0]
    assert verify("kernels.py:winograd", references=("exact",), max_examples=0, seed=1, accuracy="normwise").verdict != REFUTED


# How long questions may take.


def flipped(case: Case) -> Any:
    """What a flipped kernel returns."""
    x, w = (array.astype(float) for array in case.values())
    return convolve(case.problem, x, w[::-1, ::-1])


class Clock:
    """A clock that stands still but for the calls of a slow kernel."""

    def __init__(self) -> None:
        self.now, self.asked = 0.0, 0

    def monotonic(self) -> float:
        return self.now

    def ask(self, case: Case) -> Any:
        self.now, self.asked = self.now + 1.0, self.asked + 1
        return flipped(case)


def test_a_slow_kernel_is_asked_for_a_while_which_leaves_time_to_think(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(probes.time, "monotonic", clock.monotonic)
    failing = [(one, flipped(one)) for one in (case(3), case(4))]
    sentences = diagnose(failing, seconds=0.25, ask=clock.ask)
    assert clock.asked == 1
    assert sentences[0].startswith("matches: kernel flipped (true convolution) on 3 of 3 ")
    clock.asked = 0
    diagnose(failing, seconds=1.75, ask=clock.ask)
    assert clock.asked == 4
