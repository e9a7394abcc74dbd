"""The report in text: in a pipe, on a terminal of 80 columns, and without colours."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from reports import HOSTILE, LARGE, report
from rich.console import Console

from convverify.campaign.events import Found, Phase, Progress
from convverify.campaign.options import Options
from convverify.campaign.report import EXIT_STATUS, INTERRUPTED, REFUTED, VERIFIED
from convverify.campaign.statistics import Statistics
from convverify.reporting.facts import header
from convverify.reporting.plain import one_line, printable
from convverify.reporting.progress import TerminalProgress, total_problems
from convverify.reporting.terminal import LINES, Detail, as_text, show

_ESCAPE = "\x1b"


def on_terminal(verdict: str, **options: bool) -> str:
    file = io.StringIO()
    show(report(verdict), Console(file=file, width=80, force_terminal=True, highlight=False, **options), Detail.FULL)
    return file.getvalue()


def copied(line: str) -> bool:
    """Whether a line is one to be copied, which is never broken."""
    return any(word in line for word in ("case: x=", "convverify replay ", "from ", "sys.path", " = ", "  x=", "  'x="))


@pytest.mark.parametrize("verdict", EXIT_STATUS)
def test_a_terminal_of_80_columns_breaks_between_words(verdict: str) -> None:
    lines = on_terminal(verdict, no_color=True, legacy_windows=False).replace("\x1b[1m", "").replace("\x1b[0m", "").splitlines()
    assert lines
    assert [line for line in lines if len(line) > 80 and not copied(line)] == []
    words = set(as_text(report(verdict)).split())
    assert [word for line in lines for word in line.split() if word not in words and not copied(line)] == []


@pytest.mark.parametrize("verdict", EXIT_STATUS)
def test_a_pipe_gets_whole_lines_without_colours(verdict: str) -> None:
    text = as_text(report(verdict))
    assert _ESCAPE not in text
    for sentence in [report(verdict).sentence, *report(verdict).warnings]:
        assert verdict in (VERIFIED, REFUTED, "interrupted") or one_line(sentence) in text


def test_no_color_leaves_no_colour() -> None:
    assert "\x1b[1;31mREFUTED" in on_terminal(REFUTED)
    assert "[1;31m" not in on_terminal(REFUTED, no_color=True)


@pytest.mark.parametrize("text", [HOSTILE, "a\nb\r\x07\x9b1m\u2028\ufeff", "\udc80"])
def test_what_is_printed_steers_no_terminal(text: str) -> None:
    assert one_line(text).isprintable()
    one_line(text).encode()
    assert printable("größer ☃ <b>") == "größer ☃ <b>"
    assert header(Options(text)).isprintable()


@pytest.mark.parametrize("emoji", [":key:", ":fire:", "mine.py:ok: "])
def test_what_reads_like_an_emoji_is_shown_as_typed(emoji: str) -> None:
    named = replace(report(REFUTED), options=replace(report(REFUTED).options, target=f"a{emoji}b"), warnings=(emoji,))
    text = as_text(named)
    assert f"REFUTED  a{emoji}b: " in text
    assert f"note  {emoji}" in text
    file = io.StringIO()
    show(named, Console(file=file, width=200, force_terminal=True, no_color=True, emoji=False))
    assert f"a{emoji}b: " in file.getvalue()
    assert text.isascii() == file.getvalue().replace(_ESCAPE, "").isascii()


def test_what_is_printed_is_no_command_of_github() -> None:
    assert printable("##[add-mask]x ## [a] #[b] ####[group]") == r"#\x23[add-mask]x ## [a] #[b] ###\x23[group]"


def test_a_line_of_megabytes_is_cut_and_the_others_are_not() -> None:
    text = printable("a\n" + "X" * 3_000_000 + "\nb")
    assert text.startswith("a\nXXX")
    assert text.endswith("X... (2996000 more characters)\nb")
    assert len(one_line("\n" * 10_000)) < 4100
    long = replace(report(REFUTED).counterexamples[0], sentence="X" * 3_000_000)
    assert len(as_text(replace(report(REFUTED), counterexamples=(long,), sentence="X" * 3_000_000))) < 30_000


def test_an_interruption_before_the_first_case_says_so() -> None:
    text = as_text(replace(report(INTERRUPTED), statistics=Statistics()))
    assert text == f"INTERRUPTED  {report(INTERRUPTED).options.target}: interrupted before a case was judged\n"


def test_a_refuted_report_shows_what_outsiders_say_as_it_is() -> None:
    text = as_text(report(REFUTED))
    assert printable(HOSTILE) in text
    assert _ESCAPE not in text
    assert LARGE in text


def test_calls_that_are_not_shown_are_counted() -> None:
    many = replace(report(REFUTED).counterexamples[0], history=(LARGE,) * 9)
    text = as_text(replace(report(REFUTED), counterexamples=(many,)))
    assert "and 3 more, which the file of the corpus holds" in text


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("verdict", EXIT_STATUS)
def test_a_report_fits_on_a_screen_and_ends_with_the_verdict(verdict: str, width: int) -> None:
    file = io.StringIO()
    examples = tuple(replace(example, boundaries=("fails for height = 2; passes at 1",) * 4) for example in report(verdict).counterexamples)
    show(replace(report(verdict), counterexamples=examples), Console(file=file, width=width, force_terminal=True, no_color=True))
    lines = file.getvalue().replace("\x1b[1m", "").replace("\x1b[0m", "").splitlines()
    assert len(lines) <= LINES
    assert lines[0].startswith(report(verdict).headline)
    if len(lines) > 9:
        assert any(line.startswith(report(verdict).headline) for line in lines[-4:])  # a long name takes more than one line
    for example in examples[:1]:  # what is never left out
        text = "\n".join(lines)
        assert f"case: {example.case}" in text
        assert "expected" in text
        assert "replay:" in text
        assert "next: " in text


def test_a_snippet_is_named_by_its_file_where_there_is_one() -> None:
    shown = {}
    for detail in (Detail.SHORT, Detail.FULL):
        file = io.StringIO()
        example = replace(report(REFUTED).counterexamples[0], history=(LARGE,) * (40 if detail == Detail.FULL else 0))
        one = replace(report(REFUTED), counterexamples=(example,))
        show(one, Console(file=file, width=100), detail, snippets={example.case: "corpus/it.py"})
        shown[detail] = file.getvalue()
        assert "  snippet: corpus/it.py\n" in shown[detail]
        assert "import numpy" not in shown[detail]
    assert "in_bounds" not in shown[Detail.SHORT].replace("in_bounds: ", "")
    assert "in_bounds" in shown[Detail.FULL]


def test_a_quiet_report_is_one_line() -> None:
    file = io.StringIO()
    show(report(REFUTED), Console(file=file, width=100), Detail.QUIET)
    assert file.getvalue().count("\n") == 1


def test_files_that_were_written_are_named_before_the_last_line() -> None:
    file = io.StringIO()
    show(report(REFUTED), Console(file=file, width=100), wrote=["a.html", "b.json"])
    assert file.getvalue().splitlines()[-2] == "wrote a.html, b.json"


def test_the_bar_fits_into_80_columns_and_knows_its_end() -> None:
    file = io.StringIO()
    progress = TerminalProgress(Console(file=file, width=80, force_terminal=True, no_color=True), Options("matmul", max_examples=2000))
    progress(Phase("edge cases"))
    progress._bar.refresh() if progress._bar else None
    for phase, problems in (("edge cases", 100), ("random problems", 700), ("shrinking", 1234)):
        progress(Progress(Statistics(problems=problems)))
        progress(Phase(phase))
        progress(Found("x=1x1x1x1 w=1x1x1x1", "shape", ""))
    assert progress._bar is not None
    progress._bar.refresh()
    progress.close()
    assert "shrinking, 3 failed" in file.getvalue()
    assert "1234/? problems" in file.getvalue()
    assert "up to" in file.getvalue()
    assert "s left" in file.getvalue()


def test_the_bar_knows_how_many_problems_there_are() -> None:
    options = Options("matmul", max_examples=300)
    started = report(VERIFIED).started
    assert started is not None
    edges = total_problems(replace(options, max_examples=0), started)
    assert edges > 500
    assert total_problems(options, started) == edges + 300 + 30  # degenerate ones
    assert total_problems(replace(options, problems=("x=1x1x1x1 w=1x1x1x1",)), started) == len(options.dtypes)


@pytest.mark.parametrize(("verbose", "times"), [(False, [65, 130]), (True, list(range(0, 131, 5)))])
def test_elsewhere_progress_is_a_line_a_minute(monkeypatch: pytest.MonkeyPatch, verbose: bool, times: list[int]) -> None:
    file = io.StringIO()
    now = [0.0]
    monkeypatch.setattr("convverify.reporting.progress.time.monotonic", lambda: now[0])
    progress = TerminalProgress(Console(file=file, width=100), Options("matmul"), verbose=verbose)
    for second in range(0, 131, 5):
        now[0] = float(second)
        progress(Phase("edge cases"))
    progress.close()
    assert file.getvalue() == "".join(f"edge cases: 0 problems in {second} s\n" for second in times)
