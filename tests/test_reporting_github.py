"""Annotations of GitHub Actions: one line each, whatever a kernel says."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from reports import report

from convverify.campaign.report import EXIT_STATUS, INTERRUPTED, REFUTED, USAGE, VERIFIED, Counterexample, Report
from convverify.reporting.files import to_json
from convverify.reporting.github import commands, wanted
from convverify.reporting.junit import to_junit


def unescaped(text: str) -> str:
    """Read a message as the runner does."""
    for escape, character in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(escape, character)
    return text


@pytest.mark.parametrize(("value", "on"), [("true", True), ("false", False), ("", False)])
def test_they_are_wanted_in_github_actions_alone(monkeypatch: pytest.MonkeyPatch, value: str, on: bool) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", value)
    assert wanted() is on


@pytest.mark.parametrize("verdict", EXIT_STATUS)
def test_each_is_one_line_that_begins_as_a_command(verdict: str) -> None:
    for line in commands(report(verdict)):
        assert line.startswith(("::error title=", "::warning title=", "::notice title="))
        assert line.isprintable()
        title = line.split("title=")[1].split("::")[0].split(",")[0]
        assert report(verdict).options.target.split("/")[0] in unescaped(title)


def test_there_is_one_for_each_counterexample_and_each_fault_of_a_reference() -> None:
    refuted = report(REFUTED)
    kinds = [line.split(" ")[0] for line in commands(refuted)]
    assert kinds == ["::error"] * len(refuted.counterexamples) + ["::notice"] * len(refuted.reference_faults)
    for line, example in zip(commands(refuted), refuted.counterexamples, strict=False):
        assert f"case: {example.case}\nreplay: " in unescaped(line)


def test_a_verified_kernel_is_passed_over_in_silence() -> None:
    assert list(commands(report(VERIFIED))) == []


def test_other_verdicts_are_told_too() -> None:
    assert [line.split(" ")[0] for verdict in (USAGE, INTERRUPTED) for line in commands(report(verdict))] == ["::error", "::warning"]


def of(target: str, sentence: str = "it is wrong") -> Report:
    example = Counterexample("x=1x1x1x1 w=1x1x1x1", "shape", sentence, "x=1x1x1x1 w=1x1x1x1")
    return replace(
        report(REFUTED), counterexamples=(example,), reference_faults=(), options=replace(report(REFUTED).options, target=target)
    )


def test_percent_signs_line_breaks_colons_and_commas_are_escaped() -> None:
    (line,) = commands(of("a,b:c", "50% off\nsecond line\r"))
    assert line.startswith("::error title=a%2Cb%3Ac%3A shape does not hold::50%25 off%0Asecond line\\r%0Acase: ")


def test_commands_of_old_are_escaped_wherever_they_stand() -> None:
    (line,) = commands(of("##[debug].py:f", "the kernel raised ValueError: ##[add-mask]x"))
    assert "##[" not in line
    assert "::the kernel raised ValueError: #\\x23[add-mask]x%0A" in line
    hostile = replace(report(REFUTED), warnings=("##[add-mask]x",))
    assert "##[" not in to_json([hostile]) + to_junit([hostile])
    assert json.loads(to_json([hostile]))["warnings"] == ["##[add-mask]x"]


def test_a_function_in_a_file_is_found_in_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "mine.py").write_text("import numpy\n\n\nclass Layer:\n    @staticmethod\n    def conv(x, w): ...\n")
    monkeypatch.chdir(tmp_path / "source")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    (line,) = commands(of("mine.py:Layer.conv"))
    assert f",file=source{os.sep}mine.py,line=6::" in line
    (line,) = commands(of("mine.py:made_elsewhere"))
    assert f",file=source{os.sep}mine.py::" in line
    (line,) = commands(of("absent.py:conv"))
    assert "file=" not in line
