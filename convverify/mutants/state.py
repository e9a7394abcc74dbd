"""Faults of state: what a kernel keeps from one call to the next, and trusts too much.

The trait `before` names cases to call the kernel on before its witness is judged.
"""

from __future__ import annotations

import itertools
import threading
from typing import Any

import numpy as np

from convverify.mutants import mutants
from convverify.mutants._blocks import Array, convolve, image_of, in_contract, product, room_for, rounded, view_of, windows
from convverify.problems.problem import Problem

_SEVENTH, _SIXTY_FOURTH, _FIRST = itertools.count(1), itertools.count(1), itertools.count()
_by_shape: dict[Any, Array] = {}
_by_identity: dict[int, tuple[Any, Array]] = {}
_by_first_weight: dict[Any, Array] = {}
_by_address: dict[Any, Array] = {}
_geometries: dict[str, dict[Any, Problem]] = {"strides": {}, "padding": {}, "dilations": {}}
_packed: dict[Any, Array] = {}
_sums: dict[Any, Array] = {}
_slots: list[tuple[Any, Array]] = []
_scratch = np.zeros(0)
_largest_batch: dict[Any, int] = {}
_flags = {"after empty": False, "last shape": None}
_by_pads: dict[Any, Problem] = {}
_by_product: dict[Any, Problem] = {}
_lock = threading.Lock()
_walked: list[tuple[Any, Array]] = []
_sizes: list[int] = []
_ring = [np.empty(0, np.uint8)] * 40
_turns = itertools.count()


@mutants.register(fault_class="state", issue="tensorflow PR#58149", witness="x=1x3x3x1 w=2x2x1x1 calls=2")
@in_contract
def weights_cached_by_shape(problem: Problem, x: Array, w: Array) -> Array:
    """Packs the weights of each shape and dtype once."""
    return convolve(problem, x, _by_shape.setdefault((problem.w_shape, problem.groups, problem.dtype), w.copy()))


@mutants.register(fault_class="state", witness="x=1x3x3x1 w=2x2x1x1 calls=2")
@in_contract
def weights_cached_by_identity(problem: Problem, x: Array, w: Array) -> Array:
    """Packs the weights of each array object once, and does not see its elements change."""
    shape, packed = _by_identity.get(id(w), (None, w))
    if shape != (w.shape, w.dtype):
        packed = w.copy()
        _by_identity[id(w)] = (w.shape, w.dtype), packed
    return convolve(problem, x, packed)


@mutants.register(
    fault_class="state",
    witness="x=1x3x3x1 w=2x2x1x1 x[0,1,1,0]=1 w[0,0,0,0]=3",
    before=("x=1x3x3x1 w=2x2x1x1 x[0,1,1,0]=1 w[0,0,0,0]=3 w[1,1,0,0]=2",),
)
@in_contract
def weights_cached_by_first_element(problem: Problem, x: Array, w: Array) -> Array:
    """Takes weights of one shape that begin with the same number for the same."""
    if not w.size:
        return convolve(problem, x, w)
    return convolve(problem, x, _by_first_weight.setdefault((w.shape, w.dtype.name, float(w[0, 0, 0, 0])), w.copy()))


@mutants.register(fault_class="state", witness="x=1x3x3x1 w=2x2x1x1 calls=2")
@in_contract
def weights_cached_by_address(problem: Problem, x: Array, w: Array) -> Array:
    """Packs the weights at each address once, though memory is used again."""
    key = w.ctypes.data, w.shape, w.strides, w.dtype.name
    return convolve(problem, x, _by_address.setdefault(key, w.copy()))


def _remembered(problem: Problem, forgotten: str) -> Problem:
    """Return the first problem that equalled this one in all but the forgotten field."""
    neutral: Any = {"strides": (1, 1), "padding": "VALID", "dilations": (1, 1)}[forgotten]
    return _geometries[forgotten].setdefault(problem.with_(**{forgotten: neutral}), problem)


