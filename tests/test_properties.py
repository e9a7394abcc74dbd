"""Every property can fail: a small wrong kernel refutes it.  And it holds: the definition of a convolution refutes none."""

from __future__ import annotations

import ctypes
import threading
import time
from collections import deque
from typing import Any

import numpy as np
import pytest
from trials import tried

from convverify.judging.properties import NOT_JUDGED, in_order, judge, properties
from convverify.judging.properties.values import worst_index
from convverify.judging.trial import Finding, Trial
from convverify.operands.case import Case
from convverify.references import exact

# Small wrong kernels: each is the definition, and one fault.


def right(x: Any, w: Any) -> Any:
    return exact.conv2d(x, w).astype(x.dtype)


def raises(x: Any, w: Any) -> Any:
    raise IndexError("beyond the end")


def returns_nothing(x: Any, w: Any) -> Any:
    return None


def returns_a_list(x: Any, w: Any) -> Any:
    return right(x, w).tolist()


def drops_a_row(x: Any, w: Any) -> Any:
    return right(x, w)[:, 1:]


def returns_float16(x: Any, w: Any) -> Any:
    return right(x, w).astype(np.float16)


def returns_integers(x: Any, w: Any) -> Any:
    return right(x, w).astype(np.int64)


def scales_its_image(x: Any, w: Any) -> Any:
    y = right(x, w)
    if x.flags.writeable:
        x *= 2
    return y


def negates_its_weights(x: Any, w: Any) -> Any:
    y = right(x, w)
    if w.flags.writeable:
        np.negative(w, out=w)
    return y


def writes_behind_its_image(x: Any, w: Any) -> Any:
    ctypes.memset(x.ctypes.data + x.nbytes, 0, 4)
    return right(x, w)


def takes_memory_for_contiguous(x: Any, w: Any) -> Any:
    x = np.lib.stride_tricks.as_strided(x, strides=np.empty(x.shape, x.dtype).strides)
    return right(x, w)


def refuses_strided_weights(x: Any, w: Any) -> Any:
    if not w.flags.c_contiguous:
        raise ValueError("weights must be contiguous")
    return right(x, w)


def flipped(x: Any, w: Any) -> Any:
    return right(x, w[::-1, ::-1])


def accumulates_in_float16(x: Any, w: Any) -> Any:
    return right(x.astype(np.float16), w.astype(np.float16)).astype(x.dtype)


def swallows_nan(x: Any, w: Any) -> Any:
    return right(np.nan_to_num(x, nan=0.0), w)


def spreads_nan(x: Any, w: Any) -> Any:
    return right(x, w) + 0 * x.sum()


def returns_its_operand(x: Any, w: Any) -> Any:
    return x if w.shape[:2] == (1, 1) and right(x, w).tolist() == x.tolist() else right(x, w)


_buffers: dict[Any, Any] = {}


def reuses_its_buffer(x: Any, w: Any) -> Any:
    y = right(x, w)
    buffer = _buffers.setdefault((y.shape, y.dtype), np.empty_like(y))
    buffer[...] = y
    return buffer


class Counts:
    """Wrong on every second call."""

    calls = 0

    def __call__(self, x: Any, w: Any) -> Any:
        self.calls += 1
        return right(x, w) * (-1) ** (self.calls + 1)


class Caches:
    """Keeps the result of an image that lies at the same address."""

    def __init__(self) -> None:
        self.known: dict[Any, Any] = {}

    def __call__(self, x: Any, w: Any) -> Any:
        key = x.ctypes.data, w.ctypes.data, x.shape, w.shape
        if key not in self.known:
            self.known[key] = right(x, w), x, w
        return self.known[key][0].copy()


class Remembers:
    """Computes with the shape of the call before."""

    def __init__(self) -> None:
        self.shapes: deque[Any] = deque(maxlen=2)

    def __call__(self, x: Any, w: Any) -> Any:
        self.shapes.append((x.shape, w.shape))
        return right(x, w) * (2 if len(set(self.shapes)) > 1 else 1)


class KeepsWeights:
    """Packs the weights of each shape once."""

    def __init__(self) -> None:
        self.packed: dict[Any, Any] = {}

    def __call__(self, x: Any, w: Any) -> Any:
        return right(x, self.packed.setdefault(w.shape, w.copy()))


def flips_what_is_shared(x: Any, w: Any) -> Any:
    return flipped(x, w) if np.may_share_memory(x, w) else right(x, w)


