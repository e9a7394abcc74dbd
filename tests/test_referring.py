"""References: asked about the cases that the kernel has been tried on, started again where they die, and waited for by nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trials import PATIENCE, session_of, tried

from convverify.campaign import referring
from convverify.campaign.events import Event, Found, Phase
from convverify.campaign.options import Options
from convverify.campaign.referring import Reference, ReferenceLost, References, consult
from convverify.campaign.report import INCONCLUSIVE, REFUTED, VERIFIED, Report
from convverify.campaign.session import AnyHost
from convverify.campaign.verification import Verification
from convverify.host.inprocess import LocalHost
from convverify.host.process import Host, Place
from convverify.judging.findings import ReferenceFault
from convverify.judging.kernel import kernel_of
from convverify.judging.trial import Times, Trial
from convverify.references import exact
from convverify.targets import resolve

KERNELS = """
import os, pathlib, time

from convverify.references.exact import conv2d

calls = 0


def right(x, w):
    return conv2d(x, w).astype(x.dtype)


def flipped(x, w):
    return right(x, w[::-1, ::-1])


def dies_at_its_10th_call(x, w):
    global calls
    calls += 1
    if calls == 10 and not os.path.exists("died"):
        open("died", "w").close()
        os.abort()
    return right(x, w)


def always_dies(x, w):
    os._exit(3)


def dies_of_two_rows(x, w):
    return os.abort() if x.shape[1] == 2 else right(x, w)
