"""Whatever ends a run, its report is written first, and its status says what came of it."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from reports import report

from convverify.campaign.events import Found, Listener, Progress, Started, Warned
from convverify.campaign.options import Options
from convverify.campaign.report import FAILED, INCONCLUSIVE, INTERRUPTED, REFUTED, VERIFIED, Report
from convverify.campaign.statistics import Statistics
from convverify.cli import interruption, main, running

WRITTEN = {"json": "report.json", "junit": "report.xml", "html": "report.html"}
pytestmark = pytest.mark.usefixtures("dispositions")
CASE = "x=1x1x1x1 w=1x1x1x1 values=integers seed=0"


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Return a function that checks targets with a campaign for each that is a function (listener) -> report."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def with_campaigns(*campaigns: Callable[[Listener], Report], **written: str) -> int:
        waiting = list(campaigns)

        class Verification:
            def __init__(self, options: Options, listener: Listener, resolve: object) -> None:
                self.listener = listener

            def run(self) -> Report:
                return waiting.pop(0)(self.listener)

        monkeypatch.setattr(running, "Verification", Verification)
        with interruption.heard():
            return running.check(tuple(f"target{n}" for n in range(len(campaigns))), {"references": ("exact",)}, {**WRITTEN, **written})

    return with_campaigns


def returns(verdict: str) -> Callable[[Listener], Report]:
    return lambda listener: report(verdict)


def raises(error: BaseException) -> Callable[[Listener], Report]:
    def campaign(listener: Listener) -> Report:
        listener(Started(("strides",), "NHWC", "elementwise", 100, 1.0))
        listener(Progress(Statistics(cases=7, problems=3)))
        listener(Found(CASE, "shape", "it is wrong"))
        raise error

    return campaign


def written(*names: str) -> list[Any]:
    """Return the reports in the JSON file, and assert that the other files have as many."""
    data = json.loads(Path("report.json").read_text())
    reports = data if isinstance(data, list) else [data]
    assert len(etree.parse("report.xml").getroot()) == len(reports)
    assert Path("report.html").read_text().count("<article") == len(reports)
    return reports


def test_files_are_there_before_the_last_report_is_printed(check: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> None:
    printed = []

    def show(made: Report, *_: Any, **__: Any) -> None:
        printed.append((made.verdict, Path("report.json").exists()))

    monkeypatch.setattr(running, "show", show)
    assert check(returns(REFUTED), returns(VERIFIED)) == 1
    assert printed == [(REFUTED, False), (VERIFIED, True)]


def test_a_fault_of_the_harness_is_status_4_and_loses_nothing(check: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert check(raises(KeyError("x"))) == 4
    (made,) = written()
    assert made["verdict"] == FAILED
    assert made["sentence"].startswith("the harness failed: KeyError: 'x'; please report it with what is written in ")
    assert (made["statistics"]["cases"], [example["case"] for example in made["counterexamples"]]) == (7, [CASE])
    out = capsys.readouterr()
    assert "FAILED  target0: the harness failed: KeyError: 'x'" in out.out
    assert "Traceback" not in out.out + out.err


def test_a_fault_at_one_target_does_not_cost_the_others(check: Callable[..., int]) -> None:
    assert check(returns(REFUTED), raises(AssertionError()), returns(VERIFIED)) == 4
    assert [made["verdict"] for made in written()] == [REFUTED, FAILED, VERIFIED]


def test_a_machine_without_descriptors_is_inconclusive(check: Callable[..., int]) -> None:
    assert check(raises(OSError(24, "Too many open files"))) == 3
    assert [(made["verdict"], made["sentence"]) for made in written()] == [(INCONCLUSIVE, "Too many open files")]


def test_an_interruption_that_no_campaign_hears_is_one(check: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert check(raises(KeyboardInterrupt()), returns(VERIFIED)) == 130
    (made,) = written()
    assert (made["verdict"], made["statistics"]["cases"], made["counterexamples"][0]["property"]) == (INTERRUPTED, 7, "shape")
    assert "INTERRUPTED  target0: 1 counterexample in 7 cases" in capsys.readouterr().out


def test_an_interruption_that_somebody_takes_for_his_own_is_one(check: Callable[..., int]) -> None:
    def swallows(listener: Listener) -> Report:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        return report(VERIFIED)

    assert check(swallows, returns(VERIFIED)) == 130
    assert [made["verdict"] for made in written()] == [INTERRUPTED]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_wait_while_files_are_written(check: Callable[..., int], monkeypatch: pytest.MonkeyPatch, number: signal.Signals) -> None:
    write = running.files.write

    def interrupted(*arguments: Any) -> None:
        signal.raise_signal(number)
        write(*arguments)
        signal.raise_signal(number)

    monkeypatch.setattr(running.files, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        check(returns(VERIFIED))
    assert [made["verdict"] for made in written()] == [VERIFIED]


def test_an_interrupted_print_leaves_the_files_of_what_was_done(check: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "show", lambda *_, **__: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        check(returns(REFUTED), returns(VERIFIED))
    assert [made["verdict"] for made in written()] == [REFUTED]


def test_a_form_that_fails_costs_neither_the_others_nor_the_report(
    check: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("convverify.reporting.html.to_html", lambda reports: {}["x"])
    assert check(returns(VERIFIED)) == 4
    assert json.loads(Path("report.json").read_text())["verdict"] == VERIFIED
    assert Path("report.xml").exists()
    out = capsys.readouterr()
    assert "VERIFIED" in out.out
    assert out.err.startswith("convverify: the harness failed: KeyError: 'x'; please report it with what is written in ")


def test_a_file_that_cannot_be_written_is_told_after_the_report(check: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert check(returns(VERIFIED), html="/dev/full") == 2
    out = capsys.readouterr()
    assert "VERIFIED" in out.out
    assert out.err == "convverify: html file '/dev/full' cannot be written: No space left on device\n"


def ended(*words: str) -> int:
    """Return the status with which a command ends."""
    with pytest.raises(SystemExit) as raised:
        main(list(words))
    return int(raised.value.code or 0)


def test_any_command_that_fails_ends_with_status_4(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for error, status, told in (
        (BrokenPipeError(32, "Broken pipe"), 4, "the harness failed: BrokenPipeError: [Errno 32] Broken pipe; please report it with "),
        (EOFError(), 4, "the harness failed: EOFError; please report it with "),
        (PermissionError(13, "Permission denied", "place"), 3, "Permission denied: place\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ):

        def fails(what: str | None, error: BaseException = error) -> None:
            raise error

        monkeypatch.setattr("convverify.reporting.plain.show_registries", fails)
        assert ended("list") == status
        err = capsys.readouterr().err.strip("\n") + "\n"
        assert err.startswith(f"convverify: {told}")
        assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("problem", "told"),
    [
        ("x=1x100000000x100000000x1 w=1x1x1x1", "takes 4.09e+05 TiB of memory, and this machine has "),
        ("mb999999999ic999999ih9999oc1kh1", " of memory, and this machine has "),
    ],
)
def test_a_problem_that_this_machine_cannot_hold_is_wrong_usage(problem: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["check", "matmul", "--reference", "exact", "--problem", problem], ["replay", "matmul", problem]):
        assert ended(*words) == 2
        err = capsys.readouterr().err
        assert told in err
        assert err.count("\n") == 1


@pytest.mark.parametrize("line", ["batch=999999999999999", "channels=999999999n+999999999", "kernel=999999999", "image=999999999"])
def test_a_domain_of_which_nothing_fits_is_wrong_usage(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended("check", "matmul", "--reference", "exact", "--domain", line) == 2
    err = capsys.readouterr().err
    assert " of memory, and this machine has " in err
    assert err.count("\n") == 1


def test_what_a_campaign_warned_of_and_found_apart_is_not_lost(check: Callable[..., int]) -> None:
    def campaign(listener: Listener) -> Report:
        listener(Warned("something is odd"))
        listener(Found(CASE, "shape", "it is wrong", apart=True))
        raise KeyError("x")

    assert check(campaign) == 4
    (made,) = written()
    assert (made["warnings"], made["counterexamples"]) == (["something is odd"], [])
    assert [found["property"] for found in made["degenerate"]] == ["shape"]


def test_a_suite_of_which_nothing_fits_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended("check", "matmul", "--reference", "exact", "--suite", "vgg16", "--batch", "100000000") == 2
    assert " of memory, and this machine has " in capsys.readouterr().err