class Races:
    """Passes its operands from one half of the work to the other where every thread can reach them."""

    def __init__(self) -> None:
        self.shared: dict[Any, Any] = {}

    def __call__(self, x: Any, w: Any) -> Any:
        self.shared[x.shape, w.shape] = x, w
        time.sleep(1e-3)
        return right(*self.shared[x.shape, w.shape])


class OnlyMainThread:
    """Fails in any other thread than the one that made it."""

    def __init__(self) -> None:
        self.home = threading.get_ident()

    def __call__(self, x: Any, w: Any) -> Any:
        if threading.get_ident() != self.home:
            raise RuntimeError("wrong thread")
        return right(x, w)


PLAIN = "x=1x3x4x2 w=2x2x2x3 values=integers seed=8"
ALIKE = "x=2x3x3x3 w=2x3x3x3 values=integers seed=8"
REFUTED = [
    ("completes", raises, PLAIN),
    ("shape", drops_a_row, PLAIN),
    ("shape", returns_nothing, PLAIN),
    ("shape", returns_a_list, PLAIN),
    ("dtype", returns_float16, "x=1x2x2x1 w=1x1x1x1 x[0,0,0,0]=1 w[0,0,0,0]=1"),
    ("dtype", returns_integers, PLAIN),
    ("inputs_unchanged", scales_its_image, PLAIN),
    ("inputs_unchanged", negates_its_weights, PLAIN),
    ("in_bounds", writes_behind_its_image, PLAIN),
    ("memory_layout", takes_memory_for_contiguous, "x=1x3x4x2 w=2x2x2x3 values=integers layouts=fortran,contiguous seed=8"),
    ("memory_layout", refuses_strided_weights, "x=1x3x4x2 w=2x2x2x3 values=integers layouts=contiguous,fortran seed=8"),
    ("exact_on_integers", flipped, PLAIN),
    ("exact_on_integers", accumulates_in_float16, PLAIN),
    ("within_error_bound", accumulates_in_float16, "x=1x3x4x2 w=2x2x2x3 values=normal seed=8"),
    ("within_error_bound", flipped, "x=1x3x4x2 w=2x2x2x3 values=positive seed=8"),
    ("special_values", swallows_nan, "x=1x2x2x1 w=1x1x1x1 x[0,0,0,0]=nan w[0,0,0,0]=1"),
    ("special_values", spreads_nan, "x=1x2x2x1 w=1x1x1x1 x[0,0,0,0]=nan w[0,0,0,0]=1"),
    ("fresh_output", returns_its_operand, "x=1x2x2x1 w=1x1x1x1 x[0,0,0,0]=3 w[0,0,0,0]=1"),
    ("fresh_output", reuses_its_buffer, PLAIN),
    ("repeatable", Counts, PLAIN),
    ("current_operands", Caches, PLAIN),
    ("order_of_calls", Remembers, PLAIN),
    ("sequence", KeepsWeights, PLAIN),
    ("one_array", flips_what_is_shared, ALIKE),
    ("threads", Races, PLAIN),
    ("threads", OnlyMainThread, PLAIN),
    ("matches_reference", right, PLAIN),  # against a reference that is another convolution: see below
]  # fmt: skip


def trial_of(kernel: Any, line: str, names: tuple[str, ...] | None = None, **options: Any) -> Trial:
    """The trial of a kernel; a class is made into a kernel that has never been called."""
    return tried(kernel() if isinstance(kernel, type) else kernel, line, names, **options)


def transformed(x: Any, w: Any) -> Any:
    return flipped(x, w)


transformed.accuracy = "normwise"  # type: ignore[attr-defined]  # a reference that exact arithmetic does not correct


def test_every_property_is_refuted_by_a_kernel_below() -> None:
    assert {name for name, _, _ in REFUTED} == set(properties.names()) - {"plain_script"}  # which no trial is for


@pytest.mark.parametrize(("name", "kernel", "line"), [pytest.param(*row, id=f"{row[0]}-{row[1].__name__}") for row in REFUTED])
def test_a_wrong_kernel_refutes_the_property(name: str, kernel: Any, line: str) -> None:
    trial = trial_of(kernel, line, (name,), reference=transformed if name == "matches_reference" else None)
    judged, finding = judge(trial, (name,))
    assert judged == {name: True}
    assert isinstance(finding, Finding)
    assert finding.property == name
    assert "\n" not in finding.sentence