@mutants.register(fault_class="state", witness="x=1x4x4x1 w=2x2x1x1", before=("x=1x4x4x1 w=2x2x1x1 strides=2x2",))
@in_contract
def cache_key_without_strides(problem: Problem, x: Array, w: Array) -> Array:
    """Keeps one plan for all problems that differ in nothing but the strides."""
    return convolve(_remembered(problem, "strides"), x, w)


@mutants.register(fault_class="state", witness="x=1x4x4x1 w=2x2x1x1 padding=SAME", before=("x=1x4x4x1 w=2x2x1x1",))
@in_contract
def cache_key_without_padding(problem: Problem, x: Array, w: Array) -> Array:
    """Keeps one plan for all problems that differ in nothing but the padding."""
    return convolve(_remembered(problem, "padding"), x, w)


@mutants.register(
    fault_class="state", witness="x=1x4x4x1 w=2x2x1x1 padding=SAME dilations=3x1", before=("x=1x4x4x1 w=2x2x1x1 padding=SAME",)
)
@in_contract
def cache_key_without_dilations(problem: Problem, x: Array, w: Array) -> Array:
    """Keeps one plan for all problems that differ in nothing but the dilations; the output's shape is right."""
    dilations = _remembered(problem, "dilations").dilations
    return convolve(problem, x, w, dilations=dilations)


@mutants.register(
    fault_class="state", witness="x=1x3x3x1 w=2x2x1x1 dtype=float64", before=("x=1x3x3x1 w=2x2x1x1 x[0,0,0,0]=1 w[0,0,0,0]=1",)
)
@in_contract
def workspace_of_another_dtype(problem: Problem, x: Array, w: Array) -> Array:
    """Keeps a workspace for each shape of sums, and with it the dtype that they had first."""
    workspace = _packed.setdefault(problem.output_shape, np.empty(problem.output_shape, windows(problem, x).dtype))
    workspace[...] = product(problem, windows(problem, x), w)
    return rounded(workspace, x.dtype).copy()


@mutants.register(fault_class="state", witness="x=1x3x3x1 w=2x2x1x1 calls=2")
@in_contract
def sums_not_cleared(problem: Problem, x: Array, w: Array) -> Array:
    """Clears its sums when the shape of the result is another than at the call before, and only then."""
    key = problem.output_shape, problem.dtype
    if key not in _sums:
        _sums.clear()
        _sums[key] = np.zeros(problem.output_shape, x.dtype)
    _sums[key] += convolve(problem, x, w)
    return _sums[key].copy()


@mutants.register(fault_class="state", issue="ncnn#6766", witness="x=1x3x3x1 w=3x3x1x1 padding=SAME", before=("x=1x5x5x1 w=2x2x1x1",))
@in_contract
def scratch_cleared_when_it_grows(problem: Problem, x: Array, w: Array) -> Array:
    """Pads into a scratch buffer whose margins are clean only when it is new."""
    global _scratch
    image = image_of(x, problem.pads, room=room_for(problem), dtype=np.float64)
    if image.size > _scratch.size:
        _scratch = np.zeros(image.size)
    scratch = _scratch[: image.size].reshape(image.shape)
    (top, _), (left, _) = problem.pads
    scratch[:, top : top + problem.height, left : left + problem.width] = x
    return rounded(product(problem, view_of(problem, scratch), w), x.dtype)


@mutants.register(fault_class="state", issue="OpenVINO#37103", witness="x=2x2x2x1 w=1x1x1x2", before=("x=3x2x2x1 w=1x1x1x2",))
@in_contract
def pitch_of_the_largest_batch(problem: Problem, x: Array, w: Array) -> Array:
    """Stores results by the largest batch that it has seen of images of this shape, and reads them by the present one."""
    y = convolve(problem, x, w)
    key = x.shape[1:], problem.with_(batch=0)
    pitch = _largest_batch[key] = max(problem.batch, _largest_batch.get(key, 0))
    stored = np.zeros((*y.shape[1:], pitch), y.dtype)
    stored[..., : problem.batch] = np.moveaxis(y, 0, -1)
    return np.moveaxis(stored.reshape(-1)[: y.size].reshape(*y.shape[1:], y.shape[0]), -1, 0).copy()


