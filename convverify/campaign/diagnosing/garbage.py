"""Garbage: results that no operands explain.  The memory around operands holds NaN; uninitialised memory holds anything."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from convverify.campaign.diagnosing.evidence import Evidence
from convverify.problems.dtypes import FORMATS


def with_garbage(evidence: Sequence[Evidence]) -> list[Evidence]:
    """Return the cases of small integers on which some result is not finite, or exceeds even the square of what is exact."""
    return [item for item in evidence if item.case.stage == "exact" and _holds_garbage(item)]


def _holds_garbage(item: Evidence) -> bool:
    limit = 2.0 ** (2 * FORMATS[item.case.problem.dtype].precision)
    return bool((~(np.abs(item.actual) <= limit)).any())
