"""Diagnosis: which known fault computes what the kernel has computed?

A hypothesis is a function (case, x, w) -> y | None in float64, NHWC: what a kernel with one known fault would return, or None where the
fault does not apply.  Decorate it with `@hypotheses.register("words for the report")`.  The mutants of the catalogue are tried as well.
"""

from __future__ import annotations

import operator
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from convverify.operands.case import Case
from convverify.operations.forward import convolve
from convverify.registry import Registry

Floats: TypeAlias = npt.NDArray[np.float64]
Hypothesis: TypeAlias = Callable[[Case, Floats, Floats], Floats | None]

_LEAST = 2  # telling cases that a hypothesis has to explain: one alone is often explained by several
hypotheses = Registry("hypothesis", __name__)

# Mutants whose fault shows in the values of a single call, and that do no harm to the process that calls them.
_SAFE_CLASSES = ("indexing", "padding", "strides", "tails", "groups", "fast_paths", "precision", "degenerate", "special_values", "layout")


def diagnose(failures: Iterable[tuple[Case, Floats]], *, seconds: float = 1.5, without: str = "") -> tuple[str, ...]:
    """Return sentences naming the known faults that explain the kernel's outputs; none where nothing fits.

    Parameters
    ----------
    failures : cases on which the kernel is wrong, each with the kernel's output (float64, NHWC)
    seconds : time to spend
    without : name of a mutant that is not to be tried (to test the diagnosis on that mutant)
    """
    deadline = time.monotonic() + seconds
    evidence, telling = [], []
    for case, actual in failures:
        x, w = (array.astype(np.float64) for array in _seen_by_kernel(case))
        evidence.append((case, x, w, actual))
        telling.append(_is_telling(actual, convolve(case.problem, x, w)))
    if not evidence:
        return ()
    scores: list[tuple[int, int, str]] = []
    for rank, (words, hypothesis) in enumerate(_candidates(without)):
        if time.monotonic() > deadline:
            break
        matched = [_matches(hypothesis, *item) for item in evidence]
        if sum(map(operator.and_, matched, telling)) >= _LEAST:
            scores.append((-sum(matched), rank, words))
    scores.sort()
    if not scores or -scores[0][0] * 10 < len(evidence) * 6:
        return ()
    best = scores[0][0]
    return tuple(f"matches: {words} on {-matched} of {len(evidence)} failing cases" for matched, _, words in scores[:2] if matched == best)


def _is_telling(actual: Floats, expected: Floats) -> bool:
    """Return whether a wrong result says how it came about: one that is zero, or not finite, all over could come from anything."""
    if actual.shape != expected.shape:
        return True
    with np.errstate(all="ignore"):
        wrong = ~((actual == expected) | (np.isnan(actual) & np.isnan(expected)))
    substantial = np.isfinite(actual) & (actual != 0)
    return bool((wrong & substantial).any() or (~wrong & substantial).any())


def _seen_by_kernel(case: Case) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """The values that the operands hold once they are placed: a broadcast layout repeats some."""
    axes = (0, 1, 2, 3)
    x, w = case.operands((axes, axes))
    return x.values, w.values


def _candidates(without: str) -> Iterator[tuple[str, Hypothesis]]:
    for entry in hypotheses:
        yield entry.name, entry.function
    from convverify.mutants import mutants

    for entry in mutants:
        if entry.name != without and entry.traits.get("fault_class") in _SAFE_CLASSES:
            yield f"{entry.summary.rstrip('.')} (mutant {entry.name})", _as_hypothesis(entry.function)


def _as_hypothesis(mutant: Callable[..., Any]) -> Hypothesis:
    from convverify.judging.kernel import make_kernel

    kernel = make_kernel(mutant)

    def hypothesis(case: Case, x: Floats, w: Floats) -> Floats | None:
        if not kernel.explores(case.problem):
            return None
        placed = case.operands(kernel.axes)
        result = kernel(placed[0].array, placed[1].array, case.problem)
        return np.asarray(result).astype(np.float64)

    return hypothesis


def _matches(hypothesis: Hypothesis, case: Case, x: Floats, w: Floats, actual: Floats) -> bool:
    try:
        with np.errstate(all="ignore"):
            predicted = hypothesis(case, x, w)
    except Exception:
        return False
    if predicted is None or predicted.shape != actual.shape:
        return False
    return bool(np.array_equal(predicted, actual, equal_nan=True))
