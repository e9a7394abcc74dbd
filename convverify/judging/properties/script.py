"""The property of the last phase: in a plain script, without observation, the kernel computes the same."""

from __future__ import annotations

from convverify.judging.properties import NOT_JUDGED, Verdict, judge, properties
from convverify.judging.trial import Finding, Trial

_JUDGED = ("completes", "shape", "dtype", "exact_on_integers", "within_error_bound", "special_values")


@properties.register("plain_script", rank=70)
def plain_script(trial: Trial) -> Verdict:
    """The kernel is also correct in a plain script, with arrays that own their memory."""
    if "plain" not in trial.observed:
        return NOT_JUDGED
    _, finding = judge(trial, _JUDGED)
    if finding is None:
        return None
    sentence = f"in a plain script, with arrays that own their memory: {finding.sentence} ({finding.property})"
    return Finding("plain_script", sentence, finding.expected, finding.actual, finding.wrong, finding.bound)
