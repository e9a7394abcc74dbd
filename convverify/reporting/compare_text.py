"""The comparison as text: a block for each problem, then the means.  Everything fits into 80 columns but what users name."""

from __future__ import annotations

import time
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from convverify.compare.comparison import Step
from convverify.compare.contenders import READY
from convverify.compare.results import Comparison, Measurement, Row
from convverify.compare.summary import Exponent, exponents, means
from convverify.reporting.plain import one_line

_PLAIN_EVERY = 5.0
_NAME = 20  # columns for a kernel's name
_HEAD = f"  {'kernel':{_NAME}} {'time':>8} {'+-':>4} {'ratio':>6} {'GFLOP/s':>7} {'peak':>5} {'error':>6} {'differs':>8} {'MiB':>6}"

_LEGEND = (
    "time   median of a call; +- half the distance of the quartiles, of the median",
    "ratio  to the reference, median of the ratios within a round",
    "peak   share of the speed of a large matrix product",
    "error  worst of an element, as a fraction of its bound",
    "differs  norm of the difference to the reference's result",
    "MiB    peak memory of a call besides operands and result",
    "~      no more than an empty call, which is taken off, or its spread",
)


class CompareProgress:
    """Hears the steps: a bar on a terminal, a plain line every few seconds elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._phase, self._told = "", 0.0
        if console.is_terminal:
            columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            self._bar = Progress(*columns, console=console, transient=True)
            self._task = self._bar.add_task("starting", total=1)
            self._bar.start()

    def __call__(self, step: Step) -> None:
        """Show a step."""
        if self._bar is not None:
            self._bar.update(self._task, description=one_line(f"{step.phase} {step.what}"), completed=step.number, total=step.total)
            return
        now = time.monotonic()
        if step.phase != self._phase or now - self._told > _PLAIN_EVERY:
            self._phase, self._told = step.phase, now
            _print(self._console, f"{step.phase} {step.number} of {step.total}: {step.what}")

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()


def _print(console: Console, text: str = "", style: str | None = None) -> None:
    console.print(one_line(text), style=style, soft_wrap=True, markup=False, highlight=False)


def short_names(names: tuple[str, ...]) -> dict[str, str]:
    """Return names for tables: a function's name alone where it says enough, and no more than fits."""
    ends = [name.rpartition(":")[2] for name in names]
    return {name: _cut(end if ends.count(end) == 1 else name) for name, end in zip(names, ends, strict=True)}


def _cut(name: str) -> str:
    return name if len(name) <= _NAME else "..." + name[-(_NAME - 3) :]


def show_comparison(comparison: Comparison, console: Console) -> None:
    """Print a comparison: who was refuted, the machine, the rows, the means."""
    short = short_names(comparison.names)
    _show_licences(comparison, console)
    machine = comparison.machine
    if machine is not None:
        _print(console)
        peaks = ", ".join(f"{dtype} products {peak / 1e9:.0f} GFLOP/s" for dtype, peak in machine.peaks.items())
        _print(console, f"{machine.processor}, {machine.threads} threads: {peaks}, copies {machine.bandwidth / 1e9:.0f} GB/s")
    for row in comparison.rows:
        _print(console)
        for line, style in _block(comparison, row, short):
            _print(console, line, style)
    if comparison.rows:
        _print(console)
        for line in _LEGEND:
            _print(console, line)
    _show_means(comparison, console, short)
    for exponent in exponents(comparison):
        for line in exponent_lines(exponent, short[exponent.name]):
            _print(console, line)
    if comparison.exit_status == 3:
        _print(console, "INCONCLUSIVE: the reference is wrong, or no kernel supports any of the problems", "bold yellow")
    for warning in comparison.warnings:
        _print(console, f"note  {warning}", "yellow")
    if comparison.interrupted:
        _print(console, "INTERRUPTED: what had been measured until then is shown", "bold yellow")


def _show_licences(comparison: Comparison, console: Console) -> None:
    for licence in comparison.licences:
        refutation, elsewhere = licence.refutation, licence.elsewhere
        if refutation is not None:
            _print(console, f"REFUTED  {licence.name} is not timed: {refutation.property} does not hold", "bold red")
            _print(console, f"  {refutation.sentence}")
            _print(console, f"  case: {refutation.case}")
        elif elsewhere is not None and elsewhere.refutation is not None:
            what = f"{licence.name} is right on the problems timed, but refuted elsewhere (marked ! below)"
            _print(console, f"warning  {what}", "bold yellow")
            _print(console, f"  {elsewhere.refutation.property}: {elsewhere.refutation.sentence}")
            _print(console, f"  case: {elsewhere.refutation.case}")
        elif elsewhere is not None:
            _print(console, f"{elsewhere.verdict}  {licence.name}: {elsewhere.cases} cases of a short campaign")


