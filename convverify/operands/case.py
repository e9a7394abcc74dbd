"""The case: a problem and its operands, in one line of text that replays it on any machine.

>>> case = Case.parse("x=1x1x3x1 w=1x2x1x1 values=integers layouts=reversed_axes,contiguous seed=7")
>>> case.problem.output_shape
(1, 1, 2, 1)
>>> Case.parse(str(case)) == case
True
"""

from __future__ import annotations

import functools
import math
import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from convverify.operands.fills import styles
from convverify.operands.layouts import PLAIN, SHARING, layouts, mixed
from convverify.operands.placing import Memory, Operand, place, values_of
from convverify.problems.dtypes import FORMATS, numpy_dtype
from convverify.problems.problem import Problem, split_tokens
from convverify.problems.reading import parse_whole

Array = npt.NDArray[Any]
Elements = tuple[tuple[tuple[int, ...], float], ...]
_ELEMENT = re.compile(r"([xw])\[([0-9]{1,15}(?:,[0-9]{1,15})*)\]")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|[+-]?(nan|inf(inity)?)", re.IGNORECASE)
_MASK = (1 << 64) - 1


@dataclass(frozen=True)
class Case:
    """One problem with one pair of operands.

    `style` names the values, `layouts` the memory layouts of x and of w, `seed` decides everything else.  A case that has been
    minimised has style "given": its nonzero elements are listed in `x_elements` and `w_elements`, as (index, value).
    `calls` says at which call of the kernel the case is judged: 1 for a kernel that has not been called before.
    """

    problem: Problem
    style: str = "integers"
    layouts: tuple[str, str] = (PLAIN, PLAIN)
    seed: int = 0
    x_elements: Elements = ()
    w_elements: Elements = ()
    calls: int = 1

    @functools.cached_property
    def stage(self) -> str:
        """ "exact", "rounding" or "special": how the values are judged."""
        if self.style == "given":
            return _stage_of_given(self)
        traits = styles[self.style].traits
        stage: str = traits["stage"]
        if stage == "exact" and set(SHARING) & set(self.layouts):
            # What repeats values repeats those that stand alone among zeros, too.
            is_sparse = traits.get("sparse") or self.problem.terms > FORMATS[self.problem.dtype].exact_integers
            return "rounding" if is_sparse else stage
        return stage

    @property
    def is_plain(self) -> bool:
        """Whether both operands are ordinary contiguous arrays."""
        return self.layouts == (PLAIN, PLAIN)

    def values(self) -> tuple[Array, Array]:
        """Return x and w as C-contiguous arrays, NHWC and HWIO, before any layout is applied."""
        if self.style != "given":
            return values_of(self.problem, self.style, self.seed)
        dtype = numpy_dtype(self.problem.dtype)
        arrays = np.zeros(self.problem.x_shape, dtype), np.zeros(self.problem.w_shape, dtype)
        for array, elements in zip(arrays, (self.x_elements, self.w_elements), strict=True):
            for index, value in elements:
                array[index] = value
        return arrays

    def operands(self, axes: tuple[tuple[int, ...], tuple[int, ...]], memory: Memory | None = None) -> tuple[Operand, Operand]:
        """Return x and w placed in memory (new, by default), their axes permuted to the order that the kernel takes."""
        x, w = self.values()
        return (
            place(x.transpose(axes[0]), self.layouts[0], mixed(2 * self.seed), memory),
            place(w.transpose(axes[1]), self.layouts[1], mixed(2 * self.seed + 1), memory),
        )

    def with_(self, **changes: Any) -> Case:
        """Return a copy with some fields changed."""
        return replace(self, **changes)

    def __str__(self) -> str:
        return self._line

    @functools.cached_property
    def _line(self) -> str:
        parts = [str(self.problem), f"values={self.style}"]
        if not self.is_plain:
            parts.append(f"layouts={','.join(self.layouts)}")
        if self.style != "given" or not self.is_plain:
            parts.append(f"seed={self.seed}")
        for name, elements in (("x", self.x_elements), ("w", self.w_elements)):
            parts += [f"{name}[{','.join(map(str, index))}]={_number(value)}" for index, value in elements]
        if self.calls != 1:
            parts.append(f"calls={self.calls}")
        return " ".join(parts)

    @classmethod
    def parse(cls, line: str) -> Case:
        """Return the case that `line` describes, as `str` prints it; a problem alone gets integers, contiguous, seed 0.

        Raises ValueError with one sentence that names the key at fault.
        """
        if "=" not in line:
            return cls(Problem.parse(line))
        tokens = split_tokens(line)
        elements: dict[str, list[tuple[tuple[int, ...], float]]] = {"x": [], "w": []}
        for key in [key for key in tokens if "[" in key]:
            match = _ELEMENT.fullmatch(key)
            if not match:
                raise ValueError(f"key {key!r} is not an element such as x[0,1,2,0]")
            elements[match[1]].append((tuple(int(part) for part in match[2].split(",")), _parse_number(key, tokens.pop(key))))
        style = tokens.pop("values", "given" if any(elements.values()) else "integers")
        if style != "given" and style not in styles:
            raise ValueError(f"values must be one of {', '.join(styles.names())} or given, not {style!r}")
        if style != "given" and any(elements.values()):
            raise ValueError(f"elements such as x[0,0,0,0]=1 go with values=given, not with values={style}")
        names = tuple(tokens.pop("layouts", f"{PLAIN},{PLAIN}").split(","))
        if len(names) != 2 or any(name not in layouts for name in names):
            raise ValueError(f"layouts must be two of {', '.join(layouts.names())}, joined by a comma, not {','.join(names)!r}")
        seed, calls = _count("seed", tokens.pop("seed", "0")), _count("calls", tokens.pop("calls", "1"))
        if not 1 <= calls <= 100_000:
            raise ValueError(f"calls must be from 1 to 100000, not {calls}")
        problem = Problem.from_tokens(tokens)
        for name, shape in (("x", problem.x_shape), ("w", problem.w_shape)):
            for index, value in elements[name]:
                if len(index) != 4 or any(not 0 <= i < extent for i, extent in zip(index, shape, strict=True)):
                    raise ValueError(f"{name}[{','.join(map(str, index))}] lies outside {name}, whose shape is {shape}")
                if math.isfinite(value) and abs(value) > FORMATS[problem.dtype].largest:
                    raise ValueError(f"{name}[{','.join(map(str, index))}] must be a number of {problem.dtype}, not {value!r}")
        return cls(problem, style, (names[0], names[1]), seed, tuple(elements["x"]), tuple(elements["w"]), calls)


def _stage_of_given(case: Case) -> str:
    values = [value for elements in (case.x_elements, case.w_elements) for _, value in elements]
    if not all(math.isfinite(value) for value in values):
        return "special"
    largest = [max((abs(value) for _, value in elements), default=0.0) for elements in (case.x_elements, case.w_elements)]
    integral = all(value == int(value) for value in values)
    nonzero = min(case.problem.terms, len(case.x_elements), len(case.w_elements))
    exact = integral and nonzero * largest[0] * largest[1] <= FORMATS[case.problem.dtype].exact_integers
    return "exact" if exact else "rounding"


def _number(value: float) -> str:
    return str(int(value)) if math.isfinite(value) and value == int(value) and abs(value) < 1e15 else repr(value)


def _parse_number(key: str, text: str) -> float:
    value = float(text) if _NUMBER.fullmatch(text) else None
    if value is None or (math.isinf(value) and "inf" not in text.lower()):
        raise ValueError(f"{key} must be a number, not {text!r}")
    return value


def _count(key: str, text: str) -> int:
    number = parse_whole(text)
    if number is None or not 0 <= number <= _MASK:
        raise ValueError(f"{key} must be an integer from 0 to 2**64 - 1, not {text!r}")
    return number
