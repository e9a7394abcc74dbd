"""Evidence: what a kernel returned on a case, and whether a candidate says the same."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from convverify.campaign.diagnosing.candidates import Candidate
from convverify.campaign.diagnosing.scene import NHWC_HWIO, AxesOfBoth, Change, Floats, Scene, scene_of
from convverify.operands.case import Case
from convverify.operations.error_bounds import elementwise_bound
from convverify.operations.forward import convolve
from convverify.problems.dtypes import numpy_dtype


@dataclass(frozen=True, eq=False)
class Evidence:
    """One case: its operands as the kernel saw them, what it returned, and what is right; all in float64, NHWC and HWIO."""

    case: Case
    x: Floats
    w: Floats
    actual: Floats
    expected: Floats
    axes: AxesOfBoth = NHWC_HWIO
    _changed: dict[Change, Scene | None] = field(default_factory=dict)

    @property
    def is_telling(self) -> bool:
        """Whether the result says how it came about: one that is zero, or not finite, all over could come from anything."""
        if self.actual.shape != self.expected.shape:
            return True
        with np.errstate(all="ignore"):
            wrong = ~((self.actual == self.expected) | (np.isnan(self.actual) & np.isnan(self.expected)))
        substantial = np.isfinite(self.actual) & (self.actual != 0)
        return bool((wrong & substantial).any() or (~wrong & substantial).any())

    def predicted(self, candidate: Candidate) -> Floats | None:
        """Return what a candidate says of this case; None where it has nothing to say."""
        return self._ask(candidate, shape=None)

    def shows(self, candidate: Candidate) -> bool:
        """Return whether a candidate explains this result."""
        predicted = self._ask(candidate, self.actual.shape)
        return predicted is not None and same(predicted, self.actual, self.case.problem.dtype, self.slack)

    def shows_shape(self, candidate: Candidate) -> bool:
        """Return whether a candidate, which consists of changes, explains the shape of this result."""
        try:
            with np.errstate(all="ignore"):
                scene = self._after(candidate.changes) or self.scene
        except Exception:  # as below
            return False
        return scene.shape == self.actual.shape

    def _ask(self, candidate: Candidate, shape: tuple[int, ...] | None) -> Floats | None:
        """Return what a candidate says, unless it is of another shape than the one that is asked for."""
        try:
            with np.errstate(all="ignore"):
                if not candidate.changes:
                    return candidate.hypothesis(self.case, self.x, self.w)
                scene = self._after(candidate.changes)
                if scene is None or (shape is not None and not scene.then and scene.shape != shape):
                    return None
                return scene.result()
        except Exception:  # a mutant raises on some problems, as kernels do
            return None

    def _after(self, changes: tuple[Change, ...]) -> Scene | None:
        """Return the scene after all changes; None where there is nothing to change."""
        first, *others = changes
        if first not in self._changed:  # many pairs begin with it
            self._changed[first] = first(self.scene)
        scene = self._changed[first]
        for change in others:
            scene = change(scene or self.scene) or scene
        return scene

    @cached_property
    def slack(self) -> Floats | None:
        """The error allowed to each element if sums are not exact for any implementation; None if they are."""
        if self.case.stage != "rounding" or self.actual.shape != self.expected.shape:
            return None
        x, w = np.abs(self.x), np.abs(self.w)
        return elementwise_bound(self.case.problem, convolve(self.case.problem, x, w), x, w)

    @cached_property
    def scene(self) -> Scene:
        """The convolution as it should be."""
        return scene_of(self.case, self.x, self.w, self.axes)


def evidence_of(case: Case, actual: Floats, axes: AxesOfBoth = NHWC_HWIO) -> Evidence:
    """Return the evidence of one case, for a kernel that takes operands in this order of axes.

    A broadcast layout repeats some values, hence operands are placed first.
    """
    x, w = (
        operand.values.transpose(np.argsort(order)).astype(np.float64) for operand, order in zip(case.operands(axes), axes, strict=True)
    )
    return Evidence(case, x, w, actual, convolve(case.problem, x, w), axes)


def same(predicted: Floats, actual: Floats, dtype: str, slack: Floats | None = None) -> bool:
    """Return whether two results are equal, the prediction rounded to the dtype, and up to `slack`; NaN and Inf count as the same."""
    if predicted.shape != actual.shape:
        return False
    equal = predicted == actual
    if equal.all():
        return True
    with np.errstate(all="ignore"):
        equal |= ~(np.isfinite(predicted) | np.isfinite(actual))
        if slack is not None:
            equal |= np.abs(predicted - actual) <= slack
        if dtype != "float64":
            equal |= predicted.astype(numpy_dtype(dtype)).astype(np.float64) == actual
    return bool(equal.all())
