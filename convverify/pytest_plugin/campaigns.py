"""Campaigns of a session: one for each kernel and its options, whose outcome all tests of its properties share.

With pytest-xdist, processes that run tests of the same kernel share it, too: through a file, which one of them writes while it holds
a lock that the system takes back when its process dies.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from convverify.api import prepare
from convverify.campaign.events import Event, Found
from convverify.campaign.options import Options
from convverify.campaign.report import INTERRUPTED, Report
from convverify.campaign.verification import Resolve, Verification
from convverify.generation.corpus import write_whole
from convverify.naming import is_nameable
from convverify.pytest_plugin import RAN
from convverify.pytest_plugin.options import configured, corpus_of, given
from convverify.reporting.outcomes import HOLDS, NOT_JUDGED, REFUTES, Outcome, outcomes
from convverify.reporting.terminal import statistics_text
from convverify.targets import locate


class Refuted(pytest.fail.Exception):  # type: ignore[name-defined, misc]  # mypy does not see the class behind pytest.fail
    """A property does not hold: the failure that may be expected, as no other may."""


Refuted.__module__ = pytest.fail.Exception.__module__  # what pytest shows of it


@dataclass(frozen=True)
class Plan:
    """A campaign to be run: its options, the kernel where no other process can have it, and what tells it from others."""

    options: Options
    resolve: Resolve
    key: str


@dataclass(frozen=True)
class Result:
    """What a campaign came to, as plain data: an outcome for each property, and statistics as text."""

    outcomes: dict[str, Outcome]
    statistics: str

    def to_json(self) -> str:
        """Return it as JSON text."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Result:
        """Return what `to_json` wrote."""
        data = json.loads(text)
        return cls({name: Outcome(**outcome) for name, outcome in data["outcomes"].items()}, data["statistics"])


_RESULTS = pytest.StashKey[dict[str, Result]]()


def plan(config: pytest.Config, kernel: Any, options: Mapping[str, Any], place: str = "") -> Plan:
    """Return the plan for a kernel: what the project says, over that the test, over that the command line.

    `place` tells kernels without a name apart.

    Raises TypeError or ValueError, naming the argument.
    """
    if isinstance(kernel, str) and ":" not in kernel:
        locate(kernel)
    chosen, resolve = prepare(kernel, {"corpus": corpus_of(config)} | configured(config) | dict(options) | given(config))
    text = chosen.to_json() + ("" if is_nameable(chosen.target) else place)
    return Plan(chosen, resolve, hashlib.sha256(text.encode()).hexdigest()[:16])


def run(config: pytest.Config, kernel: Any, options: dict[str, Any]) -> Report:
    """Run a campaign for `verify_convolution`, and note what it did."""
    planned = plan(config, kernel, options)
    report, _ = _campaign(planned)
    _note(config, planned, statistics_text(report))
    return report


def check(config: pytest.Config, planned: Plan, name: str) -> None:
    """Pass where a property holds, fail with its counterexample, or skip where no case judged it."""
    results = config.stash.setdefault(_RESULTS, {})
    if planned.key not in results:
        shared = getattr(config, "workerinput", {}).get("convverify_shared")
        results[planned.key] = _shared(Path(shared), planned) if shared else _result(planned)
    result = results[planned.key]
    _note(config, planned, result.statistics)
    outcome = result.outcomes[name]
    if outcome.kind == NOT_JUDGED:
        raise pytest.skip.Exception(outcome.text, _use_item_location=True)  # the test's place, not this one
    if outcome.kind == REFUTES:
        raise Refuted(outcome.text, pytrace=False)
    if outcome.kind != HOLDS:
        raise pytest.fail.Exception(outcome.text, pytrace=False)


def _shared(directory: Path, planned: Plan) -> Result:
    """Return what another process of pytest-xdist has found out, or find it out for all of them."""
    directory.mkdir(mode=0o700, exist_ok=True)
    file = directory / f"{planned.key}.json"
    with _locked(file.with_suffix(".lock")):
        if not file.exists():
            write_whole(file, _result(planned).to_json())
    return Result.from_json(file.read_text(encoding="utf-8"))


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _result(planned: Plan) -> Result:
    report, found = _campaign(planned)
    return Result(outcomes(report, found), statistics_text(report))


def _campaign(planned: Plan) -> tuple[Report, list[Found]]:
    """Run a campaign; return its report and what it found.  An interruption is passed on."""
    found: list[Found] = []

    def hear(event: Event) -> None:
        if isinstance(event, Found):
            found.append(event)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pytest may turn them into errors, which a kernel would be blamed for
        report = Verification(planned.options, hear, planned.resolve).run()
    if report.verdict == INTERRUPTED:
        raise KeyboardInterrupt
    return report, found


def _note(config: pytest.Config, planned: Plan, statistics: str) -> None:
    noted = {"key": planned.key, "target": planned.options.target, "statistics": statistics}
    config.stash.setdefault(RAN, []).append(noted)
