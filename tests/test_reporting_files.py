"""The files that `convverify check` leaves, for every verdict."""

from __future__ import annotations

import json
import signal
import stat
from dataclasses import replace
from pathlib import Path

import click
import pytest
from command_line import ONE, PATIENCE, QUICK, run, start
from lxml import etree
from reports import report

from convverify.campaign.report import REFUTED, VERIFIED
from convverify.reporting.files import check_places, told, write, write_snippets

FILES = {"html": "report.html", "junit": "report.xml", "json": "report.json"}
WORDS = [word for form, file in FILES.items() for word in (f"--{form}", file)]


def verdicts(folder: Path) -> list[str]:
    """Return the verdicts that the three files agree on."""
    data = json.loads((folder / "report.json").read_text())
    told = [report["verdict"] for report in (data if isinstance(data, list) else [data])]
    suites = etree.parse(folder / "report.xml").getroot()
    assert [suite.xpath("string(properties/property[@name='verdict']/@value)") for suite in suites] == told
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert [page.count(f'<header class="verdict {verdict}">') for verdict in told] == [told.count(verdict) for verdict in told]
    return told


def test_a_wrong_target_does_not_cost_the_reports_before_it(tmp_path: Path) -> None:
    done = run("check", "kernels.py:right", "kernels.py:absent", "kernels.py:flipped", *ONE, *WORDS, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert verdicts(tmp_path) == ["verified", "usage"]


def test_an_interruption_leaves_all_files(tmp_path: Path) -> None:
    process = start("check", "kernels.py:slow", *QUICK, *WORDS, cwd=tmp_path)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, out + err
    assert verdicts(tmp_path) == ["interrupted"]


def test_files_can_be_read_by_those_whom_the_umask_lets(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("")
    write({"json": str(tmp_path / "report.json")}, [report(VERIFIED)])
    assert stat.S_IMODE((tmp_path / "report.json").stat().st_mode) == stat.S_IMODE((tmp_path / "other").stat().st_mode)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "report.json"]


def test_a_place_that_cannot_be_is_named_before_anything_is_verified() -> None:
    with pytest.raises(click.UsageError, match=r"^html must be a file in a directory that exists, not 'absent/report\.html'$"):
        check_places({"html": "absent/report.html"})


def test_a_file_that_cannot_be_written_does_not_cost_the_others(tmp_path: Path) -> None:
    with pytest.raises(click.UsageError, match=r"^html file '/dev/full' cannot be written: No space left on device$"):
        write({"html": "/dev/full", "json": str(tmp_path / "report.json"), "junit": None}, [report(VERIFIED)])
    assert json.loads((tmp_path / "report.json").read_text())["verdict"] == "verified"


def test_snippets_lie_beside_their_counterexamples(tmp_path: Path) -> None:
    example = report(REFUTED).counterexamples[0]
    kept = replace(example, file=str(tmp_path / "it.json"))
    lost = replace(example, file="/dev/null/it.json")  # where no file can be
    named = write_snippets(replace(report(REFUTED), counterexamples=(kept, replace(example, file=""))))
    assert named == {kept.case: str(tmp_path / "it.py")}
    compile((tmp_path / "it.py").read_text(encoding="utf-8"), "it.py", "exec")
    assert write_snippets(replace(report(REFUTED), counterexamples=(lost,))) == {}


def test_only_what_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("")
    assert told({"html": str(tmp_path / "a.html"), "json": "/dev/null", "junit": None}) == [str(tmp_path / "a.html")]
