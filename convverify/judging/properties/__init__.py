"""Properties: named statements about a kernel that a case can refute.

A property is a function (trial) -> Finding | None | NOT_JUDGED, decorated with `@properties.register(...)`; None means that it holds.
Its traits: `rank` orders the properties, the most telling first; `every` n means that a campaign tries it on one case in n (those that
call the kernel again are dear); `stages` names the stages of values that it is for.
"""

from __future__ import annotations

import functools
from typing import Final

from convverify.judging.trial import Finding, Trial
from convverify.registry import Entry, Registry

properties = Registry("property", __name__)


class NotJudged:
    """The type of NOT_JUDGED: the property says nothing about this case."""


NOT_JUDGED: Final = NotJudged()

Verdict = Finding | None | NotJudged


@functools.cache
def in_order() -> tuple[Entry, ...]:
    """Return the properties in the order in which they are tried."""
    return tuple(sorted(properties, key=lambda entry: entry.traits.get("rank", 100)))


def judge(trial: Trial, names: tuple[str, ...] | None = None) -> tuple[dict[str, bool], Finding | None]:
    """Try the properties on a trial, in their order, until one is refuted.

    Returns {property: whether it was judged} and the finding.  `names` restricts the properties to some.
    """
    judged: dict[str, bool] = {}
    stage, number = trial.case.stage, trial.case.seed >> 3
    for entry in in_order():
        if names is not None and entry.name not in names:
            continue
        if stage not in entry.traits.get("stages", (stage,)):
            continue
        if not trial.thorough and number % entry.traits.get("every", 1):
            continue
        verdict = entry.function(trial)
        judged[entry.name] = verdict is not NOT_JUDGED
        if isinstance(verdict, Finding):
            return judged, verdict
    return judged, None
