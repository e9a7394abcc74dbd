"""What every report says in the same words: the summary, the figures, the worst element."""

from __future__ import annotations

from convverify import __version__
from convverify.campaign.options import Options
from convverify.campaign.report import FAILED, INCONCLUSIVE, INTERRUPTED, USAGE, VERIFIED, Report
from convverify.reporting.confidence import statement
from convverify.reporting.picture import number_text
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
        return report.sentence
    count = len(report.counterexamples)
    if not statistics.cases and not count:
        return "interrupted before a case was judged"
    if not statistics.cases:  # a single case, replayed
        return ", ".join(f"{example.property} does not hold" for example in report.counterexamples)
    text = f"{count} counterexample{'' if count == 1 else 's'} in {statistics.cases} cases on {statistics.problems} problems"
    text += f", {report.seconds:.1f} s"
    if report.verdict == INTERRUPTED:
        return f"{text}, before it was interrupted"
    if report.finished == "time" and report.verdict == VERIFIED:
        text += f" (stopped by --max-time {report.options.max_time:g})"
    return text


def worst_sentence(expected: float, actual: float, index: tuple[int, ...], bound: float | None) -> str:
    """Return expected and actual at one element of the output, and the error beside its bound."""
    place = ", ".join(map(str, index))
    text = f"at y[{place}] expected {number_text(float(expected))}, got {number_text(float(actual))}"
    if bound is not None:
        error = abs(float(actual) - float(expected))
        text += f": an error of {error:.3g}, {error / bound if bound else float('inf'):.3g} times what is possible"
    return text


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
    met, possible, missed = statistics.ledger()
    lines.append(
        f"ledger: {met} of {possible} pairs of features met"
        + (f"; missed: {', '.join(missed[:4])}{', ...' if len(missed) > 4 else ''}" if missed else "")
    )
    if statistics.unsupported:
        lines.append(f"unsupported (NotImplementedError): {statistics.unsupported} cases, not counted as passed")
    if statistics.refused:
        lines.append(f"refused, as tf.nn.conv2d refuses them: {statistics.refused} cases")
    if statistics.mentions:
        lines.append("mentioned: " + "; ".join(f"{text} ({count} cases)" for text, count in statistics.mentions.items()))
    if report.started is not None:
        declared = ", ".join(report.started.keywords) or "no parameters: stride 1, VALID, one group"
        lines.append(f"kernel: {declared}; {report.started.data_format}; problems of up to {report.started.max_macs} multiply-adds")
    lines += statement(report)
    return lines