@mutants.register(fault_class="state", witness="x=1x3x3x1 w=2x2x1x1 calls=7")
@in_contract
def every_seventh_call(problem: Problem, x: Array, w: Array) -> Array:
    """Returns zeros at each seventh call."""
    y = convolve(problem, x, w)
    return np.zeros_like(y) if next(_SEVENTH) % 7 == 0 else y


@mutants.register(fault_class="state", witness="x=1x3x3x1 w=2x2x1x1 calls=64")
@in_contract
def every_sixty_fourth_call(problem: Problem, x: Array, w: Array) -> Array:
    """Leaves the last output channel at zero at each 64th call."""
    y = convolve(problem, x, w)
    if next(_SIXTY_FOURTH) % 64 == 0:
        y[..., -1:] = 0
    return y


@mutants.register(fault_class="state", witness="x=1x3x3x1 w=2x2x1x1")
@in_contract
def first_call_unprepared(problem: Problem, x: Array, w: Array) -> Array:
    """Prepares its tables during the first call, which returns zeros."""
    y = convolve(problem, x, w)
    return y if next(_FIRST) else np.zeros_like(y)


@mutants.register(fault_class="state", witness="x=1x3x3x1 w=2x2x1x1", before=("x=0x3x3x1 w=2x2x1x1",))
@in_contract
def empty_output_spoils_the_next(problem: Problem, x: Array, w: Array) -> Array:
    """Leaves early when the output is empty, and then takes the next call's kernel for one already flipped."""
    spoilt, _flags["after empty"] = _flags["after empty"], problem.is_empty
    return convolve(problem, x, w[::-1, ::-1] if spoilt else w)


@mutants.register(
    fault_class="state",
    witness="x=1x6x6x1 w=5x1x1x1 seed=1",
    before=("x=1x6x6x1 w=1x5x1x1", "x=1x6x6x1 w=1x6x1x1", "x=1x6x6x1 w=5x1x1x1"),
)
@in_contract
def third_slot_stale(problem: Problem, x: Array, w: Array) -> Array:
    """Keeps packed weights in three slots by shape, compares them on a hit in the first two, and trusts the third."""
    for position, (key, packed) in enumerate(_slots):
        if key == (w.shape, w.dtype.name):
            if position < 2 and not np.array_equal(packed, w):
                packed = w.copy()
                _slots[position] = key, packed
            return convolve(problem, x, packed)
    del _slots[: max(0, len(_slots) - 2)]
    _slots.append(((w.shape, w.dtype.name), w.copy()))
    return convolve(problem, x, w)


@mutants.register(fault_class="state", witness="x=1x4x4x1 w=2x2x1x1", before=("x=1x4x4x1 w=2x3x1x1",))
@in_contract
def plan_of_the_call_before(problem: Problem, x: Array, w: Array) -> Array:
    """Switches plans one call late when the image stays the same and the kernel's width shrinks."""
    before, _flags["last shape"] = _flags["last shape"], (x.shape, w.shape)  # type: ignore[assignment]
    late = isinstance(before, tuple) and before[0] == x.shape and before[1][1] > w.shape[1]
    return convolve(problem, x, w[:, ::-1] if late else w)


@mutants.register(fault_class="state", witness="x=1x3x3x1 w=2x2x1x1 padding=1,0,0,1", before=("x=1x3x3x1 w=2x2x1x1 padding=0,1,1,0",))
@in_contract
def plan_by_the_sum_of_pads(problem: Problem, x: Array, w: Array) -> Array:
    """Keeps one plan for problems whose pads are the same in sum, and so is their output."""
    pads = [sum(pair) for pair in problem.pads]
    known = _by_pads.setdefault((problem.with_(padding="VALID"), *pads), problem)
    return convolve(problem, x, w, pads=known.pads)


