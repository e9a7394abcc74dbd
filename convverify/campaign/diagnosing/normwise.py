"""Is it Winograd's algorithm, or a Fourier transform?  Such kernels are right by another rule, and look wrong by the elementwise one.

They mix the pixels of a tile, or of the image, before they sum.  So an output's error grows with pixels that it does not read, or reads
under a weight of zero.  No direct summation shows this, however low its precision: its error is less than the products that it sums.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from convverify.campaign.diagnosing.evidence import Evidence, evidence_of
from convverify.campaign.diagnosing.probes import Ask
from convverify.operands.case import Case
from convverify.operations.forward import convolve
from convverify.operations.normwise import normwise_bound
from convverify.problems.dtypes import FORMATS
from convverify.problems.problem import Problem

_ROOM = 9  # pixels by which a probe's image exceeds the kernel: some tiles see its one large pixel, some outputs of these do not


def errs_by_norm(evidence: Sequence[Evidence], ask: Ask) -> bool:
    """Return whether a kernel errs as normwise algorithms do, and within their bound, wherever it fails.

    Either some error exceeds the sum of all that its element sums, in absolute values; or, asked about an image with one large pixel,
    the kernel is wrong where this pixel counts for nothing, and less so without it.  What NaN and Inf do is no evidence: such
    algorithms spread them.
    """
    finite = [item for item in evidence if item.case.stage != "special"]
    if not evidence or not all(_is_within(item) for item in finite):
        return False
    if any(_exceeds_its_terms(item) for item in finite):
        return True
    return _minds_other_pixels(evidence[0].case.problem, ask)


def _is_within(item: Evidence) -> bool:
    """Return whether all errors of a case are finite, and within the normwise bound."""
    if item.actual.shape != item.expected.shape or not (np.isfinite(item.x).all() and np.isfinite(item.w).all()):
        return False
    bound = normwise_bound(item.case.problem, item.x, item.w)
    return bool((np.abs(item.actual - item.expected) <= bound).all() and np.isfinite(bound).all())


def _exceeds_its_terms(item: Evidence) -> bool:
    magnitude = convolve(item.case.problem, np.abs(item.x), np.abs(item.w))
    smallest = FORMATS[item.case.problem.dtype].smallest_normal
    return bool((np.abs(item.actual - item.expected) > np.maximum(magnitude, smallest)).any())


def _minds_other_pixels(problem: Problem, ask: Ask) -> bool:
    """Ask the kernel about small integers, weights of zero among them, with and without one pixel whose last bit is more than they are."""
    rows, columns = problem.effective_kernel
    problem = problem.with_(batch=1, height=rows + _ROOM, width=columns + _ROOM)
    if problem.is_empty or not problem.terms or problem.macs > 1 << 18:
        return False
    place = (0, problem.height // 2, problem.width // 2, 0)
    errors = []
    for value in (1.0, 2.0 ** min(FORMATS[problem.dtype].precision + 6, FORMATS[problem.dtype].max_exponent // 2)):
        case = _with_pixel(problem, place, value)
        answer = ask(case)
        item = None if answer is None else evidence_of(case, answer)
        if item is None or not _is_within(item):
            return False
        one = np.zeros(problem.x_shape)
        one[place] = 1.0
        reading = convolve(problem, one, (item.w != 0).astype(np.float64)) > 0
        errors.append(np.abs(item.actual - item.expected)[~reading].max(initial=0.0))
    return bool(errors[1] > errors[0])


def _with_pixel(problem: Problem, place: tuple[int, ...], value: float) -> Case:
    """Return a case of ones and minus ones but for one pixel, half of the weights zero."""
    rng = np.random.default_rng(0)
    x, w = (rng.integers(0, 2, shape) * 2.0 - 1.0 for shape in (problem.x_shape, problem.w_shape))
    w *= rng.integers(0, 2, w.shape)
    x[place] = value
    elements = [tuple((tuple(map(int, at)), float(array[tuple(at)])) for at in np.argwhere(array)) for array in (x, w)]
    return Case(problem, "given", x_elements=elements[0], w_elements=elements[1])