def refuted_elsewhere(comparison: Comparison) -> set[str]:
    """Return the kernels that the short campaign has refuted."""
    return {licence.name for licence in comparison.licences if licence.elsewhere is not None and licence.elsewhere.refutation is not None}


def _block(comparison: Comparison, row: Row, short: dict[str, str]) -> Iterator[tuple[str, str | None]]:
    item = row.item
    times = f", {item.layer.count} times" if item.layer.count > 1 else ""
    yield (f"{item.group}: {item.layer.name}{times}" if item.suite else str(item.problem)), "bold"
    if item.suite and item.layer.name != str(item.problem):
        yield f"  {item.problem}", None
    yield f"  {quantity(item.problem.macs)} multiply-adds, {row.intensity:.3g} operations a byte", None
    yield _HEAD, None
    marked = refuted_elsewhere(comparison)
    for name in comparison.names:
        one = row.measurement(name)
        label = f"{short[name]}{' !' if name in marked else ''}"
        if one is not None:
            yield _line(comparison, row, one, label), None
            if one.is_extrapolated(item):
                yield f"    extrapolated by multiply-adds ({quantity(one.problem.macs)}) from {one.problem}", None
            for remark in one.remarks:
                yield f"    {remark}", None
        elif name in row.refused:
            yield f"  {label:{_NAME}}  REFUSED  {row.refused[name]}", "bold red"
        elif name in row.unsupported:
            yield f"  {label:{_NAME}}      n/a  {row.unsupported[name]}", None


def _line(comparison: Comparison, row: Row, one: Measurement, label: str) -> str:
    speed = row.operations / one.seconds.median
    machine = comparison.machine
    share = f"{100 * speed / machine.peak(row.item.problem.dtype):.0f}%" if machine else "n/a"
    ratio = "n/a" if one.ratio is None else ratio_text(one.ratio.median)
    fraction = "n/a" if one.fraction is None else f"{one.fraction:.3f}"
    difference = "-" if one.name in (comparison.reference, READY) else "n/a" if one.difference is None else f"{one.difference:.2g}"
    memory = "" if one.name == READY else "n/a" if one.memory is None else f"{one.memory / 2**20:.1f}"
    spread = f"{50 * one.seconds.relative:.0f}%"
    time = ("~" if one.is_rough else "") + duration(one.seconds.median)
    cells = f"{time:>8} {spread:>4} {ratio:>6} {number(speed / 1e9):>7} {share:>5} {fraction:>6}"
    return f"  {label:{_NAME}} {cells} {difference:>8} {memory:>6}".rstrip()


def _show_means(comparison: Comparison, console: Console, short: dict[str, str]) -> None:
    found = means(comparison)
    if not found:
        return
    _print(console)
    _print(console, f"geometric means of the ratios to {comparison.reference} (weighted: by a layer's occurrences)", "bold")
    name = ""
    for mean in found:
        if mean.name != name:
            name = mean.name
            _print(console, f"  {short[name]:{_NAME + 4}} {'number':>6} {'mean':>6} {'weighted':>8} {'worst':>6}")
        counts = f"{mean.problems:>6} {ratio_text(mean.plain):>6} {ratio_text(mean.weighted):>8} {ratio_text(mean.worst):>6}"
        note = f" ({mean.extrapolated} extrapolated)" if mean.extrapolated else ""
        _print(console, f"    {mean.group:{_NAME + 2}} {counts}  {mean.where}{note}")


def exponent_lines(exponent: Exponent, name: str) -> list[str]:
    """Return in words how the time of a kernel grows."""
    low, high = (quantity(macs) for macs in exponent.macs)
    lines = [f"{name}: time grows as multiply-adds to the power of {exponent.all:.2f}, {low} to {high}"]
    if exponent.large is not None and exponent.large_macs is not None:
        lines.append(
            f"  and of {exponent.large:.2f} from {quantity(exponent.large_macs[0])} on, where a call's fixed cost is a tenth at most"
        )
    return lines


def duration(seconds: float) -> str:
    """Return seconds in a handy unit, with three digits."""
    for unit, factor in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= factor or unit == "us":
            return f"{number(seconds / factor)} {unit}"
    raise AssertionError("unreachable")


def number(value: float) -> str:
    """Return a number with three digits, and all that come before its point."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def ratio_text(ratio: float) -> str:
    """Return a ratio with two decimals, with fewer where it is large."""
    return f"{ratio:.0f}" if ratio >= 100 else f"{ratio:.1f}" if ratio >= 10 else f"{ratio:.2f}"


def quantity(count: int) -> str:
    """Return a count in thousands, millions or billions (10**9), with three digits."""
    for factor, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= factor:
            return f"{number(count / factor)}{letter}"
    return str(count)
