"""The kill matrix: the harness on every mutant, which it must refute, and on every unusual kernel, which it must not."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import json
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from convverify.campaign.events import Event, Found, Progress, Started
from convverify.campaign.options import Options
from convverify.campaign.report import REFUTED, VERIFIED
from convverify.campaign.verification import Verification
from convverify.judging.properties import in_order
from convverify.mutants import mutants
from convverify.operands.case import Case
from convverify.problems.dtypes import DEFAULT_DTYPES
from convverify.registry import Entry
from convverify.targets import resolve
from convverify.unusual import unusual


@dataclass(frozen=True)
class Row:
    """What became of one kernel: `seconds` and `cases` until the first refutation, `total` seconds with shrinking and diagnosis."""

    name: str
    fault_class: str
    expected: str
    verdict: str
    killed_by: str = ""
    others: tuple[str, ...] = ()
    cases: int = 0
    seconds: float = 0.0
    total: float = 0.0
    case: str = ""
    size: int = 0
    minimal: bool = False
    diagnosis: str = ""
    issue: str = ""
    seed: int = 0

    @property
    def ok(self) -> bool:
        """Whether the verdict is the right one."""
        return self.verdict == self.expected


def run_one(name: str, seed: int, max_examples: int) -> Row:
    """Verify one mutant or unusual kernel, without a reference other than exact arithmetic."""
    entry = mutants[name] if name in mutants else unusual[name]
    expected = REFUTED if name in mutants else VERIFIED
    first: list[float] = []
    counted = [0]
    begun = [time.perf_counter()]

    def listen(event: Event) -> None:
        if isinstance(event, Started):
            begun[0] = time.perf_counter()
        elif isinstance(event, Progress) and not first:
            counted[0] = event.statistics.cases
        elif isinstance(event, Found) and not first:
            first.append(time.perf_counter() - begun[0])

    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as corpus:
        options = Options(name, references=(), seed=seed, max_examples=max_examples, corpus=corpus, dtypes=_dtypes(entry))
        report = Verification(options, listen, resolve).run()
    total = time.perf_counter() - start
    row = Row(name, entry.traits.get("fault_class", "correct"), expected, report.verdict, issue=entry.traits.get("issue", ""), seed=seed)
    if not report.counterexamples:
        return dataclasses.replace(row, cases=report.statistics.cases, seconds=total, total=total)
    example = report.counterexamples[0]
    return dataclasses.replace(
        row, killed_by=example.property, others=tuple(other.property for other in report.counterexamples[1:]), cases=counted[0] + 1,
        seconds=first[0] if first else total, total=total, case=example.case, size=_size(example.case), minimal=example.minimal,
        diagnosis=example.diagnosis[0] if example.diagnosis else "",
    )  # fmt: skip


def _dtypes(entry: Entry) -> tuple[str, ...]:
    """Return the dtypes to explore: those of every run, or the one in which alone the fault shows."""
    dtype = Case.parse(entry.traits["witness"]).problem.dtype if "witness" in entry.traits else "float32"
    return DEFAULT_DTYPES if dtype in DEFAULT_DTYPES else (dtype,)


def _size(line: str) -> int:
    """Elements of x and w together."""
    problem = Case.parse(line).problem
    x, w = problem.x_shape, problem.w_shape
    return x[0] * x[1] * x[2] * x[3] + w[0] * w[1] * w[2] * w[3]


def run(names: Sequence[str], seeds: Sequence[int], max_examples: int, jobs: int, tell: Callable[[Row], None]) -> list[Row]:
    """Run kernels on all seeds, `jobs` at a time; `tell` hears each row as it comes."""
    rows = []
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(run_one, name, seed, max_examples) for seed in seeds for name in names]
        try:
            for future in futures:
                row = future.result()
                tell(row)
                rows.append(row)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return rows


def choose(words: Iterable[str]) -> list[str]:
    """Return the names that words choose: names of kernels, fault classes, "unusual"; all without words.

    Raises ValueError for a word that chooses nothing.
    """
    entries = [(entry.name, entry.traits.get("fault_class", "")) for entry in mutants] + [(entry.name, "unusual") for entry in unusual]
    words = list(words)
    for word in words:
        if not any(word in entry for entry in entries):
            classes = ", ".join(dict.fromkeys(kind for _, kind in entries))
            raise ValueError(f"{word!r} is neither a mutant nor a class of them; classes: {classes}")
    return [name for name, kind in entries if not words or name in words or kind in words]


def line(row: Row) -> str:
    """Return a row as one line of text."""
    mark = "ok  " if row.ok else "FAIL"
    by = f"{row.killed_by}" if row.killed_by else ""
    return f"{mark} {row.name:38} {row.fault_class:15} {row.verdict:12} {by:20} {row.cases:6} cases {row.seconds:6.2f} s  {row.case}"


def summary(rows: Sequence[Row]) -> str:
    """Return the totals in one line."""
    killed = [row for row in rows if row.expected == REFUTED]
    spared = [row for row in rows if row.expected == VERIFIED]
    parts = []
    if killed:
        seconds = [row.seconds for row in killed if row.ok]
        parts.append(f"{len(seconds)} of {len(killed)} mutants refuted")
        if seconds:
            parts.append(f"in {statistics.median(seconds):.2f} s in the median and {max(seconds):.1f} s at the most")
        parts.append(f"{sum(row.minimal for row in killed)} shrunk to a case that is minimal in each extent")
        parts.append(f"{sum(bool(row.diagnosis) for row in killed)} diagnosed")
    if spared:
        parts.append(f"{sum(row.ok for row in spared)} of {len(spared)} unusual kernels verified")
    return ", ".join(parts)


def to_json(rows: Sequence[Row]) -> str:
    """Return the matrix as JSON text."""
    data: list[dict[str, Any]] = [dataclasses.asdict(row) | {"ok": row.ok} for row in rows]
    return json.dumps({"schema": 1, "summary": summary(rows), "rows": data}, indent=1)


def to_markdown(rows: Sequence[Row]) -> str:
    """Return the matrix as a page of the docs: classes by properties, then a line for each kernel, over all seeds."""
    seeds = sorted({row.seed for row in rows})
    ran = f"{len(seeds)} seeds ({', '.join(map(str, seeds))})" if len(seeds) > 1 else f"seed {seeds[0]}"
    parts = ["# Kill matrix", f"Made by `convverify mutants --markdown FILE`, with {ran}: {summary(rows)}.", *_crossed(rows)]
    head = "| kernel | class | what is wrong | refuted by | cases | s | smallest case |\n|--|--|--|--|--:|--:|--|"
    grouped: dict[tuple[str, str], list[Row]] = {}
    for row in sorted(rows, key=lambda row: (row.fault_class, row.name, row.seed)):
        grouped.setdefault((row.fault_class, row.name), []).append(row)
    body = "\n".join(_line_of_the_page(same) for same in grouped.values())
    if len(seeds) > 1:
        parts.append("`cases` and `s` until the first refutation are medians over the seeds; the case is that of the first.")
    return "\n\n".join([*parts, f"{head}\n{body}"]) + "\n"


def _crossed(rows: Sequence[Row]) -> list[str]:
    """Return the table of classes by the properties that refuted them first: how many kernels, counted once for each seed."""
    counts = Counter((row.fault_class, row.killed_by) for row in rows if row.killed_by)
    by = [entry.name for entry in in_order() if any(entry.name == name for _, name in counts)]
    if not by:
        return []
    head = f"| class | {' | '.join(by)} |\n|--|{'--:|' * len(by)}"
    classes = sorted({kind for kind, _ in counts})
    body = "\n".join(f"| {kind} | {' | '.join(str(counts[kind, name] or '') for name in by)} |" for kind in classes)
    return ["Which property refuted a kernel first:", f"{head}\n{body}"]


def _line_of_the_page(same: Sequence[Row]) -> str:
    row = same[0]
    entry = mutants[row.name] if row.name in mutants else unusual[row.name]
    what = entry.summary.replace("|", "\\|") + (f" ({row.issue})" if row.issue else "")
    by = ", ".join(dict.fromkeys(row.killed_by or row.verdict for row in same))
    cases, seconds = (statistics.median(values) for values in ([row.cases for row in same], [row.seconds for row in same]))
    return f"| {row.name} | {row.fault_class} | {what} | {by} | {cases:.0f} | {seconds:.2f} | `{row.case}` |"
