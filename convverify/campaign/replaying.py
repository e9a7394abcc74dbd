"""Replaying: one case judged again, by all properties, in a fresh host."""

from __future__ import annotations

import time

from convverify.campaign.assembling import host_of, kernel_in
from convverify.campaign.events import Started
from convverify.campaign.options import Options
from convverify.campaign.probing import Probe, Prober
from convverify.campaign.referring import TIMEOUT
from convverify.campaign.report import INCONCLUSIVE, REFUTED, VERIFIED, Counterexample, Report
from convverify.campaign.session import Session
from convverify.campaign.statistics import Statistics
from convverify.campaign.verification import Resolve
from convverify.campaign.versions import environment
from convverify.host.limits import unreadable
from convverify.host.process import CannotLoad, EndedFromOutside
from convverify.judging.kernel import Kernel
from convverify.operands.case import Case

_PATIENCE = 30.0  # seconds that one call may take where one waits for it
_VALUES = ("completes", "shape", "exact_on_integers", "within_error_bound", "special_values")


def judge_once(options: Options, resolve: Resolve, case: Case, history: tuple[str, ...] = ()) -> Report:
    """Judge one case after others, and return the report: refuted, verified on this case, or inconclusive where it is not supported.

    Raises ValueError where the target cannot be loaded, EndedFromOutside where somebody keeps it from being loaded.
    """
    start = time.perf_counter()
    kernel, probe = _probed(options, resolve, case, history)
    statistics = Statistics(problems=1)
    statistics.count(case, probe.judged)
    example: Counterexample | None = None
    line = str(case)
    if probe.died is not None:
        example = Counterexample(line, "completes", str(probe.died), line, reproduced=False)
    elif probe.finding is not None:
        example = Counterexample(line, probe.finding.property, probe.finding.sentence, line, probe.finding, history, reproduced=False)
    if example is not None:
        verdict, sentence = REFUTED, example.sentence
    elif probe.too_large:
        verdict, sentence = INCONCLUSIVE, "the case does not fit the memory of this machine"
    elif any(probe.judged.values()) and probe.judged.get("completes", True):
        verdict, sentence = VERIFIED, ""
    else:
        verdict, sentence = INCONCLUSIVE, "the kernel does not support this case"
    keywords = dict(kernel.keywords)
    started = Started(tuple(keywords), kernel.data_format, kernel.accuracy, 0, 0.0, spellings=keywords, domain=kernel.domain.to_data())
    return Report(
        verdict, options, statistics, (example,) if example else (), started=started, sentence=sentence,
        seconds=time.perf_counter() - start, environment=environment(),
    )  # fmt: skip


def what_says(options: Options, resolve: Resolve, case: Case) -> str:
    """Return in a sentence whether a reference, which stands as the options' target, is right on a case."""
    plain = case.with_(layouts=("contiguous", "contiguous"), calls=1)
    _, probe = _probed(options, resolve, plain, (), properties=_VALUES, timeout=TIMEOUT)
    wrong = str(probe.died) if probe.died is not None else probe.finding.sentence if probe.finding is not None else ""
    return f"{options.target} is wrong on this case: {wrong}" if wrong else f"{options.target} is right on this case"


def _probed(
    options: Options, resolve: Resolve, case: Case, history: tuple[str, ...], *, properties: tuple[str, ...] | None = None,
    timeout: float = 0.0,
) -> tuple[Kernel, Probe]:  # fmt: skip
    target, _ = resolve(options)
    host = host_of(target, options)
    try:
        with unreadable():
            kernel = kernel_in(host, target, options)
            prober = Prober(Session(host, kernel, options.timeout))
            limit = timeout or max(options.timeout, _PATIENCE)
            return kernel, prober.probe(str(case), properties=properties or options.properties, history=history, timeout=limit)
    except EndedFromOutside:
        raise
    except CannotLoad as error:
        raise ValueError(str(error)) from None
    finally:
        host.close()
