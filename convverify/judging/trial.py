"""The trial: one case on which one kernel is tried.  It says what is to be called, and holds what was observed against what is right.

What several properties need is computed once.  Results are kept in NHWC order, whatever order the kernel under test has.
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from convverify.judging.findings import Finding, ReferenceFault
from convverify.judging.kernel import Kernel
from convverify.judging.observation import Observation, observe
from convverify.judging.script import Arena, Plan, dtype_of
from convverify.operands.case import Case
from convverify.operands.placing import Operand, random_bits
from convverify.operations.error_bounds import accumulated_bound, elementwise_bound, is_wider, ulp_of
from convverify.operations.forward import convolve
from convverify.operations.freivalds import suspects
from convverify.operations.special import SpecialMasks, special_expected, special_masks, wrong_infinities

__all__ = ["Accuracy", "Array", "Finding", "Floats", "Mask", "Times", "Trial", "read_record"]

Array: TypeAlias = npt.NDArray[Any]
Floats: TypeAlias = npt.NDArray[np.float64]
Mask: TypeAlias = npt.NDArray[np.bool_]
Seen: TypeAlias = dict[str, Observation]
Ask: TypeAlias = "Callable[[Trial, Callable[[Plan], None]], Seen]"
_IN_ORDER = (0, 1, 2, 3)
_LARGE = 1 << 20  # multiply-adds from which on Freivalds' check is made first
_SECRET = secrets.randbits(64)  # for its random vectors, which a kernel that knows the seed must not know


@dataclass
class Accuracy:
    """Worst error seen on the rounding stage: as a fraction of its bound, in ulp, and as a fraction of the bound of a sum in float32, where
    that is wider than the dtype (0 where it is not)."""

    fraction: float = 0.0
    ulp: float = 0.0
    wide: float = 0.0


@dataclass
class Times:
    """Seconds spent, by what they were spent on."""

    kernel: float = 0.0
    reference: float = 0.0
    exact: float = 0.0
    operands: float = 0.0


@dataclass
class Trial:
    """One kernel on one case.

    `plan` is what a host is asked to do, `observed` what it reported of each step, by the step's key; `threads` the observations of calls
    at once.  `ask` asks the host once more, where what was observed raises a question.
    """

    kernel: Kernel
    case: Case
    ask: Ask | None = None
    times: Times = field(default_factory=Times)
    thorough: bool = True
    observed: Seen = field(default_factory=dict)
    threads: dict[str, list[list[Observation]]] = field(default_factory=dict)
    mentions: list[str] = field(default_factory=list)
    reference_faults: list[ReferenceFault] = field(default_factory=list)
    theirs: dict[str, tuple[Floats, str]] = field(default_factory=dict)  # results (NHWC) of references that are right, their accuracy
    spoiled: str = ""  # an earlier case whose result was kept, and has changed
    others: dict[str, Any] = field(default_factory=dict)  # what properties keep of what they have laid out, by the step's key

    def __post_init__(self) -> None:
        self.problem = self.case.problem
        self.written: tuple[str, str, str] | None = None  # (operand, "inside", "outside" or "form", key of the step)
        self.x: Operand
        self.w: Operand
        self.plan: Plan

    # What is called, and what was seen.

    def lay_out(self, memory: Arena, values: tuple[Array, Array] | None = None) -> Plan:
        """Begin the script with the first call on this case, or on `values` (NHWC, HWIO) in place of its own, contiguous.

        Raises NoRoom where they do not fit.
        """
        start = time.perf_counter()
        self.plan = Plan(self.kernel, self.case, memory, values)
        self.x, self.w = self.plan.x, self.plan.w
        self.plan.call("first", before=self.case.calls - 1)
        self.times.operands += time.perf_counter() - start
        return self.plan

    def take(self, record: list[Any] | None) -> None:
        """Take in what a host has recorded; None for what makes no sense."""
        self.observed, self.threads = read_record(self.plan, record)
        self.times.kernel += sum(seen.seconds for seen in self.observed.values())
        if "values" in self.plan.steps and "values" in self.observed:
            for operand, number in ((self.x, 0), (self.w, 1)):
                _, at = self.plan.steps["values"][1][number]
                operand.becomes(self.plan.memory.read(at, operand.memory.size))
        self.written = self._written()

    def _written(self) -> tuple[str, str, str] | None:
        for letter, operand in (("x", self.x), ("w", self.w)):
            how = operand.written()  # the memory itself, whatever the host says of it
            for key, seen in self.observed.items():
                if said := dict(seen.written).get(letter):
                    return letter, "form" if said == "form" else how or "inside", key
            if how:
                return letter, how, "first"
        return None

    def forget(self) -> None:
        """Let go of what lies in shared memory, and of what only the host's report was held against."""
        self.ask = None
        for name in ("plan", "others", "threads"):
            vars(self).pop(name, None)
        for operand in (self.x, self.w):
            operand.forget()

    @property
    def bytes(self) -> int:
        """Bytes of the operands and the result together."""
        problem = self.problem
        elements = math.prod(problem.x_shape) + math.prod(problem.w_shape) + math.prod(problem.output_shape)
        return elements * dtype_of(problem.dtype).itemsize

    @property
    def size(self) -> int:
        """Bytes that a trial keeps which waits for a reference, roughly."""
        return 4 * (self.x.values.nbytes + self.w.values.nbytes) + (0 if self.first_values is None else 12 * self.first_values.nbytes)

    def nhwc(self, result: Array) -> Array:
        """Return a result of the kernel in NHWC order, where it has four axes."""
        return result.transpose(self.kernel.result_axes) if result.ndim == 4 else result

    @property
    def first(self) -> Observation:
        """The first call on this case, its operands in the case's layouts."""
        return self.observed.get("first", _NOTHING)

    @cached_property
    def first_values(self) -> Array | None:
        """The first result, NHWC."""
        return None if self.first.result is None else self.nhwc(self.first.result)

    # What is right.

    def logical(self, operand: Operand) -> Array:
        """Return an operand's values in NHWC or HWIO order."""
        axes = self.kernel.axes[0 if operand is self.x else 1]
        return operand.values if axes == _IN_ORDER else operand.values.transpose([axes.index(axis) for axis in _IN_ORDER])

    @cached_property
    def x64(self) -> Floats:
        return self.logical(self.x).astype(np.float64)

    @cached_property
    def w64(self) -> Floats:
        return self.logical(self.w).astype(np.float64)

    @cached_property
    def expected(self) -> Floats:
        """The sums of products in float64: exact on the exact stage; on the special stage, NaN wherever the result is not finite."""
        start = time.perf_counter()
        if self.case.stage == "special":
            y = special_expected(self.problem, self.x64, self.w64, self._special_masks)
        else:
            y = convolve(self.problem, self.x64, self.w64)
        self.times.exact += time.perf_counter() - start
        return y

    @cached_property
    def bound(self) -> Floats:
        """The error allowed to each element on the rounding stage."""
        if self.kernel.accuracy == "normwise":
            from convverify.operations.normwise import normwise_bound

            return np.broadcast_to(normwise_bound(self.problem, self.x64, self.w64), self.problem.output_shape)
        if self.is_held_to_its_accumulator:
            return self.accumulated_bound(self.kernel.accumulator)
        return self.elementwise_bound

    @property
    def is_held_to_its_accumulator(self) -> bool:
        """Whether the kernel says that it sums in a format that is wider than the case's."""
        accumulator = self.kernel.accumulator
        return bool(accumulator) and self.kernel.accuracy == "elementwise" and is_wider(accumulator, self.problem.dtype)

    def accumulated_bound(self, accumulator: str) -> Floats:
        """Return the error allowed to each element where sums are made in a wider format."""
        x, w = np.abs(self.x64), np.abs(self.w64)
        return self._exactly(accumulated_bound, self.problem, accumulator, self.expected, self._magnitude, x, w)

    @cached_property
    def elementwise_bound(self) -> Floats:
        """The error allowed to a direct summation."""
        return self._exactly(elementwise_bound, self.problem, self._magnitude, np.abs(self.x64), np.abs(self.w64))

    @cached_property
    def _magnitude(self) -> Floats:
        """|x| * |w|."""
        return self._exactly(convolve, self.problem, np.abs(self.x64), np.abs(self.w64))

    def _exactly(self, compute: Callable[..., Floats], *arguments: Any) -> Floats:
        """Compute something, on exact arithmetic's account."""
        start = time.perf_counter()
        result = compute(*arguments)
        self.times.exact += time.perf_counter() - start
        return result

    @cached_property
    def _special_masks(self) -> SpecialMasks:
        return special_masks(self.problem, self.x64, self.w64)

    # Judging values.

    def wrong_elements(self, result: Array) -> Mask:
        """Return which elements of a result (NHWC, of the right shape) no correct kernel could have computed."""
        wrong: Mask
        if self.case.stage == "exact" and self._is_right_by_freivalds(result):
            return np.zeros(self.problem.output_shape, bool)
        actual = result.astype(np.float64) if result.dtype != np.float64 else result
        with np.errstate(all="ignore"):
            if self.case.stage == "special":
                masks = self._special_masks
                finite_wrong = actual != self.expected
                if self.kernel.accuracy == "normwise":
                    finite_wrong = np.zeros_like(finite_wrong)  # such an algorithm spreads NaN
                    signs_wrong = finite_wrong
                else:
                    signs_wrong = wrong_infinities(self.problem, self.x64, self.w64, actual)
                wrong = np.where(masks.nonfinite, np.isfinite(actual) | signs_wrong, finite_wrong & ~masks.unjudged)
            elif self.case.stage == "exact" and self.kernel.accuracy == "elementwise":
                wrong = actual != self.expected
            else:
                bound = self.bound
                wrong = ~(np.abs(actual - self.expected) <= bound) & np.isfinite(bound)
        return wrong

    def _is_right_by_freivalds(self, result: Array) -> bool:
        """Return whether a result on integers is right, all of it, by a check that costs less than to compute what is right."""
        problem = self.problem
        if problem.macs < _LARGE or problem.is_empty or self.kernel.accuracy != "elementwise":
            return False
        start = time.perf_counter()
        bits = random_bits(self.case.seed ^ _SECRET, 2 * max(problem.batch, problem.out_channels))
        found = suspects(problem, self.logical(self.x), self.logical(self.w), result, bits)
        self.times.exact += time.perf_counter() - start
        return found is not None and not found.any()

    @cached_property
    def value_fault(self) -> Mask | None:
        """Which elements of the first result are wrong; None where all are right, or where shape or type forbid a comparison."""
        result = self.first_values
        if result is None or not self.answered:
            return None
        wrong = self.wrong_elements(result)
        return wrong if wrong.any() else None

    @cached_property
    def plain_is_right(self) -> bool:
        """Whether the kernel is right on the same values in ordinary contiguous arrays: then the layout is at fault."""
        if self.case.is_plain or self.ask is None:
            return False

        def plain(plan: Plan) -> None:
            plan.call("plain", plan.place(self.x.values), plan.place(self.w.values))

        result = self.ask(self, plain).get("plain", _NOTHING).result
        if result is None or self.nhwc(result).shape != self.problem.output_shape or result.dtype.kind not in "fV":
            return False
        return not self.wrong_elements(self.nhwc(result)).any()

    @property
    def answered(self) -> bool:
        """Whether the first call returned an array of the right shape and of a floating dtype."""
        result = self.first_values
        return result is not None and result.shape == self.problem.output_shape and self.first.is_float

    def accuracy(self) -> Accuracy:
        """Return the first result's worst error on the rounding stage, as a fraction of its bound and in units in the last place."""
        result = self.first_values
        if self.case.stage != "rounding" or result is None or not self.answered or not result.size:
            return Accuracy()
        with np.errstate(all="ignore"):
            error = np.abs(result.astype(np.float64) - self.expected)
            judged = np.isfinite(self.bound) & (self.bound > 0)
            fraction = float(np.max(np.where(judged, error / self.bound, 0.0)))
            ulp = np.where(judged, error / ulp_of(self.expected, self.problem.dtype), 0.0)
            wide = 0.0
            if is_wider(_WIDE, self.problem.dtype):
                bound = self.accumulated_bound(_WIDE)
                wide = float(np.nanmax(np.where(np.isfinite(bound), error / bound, 0.0), initial=0.0))
        return Accuracy(fraction, float(np.nanmax(ulp, initial=0.0)), wide)


