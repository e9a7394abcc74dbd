"""Verified calls: a kernel is called here once and held against float64 before anybody measures it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from . import operands


class WrongResult(AssertionError):
    """The kernel is wrong: it gets no timing."""


def call_of(kernel: str, label: str) -> Callable[[], Any]:
    """Return the call to measure, not yet verified; NotImplementedError where there is no such kernel or problem, or it is too slow."""
    function, problem = operands.find_kernel(kernel), operands.find_problem(label)
    if problem.macs > operands.SLOW.get(kernel, problem.macs):
        raise NotImplementedError(f"{kernel} would take too long on {label}")
    return partial(function, *operands.integers(problem), **operands.arguments_of(problem))


def wrong_elements(kernel: str, label: str, y: Any) -> int:
    """Return how many elements of a result of `call_of` are wrong: any error at all, and for normwise kernels any above their bound."""
    problem = operands.find_problem(label)
    x, w = operands.integers(problem)
    expected = operands.float64_convolution(problem, x, w)
    if np.shape(y) != expected.shape:
        return expected.size
    if operands.accuracy_of(kernel) == "normwise":
        from convverify.normwise import normwise_bound

        return int((~(np.abs(y - expected) <= normwise_bound(problem, x.astype(np.float64), w.astype(np.float64)))).sum())
    return int((y != expected).sum())


def verified_call(kernel: str, label: str) -> Callable[[], Any]:
    """Return the call to measure, verified, which has warmed it up, too.

    Raises WrongResult where the kernel is wrong, NotImplementedError where it does not support the problem.
    """
    call = call_of(kernel, label)
    wrong = wrong_elements(kernel, label, call())
    if wrong:
        raise WrongResult(f"{kernel} is wrong on {label}: {wrong} elements of its result; a wrong kernel is not timed")
    return call
