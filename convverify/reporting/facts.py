"""What every report says in the same words: the summary, the figures, the worst element."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from convverify import __version__
from convverify.campaign.options import Options
from convverify.campaign.report import FAILED, INCONCLUSIVE, INTERRUPTED, USAGE, Counterexample, Report
from convverify.judging.findings import Finding
from convverify.judging.properties.values import worst_index
from convverify.operands.case import Case
from convverify.operations.error_bounds import ulp_of
from convverify.problems.problem import degeneracy
from convverify.reporting.confidence import statement
from convverify.reporting.picture import NHWC, Axes, numbers_apart, own_order, place, where
from convverify.reporting.plain import one_line


def header(options: Options, source: str = "") -> str:
    """Return the line that opens every run: what, against what, the seed, and which file has decided some options."""
    against = " and ".join(options.references)
    said = f", options from {source}" if source else ""
    return one_line(f"convverify {__version__}: {options.target} against {against}, seed {options.seed}{said}")


def summary(report: Report) -> str:
    """Return the sentence that follows the verdict and the target."""
    statistics = report.statistics
    if report.verdict in (USAGE, INCONCLUSIVE, FAILED):
        return report.sentence + _muted(report)
    count = len(report.counterexamples)
    if not statistics.cases and not count:
        return "interrupted before a case was judged"
    if not statistics.cases:  # a single case, replayed
        return ", ".join(f"{example.property} does not hold" for example in report.counterexamples)
    tried = f"{statistics.results['all']} judged cases" if report.ok else f"{statistics.cases} cases"
    text = f"{count} counterexample{'' if count == 1 else 's'} in {tried} on {statistics.problems} problems"
    if statistics.unsupported:
        text += f", {statistics.unsupported} refused"
    text += f", {report.seconds:.1f} s"
    if report.verdict == INTERRUPTED:
        return f"{text}, before it was interrupted"
    if report.finished == "time" and report.ok:
        text += f" (stopped by --max-time {report.options.max_time:g})"
    text += _muted(report)
    if report.degenerate and report.ok:
        kinds = ", ".join(dict.fromkeys(degeneracy(Case.parse(found.case).problem) for found in report.degenerate))
        text += f"; right on all ordinary problems, degenerate ones fail ({kinds})"
    return text


@dataclass(frozen=True)
class Worst:
    """The element of a result that is farthest off: `index` in NHWC order, and what reports say of it, in the kernel's own order `axes`.

    `bound` is the error allowed to it, None where it has to be exact; `wrong` marks all wrong elements (NHWC).
    """

    finding: Finding
    index: tuple[int, ...]
    expected: float
    actual: float
    bound: float | None
    wrong: npt.NDArray[np.bool_]
    dtype: str
    axes: Axes

    @property
    def own_index(self) -> tuple[int, ...]:
        """The index in the kernel's own order."""
        return own_order(self.index, self.axes)

    @property
    def ulps(self) -> float | None:
        """How far apart expected and actual are, in units in the last place; None if they are too far apart to count."""
        return ulps_apart(self.expected, self.actual, self.dtype)

    @property
    def sentence(self) -> str:
        """Expected and actual, and how far they are apart."""
        return worst_sentence(self.expected, self.actual, self.index, self.bound, dtype=self.dtype, axes=self.axes)

    @property
    def where(self) -> str:
        """Along which axes the wrong elements lie; "" where they are everywhere."""
        return where(self.wrong, self.axes)


def worst_of(report: Report, example: Counterexample) -> Worst | None:
    """Return the worst element of a counterexample; None where it is not wrong in the numbers of a result of the right shape."""
    finding, dtype = example.finding, Case.parse(example.case).problem.dtype
    if finding is None or finding.expected is None or finding.actual is None or finding.wrong is None:
        return None
    if finding.actual.shape != finding.expected.shape or finding.wrong.ndim != 4:
        return None
    if (index := worst_index(finding, dtype)) is None:
        return None
    bound = None if finding.bound is None else float(finding.bound[index])
    numbers = float(finding.expected[index]), float(finding.actual[index])
    return Worst(finding, index, *numbers, bound, finding.wrong, dtype, report.axes[0])


def _muted(report: Report) -> str:
    """Say which known faults were met."""
    if not report.muted:
        return ""
    told = "; ".join(f"{fault} ({count} case{'' if count == 1 else 's'})" for fault, count in report.muted)
    return f"; {len(report.muted)} known fault{'' if len(report.muted) == 1 else 's'} muted: {told}"