_WIDE = "float32"  # in which sums of narrower numbers are made, as a rule
_NOTHING = Observation(nonsense="nothing was recorded of it")
_ENDS_EARLY = Observation(nonsense="its record ends before its script does")


def read_record(plan: Plan, record: list[Any] | None) -> tuple[Seen, dict[str, list[list[Observation]]]]:
    """Return the observations of a plan's steps that were carried out, by key, and those of calls at once.

    A script ends early behind an exception, or behind a call that wrote to its operands, and nowhere else.
    """
    observed: Seen = {}
    threads: dict[str, list[list[Observation]]] = {}
    if record is None:
        return {"first": Observation(nonsense="the record of a case is not one")}, threads
    for number, (key, (kind, said)) in enumerate(plan.steps.items()):
        if number == len(record):
            observed[key] = _ENDS_EARLY
            break
        part = record[number]
        if kind == "threads":
            series = part.get("threads") if isinstance(part, dict) else None
            if not isinstance(series, list) or [type(records) for records in series] != [list] * len(said["jobs"]):
                observed[key] = Observation(nonsense="the record of calls at once is not one")
                continue
            threads[key] = [
                [observe(one, call, plan.memory.read, dtype_of, plan.kernel.refuses) for one, call in zip(records, calls, strict=False)]
                for records, calls in zip(series, said["jobs"], strict=True)
            ]
            for seen, calls in zip(threads[key], said["jobs"], strict=True):
                if len(seen) < len(calls) and not (seen and seen[-1].error):
                    observed[key] = _ENDS_EARLY
                for one in seen:
                    if one.nonsense:
                        observed[key] = one
        elif kind == "put":
            observed[key] = Observation(type="put")
        else:
            seen_ = observed[key] = observe(part, said, plan.memory.read, dtype_of, plan.kernel.refuses)
            if (seen_.error and not said.get("may_fail")) or seen_.written:
                break
    return observed, threads