CASES = [
    PLAIN,
    ALIKE,
    "x=2x4x3x2 w=2x1x2x2 values=normal layouts=fortran,sliced seed=16",
    "x=1x3x3x1 w=2x2x1x1 values=special seed=16",
    "x=0x3x3x1 w=2x2x1x1 values=integers seed=16",
    "x=1x2x2x1 w=3x3x1x1 values=integers seed=16",
    "x=1x4x4x2 w=2x2x2x2 dtype=float64 values=long_integers layouts=reversed_axes,guarded seed=24",
    "x=1x4x4x2 w=2x2x2x2 dtype=bfloat16 values=cancelling seed=24",
]


@pytest.mark.parametrize("name", [name for name in properties.names() if name != "plain_script"])
def test_the_definition_refutes_no_property(name: str) -> None:
    judged = []
    for line in CASES:
        was, finding = judge(trial_of(right, line, (name,), reference=right), (name,))
        assert finding is None, line
        judged += was.values()
    assert any(judged)


@pytest.mark.parametrize("seed", range(8))
def test_calls_in_turn_are_right_behind_a_refusal_too(seed: int) -> None:
    """Each kind of sequence is among eight seeds; the kernel has all parameters."""
    locked: list[bool] = []

    def keeps_its_lock(x: Any, w: Any, *, strides: Any, padding: Any, dilations: Any, groups: Any) -> Any:
        if locked:
            raise RuntimeError("locked")
        if strides != (1, 1) and dilations != (1, 1):
            locked.append(True)
            raise NotImplementedError
        return exact.conv2d(x, w, strides=strides, padding=padding, dilations=dilations, groups=groups).astype(x.dtype)

    refused = []
    for number in range(8):
        locked.clear()
        line = f"x=1x5x4x2 w=2x2x2x4 values=integers seed={8 * seed + number}"
        _, finding = judge(trial_of(keeps_its_lock, line, ("sequence",)), ("sequence",))
        refused.append(finding is not None)
    assert any(refused)


def test_threads_make_the_first_call_on_half_of_the_cases() -> None:
    first = [next(iter(trial_of(right, f"x=1x3x4x2 w=2x2x2x3 seed={seed}", ("threads",)).plan.steps)) for seed in (0, 512, 1024, 1536)]
    assert first == ["threads", "first", "threads", "first"]


def test_a_wrong_kernel_is_refuted_by_the_most_telling_property() -> None:
    assert [entry.traits["rank"] for entry in in_order()] == sorted(entry.traits["rank"] for entry in properties)
    for kernel, name in (
        (raises, "completes"),
        (drops_a_row, "shape"),
        (flipped, "exact_on_integers"),
        (scales_its_image, "inputs_unchanged"),
    ):
        _, finding = judge(trial_of(kernel, PLAIN))
        assert finding is not None
        assert finding.property == name


def test_a_judgement_calls_nothing_and_is_the_same_each_time() -> None:
    calls: list[Any] = []

    def counts(x: Any, w: Any) -> Any:
        calls.append(x.shape)
        return right(x, w) + (len(calls) == 2)

    trial = trial_of(counts, PLAIN.replace("seed=8", "seed=520"))  # of which threads do not make the first calls
    before = len(calls)
    first = judge(trial)
    assert judge(trial)[0] == first[0]
    assert first[1] is not None
    assert len(calls) == before > 10


def test_a_fault_of_a_layout_is_told_as_such() -> None:
    _, finding = judge(trial_of(takes_memory_for_contiguous, "x=1x3x4x2 w=2x2x2x3 values=integers layouts=fortran,contiguous seed=8"))
    assert finding is not None
    assert finding.property == "memory_layout"
    assert "with x fortran" in finding.sentence
    assert "right on contiguous operands" in finding.sentence


def test_a_kernel_that_refuses_a_layout_is_told_how_to_give_it_plain_arrays() -> None:
    def refuses(x: Any, w: Any) -> Any:
        if not x.flags.c_contiguous:
            raise ValueError("array is not contiguous")
        return right(x, w)

    _, finding = judge(trial_of(refuses, "x=1x3x4x2 w=2x2x2x3 values=integers layouts=fortran,contiguous seed=8"))
    assert finding is not None
    assert (finding.property, finding.sentence) == (
        "memory_layout", "with x fortran, the kernel raised ValueError: array is not contiguous; it is right on contiguous operands",
    )  # fmt: skip
    assert "x, w = x.copy(), w.copy()" in finding.hint