@mutants.register(fault_class="state", witness="x=1x9x9x1 w=3x3x1x1 dilations=2x3", before=("x=1x9x9x1 w=3x3x1x1 dilations=3x2",))
@in_contract
def plan_by_the_product_of_dilations(problem: Problem, x: Array, w: Array) -> Array:
    """Keeps one plan for dilations of the same product."""
    product_of = problem.dilations[0] * problem.dilations[1]
    known = _by_product.setdefault((problem.with_(dilations=(1, 1)), product_of), problem)
    return convolve(problem, x, w, dilations=known.dilations)


@mutants.register(fault_class="state", witness="x=1x3x3x1 w=2x2x1x1", before=("x=1x9x9x1 w=2x2x1x1 strides=2x2 dilations=2x2",))
@in_contract
def lock_kept_after_a_refusal(problem: Problem, x: Array, w: Array) -> Array:
    """Refuses dilated strides while it holds its lock, and gives up at the next call, which waits for it."""
    if not _lock.acquire(timeout=0.5):
        raise RuntimeError("the kernel is locked")
    if problem.strides != (1, 1) and problem.dilations != (1, 1):
        raise NotImplementedError("strides with dilations")
    y = convolve(problem, x, w)
    _lock.release()
    return y


@mutants.register(fault_class="state", witness="x=1x3x3x1 w=2x2x1x1", before=("x=1x9x9x4 w=2x2x2x2 dilations=2x2",))
@in_contract
def refusal_spoils_the_next(problem: Problem, x: Array, w: Array) -> Array:
    """Prepares for the flipped kernel, refuses dilated groups, and forgets to undo it."""
    spoilt, _flags["refused"] = bool(_flags.get("refused")), False
    if problem.groups > 1 and problem.dilations != (1, 1):
        _flags["refused"] = True
        raise NotImplementedError("dilated groups")
    return convolve(problem, x, w[::-1, ::-1] if spoilt else w)


@mutants.register(
    fault_class="state",
    witness="x=1x3x3x1 w=2x2x1x1 seed=9",
    before=("x=1x3x3x1 w=2x2x1x1 seed=1", "x=1x4x3x1 w=2x2x1x1"),
)
@in_contract
def weights_of_two_calls_ago(problem: Problem, x: Array, w: Array) -> Array:
    """Packs weights anew where the problem is the one of the call before, and finds those of the call before that packed already."""
    key = problem, w.dtype.name
    stale = [packed for known, packed in _walked[-2:-1] if known == key and _walked[-1][0] != key]
    packed = stale[0] if stale else w.copy()
    _walked.append((key, packed))
    del _walked[:-2]
    return convolve(problem, x, packed)


@mutants.register(
    fault_class="state",
    witness="x=1x3x3x1 w=2x2x1x1",
    before=("x=1x4x4x1 w=2x2x1x1", "x=1x7x7x1 w=2x2x1x1"),
)
@in_contract
def shrinks_late_after_growing(problem: Problem, x: Array, w: Array) -> Array:
    """Lets its workspace grow, and at the first call that needs less than the one before the last leaves a channel of it behind."""
    _sizes.append(x.size)
    del _sizes[:-3]
    y = convolve(problem, x, w)
    if len(_sizes) == 3 and _sizes[2] < _sizes[0] < _sizes[1]:
        y[..., -1:] = 0
    return y


@mutants.register(fault_class="state", witness="x=1x3x3x1 w=2x2x1x1 calls=41")
@in_contract
def ring_of_forty_results(problem: Problem, x: Array, w: Array) -> Array:
    """Returns results in forty buffers of its own, one after the other."""
    y = convolve(problem, x, w)
    place = next(_turns) % len(_ring)
    if _ring[place].nbytes < y.nbytes:
        _ring[place] = np.empty(max(y.nbytes, 1 << 12), np.uint8)
    result = _ring[place][: y.nbytes].view(y.dtype).reshape(y.shape)
    result[...] = y
    return result
