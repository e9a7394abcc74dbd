"""A fault of convverify's own is one sentence that names what to report; a machine that has no more is no fault."""

from __future__ import annotations

import errno
import re
from pathlib import Path

import pytest

from convverify.campaign.report import EXIT_STATUS, FAILED, INCONCLUSIVE
from convverify.cli.failures import told_failure


def raised(error: BaseException) -> BaseException:
    """Return an exception that has been raised, with its traceback."""
    try:
        raise error
    except BaseException as caught:
        return caught


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let temporary files be in a directory of the test's own."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("error", [KeyError("x"), RecursionError(), AssertionError(), BrokenPipeError(errno.EPIPE, "Broken pipe")])
def test_a_fault_is_told_with_the_file_that_has_its_traceback(error: BaseException, directory: Path) -> None:
    verdict, sentence = told_failure(raised(error))
    assert (verdict, EXIT_STATUS[verdict]) == (FAILED, 4)
    (file,) = directory.iterdir()
    assert re.fullmatch(rf"the harness failed: {type(error).__name__}.*; please report it with what is written in {file}", sentence)
    assert "Traceback" in file.read_text()
    assert "in raised" in file.read_text()


def test_where_no_file_can_be_written_the_sentence_says_where_it_was(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(directory / "absent"))
    verdict, sentence = told_failure(raised(KeyError("x\ny")))
    assert verdict == FAILED
    assert re.search(r"please report it, and that it was in test_failures\.py, line \d+ \(No such file or directory\)$", sentence)
    assert "\n" not in sentence


@pytest.mark.parametrize("error", [OSError(errno.EMFILE, "Too many open files"), MemoryError()])
def test_a_machine_that_has_no_more_makes_a_run_inconclusive(error: BaseException, directory: Path) -> None:
    verdict, sentence = told_failure(raised(error))
    assert verdict == INCONCLUSIVE
    assert sentence in ("Too many open files", "there is not enough memory for this")
    assert list(directory.iterdir()) == []
