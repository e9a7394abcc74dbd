"""Findings: what a property says of a case."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from convverify.judging.observation import Frame

Array: TypeAlias = npt.NDArray[Any]
Floats: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Finding:
    """A property refuted: in one sentence, with expected and actual where arrays differ (NHWC).

    `wrong` marks the elements at fault; `bound` is the allowed error of each, 0 on the exact stage; `frames` is where an exception was
    raised, `hint` what to do where this was meant.
    """

    property: str
    sentence: str
    expected: Array | None = None
    actual: Array | None = None
    wrong: npt.NDArray[np.bool_] | None = None
    bound: Floats | None = None
    frames: tuple[Frame, ...] = ()
    hint: str = ""


class NotJudged:
    """The type of NOT_JUDGED: the property says nothing about this case."""


NOT_JUDGED: Final = NotJudged()

Verdict: TypeAlias = Finding | NotJudged | None


@dataclass(frozen=True)
class ReferenceFault:
    """A case on which a reference, not the kernel, departs from exact arithmetic."""

    reference: str
    case: str
    sentence: str
