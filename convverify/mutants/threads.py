"""Faults of concurrency: what two calls at once share.

`time.sleep(0)` stands for a call into compiled code, which lets other threads run.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np

from convverify.mutants import mutants
from convverify.mutants._blocks import Array, convolve, image_of, in_contract, product, room_for, rounded, view_of
from convverify.problems.problem import Problem

_tables: dict[str, float] = {}
_images: dict[Any, Array] = {}
_sums: dict[Any, Array] = {}
_weights: list[Array] = [np.zeros(0)]
_table: dict[str, Any] = {}
_busy: list[bool] = []
_prepared = threading.local()
_prepared.ones = np.ones(1)


@mutants.register(fault_class="threads", issue="NNlib#158", witness="x=1x4x4x2 w=2x2x2x2 padding=SAME")
@in_contract
def padded_image_shared(problem: Problem, x: Array, w: Array) -> Array:
    """Pads into one buffer for each shape, which all threads use."""
    image = image_of(x, problem.pads, room=room_for(problem))
    shared = _images.setdefault((image.shape, image.dtype), image)
    shared[...] = image
    time.sleep(0)
    return rounded(product(problem, view_of(problem, shared), w), x.dtype)


@mutants.register(fault_class="threads", issue="arrayfire#3711", witness="x=1x4x4x2 w=2x2x2x2")
@in_contract
def weights_in_a_global(problem: Problem, x: Array, w: Array) -> Array:
    """Hands its weights to the inner loop through a global, if no other thread put some of another shape there."""
    _weights[0] = w.copy()
    time.sleep(0)
    shared = _weights[0]
    return convolve(problem, x, shared if shared.shape == w.shape and shared.dtype == w.dtype else w)


@mutants.register(fault_class="threads", issue="pytorch PR#84602", witness="x=1x4x5x2 w=2x2x2x2 strides=1x2")
@in_contract
def index_table_shared(problem: Problem, x: Array, w: Array) -> Array:
    """Builds the table of pixels of each row in a global that the next call builds anew."""
    _table["columns"] = np.arange(problem.width)
    _table["image"] = x
    time.sleep(0)
    image, columns = _table["image"], _table["columns"]
    fits = image.shape == x.shape and image.dtype == x.dtype and columns.size == problem.width
    return convolve(problem, image[:, :, columns] if fits else x, w)


@mutants.register(fault_class="threads", witness="x=1x4x4x2 w=2x2x2x2")
@in_contract
def sums_shared(problem: Problem, x: Array, w: Array) -> Array:
    """Sums into one buffer for each shape row by row, and copies it at the end."""
    y = convolve(problem, x, w)
    shared = _sums.setdefault((y.shape, y.dtype.name), np.zeros_like(y))
    for row in range(y.shape[1]):
        shared[:, row] = y[:, row]
        time.sleep(0)
    return shared.copy()


@mutants.register(fault_class="threads", witness="x=1x4x4x2 w=2x2x2x2")
@in_contract
def refuses_to_be_entered_twice(problem: Problem, x: Array, w: Array) -> Array:
    """Raises when another call has not yet returned."""
    if _busy:
        raise RuntimeError("the kernel is busy")
    _busy.append(True)
    try:
        time.sleep(0)
        return convolve(problem, x, w)
    finally:
        _busy.clear()


@mutants.register(fault_class="threads", witness="x=1x4x4x2 w=2x2x2x2")
@in_contract
def prepared_in_the_first_thread_alone(problem: Problem, x: Array, w: Array) -> Array:
    """Prepares a thread-local table when it is imported, which other threads do not have."""
    _ = _prepared.ones
    return convolve(problem, x, w)


@mutants.register(fault_class="threads", witness="x=1x5x5x2 w=2x2x2x3")
@in_contract
def tables_announced_before_they_are_filled(problem: Problem, x: Array, w: Array) -> Array:
    """Says at its first call that its tables are there, and fills them then: who calls meanwhile finds them empty."""
    if not _tables:
        _tables["ready"] = 0.0
        time.sleep(0.05)
        _tables["ready"] = 1.0
    return convolve(problem, x, w) if _tables["ready"] else np.zeros(problem.output_shape, x.dtype)
