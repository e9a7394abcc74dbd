"""The outcome of a search as text: the slowest problem, its cliffs, and how to time it again."""

from __future__ import annotations

import shlex

from rich.console import Console

from convverify.compare.search import Slowest
from convverify.compare.searching import Outcome
from convverify.reporting.compare_text import ratio_text
from convverify.reporting.plain import one_line


def show_outcome(outcome: Outcome, console: Console) -> None:
    """Print the outcome of a search."""
    for number, line in enumerate(lines_of(outcome)):
        console.print(one_line(line), style=None if number else "bold", soft_wrap=True, markup=False, highlight=False)


def lines_of(outcome: Outcome) -> list[str]:
    """Return the outcome in lines."""
    if outcome.interrupted:
        return [f"INTERRUPTED  {outcome.kernel}: the search was interrupted after {outcome.seconds:.0f} s"]
    if outcome.refutation is not None:
        refutation = outcome.refutation
        return [
            f"REFUTED  {outcome.kernel} is wrong: {refutation.property} does not hold",
            f"  {refutation.sentence}",
            f"  case: {refutation.case}",
        ]
    if outcome.slowest is None:
        return [f"INCONCLUSIVE  {outcome.kernel}: no problem could be timed in {outcome.seconds:.0f} s"]
    return _found(outcome, outcome.slowest)


def _found(outcome: Outcome, found: Slowest) -> list[str]:
    lines = [
        f"SLOWEST  {outcome.kernel} takes {ratio_text(found.ratio.fastest)} times as long as {outcome.reference} on",
        f"  {found.problem}",
        *(f"  cliff: {cliff}" for cliff in found.cliffs),
        f"  {found.timed} problems were timed in {outcome.seconds:.0f} s"
        + ("" if found.shrunk else "; the time was over before the smallest one was found: give it more with --max-time"),
    ]
    if found.first != found.problem:
        lines.append(f"  the slowest one was {found.first}, {ratio_text(found.first_ratio.fastest)} times")
    against = "" if outcome.reference == "tensorflow" else f" --against {shlex.quote(outcome.reference)}"
    lines.append(f"time it again: convverify compare {shlex.quote(outcome.kernel)}{against} --problem {shlex.quote(str(found.problem))}")
    return lines
