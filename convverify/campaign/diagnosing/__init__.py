"""Diagnosis: which known fault computes what the kernel has computed?

Nothing of the user's runs here: a kernel's outputs on failing cases are held against what hypotheses say (`hypothesis`), those of
the catalogue of mutants among them, and two common faults at once where no single one explains all.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterable

from convverify.campaign.diagnosing.evidence import evidence_of
from convverify.campaign.diagnosing.explaining import Explanation, explanations
from convverify.campaign.diagnosing.garbage import with_garbage
from convverify.campaign.diagnosing.hypothesis import Hypothesis, change_of, hypotheses
from convverify.campaign.diagnosing.normwise import errs_by_norm
from convverify.campaign.diagnosing.precision import lower_precision
from convverify.campaign.diagnosing.probes import Ask, Interview
from convverify.campaign.diagnosing.scene import NHWC_HWIO, AxesOfBoth, Floats, Scene
from convverify.operands.case import Case

__all__ = ["Ask", "Floats", "Hypothesis", "Scene", "change_of", "diagnose", "hypotheses"]

_BUSY = 8  # how much longer than the time to spend a diagnosis may last
_TIED, _SHOWN = 40, 2
_ENOUGH = 4  # cases that one fault has to explain, all of them, to be believed without more ado
_GARBAGE = "NaN, infinity or huge numbers from small integers: reads outside its operands, or uninitialised memory"
_BY_NORM = (
    "errs by the norm of the tile or of the image, not by what an element sums, and within the bound of algorithms that do: "
    "Winograd's and Fourier transforms; if it is meant to be one of these, --accuracy normwise judges it by their bound"
)

for _module in ("geometry", "padding", "orders", "channels", "numbers"):  # the likely first, and geometry before values
    importlib.import_module(f"{__name__}.{_module}")


def diagnose(
    failures: Iterable[tuple[Case, Floats]],
    *,
    seconds: float = 4.0,
    without: str = "",
    ask: Ask | None = None,
    axes: AxesOfBoth = NHWC_HWIO,
    shown: Case | None = None,
) -> tuple[str, ...]:
    """Return sentences naming the known faults that explain the kernel's outputs; none where nothing fits.

    Parameters
    ----------
    failures : cases on which the kernel is wrong, each with the kernel's output (float64, NHWC)
    seconds : processor time to spend, and half of the time to spend on asking; where others are at work on this processor, more goes by
    without : name of a mutant that is not to be tried (to test the diagnosis on that mutant)
    ask : returns the kernel's output (float64, NHWC) on another case, None where it has none; with it, few failures become
        more, faults that explain them equally well are told apart, and what explains only some of them has to foretell others
    axes : axes of NHWC x and HWIO w in the order in which the kernel takes them: its operands lie so in memory
    shown : the case that the report shows; what explains others and not this one is said to

    Notes
    -----
    What explains more cases stands alone.  Of several that nothing tells apart, the one that would be wrong most rarely does.
    """
    worked, waited = time.thread_time() + seconds, time.monotonic() + _BUSY * seconds

    def is_over() -> bool:
        return time.thread_time() > worked or time.monotonic() - interview.spent > waited

    interview = Interview(ask, is_over, 2.0 * seconds, axes)
    everything = [evidence_of(case, actual, axes) for case, actual in failures]
    evidence = [item for item in everything if item.case.stage != "rounding"] or list(everything)  # where sums are exact, they say more
    evidence += interview.more_failures(evidence, _ENOUGH + 2 - sum(item.is_telling for item in evidence))
    failing, garbage = len(evidence), with_garbage(evidence)
    evidence = [item for item in evidence if item not in garbage]  # which nothing foretells
    sentences: list[str] = []
    groups = explanations(evidence, without, is_over)
    if not any(one.count == len(evidence) for tied in groups for one in tied) and (name := lower_precision(everything)):
        return (f"computed in {name}: every wrong result is a number of {name}, and errs no more than sums in {name} do",)
    for tied in groups:
        explained = [item for item, explains in zip(evidence, tied[0].explains, strict=True) if explains]
        left = interview.one_of_each_kind([one.candidate for one in tied[:_TIED]], explained)
        if not tied[0].of_shapes and not _is_certain(tied[0], len(evidence)):
            left = [one for one in left if interview.confirms(one, explained)]
        what = "the shape matches" if tied[0].of_shapes else "matches"
        told = f"on {tied[0].count} of {len(evidence)} failing cases"
        if any(item.case == shown and not explains for item, explains in zip(evidence, tied[0].explains, strict=True)):
            told += ", not on this one"
        sentences += [f"{what}: {one.words} {told}" for one in left[:_SHOWN]]
    if garbage:
        sentences.append(f"{_GARBAGE} on {len(garbage)} of {failing} failing cases")
    if not sentences and errs_by_norm(everything, interview.answer):
        return (_BY_NORM,)
    return tuple(sentences)


def _is_certain(explanation: Explanation, cases: int) -> bool:
    return len(explanation.candidate.changes) < 2 and explanation.count == cases >= _ENOUGH
