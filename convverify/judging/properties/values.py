"""Properties of the numbers: exact on integers, within the proven bound on reals, NaN and Inf where they belong, as the reference says."""

from __future__ import annotations

import numpy as np

from convverify.judging.properties import NOT_JUDGED, Verdict, properties
from convverify.judging.trial import Finding, Trial
from convverify.operations.error_bounds import ulp_of


def _values(name: str, trial: Trial, sentence: str) -> Verdict:
    if not trial.answered:
        return NOT_JUDGED
    wrong = trial.value_fault
    if wrong is None:
        return None
    if not trial.case.is_plain and trial.plain_is_right:
        return NOT_JUDGED  # for memory_layout to say
    bound = None if trial.case.stage != "rounding" else trial.bound
    return Finding(name, sentence.format(wrong=int(wrong.sum()), all=wrong.size), trial.expected, trial.first_values, wrong, bound)


@properties.register("exact_on_integers", rank=21, stages=("exact",))
def exact_on_integers(trial: Trial) -> Verdict:
    """On integers whose sums are exact in any order, the result is exact; there is no tolerance."""
    if trial.kernel.accuracy == "normwise":
        return _values("exact_on_integers", trial, "{wrong} of {all} elements differ from the exact sum by more than the normwise bound")
    return _values("exact_on_integers", trial, "{wrong} of {all} elements differ from the exact sum of the products")


@properties.register("within_error_bound", rank=22, stages=("rounding",))
def within_error_bound(trial: Trial) -> Verdict:
    """On real numbers the error is at most the proven bound, gamma_m (|x| * |w|) for m products that are not 0, and what may underflow."""
    if trial.answered and trial.problem.output_shape and not np.isfinite(trial.bound).any() and trial.bound.size:
        return NOT_JUDGED  # sums may overflow everywhere: no bound says anything
    summed = f"sums in {trial.kernel.accumulator}, rounded once," if trial.is_held_to_its_accumulator else "any correct summation"
    return _values("within_error_bound", trial, f"{{wrong}} of {{all}} elements err by more than {summed} can")


@properties.register("special_values", rank=23, stages=("special",))
def special_values(trial: Trial) -> Verdict:
    """An output whose window has a NaN or Inf under a nonzero weight is not finite; every other output is finite and correct."""
    if trial.answered and trial.value_fault is not None and trial.first_values is not None:
        hidden = int((np.isnan(trial.expected) & np.isfinite(trial.first_values.astype(np.float64)) & trial.value_fault).sum())
        rest = int(trial.value_fault.sum()) - hidden
        parts = [f"{hidden} of {{all}} elements hide a NaN or Inf"] * bool(hidden) + [
            f"{rest} of {{all}} elements without NaN or Inf in their window are wrong"
        ] * bool(rest)
        return _values("special_values", trial, " and ".join(parts))
    return _values("special_values", trial, "{wrong} of {all} elements")


@properties.register("matches_reference", rank=40, stages=("exact", "rounding"))
def matches_reference(trial: Trial) -> Verdict:
    """The result equals the reference's: exactly on integers, within the sum of both bounds on reals."""
    if not trial.answered or not trial.theirs or trial.first_values is None:
        return NOT_JUDGED
    if trial.case.stage == "rounding" and not np.isfinite(trial.bound).all():
        return NOT_JUDGED  # sums may overflow: neither bound says anything
    actual = trial.first_values.astype(np.float64)
    for name, (theirs, accuracy) in trial.theirs.items():
        if trial.case.stage == "exact" and "normwise" not in (trial.kernel.accuracy, accuracy):
            wrong = actual != theirs
        else:
            bound = trial.bound + trial.elementwise_bound
            with np.errstate(all="ignore"):
                wrong = ~(np.abs(actual - theirs) <= bound) & np.isfinite(bound)
        if wrong.any():
            sentence = f"{int(wrong.sum())} of {wrong.size} elements differ from {name}"
            return Finding("matches_reference", sentence, theirs, trial.first_values, wrong)
    return None


def worst_index(finding: Finding, dtype: str) -> tuple[int, ...] | None:
    """Return the index of the wrong element that is farthest off, in units in the last place; None without arrays."""
    if finding.wrong is None or finding.expected is None or finding.actual is None:
        return None
    with np.errstate(all="ignore"):
        distance = np.abs(finding.actual.astype(np.float64) - finding.expected) / ulp_of(finding.expected, dtype)
    distance = np.where(finding.wrong, np.nan_to_num(distance, nan=np.inf, posinf=np.inf), -1.0)
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(distance)), distance.shape))