"""
WAITS = "import pathlib, time\nwhile not pathlib.Path('go').exists():\n    time.sleep(0.01)\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of a run, with kernels in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kernels.py").write_text(KERNELS)
    (tmp_path / "late.py").write_text(WAITS + KERNELS)
    (tmp_path / "broken.py").write_text("1 / 0")
    return tmp_path


def right(x: Any, w: Any) -> Any:
    return exact.conv2d(x, w).astype(x.dtype)


def waiting(*rows: int) -> list[Trial]:
    """Trials of a right kernel, with so many rows each, that have let go of shared memory."""
    session = session_of(right)
    made = [tried(session, f"x=1x{one}x3x2 w=2x2x2x3 values=integers layouts=fortran,readonly seed={one}") for one in rows]
    for trial in made:
        trial.forget()
    return made


class Here(LocalHost):
    """A host in this process, which need not be waited for."""

    load_timeout = PATIENCE


@pytest.fixture
def told() -> list[ReferenceFault]:
    """What references have been told of."""
    return []


@pytest.fixture
def asked(told: list[ReferenceFault]) -> Iterator[Callable[..., References]]:
    """A function that returns references to some places: "file.py:function", or functions of this process."""
    made: list[References] = []

    def references(*places: Any) -> References:
        hosts: list[tuple[str, AnyHost]] = [
            (place, Host(Place(*place.split(":")), forks=False)) if isinstance(place, str) else (place.__name__, Here(place))
            for place in places
        ]
        made.append(
            References([Reference(name, host, lambda host: kernel_of(host.described)) for name, host in hosts], Times(), told.append)  # type: ignore[arg-type]
        )
        return made[-1]

    yield references
    for one in made:
        one.close()


def answered(references: References, trials: list[Trial]) -> list[Trial]:
    """Ask about trials, and return them in the order in which they have been answered."""
    for trial in trials:
        references.enqueue(trial)
    return list(references.drain())


# What a reference says.


def test_a_right_answer_is_held_beside_the_kernels(asked: Any, told: list[ReferenceFault]) -> None:
    references = asked(right)
    trials = waiting(2, 3, 4, 5)
    assert answered(references, trials) == trials
    for trial in trials:
        theirs, accuracy = trial.theirs["right"]
        np.testing.assert_array_equal(theirs, trial.expected)
        assert accuracy == "elementwise"
    assert not references.waiting
    assert (references.all[0].answers, references.all[0].size, told) == (4, 0, [])


def test_a_reference_gets_the_same_numbers_in_ordinary_arrays_of_its_own_axes(asked: Any) -> None:
    seen: list[Any] = []

    def nchw(x: Any, w: Any) -> Any:
        seen.append((x.copy(), x.flags.c_contiguous, x.flags.writeable))
        return right(x.transpose(0, 2, 3, 1), w.transpose(2, 3, 1, 0)).transpose(0, 3, 1, 2)

    nchw.data_format = "NCHW"  # type: ignore[attr-defined]
    (trial,) = answered(asked(nchw), waiting(4))
    x, contiguous, writeable = seen[0]
    assert (contiguous, writeable) == (True, True)
    np.testing.assert_array_equal(x.transpose(0, 2, 3, 1), trial.case.values()[0])
    np.testing.assert_array_equal(trial.theirs["nchw"][0], trial.expected)


def test_several_references_are_asked_about_each_trial(asked: Any) -> None:
    def also_right(x: Any, w: Any) -> Any:
        return right(x, w)

    trials = waiting(2, 3)
    assert len(answered(asked(right, also_right), trials)) == 4
    assert all(set(trial.theirs) == {"right", "also_right"} for trial in trials)


def raises(x: Any, w: Any) -> Any:
    raise IndexError("beyond the end")


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        (lambda x, w: right(x, w[::-1, ::-1]), "of its result are wrong"),
        (lambda x, w: right(x, w)[:, 1:], "its result has shape (1, 1, 2, 3); expected (1, 2, 2, 3)"),
        (lambda x, w: right(x, w).astype(str), "its result is of dtype str"),
        (lambda x, w: None, "it returned NoneType, not an array"),
        (raises, "it raised IndexError: beyond the end"),
    ],
)
def test_a_wrong_answer_is_the_references_fault(asked: Any, reference: Any, sentence: str) -> None:
    (trial,) = answered(asked(reference), waiting(3))
    (fault,) = trial.reference_faults
    assert sentence in fault.sentence
    assert fault.case == str(trial.case)
    assert trial.theirs == {}


def test_a_refusal_is_neither_an_answer_nor_a_fault(asked: Any) -> None:
    def refuses(x: Any, w: Any) -> Any:
        raise NotImplementedError

    (trial,) = answered(asked(refuses), waiting(3))
    assert (trial.theirs, trial.reference_faults) == ({}, [])


def test_senseless_reports_of_a_reference_are_its_fault() -> None:
    trial, question = waiting(3)[0], tried(right, "x=1x3x3x2 w=2x2x2x3 values=integers seed=3", ())
    question.take(None)
    consult(trial, "theirs", question)
    assert "makes no sense" in trial.reference_faults[0].sentence


# Loading.


def test_nobody_waits_for_a_reference_and_what_waits_for_it_is_answered_when_it_is_there(asked: Any, folder: Path) -> None:
    references = asked("late.py:right")
    trials = waiting(2, 3, 4)
    for trial in trials:
        references.enqueue(trial)
    assert list(references.pump()) == []
    assert list(references.pump(0.1)) == []
    assert references.waiting
    assert not references.are_loaded
    (folder / "go").touch()
    assert list(references.drain()) == trials
    assert references.are_loaded
    assert references.all[0].loaded_after > 0.1
    assert all(trial.theirs for trial in trials)


def test_where_too_much_waits_a_reference_is_waited_for(asked: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(referring, "_QUEUE", 1)
    references = asked("late.py:right")
    trials = waiting(2, 3)
    for trial in trials:
        references.enqueue(trial)
    (folder / "go").touch()
    done: list[Trial] = []
    while len(done) < 2:  # without a limit in seconds
        done += references.pump()
    assert done == trials


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("broken.py:right", "the reference is not available: file 'broken.py' failed to import: ZeroDivisionError: division by zero"),
        ("absent.py:right", "the reference is not available: there is no file 'absent.py'"),
        ("kernels.py:absent", "the reference is not available: kernels.py has no attribute 'absent'"),
        ("os:getpid", "the reference is not available: kernel getpid must take two operands, f(x, w, ...); its signature is ()"),
    ],
)
def test_a_reference_that_cannot_be_had_is_one_sentence(asked: Any, place: str, sentence: str) -> None:
    references = asked(place)
    references.enqueue(waiting(2)[0])
    with pytest.raises(ReferenceLost) as caught:
        list(references.pump(PATIENCE))
    assert str(caught.value) == sentence


# Deaths.


def test_a_reference_that_dies_is_started_again_behind_the_case_that_it_died_of(asked: Any, told: list[ReferenceFault]) -> None:
    references = asked("kernels.py:dies_at_its_10th_call")
    trials = waiting(*range(2, 32))
    assert sorted(map(id, answered(references, trials))) == sorted(map(id, trials))
    assert [bool(trial.theirs) for trial in trials] == [number != 9 for number in range(30)]
    assert (references.all[0].deaths, references.all[0].answers) == (1, 29)
    (fault,) = told
    assert fault.reference == "kernels.py:dies_at_its_10th_call"
    assert fault.case == str(trials[9].case)
    assert "ended by SIGABRT" in fault.sentence
    assert fault.sentence.endswith("while it computed this case")


def test_a_reference_that_dies_of_some_cases_answers_the_others(asked: Any, told: list[ReferenceFault]) -> None:
    trials = waiting(2, 3, 2, 4, 2, 5, 2)
    references = asked("kernels.py:dies_of_two_rows")
    assert len(answered(references, trials)) == 7
    assert [bool(trial.theirs) for trial in trials] == [False, True, False, True, False, True, False]
    assert len(told) == references.all[0].deaths == 4


def test_a_reference_that_dies_of_everything_is_lost(asked: Any, told: list[ReferenceFault]) -> None:
    references = asked("kernels.py:always_dies")
    with pytest.raises(ReferenceLost, match=r"the reference kernels.py:always_dies died 5 times in a row; at last the process exited with"):
        answered(references, waiting(*range(2, 20)))
    assert len(told) == 4


# A whole verification.


def verified(name: str, reference: str, listener: Callable[[Event], None] = lambda event: None, **values: Any) -> Report:
    """Verify a kernel against one reference."""
    known: dict[str, Any] = {"problems": ("x=1x1x1x1 w=1x1x1x1", "x=1x3x4x2 w=2x2x2x3"), "dtypes": ("float32",), "timeout": 20.0}
    return Verification(Options(f"kernels.py:{name}", references=(reference,), **(known | values)), listener, resolve).run()


def test_a_kernel_is_verified_although_its_reference_died_and_that_is_told(folder: Path) -> None:
    report = verified("right", "kernels.py:dies_at_its_10th_call")
    assert (folder / "died").exists()
    assert report.verdict == VERIFIED, str(report)
    (fault,) = report.reference_faults
    assert "ended by SIGABRT" in fault.sentence
    assert report.statistics.judged["matches_reference"] > 20


def test_without_its_reference_nothing_is_verified() -> None:
    report = verified("right", "broken.py:right")
    assert report.verdict == INCONCLUSIVE
    assert report.sentence == "the reference is not available: file 'broken.py' failed to import: ZeroDivisionError: division by zero"


def test_a_kernel_is_tried_before_its_reference_is_loaded(folder: Path) -> None:
    phases: list[str] = []

    def hear(event: Event) -> None:
        if isinstance(event, Phase):
            phases.append(event.name)
            if event.name == "waiting for references":  # all that does not need it is done
                (folder / "go").touch()

    report = verified("right", "late.py:right", hear)
    assert report.verdict == VERIFIED, str(report)
    assert report.statistics.judged["matches_reference"] > 20
    assert phases[-1] == "waiting for references"


def test_a_wrong_kernel_is_refuted_before_its_reference_is_loaded(folder: Path) -> None:
    found: list[Found] = []

    def hear(event: Event) -> None:
        if isinstance(event, Found):
            found.append(event)
        if isinstance(event, Phase) and event.name == "shrinking":
            (folder / "go").touch()

    report = verified("flipped", "late.py:right", hear)
    assert report.verdict == REFUTED
    assert found
    assert "exact_on_integers" in [example.property for example in report.counterexamples]
