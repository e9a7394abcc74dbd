"""Hypotheses: functions (case, x, w) -> y | None that return what a kernel with one known fault would, or None where it would be right.

x, w and y are float64, NHWC and HWIO.  Most are changes of a scene, registered by `change_of`; two of these that are `common`
are tried one after the other as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from convverify.campaign.diagnosing.scene import Change, Floats, Scene, scene_of
from convverify.operands.case import Case
from convverify.registry import Registry

Hypothesis: TypeAlias = Callable[[Case, Floats, Floats], Floats | None]

hypotheses = Registry("hypothesis", "convverify.campaign.diagnosing")


def change_of(words: str, change: Change, *, common: bool = False) -> None:
    """Register the hypothesis that a kernel computes a changed scene; `words` name the fault in the report."""
    hypotheses.register(words, change=change, common=common)(by_change(change))


def both_shapes(words: str, change: Change, *, common: bool = False) -> None:
    """Register a change of the geometry twice: with the output that then fits, and with as many outputs as were asked for.

    In the second the kernel has counted its outputs rightly; it takes whatever lies there, and zeros beyond.
    """
    change_of(words, change, common=common)

    def right_shape(scene: Scene) -> Scene | None:
        changed = change(scene)
        if changed is None:
            return None
        rows, columns = (
            after.with_(outputs=before.outputs) for after, before in ((changed.rows, scene.rows), (changed.columns, scene.columns))
        )
        return changed.with_axes(rows, columns)

    change_of(f"{words}, output of the right shape", right_shape)


def by_change(change: Change) -> Hypothesis:
    """Return the hypothesis that a scene is changed in this way."""

    def hypothesis(case: Case, x: Floats, w: Floats) -> Floats | None:
        changed = change(scene_of(case, x, w))
        return None if changed is None else changed.result()

    return hypothesis
