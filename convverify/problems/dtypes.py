"""The four floating-point formats that are verified, and the constants of each that the bounds are made of."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class FloatFormat:
    """A binary floating-point format.

    `precision` counts the significand's bits, the implicit one included (IEEE 754-2019, table 3.5; bfloat16: 8).
    """

    name: str
    precision: int
    min_exponent: int
    max_exponent: int

    @property
    def unit_roundoff(self) -> float:
        """u = 2**-p: the largest relative error of one rounding to nearest."""
        return 2.0**-self.precision

    @property
    def smallest_normal(self) -> float:
        """The smallest positive number that is not subnormal."""
        return 2.0**self.min_exponent

    @property
    def largest(self) -> float:
        """The largest finite number."""
        return (2.0 - 2.0 ** (1 - self.precision)) * 2.0**self.max_exponent

    @property
    def exact_integers(self) -> int:
        """2**p: every integer of at most this magnitude is represented."""
        return 1 << self.precision


FORMATS = {
    "float16": FloatFormat("float16", 11, -14, 15),
    "bfloat16": FloatFormat("bfloat16", 8, -126, 127),
    "float32": FloatFormat("float32", 24, -126, 127),
    "float64": FloatFormat("float64", 53, -1022, 1023),
}
DEFAULT_DTYPES = ("float32", "float64")


@functools.cache
def numpy_dtype(name: str) -> np.dtype[Any]:
    """Return the NumPy dtype called `name`; bfloat16 comes from ml_dtypes."""
    if name == "bfloat16":
        import ml_dtypes

        dtype: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
        return dtype
    return np.dtype(name)


def format_of(dtype: np.dtype[Any]) -> FloatFormat:
    """Return the format of an array's dtype; ValueError for one that is not verified."""
    try:
        return FORMATS[dtype.name]
    except KeyError:
        raise ValueError(f"dtype {dtype.name!r} is not verified; allowed: {', '.join(FORMATS)}") from None