def test_a_finding_shows_what_is_wrong_and_where() -> None:
    _, finding = judge(trial_of(flipped, "x=1x1x3x1 w=1x2x1x1 x[0,0,0,0]=1 x[0,0,1,0]=5 w[0,0,0,0]=1"))
    assert finding is not None
    assert finding.expected is not None
    assert finding.actual is not None
    assert finding.wrong is not None
    assert (finding.expected.ravel().tolist(), finding.actual.ravel().tolist()) == ([1.0, 5.0], [5.0, 0.0])
    assert finding.wrong.ravel().tolist() == [True, True]
    assert worst_index(finding, "float32") in ((0, 0, 0, 0), (0, 0, 1, 0))
    assert worst_index(Finding("completes", "it raised"), "float32") is None


def test_what_a_kernel_does_not_support_is_not_judged() -> None:
    def never(x: Any, w: Any) -> Any:
        raise NotImplementedError("on Sundays")

    judged, finding = judge(trial_of(never, PLAIN))
    assert finding is None
    assert not any(was for name, was in judged.items() if name not in ("inputs_unchanged", "in_bounds"))


def test_a_wider_dtype_is_mentioned_and_not_refuted() -> None:
    trial = trial_of(exact.conv2d, PLAIN)  # float64 for float32
    assert judge(trial)[1] is None
    assert trial.mentions == ["returns float64 for float32"]


def test_another_order_of_summation_from_call_to_call_is_mentioned_on_reals_and_refuted_on_nothing() -> None:
    calls = []

    def wanders(x: Any, w: Any) -> Any:
        calls.append(1)
        order = slice(None, None, (-1) ** len(calls))
        return np.cumsum((x[0, 0, 0] * w[0, 0, :, 0])[order], dtype=np.float32)[-1].reshape(1, 1, 1, 1)

    trial = trial_of(wanders, "x=1x1x1x50 w=1x1x50x1 values=normal seed=8")
    assert judge(trial)[1] is None
    assert trial.mentions == ["sums in another order from call to call"]
    assert judge(trial_of(wanders, "x=1x1x1x50 w=1x1x50x1 values=integers seed=8"))[1] is None


def test_a_fault_of_the_reference_is_the_references() -> None:
    trial = trial_of(right, PLAIN, reference=flipped)
    judged, finding = judge(trial, ("matches_reference",))
    assert finding is None
    assert judged == {"matches_reference": False}
    assert [(fault.reference, fault.case) for fault in trial.reference_faults] == [("theirs", PLAIN)]
    assert "are wrong" in trial.reference_faults[0].sentence


@pytest.mark.parametrize(
    ("reference", "told"),
    [(raises, "it raised IndexError: beyond the end"), (drops_a_row, "its result has shape (1, 1, 3, 3); expected (1, 2, 3, 3)")],
)
def test_a_reference_that_fails_is_named_with_its_failure(reference: Any, told: str) -> None:
    trial = trial_of(right, PLAIN, reference=reference)
    assert judge(trial)[1] is None
    assert told in trial.reference_faults[0].sentence


def test_where_every_sum_may_overflow_nothing_is_judged() -> None:
    line = "x=1x1x1x2 w=1x1x2x1 x[0,0,0,0]=3e38 x[0,0,0,1]=3e38 w[0,0,0,0]=1.5 w[0,0,1,0]=1.5"
    trial = trial_of(right, line, reference=right)
    assert properties["within_error_bound"].function(trial) is NOT_JUDGED


def test_long_sums_in_bfloat16_are_judged() -> None:
    line = "x=1x1x2x300 w=1x1x300x1 dtype=bfloat16 values=positive seed=8"
    assert properties["within_error_bound"].function(trial_of(right, line)) is None
    assert isinstance(properties["within_error_bound"].function(trial_of(lambda x, w: right(x, w) * 8, line)), Finding)


def test_a_dear_property_is_tried_on_some_cases_of_a_campaign_and_on_every_case_otherwise() -> None:
    names = [name for name in properties.names() if properties[name].traits.get("every", 1) > 1]
    assert names
    for name in names:
        turns = [
            name in judge(tried(right, Case.parse(PLAIN).with_(seed=seed << 3), (name,), thorough=False), (name,))[0] for seed in range(48)
        ]
        assert sum(turns) == 48 // properties[name].traits["every"]
        assert name in judge(trial_of(right, PLAIN.replace("seed=8", "seed=9")), (name,))[0]
