"""The report of a verification: frozen, printable, and plain data for JSON."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, field
from typing import Any

from convverify.campaign.events import Found, ReferenceWrong, Started
from convverify.campaign.options import Options
from convverify.campaign.statistics import Statistics
from convverify.judging.kernel import DATA_FORMATS
from convverify.judging.properties import in_order
from convverify.judging.trial import Finding

VERIFIED, REFUTED, USAGE, INCONCLUSIVE, INTERRUPTED = "verified", "refuted", "usage", "inconclusive", "interrupted"
KNOWN = "known"  # refuted by known faults alone, which somebody has muted
FAILED = "failed"  # the harness itself
EXIT_STATUS = {VERIFIED: 0, KNOWN: 0, REFUTED: 1, USAGE: 2, INCONCLUSIVE: 3, FAILED: 4, INTERRUPTED: 130}
WORSE = (0, 3, 1, 4, 2, 130)  # exit statuses, each worse than those before it
SCHEMA = 1


@dataclass(frozen=True)
class Counterexample:
    """The smallest case found that refutes a property.

    `finding` holds expected, actual and wrong elements (None for a crash or hang); `history` the cases that must be called before;
    `boundaries` where the fault ends; `notes` what else was found out; `others` how many further cases failed in the same way.
    """

    case: str
    property: str
    sentence: str
    original: str
    finding: Finding | None = None
    history: tuple[str, ...] = ()
    boundaries: tuple[str, ...] = ()
    minimal: bool = False
    reproduced: bool = True
    diagnosis: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    others: int = 0
    file: str = ""


@dataclass(frozen=True)
class Report:
    """What a verification came to; `degenerate` are findings on degenerate problems, reported apart where these do not refute; `muted` says
    of each known fault that was met what it is, and on how many cases it showed."""

    verdict: str
    options: Options
    statistics: Statistics
    counterexamples: tuple[Counterexample, ...] = ()
    reference_faults: tuple[ReferenceWrong, ...] = ()
    started: Started | None = None
    sentence: str = ""
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()
    finished: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    degenerate: tuple[Found, ...] = ()
    muted: tuple[tuple[str, int], ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the kernel is verified, or refuted by nothing but known faults that were to be muted."""
        return self.verdict in (VERIFIED, KNOWN)

    @property
    def axes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The axes of NHWC x (and result) and of HWIO w in the kernel's own order."""
        return DATA_FORMATS[self.options.data_format or (self.started.data_format if self.started else "NHWC")]

    @property
    def without(self) -> tuple[str, ...]:
        """The properties that were left out."""
        return self.options.without if self.started is None else self.started.without

    @property
    def headline(self) -> str:
        """The verdict in capitals, with the properties that were left out of it, or those few that were not: "VERIFIED without threads",
        "VERIFIED by shape, dtype only"."""
        names = [entry.name for entry in in_order()]
        judged = [name for name in names if self.options.asks(name) and name not in self.without]
        left_out = self.without if self.options.properties is None else tuple(name for name in names if name not in judged)
        if not (self.ok and left_out):
            return self.verdict.upper()
        if self.options.properties is not None and len(judged) <= len(left_out):
            return f"{self.verdict.upper()} by {', '.join(judged)} only"
        return f"{self.verdict.upper()} without {', '.join(left_out)}"

    @property
    def exit_status(self) -> int:
        """The command line's exit status for this verdict."""
        return EXIT_STATUS[self.verdict]

    def to_json(self) -> str:
        """Return the report as JSON text, as reporting/report.schema.json describes it.

        Its `schema` number changes when a field changes its meaning.  A number that is not finite, which JSON has not, becomes null.
        """
        data: dict[str, Any] = {
            "schema": SCHEMA,
            "verdict": self.verdict,
            "without": list(self.without),
            "sentence": self.sentence,
            "target": self.options.target,
            "seed": self.options.seed,
            "options": json.loads(self.options.to_json()),
            "kernel": None if self.started is None else {
                "parameters": list(self.started.keywords), "data_format": self.started.data_format, "accuracy": self.started.accuracy,
                "max_macs": self.started.max_macs, "macs_per_second": self.started.macs_per_second,
            },
            "statistics": self.statistics.to_json(),
            "counterexamples": [_plain(self, example) for example in self.counterexamples],
            "reference_faults": [dataclasses.asdict(fault) for fault in self.reference_faults],
            "degenerate": [{"case": found.case, "property": found.property, "sentence": found.sentence} for found in self.degenerate],
            "muted": [{"fault": fault, "cases": count} for fault, count in self.muted],
            "warnings": list(self.warnings),
            "seconds": self.seconds,
            "finished": self.finished,
            "environment": self.environment,
        }  # fmt: skip
        return json.dumps(_finite(data), indent=1, allow_nan=False)

    def to_html(self) -> str:
        """Return the report as an HTML page that needs no network."""
        from convverify.reporting.html import to_html

        return to_html([self])

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the report as on a terminal, in a few lines."""
        from convverify.reporting.html import to_cell

        return to_cell(self)

    def __str__(self) -> str:
        from convverify.reporting.terminal import as_text

        return as_text(self)


def _finite(data: Any) -> Any:
    """Replace numbers that are not finite by None."""
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data


def _plain(report: Report, example: Counterexample) -> dict[str, Any]:
    from convverify.reporting.facts import worst_of
    from convverify.reporting.snippet import replay_line, snippet

    plain: dict[str, Any] = {
        "case": example.case, "property": example.property, "sentence": example.sentence, "original": example.original,
        "history": list(example.history), "boundaries": list(example.boundaries), "minimal": example.minimal,
        "reproduced": example.reproduced, "diagnosis": list(example.diagnosis), "notes": list(example.notes), "others": example.others,
        "file": example.file, "replay": replay_line(report, example), "snippet": "\n".join(snippet(report, example)), "worst": None,
    }  # fmt: skip
    if worst := worst_of(report, example):
        plain["worst"] = {
            "index": list(worst.own_index), "expected": repr(worst.expected), "actual": repr(worst.actual), "ulp": worst.ulps,
            "wrong": int(worst.wrong.sum()), "elements": int(worst.wrong.size),
        }  # fmt: skip
    return plain
