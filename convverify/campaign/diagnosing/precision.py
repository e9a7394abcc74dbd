"""Is it computed in a lower precision than asked for?  Then sums differ with their order, and no single prediction equals them.

But every result is a number of the lower format, and errs by no more than a summation in that format may.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from convverify.campaign.diagnosing.evidence import Evidence
from convverify.operations.error_bounds import elementwise_bound
from convverify.operations.forward import convolve
from convverify.problems.dtypes import FORMATS, numpy_dtype

_LEAST = 2  # cases that have to lack digits


def lower_precision(evidence: Sequence[Evidence]) -> str:
    """Return the name of the most precise format, below the one asked for, that explains all failures of finite operands; "" for none."""
    finite = [item for item in evidence if item.case.stage != "special"]
    for name in sorted(FORMATS, key=lambda name: -FORMATS[name].precision):
        lacking = [_lacking_digits(item, name) for item in finite]
        if None not in lacking and sum(bool(some) for some in lacking) >= _LEAST:
            return name
    return ""


def _lacking_digits(item: Evidence, name: str) -> bool | None:
    """Return whether a result lacks digits that a lower format does not have; None where it is no result of that format.

    The operands, too, are rounded to it: each product errs by two roundings more.
    """
    problem = item.case.problem
    if FORMATS[name].precision >= FORMATS[problem.dtype].precision or item.actual.shape != item.expected.shape:
        return None
    x, w = np.abs(item.x), np.abs(item.w)
    with np.errstate(all="ignore"):
        bound = elementwise_bound(problem.with_(dtype=name), convolve(problem, x, w), x, w) * (1.0 + 2.0 / max(1, problem.terms))
        error = np.abs(item.actual - item.expected)
        rounded = item.actual.astype(numpy_dtype(name)).astype(np.float64)
    if not np.array_equal(item.actual, rounded, equal_nan=True) or (error > bound).any():
        return None
    return bool(((error > 0.0) & (item.actual != 0.0) & np.isfinite(bound)).any())  # an infinite bound says nothing