def worst_sentence(expected: float, actual: float, index: Sequence[int], bound: float | None, *, dtype: str = "", axes: Axes = NHWC) -> str:
    """Return expected and actual at one element of the output, how far apart they are in ulp, and the error beside its bound.

    Parameters
    ----------
    expected, actual : numbers
    index : of the element, in NHWC order
    bound : the error allowed to it; None where it has to be exact
    dtype : whose units in the last place are counted; "": none are
    axes : those of NHWC in the kernel's own order, in which the index is shown
    """
    right, result = float(expected), float(actual)
    shown = numbers_apart(right, result)
    text = f"at {place('y', index, axes)} expected {shown[0]}, got {shown[1]}"
    error = abs(result - right)
    if dtype and (ulps := ulps_apart(right, result, dtype)):
        text += f", {ulps_text(ulps)} apart"
    if bound is not None:
        text += f": an error of {error:.3g}, {error / bound if bound else float('inf'):.3g} times the bound"
    return text


def ulps_apart(expected: float, actual: float, dtype: str) -> float | None:
    """Return how far apart two numbers are, in units in the last place of the expected one; None from a tenth of it on."""
    error = abs(actual - expected)
    return error / float(ulp_of(expected, dtype)) if math.isfinite(error) and error <= abs(expected) / 10.0 else None


def ulps_text(ulps: float) -> str:
    """Return a distance in units in the last place: 3 ulp, 0.5 ulp, 2.1e+07 ulp."""
    return f"{int(ulps)} ulp" if ulps == int(ulps) and ulps < 1e6 else f"{ulps:.2g} ulp"


def _accumulators(report: Report) -> list[str]:
    """Say of each dtype narrower than float32 whether the errors are those of sums in float32."""
    if report.started is None or report.started.accuracy == "normwise":
        return []
    lines = []
    for dtype, share in sorted(report.statistics.wide.items()):
        if share <= 1.0:
            lines.append(f"{dtype}: errors of sums in float32, rounded once (at most {share:.2f} of their bound)")
        elif math.isinf(share):
            lines.append(f"{dtype}: some sums overflow that would not in float32; --accumulator float32 asks for these")
        else:
            lines.append(f"{dtype}: up to {share:.3g} times the error of sums in float32; --accumulator float32 asks for these")
    return lines


def figures(report: Report) -> list[str]:
    """Return lines that say what was tried, how fast, and how large the errors were."""
    statistics = report.statistics
    seconds = max(statistics.seconds, 1e-9)
    shares = ", ".join(f"{name} {value / seconds:.0%}" for name, value in statistics.shares().items())
    lines = [
        "stages: " + ", ".join(f"{name} {count}" for name, count in sorted(statistics.stages.items())),
        f"speed: {statistics.cases / seconds:.0f} cases/s ({shares})",
    ]
    if statistics.worst:
        (style, dtype), (fraction, _) = max(statistics.worst.items(), key=lambda item: item[1][0])
        sentence = f"worst error: {fraction:.3f} of its bound (values={style}, {dtype})"
        ulp = [value[1] for key, value in statistics.worst.items() if key[0] == "positive"]  # nothing cancels there
        lines.append(sentence + (f"; {max(ulp):.3g} ulp on positive values" if ulp else ""))
    lines += _accumulators(report)
    met, possible, missed = statistics.coverage()
    lines.append(
        f"pairwise coverage: {met} of {possible} pairs of features"
        + (f"; not met: {', '.join(missed[:4])}{', ...' if len(missed) > 4 else ''}" if missed else "")
    )
    if statistics.unsupported:
        lines.append(f"unsupported (NotImplementedError): {statistics.unsupported} cases, not counted as passed")
    if statistics.too_large:
        lines.append(f"skipped, as they do not fit the memory of this machine: {statistics.too_large} cases")
    if statistics.confirmed:
        lines.append(f"exact arithmetic: confirmed by a second implementation on {statistics.confirmed} cases")
    if statistics.refused:
        lines.append(f"refused, as tf.nn.conv2d refuses them: {statistics.refused} cases")
    if statistics.mentions:
        lines.append("mentioned: " + "; ".join(f"{text} ({count} cases)" for text, count in statistics.mentions.items()))
    if report.started is not None:
        declared = ", ".join(report.started.keywords) or "no parameters: stride 1, VALID, one group"
        lines.append(f"kernel: {declared}; {report.started.data_format}; problems of up to {report.started.max_macs} multiply-adds")
    lines += statement(report)
    return lines
