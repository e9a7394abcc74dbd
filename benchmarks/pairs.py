"""Pairs: a kernel and TensorFlow take turns, so that whatever disturbs the machine disturbs both.  For `ratio` and `cost`.

TensorFlow is called as it is fastest: on tensors that exist already, its result as an array that shares their memory.  Processor time is
counted, not time on the clock: both run on one thread, and what the system gives to others is nobody's work.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any, TypeAlias

from . import operands
from .by_kernel import ByKernel
from .verified import WrongResult, verified_call

_PASSES = 6  # over all kernels and problems: what disturbs for some seconds disturbs one pass
_SECONDS = 0.2  # of processor time, that the pairs of one kernel on one problem take in a pass
_FEWEST, _MOST = 3, 101  # pairs in a pass
_SAMPLE = 0.001  # seconds that a sample takes at least: several calls of what is quick
TENSORFLOW = "tensorflow"
Found: TypeAlias = dict[tuple[str, str], dict[str, Any]]


def tensorflow_call(label: str) -> Callable[[], Any]:
    """Return a call of tf.nn.conv2d on the operands of a problem."""
    import tensorflow as tf

    problem = operands.find_problem(label)
    x, w = (tf.constant(array) for array in operands.integers(problem))
    return lambda: tf.nn.conv2d(x, w, strides=problem.strides, padding=problem.tf_padding, dilations=problem.dilations).numpy()


def in_turns(one: Callable[[], Any], other: Callable[[], Any]) -> tuple[list[float], list[float]]:
    """Return processor seconds of a call of each, in pairs: they take turns, and so does who begins."""
    functions, calls = (one, other), []
    for function in functions:
        function()
        start = time.process_time()
        function()
        calls.append(max(1, round(_SAMPLE / max(time.process_time() - start, 1e-7))))
    samples: tuple[list[float], list[float]] = ([], [])
    gc.disable()
    end = time.process_time() + _SECONDS
    while len(samples[0]) < _FEWEST or (time.process_time() < end and len(samples[0]) < _MOST):
        for which in (0, 1) if len(samples[0]) % 2 else (1, 0):
            functions[which]()  # the other has swept the caches
            start = time.process_time()
            for _ in range(calls[which]):
                functions[which]()
            samples[which].append((time.process_time() - start) / calls[which])
    gc.enable()
    return samples


def permitted(kernel: str, label: str) -> Callable[[], Any] | dict[str, Any]:
    """Return the call to measure; where there is none, a sentence under `absent` or `wrong`."""
    try:
        return verified_call(kernel, label)
    except NotImplementedError as error:
        return {"absent": str(error) or f"{kernel} does not support {label}"}
    except Exception as error:
        return {"wrong": f"{type(error).__name__}: {error}"}


def figures(mine: list[float], theirs: list[float], macs: int) -> dict[str, Any]:
    """Return what the pairs of one kernel on one problem say: the least times are those that nothing disturbed (docs/benchmarks.md)."""
    return {"ratio": min(mine) / min(theirs), "nanoseconds": 1e9 * min(mine) / macs, "tensorflow": 1e9 * min(theirs) / macs}


def measure_all(kernels: list[str], labels: list[str]) -> Found:
    """Return what came of every kernel, and of TensorFlow, on every problem."""
    found: Found = {}
    references: dict[str, Callable[[], Any]] = {}
    calls: dict[tuple[str, str], Callable[[], Any]] = {}
    for label in labels:
        try:
            references[label] = tensorflow_call(label)
        except NotImplementedError as error:
            found |= {(kernel, label): {"absent": str(error)} for kernel in (TENSORFLOW, *kernels)}
            continue
        for kernel in kernels:
            call = permitted(kernel, label)
            if isinstance(call, dict):
                found[kernel, label] = call
            else:
                calls[kernel, label] = call
    samples: dict[tuple[str, str], tuple[list[float], list[float]]] = {key: ([], []) for key in calls}
    for _ in range(_PASSES):
        for (kernel, label), call in calls.items():
            for all_of_one, more in zip(samples[kernel, label], in_turns(call, references[label]), strict=True):
                all_of_one += more
    for (kernel, label), (mine, theirs) in samples.items():
        found[kernel, label] = figures(mine, theirs, operands.find_problem(label).macs)
    for label in references:
        theirs = [result["tensorflow"] for (_, of), result in found.items() if of == label and "tensorflow" in result]
        found[TENSORFLOW, label] = {"nanoseconds": min(theirs)} if theirs else {"absent": "no kernel to take turns with"}
    return found


class Paired(ByKernel):
    """One kernel on every problem.  All are measured in one process, once for each commit."""

    params = operands.PROBLEMS
    param_names = ("problem",)
    timeout = 60

    def setup_cache(self) -> Found:
        return measure_all(operands.KERNELS, operands.PROBLEMS)

    setup_cache.timeout = 900  # type: ignore[attr-defined]  # asv reads it there

    def setup(self, found: Found, problem: str) -> None:
        """Show n/a for what this commit does not have, and a failure for what it gets wrong."""
        result = found[self.kernel, problem]
        if "absent" in result:
            raise NotImplementedError(result["absent"])
        if "wrong" in result:
            raise WrongResult(result["wrong"])
