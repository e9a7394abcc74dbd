"""Scaling by powers of two: exact, and it keeps the sums of fast algorithms, which are larger than their results, from overflowing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

_COMFORTABLE = 16  # magnitudes up to 2**16 and down to 2**-16 need no scaling in any precision that is computed in


def unit_exponent(array: npt.NDArray[Any]) -> int:
    """Return the exponent e for which the largest magnitude is about 2**e; 0 where it is comfortable, or not finite."""
    low, high = float(np.min(array, initial=0.0)), float(np.max(array, initial=0.0))
    largest = max(-low, high)
    if not math.isfinite(largest) or not largest:
        return 0
    exponent = math.frexp(largest)[1]
    return exponent if abs(exponent) > _COMFORTABLE else 0


def scaled(array: npt.NDArray[Any], exponent: int) -> npt.NDArray[Any]:
    """Return array * 2**exponent, of the same dtype; the array itself where the exponent is 0."""
    return np.ldexp(array, np.int32(exponent)) if exponent else array
