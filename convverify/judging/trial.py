"""The trial: one kernel on one case, with all that the properties look at.  What several properties need is computed once.

Results are kept in NHWC order, whatever order the kernel under test has.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from convverify.judging.kernel import Kernel
from convverify.operands.case import Case
from convverify.operands.placing import Operand
from convverify.operations.error_bounds import elementwise_bound
from convverify.references.exact import convolve, gather_windows

Array: TypeAlias = npt.NDArray[Any]
Floats: TypeAlias = npt.NDArray[np.float64]
_IN_ORDER = (0, 1, 2, 3)
Watch: TypeAlias = Callable[[str], AbstractContextManager[None]]


@dataclass(frozen=True)
class Call:
    """What one call of the kernel came to: a result, an error, or a refusal (NotImplementedError).

    `result` is the array in NHWC order where it is an array of four axes, `raw` what the kernel returned.
    """

    raw: Any = None
    result: Array | None = None
    error: BaseException | None = None
    unsupported: bool = False


@dataclass(frozen=True)
class Finding:
    """A property refuted: in one sentence, with expected and actual where arrays differ.

    `wrong` marks the elements at fault; `bound` is the allowed error of each, 0 on the exact stage.
    """

    property: str
    sentence: str
    expected: Array | None = None
    actual: Array | None = None
    wrong: npt.NDArray[np.bool_] | None = None
    bound: Floats | None = None


@dataclass(frozen=True)
class ReferenceFault:
    """A case on which a reference, not the kernel, departs from exact arithmetic."""

    reference: str
    case: str
    sentence: str


@dataclass
class Accuracy:
    """Worst error seen on the rounding stage."""

    fraction: float = 0.0
    ulp: float = 0.0


@dataclass
class Times:
    """Seconds spent, by what they were spent on."""

    kernel: float = 0.0
    reference: float = 0.0
    exact: float = 0.0
    operands: float = 0.0


def unwatched(activity: str) -> AbstractContextManager[None]:
    """Watch nothing: for trials outside a worker."""
    return nullcontext()


@dataclass
class Trial:
    """One kernel on one case.  `watch` is told before and after each call, so that a crash or hang has a name."""

    kernel: Kernel
    case: Case
    watch: Watch = unwatched
    times: Times = field(default_factory=Times)
    references: tuple[Kernel, ...] = ()
    thorough: bool = True
    mentions: list[str] = field(default_factory=list)
    reference_faults: list[ReferenceFault] = field(default_factory=list)

    def __post_init__(self) -> None:
        start = time.perf_counter()
        self.problem = self.case.problem
        self.x, self.w = self.case.operands(self.kernel.axes)
        self.times.operands += time.perf_counter() - start

    # Calls.

    def call(self, x: Any, w: Any, case: Case | None = None) -> Call:
        """Call the kernel, on arrays in its own axis order, and catch whatever it raises."""
        problem = (case or self.case).problem
        start = time.perf_counter()
        try:
            with self.watch("kernel"), np.errstate(all="ignore"):
                raw = self.kernel(x, w, problem)
        except NotImplementedError as error:
            return Call(error=error, unsupported=True)
        except BaseException as error:
            return Call(error=error)
        finally:
            self.times.kernel += time.perf_counter() - start
        return Call(raw, self._as_result(raw))

    def _as_result(self, raw: Any) -> Array | None:
        if isinstance(raw, (list, tuple, dict, str, bytes, int, float, complex, type(None))):
            return None
        try:
            result = np.asarray(raw)
        except BaseException:
            return None
        return result.transpose(self.kernel.result_axes) if result.ndim == 4 else result

    @cached_property
    def first(self) -> Call:
        """The first call on this case, its operands in the case's layouts."""
        for _ in range(self.case.calls - 1):
            self.call(self.x.array, self.w.array)
        return self.call(self.x.array, self.w.array)

    @cached_property
    def second(self) -> Call:
        """The same call again, on the same arrays."""
        return self.call(self.x.array, self.w.array)

    @cached_property
    def first_values(self) -> Array | None:
        """A copy of the first result, taken at once: a kernel that reuses its buffer cannot change it later."""
        return None if self.first.result is None else self.first.result.copy()

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
        y = convolve(self.problem, self.x64, self.w64) if self.case.stage != "special" else self._special_expected
        self.times.exact += time.perf_counter() - start
        return y

    @cached_property
    def bound(self) -> Floats:
        """The error allowed to each element on the rounding stage."""
        if self.kernel.accuracy == "normwise":
            from convverify.operations.normwise import normwise_bound

            return np.broadcast_to(normwise_bound(self.problem, self.x64, self.w64), self.problem.output_shape)
        return self.elementwise_bound

    @cached_property
    def elementwise_bound(self) -> Floats:
        """The error allowed to a direct summation."""
        start = time.perf_counter()
        x, w = np.abs(self.x64), np.abs(self.w64)
        bound = elementwise_bound(self.problem, convolve(self.problem, x, w), x, w)
        self.times.exact += time.perf_counter() - start
        return bound

    @cached_property
    def _special_masks(self) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """(must be non-finite, must not be judged), for each output element.

        Not judged: a non-finite weight that meets a pad, and a NaN or Inf that meets a zero.
        """
        problem = self.problem
        x_bad, w_bad = ~np.isfinite(self.x64), ~np.isfinite(self.w64)
        as_float = np.float64
        touched = convolve(problem, x_bad.astype(as_float), (self.w64 != 0).astype(as_float)) > 0
        touched |= convolve(problem, (self.x64 != 0).astype(as_float), w_bad.astype(as_float)) > 0
        zeros = convolve(problem, x_bad.astype(as_float), (self.w64 == 0).astype(as_float)) > 0
        zeros |= convolve(problem, (self.x64 == 0).astype(as_float), w_bad.astype(as_float)) > 0
        pads = np.zeros(problem.output_shape, bool)
        if w_bad.any() and not problem.is_empty and problem.terms:
            outside = gather_windows(problem, np.zeros(problem.x_shape), outside=1.0)
            weights = w_bad.astype(as_float).reshape(problem.terms, problem.groups, -1).transpose(1, 0, 2)
            met = (outside @ weights[:, None]).transpose(1, 2, 0, 3)
            pads = met.reshape(problem.output_shape) > 0
        return touched, (zeros | pads) & ~touched

    @cached_property
    def _infinities(self) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """(some product is +Inf, some product is -Inf), for each output element."""
        x, w = self.x64, self.w64
        up, down = (x > 0, x < 0), (w > 0, w < 0)  # signs of x, and of w

        def met(pairs: tuple[tuple[Any, Any], ...]) -> npt.NDArray[np.bool_]:
            counts = [convolve(self.problem, a.astype(np.float64), b.astype(np.float64)) for a, b in pairs]
            found: npt.NDArray[np.bool_] = np.sum(counts, axis=0) > 0
            return found

        plus = met(((x == np.inf, down[0]), (x == -np.inf, down[1]), (up[0], w == np.inf), (up[1], w == -np.inf)))
        minus = met(((x == np.inf, down[1]), (x == -np.inf, down[0]), (up[0], w == -np.inf), (up[1], w == np.inf)))
        return plus, minus

    def _wrong_infinities(self, actual: Floats) -> npt.NDArray[np.bool_]:
        """Return where a result is infinite with a sign that no product has."""
        infinite = np.isinf(actual)
        if not infinite.any():
            return infinite
        plus, minus = self._infinities
        wrong: npt.NDArray[np.bool_] = infinite & np.where(actual > 0, minus & ~plus, plus & ~minus)
        return wrong

    @cached_property
    def _special_expected(self) -> Floats:
        touched, unjudged = self._special_masks
        finite = convolve(
            self.problem, np.nan_to_num(self.x64, nan=0, posinf=0, neginf=0), np.nan_to_num(self.w64, nan=0, posinf=0, neginf=0)
        )
        return np.where(touched | unjudged, np.nan, finite)

    # Judging values.

    def wrong_elements(self, result: Array) -> npt.NDArray[np.bool_]:
        """Return which elements of a result (NHWC, of the right shape) no correct kernel could have computed."""
        actual = result.astype(np.float64) if result.dtype != np.float64 else result
        wrong: npt.NDArray[np.bool_]
        with np.errstate(all="ignore"):
            if self.case.stage == "special":
                touched, unjudged = self._special_masks
                finite_wrong = actual != self.expected
                if self.kernel.accuracy == "normwise":
                    finite_wrong = np.zeros_like(finite_wrong)  # such an algorithm spreads NaN
                    signs_wrong = finite_wrong
                else:
                    signs_wrong = self._wrong_infinities(actual)
                wrong = np.where(touched, np.isfinite(actual) | signs_wrong, finite_wrong & ~unjudged)
            elif self.case.stage == "exact" and self.kernel.accuracy == "elementwise":
                wrong = actual != self.expected
            else:
                bound = self.bound
                wrong = ~(np.abs(actual - self.expected) <= bound) & np.isfinite(bound)
        return wrong

    @cached_property
    def value_fault(self) -> npt.NDArray[np.bool_] | None:
        """Which elements of the first result are wrong; None where all are right, or where shape or type forbid a comparison."""
        result = self.first_values
        if result is None or result.shape != self.problem.output_shape or result.dtype.kind not in "fV":
            return None
        wrong = self.wrong_elements(result)
        return wrong if wrong.any() else None

    @cached_property
    def plain_is_right(self) -> bool:
        """Whether the kernel is right on the same values in ordinary contiguous arrays: then the layout is at fault."""
        if self.case.is_plain:
            return False
        call = self.call(np.ascontiguousarray(self.x.values).copy(), np.ascontiguousarray(self.w.values).copy())
        result = call.result
        if result is None or result.shape != self.problem.output_shape or result.dtype.kind not in "fV":
            return False
        return not self.wrong_elements(result).any()

    @property
    def answered(self) -> bool:
        """Whether the first call returned an array of the right shape and of a floating dtype."""
        result = self.first.result
        return result is not None and result.shape == self.problem.output_shape and is_float(result)

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
        return Accuracy(fraction, float(np.nanmax(ulp, initial=0.0)))


def told(error: BaseException) -> str:
    """Return an exception in one line; an exception may refuse even to be printed."""
    try:
        text = " ".join(str(error).split())
    except BaseException:
        text = "(its message cannot be had)"
    return f"{type(error).__name__}{': ' + text[:300] if text else ''}"


def is_float(array: Array) -> bool:
    """Return whether an array holds floating-point numbers, those of ml_dtypes included."""
    return array.dtype.kind == "f" or array.dtype.name in ("bfloat16",)


def ulp_of(values: Floats, dtype: str) -> Floats:
    """Return the unit in the last place of each value in the named format (subnormals counted as the smallest normal number)."""
    from convverify.problems.dtypes import FORMATS

    form = FORMATS[dtype]
    _, exponents = np.frexp(np.abs(values))
    ulp: Floats = np.ldexp(1.0, np.maximum(exponents, form.min_exponent + 1) - form.precision)
    return ulp
