"""The comparison as people see it: the table, the figures, and the command's errors."""

from __future__ import annotations

import datetime
import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from convverify.cli import main
from convverify.compare.comparison import Step
from convverify.compare.machine import Machine
from convverify.compare.options import CompareOptions, Item
from convverify.compare.results import Comparison, Measurement, Row
from convverify.compare.timing import Samples, Spread
from convverify.compare.verified import Elsewhere, Licence, Refutation
from convverify.problems.problem import Problem
from convverify.problems.suites import Layer
from convverify.reporting import plots
from convverify.reporting.compare_text import CompareProgress, duration, quantity, short_names, show_comparison

BIG, SMALL = Problem.parse("x=8x56x56x64 w=3x3x64x64 padding=1,1,1,1"), Problem.parse("x=1x3x56x64 w=3x3x64x64 padding=1,1,1,1")
MINE = "path/to/file.py:my_convolution"
EVIL = "evil\x1b[31m.py:[bold]f[/bold]$x"


def measurement(name: str, problem: Problem, seconds: float, **more: Any) -> Measurement:
    spread = Spread(seconds, 0.9 * seconds, 1.1 * seconds)
    ratio = Spread(seconds / 0.01, seconds / 0.011, seconds / 0.009)
    return Measurement(name, problem, Samples((seconds,), 1, 1.0), spread, ratio, 1e-7, 0.125, 3.5e-5, 100.0, 3 << 20, **more)


def comparison(names: tuple[str, ...] = (MINE, "loops")) -> Comparison:
    item = Item("resnet50", Layer("conv2_1_3x3", BIG, 3, "a paper"))
    rows = (
        Row(
            item,
            (
                measurement("tensorflow", BIG, 0.01),
                measurement("tensorflow ready", BIG, 0.008),
                measurement(names[0], BIG, 0.02),
                measurement(names[1], SMALL, 4321.0),
            ),
            {"winograd_2x2": "the kernel raises NotImplementedError: on Sundays"},
        ),
        Row(Item("", Layer(str(SMALL), SMALL, 1, "given")), (measurement("tensorflow", SMALL, 0.001),), {}),
    )
    licences = (
        Licence(names[0], elsewhere=Elsewhere("refuted", 7, Refutation("shape", "x=1x1x1x1 w=1x2x1x1", "the result has no shape"))),
        Licence("flipped", refutation=Refutation("exact_on_integers", "x=1x1x3x1 w=1x2x1x1 values=integers seed=0", "2 of 2 differ")),
    )
    machine = Machine("a processor", 2, {"float32": 2e11}, 3e10)
    return Comparison(
        CompareOptions((*names, "winograd_2x2", "flipped")),
        ("tensorflow", "tensorflow ready", *names, "winograd_2x2", "flipped"),
        licences, rows, machine,
    )  # fmt: skip


