"""Who stands alone: the kernel, the reference, or what we ourselves take for right?

No one party is trusted with the verdict.  The exact result is computed twice (`forward`, `forward_by_scattering`), by code that shares no
geometry; on any one case a kernel, a reference and these two speak, and those that disagree with all others are named, in data.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

from convverify.operations.forward_by_scattering import ExactSums

Floats = npt.NDArray[np.float64]


class Voice(Enum):
    """Who says what the result is.  The oracle has two voices: it gathers, and it scatters."""

    KERNEL = "kernel"
    REFERENCE = "reference"
    GATHERING = "gathering"
    SCATTERING = "scattering"


ORACLE = frozenset({Voice.GATHERING, Voice.SCATTERING})


@dataclass(frozen=True)
class Doubt:
    """What several results on one case say about each other.

    `agreed` are those that say the same and are more than others do, at least two; none where no such majority is.
    `alone` are the others, where there is a majority: those that agree with no other.
    """

    agreed: frozenset[Voice]
    alone: frozenset[Voice]

    @property
    def is_settled(self) -> bool:
        """Whether some agree: else nothing is known about anybody."""
        return bool(self.agreed)

    @property
    def oracle_is_alone(self) -> bool:
        """Whether what we take for right, or one of its two definitions, is what the others contradict."""
        return bool(self.alone & ORACLE)


def who_stands_alone(
    kernel: Floats | None,
    reference: Floats | None,
    gathered: Floats,
    scattered: ExactSums | None,
    *,
    bound: Floats | float = 0.0,
    kernel_bound: Floats | float | None = None,
) -> Doubt:
    """Return who agrees with whom on one case with finite operands.

    Parameters
    ----------
    kernel, reference : their results in float64, NHWC; None where there is none (it refused, died, was not asked)
    gathered : the result of `forward.convolve`
    scattered : that of `forward_by_scattering.scatter`; None where it was not affordable
    bound : what a correct direct sum may err by, a number or an array of the output's shape: 0 on integers whose sums are exact, else
        the elementwise bound; where it is infinite nothing is compared
    kernel_bound : the same for the kernel, where its own is another (normwise)

    Notes
    -----
    The two definitions of the oracle come from one house, hence they count as one voice where they agree: kernel and reference, if
    they say the same, outvote them.  Where they do not agree, the one that kernel or reference support stands.  Agreement with
    the oracle comes before agreement with each other: two results that err a little may lie closer to each other than to what is right.
    """
    of_kernel = bound if kernel_bound is None else kernel_bound
    bounds = {Voice.KERNEL: of_kernel, Voice.REFERENCE: bound}
    witnesses = {voice: y for voice, y in ((Voice.KERNEL, kernel), (Voice.REFERENCE, reference)) if y is not None}
    forms: dict[Voice, Floats | ExactSums] = {Voice.GATHERING: gathered}
    if scattered is not None:
        forms[Voice.SCATTERING] = scattered
    camps = [
        frozenset({form, *(voice for voice, y in witnesses.items() if _agree(y, right, bounds[voice]))}) for form, right in forms.items()
    ]
    unsupported = frozenset(witnesses).difference(*camps)
    if scattered is not None and _agree(gathered, scattered, bound):
        camps = [ORACLE | camps[-1]]
    if len(unsupported) == 2 and _agree(witnesses[Voice.KERNEL], witnesses[Voice.REFERENCE], np.add(of_kernel, bound)):
        camps = [unsupported]
    return _majority(camps, heard=frozenset(witnesses) | frozenset(forms))


def _majority(camps: Iterable[frozenset[Voice]], heard: frozenset[Voice]) -> Doubt:
    """Return the one largest camp of two or more against all the others."""
    largest, *others = sorted(camps, key=len, reverse=True)
    if len(largest) < 2 or (others and len(others[0]) == len(largest)):
        return Doubt(frozenset(), frozenset())
    return Doubt(largest, heard - largest)


def _agree(y: Floats, other: Floats | ExactSums, bound: Floats | float) -> bool:
    """Return whether all elements of two results are as close as the bound allows; equal NaN and Inf are close."""
    if y.shape != other.shape:
        return False
    if np.ndim(bound) and np.shape(bound) != y.shape:  # both have a shape that the bound's maker holds for wrong
        bound = float(np.max(bound, initial=0.0))
    if isinstance(other, ExactSums):
        close = other.distances(y) <= bound
    else:
        with np.errstate(all="ignore"):
            close = (y == other) | (np.isnan(y) & np.isnan(other)) | (np.abs(y - other) <= bound)
    return bool(np.all(close | np.isinf(bound)))
