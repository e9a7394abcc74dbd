"""Properties: named statements about a kernel that a case can refute.

A property is a judgement over what was observed: a function (trial) -> Finding | None | NOT_JUDGED that calls nothing, decorated with
`@properties.register(...)`; None means that it holds.  Its traits: `rank` orders the properties, the most telling first; `calls` is a
function (trial, plan) that adds to a case's script what the property wants called besides the first call; `every` n means that a campaign
does so on one case in n (calls are dear); `stages` names the stages of values that it is for.
"""

from __future__ import annotations

import functools
import math

from convverify.judging.findings import NOT_JUDGED, Finding, NotJudged, Verdict
from convverify.judging.script import Arena
from convverify.judging.trial import Trial
from convverify.registry import Entry, Registry

__all__ = ["NOT_JUDGED", "NotJudged", "Verdict", "in_order", "judge", "prepare", "properties"]

_LARGE = 1 << 26  # bytes of operands and result together
properties = Registry("property", __name__)


@functools.cache
def in_order() -> tuple[Entry, ...]:
    """Return the properties in the order in which they are judged."""
    return tuple(sorted(properties, key=lambda entry: entry.traits.get("rank", 100)))


def chosen(trial: Trial, names: tuple[str, ...] | None) -> list[Entry]:
    """Return the properties that are for a trial: for its stage, and where it is not thorough, for its turn; `names` and what its kernel
    leaves out restrict them."""
    turn = -1 if trial.thorough else (trial.case.seed >> 3) % _turns()
    return _chosen(trial.case.stage, names, trial.kernel.without, turn)


@functools.cache
def _turns() -> int:
    """Return the number of cases after which properties take turns again."""
    return math.lcm(*(entry.traits.get("every", 1) for entry in in_order()))


@functools.cache
def _chosen(stage: str, names: tuple[str, ...] | None, without: tuple[str, ...], turn: int) -> list[Entry]:
    return [
        entry
        for entry in in_order()
        if (names is None or entry.name in names)
        and entry.name not in without
        and stage in entry.traits.get("stages", (stage,))
        and (turn < 0 or not turn % entry.traits.get("every", 1))
    ]


def prepare(trial: Trial, memory: Arena, names: tuple[str, ...] | None = None) -> None:
    """Lay out a trial's operands, and write the script of what its properties want to be called; of a large problem, one call is enough.

    Raises NoRoom where that does not fit the memory.
    """
    plan = trial.lay_out(memory)
    if trial.bytes > _LARGE:
        return
    calling = [entry.traits for entry in chosen(trial, names) if "calls" in entry.traits]
    for traits in sorted(calling, key=lambda traits: traits.get("turn", 0)):
        traits["calls"](trial, plan)


def judge(trial: Trial, names: tuple[str, ...] | None = None) -> tuple[dict[str, bool], Finding | None]:
    """Judge what was observed by the properties, in their order, until one is refuted.

    Returns {property: whether it was judged} and the finding.  `names` restricts the properties to some.
    """
    judged: dict[str, bool] = {}
    for entry in chosen(trial, names):
        verdict = entry.function(trial)
        judged[entry.name] = verdict is not NOT_JUDGED
        if isinstance(verdict, Finding):
            return judged, verdict
    return judged, None