def text(found: Comparison) -> str:
    console = Console(file=io.StringIO(), width=80, no_color=True, highlight=False)
    show_comparison(found, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_table_fits_into_eighty_columns() -> None:
    shown = text(comparison())
    free = re.compile(r"REFUTED|warning|extrapolated|x=|n/a  |^    (resnet50|all)")  # names that users or networks give
    assert [line for line in shown.splitlines() if len(line) > 80 and not free.search(line)] == []
    assert re.search(r"^  my_convolution ! +20.0 ms +10% +2.00 +92.5 +46% +0.125 +3.5e-05 +3.0$", shown, re.MULTILINE)


def test_what_was_not_timed_is_said() -> None:
    shown = text(comparison())
    assert "REFUTED  flipped is not timed: exact_on_integers does not hold\n  2 of 2 differ\n  case: x=1x1x3x1 w=1x2x1x1" in shown
    assert f"warning  {MINE} is right on the problems timed, but refuted elsewhere" in shown
    assert "n/a  the kernel raises NotImplementedError: on Sundays" in shown
    assert f"extrapolated by multiply-adds (6.19M) from {SMALL}" in shown
    assert re.search(r"^  loops +number +mean +weighted +worst\n    resnet50 batch 8 +1 +432100", shown, re.MULTILINE)
    assert "(1 extrapolated)" in shown


def test_a_time_that_is_refused_known_roughly_or_remarkable_is_marked() -> None:
    found = comparison()
    quick = measurement(MINE, BIG, 2e-6, empty=Spread(5e-5, 4e-5, 6e-5), remarks=("it used 3.9 processors, where it was given 2",))
    row = replace(found.rows[0], measurements=(quick,), refused={"loops": "impossible: 200% of the speed"})
    shown = text(replace(found, rows=(row,)))
    assert re.search(r"^  my_convolution ! +~2.00 us +10% ", shown, re.MULTILINE)
    assert "\n    it used 3.9 processors, where it was given 2\n" in shown
    assert re.search(r"^  loops +REFUSED  impossible: 200% of the speed$", shown, re.MULTILINE)
    assert "~      no more than an empty call, which is taken off, or its spread" in shown
    assert replace(found, rows=(row,), licences=found.licences[:1]).exit_status == 3


def test_a_time_is_known_roughly_where_it_is_less_than_the_empty_call_or_than_its_spread() -> None:
    assert measurement(MINE, BIG, 2e-6, empty=Spread(3e-6, 3e-6, 3e-6)).is_rough
    assert measurement(MINE, BIG, 2e-6, empty=Spread(1e-6, 1e-6, 4e-6)).is_rough
    assert not measurement(MINE, BIG, 2e-6, empty=Spread(1e-6, 1e-6, 2e-6)).is_rough
    assert not measurement(MINE, BIG, 2e-6).is_rough


def test_an_interruption_is_said() -> None:
    assert "INTERRUPTED" in text(replace(comparison(), interrupted=True))


def test_names_cannot_write_to_the_terminal() -> None:
    shown = text(comparison((EVIL, "loops")))
    assert "\x1b" not in shown
    assert "[bold]f[/bold]$x" in shown


def test_names_are_shortened_while_they_differ() -> None:
    short = short_names(("matmul", "a.py:f", "a.py:g", "b.py:g", "x" * 30))
    assert list(short.values()) == ["matmul", "f", "a.py:g", "b.py:g", "..." + "x" * 17]


@pytest.mark.parametrize(("seconds", "shown"), [(4321.0, "4321 s"), (0.0123, "12.3 ms"), (1.5e-6, "1.50 us"), (2e-8, "0.02 us")])
def test_durations_have_three_digits(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


def test_quantities_have_three_digits() -> None:
    assert [quantity(count) for count in (999, 1234, 56_700_000, 1_230_000_000)] == ["999", "1.23k", "56.7M", "1.23G"]


def test_progress_is_plain_lines_elsewhere_than_on_a_terminal() -> None:
    console = Console(file=io.StringIO(), width=80)
    progress = CompareProgress(console)
    for number in (1, 2):
        progress(Step("timing", number, 2, "\x1b[31m" + str(BIG)))
    progress.close()
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == f"timing 1 of 2: \\x1b[31m{BIG}\n"


# Figures.


@pytest.mark.parametrize(("name", "start"), [("figure.png", b"\x89PNG"), ("figure.SVG", b"<?xml")])
def test_the_figures_are_written_whole_in_the_format_of_the_name(tmp_path: Path, name: str, start: bytes) -> None:
    plots.write(comparison((EVIL, "loops")), tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(start)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_every_panel_has_every_kernel_that_it_can_show() -> None:
    figure = plots.draw(comparison())
    assert [axes.get_title(loc="left").partition(" (")[0] for axes in figure.axes] == [
        "Speed of each problem", "Roofline", "Accuracy against speed"
    ]  # fmt: skip
    (legend,) = figure.legends
    assert [label.get_text() for label in legend.get_texts()] == ["tensorflow", "tensorflow ready", "my_convolution", "loops"]
    markers = {line.get_marker() for line in figure.axes[0].lines if line.get_linestyle() == "None"}
    assert len(markers) == 3, "TensorFlow's two share a marker, one of them hollow"


def test_the_figure_says_what_where_and_when_and_has_bars() -> None:
    found = comparison()
    figure = plots.draw(found)
    title = figure.get_suptitle()
    assert "compared with" in title
    assert datetime.date.today().isoformat() in title
    assert found.machine is not None
    assert found.machine.processor in title
    bars = [line for line in figure.axes[0].collections if len(line.get_segments())]
    assert len(bars) == len({one.name for row in found.rows for one in row.measurements})


def test_problems_over_three_decades_add_the_panel_of_costs() -> None:
    found = comparison()
    sizes = [Problem.parse(f"x=1x{size}x{size}x8 w=1x1x8x8") for size in (1, 8, 64)]
    rows = tuple(
        Row(Item("", Layer(str(p), p, 1, "")), (measurement("tensorflow", p, 1e-9 * p.macs), measurement(MINE, p, 2e-9 * p.macs)), {})
        for p in sizes
    )
    figure = plots.draw(replace(found, rows=rows))
    assert figure.axes[-1].get_title(loc="left") == "Cost against multiply-adds"
    assert "my_convolution: power 1.00" in [label.get_text() for label in figure.axes[-1].get_legend().get_texts()][1]


# The command.


def sentence(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main.main(["compare", *words])
    assert ended.value.code == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("convverify: ")
    assert captured.err.count("\n") == 1
    return captured.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nothing",), "target 'nothing' is unknown"),
        (("matmul", "--against", "nothing"), "target 'nothing' is unknown"),
        (("matmul", "--suite", "nothing"), "suite 'nothing' is neither"),
        (("matmul", "--batch", "two"), "batch must be numbers from 1, not 'two'"),
        (("matmul", "--batch", "0"), "batch must be at least 1, not 0"),
        (("matmul", "--rounds", "1"), "rounds must be at least 3, not 1"),
        (("matmul", "--problem", "x=1x2x2x1"), "key 'w' is missing"),
        (("matmul", "--plot", "figure.pdf"), "plot must be a file whose name ends in .png or .svg, not 'figure.pdf'"),
        (("matmul", "--json", "nowhere/out.json"), "json must be a file in a directory that exists"),
    ],
)
def test_wrong_usage_is_one_sentence(capsys: pytest.CaptureFixture[str], words: tuple[str, ...], message: str) -> None:
    assert message in sentence(capsys, *words)


def test_without_matplotlib_the_command_says_so_before_it_measures(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plots, "is_available", lambda: False)
    assert "plot needs matplotlib, which is not installed: pip install 'convverify[plot]'" in sentence(
        capsys, "matmul", "--plot", "figure.png"
    )
