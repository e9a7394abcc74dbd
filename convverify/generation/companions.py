"""Companions: what else a kernel is called with around a case, to see whether it remembers what it should forget."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from convverify.judging.kernel import Kernel
from convverify.operands.case import Case
from convverify.operands.layouts import Choices
from convverify.operands.placing import random_bits
from convverify.problems.problem import Problem, is_degenerate

Array = npt.NDArray[Any]


def companion(case: Case, kernel: Kernel, salt: int = 0) -> Case:
    """Return another case close to `case`, decided by its seed: the same shapes with other values, strides, padding, dilations or
    dtype, or a larger or smaller neighbour, within the kernel's domain; a degenerate one at most beside a degenerate one."""
    bits = int(random_bits((case.seed + 0x5DEECE66D * (salt + 1)) & (2**64 - 1), 1)[0])
    choices = Choices(bits)
    whole = kernel.domain.degenerate is True or (is_degenerate(case.problem) and choices.below(2))
    domain = kernel.domain if whole else kernel.domain.ordinary
    most = _most(kernel, case.problem, max(4 * case.problem.macs, 4096))
    for _ in range(8):
        change = _CHANGES[choices.below(len(_CHANGES))]
        problem = domain.restrict(change(case.problem, choices))
        if problem is not None and problem != case.problem and problem.macs <= most:
            return Case(problem, "integers", seed=choices.below(2**20))
    return Case(case.problem, "integers", seed=choices.below(2**20))


def _most(kernel: Kernel, problem: Problem, wanted: int) -> int:
    """Return the multiply-adds that a companion of a problem may have."""
    return min(wanted, max(kernel.max_macs, problem.macs)) if kernel.max_macs else wanted


def _other_values(p: Problem, choices: Choices) -> Problem:
    return p.with_(height=p.height + 1)


def _other_strides(p: Problem, choices: Choices) -> Problem:
    return p.with_(strides=(p.strides[0] % 3 + 1, 1 + choices.below(3)))


def _other_padding(p: Problem, choices: Choices) -> Problem:
    others = [padding for padding in ("VALID", "SAME", ((1, 0), (0, 1))) if padding != p.padding]
    return p.with_(padding=others[choices.below(len(others))])


def _moved_padding(p: Problem, choices: Choices) -> Problem:
    """The same pads in all, on other sides: what is known of one image holds for the other but for a pixel."""
    (top, bottom), (left, right) = p.pads
    moved = ((bottom, top), (right, left)) if choices.below(2) else ((top + bottom, 0), (0, left + right))
    return p.with_(padding=moved) if any(map(any, moved)) else p.with_(padding=((1, 0), (0, 1)))


def _turned_steps(p: Problem, choices: Choices) -> Problem:
    """Strides or dilations with the axes exchanged, or one of them for the other."""
    if choices.below(2):
        return p.with_(strides=p.strides[::-1], dilations=p.dilations[::-1])
    return p.with_(strides=p.dilations, dilations=p.strides)


def _other_dilations(p: Problem, choices: Choices) -> Problem:
    return p.with_(dilations=(p.dilations[0] % 2 + 1, 1 + choices.below(2)))


def _larger_image(p: Problem, choices: Choices) -> Problem:
    return p.with_(height=p.height + 1 + choices.below(4), width=p.width + choices.below(4))


def _smaller_image(p: Problem, choices: Choices) -> Problem:
    return p.with_(height=max(1, p.height - 1 - choices.below(2)), width=max(1, p.width - choices.below(2)))


def _larger_batch(p: Problem, choices: Choices) -> Problem:
    return p.with_(batch=p.batch + 1 + choices.below(3))


def _empty_batch(p: Problem, choices: Choices) -> Problem:
    return p.with_(batch=0)


def _more_channels(p: Problem, choices: Choices) -> Problem:
    return p.with_(in_channels=p.in_channels + p.groups, out_channels=p.out_channels + choices.below(2) * p.groups)


def _fewer_channels(p: Problem, choices: Choices) -> Problem:
    return p.with_(
        in_channels=max(p.groups, p.in_channels - p.groups), out_channels=max(p.groups, p.out_channels - choices.below(2) * p.groups)
    )


def _other_kernel_size(p: Problem, choices: Choices) -> Problem:
    return p.with_(kernel_height=p.kernel_width, kernel_width=p.kernel_height + choices.below(2))


def _other_dtype(p: Problem, choices: Choices) -> Problem:
    return p.with_(dtype="float64" if p.dtype != "float64" else "float32")


_CHANGES: tuple[Callable[[Problem, Choices], Problem], ...] = (
    _other_values, _other_strides, _other_padding, _moved_padding, _turned_steps, _other_dilations, _larger_image, _smaller_image,
    _larger_batch, _empty_batch, _more_channels, _fewer_channels, _other_kernel_size, _other_dtype,
)  # fmt: skip


def walk(case: Case, kernel: Kernel) -> list[Case]:
    """Return some cases to call the kernel on one after the other, behind `case` itself, decided by its seed; each in arrays of its own.

    They go to a companion and back; to larger images and back to smaller ones; through several companions that share what they can; or
    by way of problems with all parameters at once, which kernels refuse that refuse any: what is left of a refusal shows in the next call.
    """
    choices = Choices(int(random_bits((case.seed + 0x9E3779B9) & (2**64 - 1), 1)[0]))
    domain, kind, p = kernel.domain.ordinary, choices.below(4), case.problem
    most = _most(kernel, p, max(8 * p.macs, 8192))

    def on(problem: Problem | None) -> Case | None:
        small = problem is not None and problem.macs <= most
        return Case(problem, "integers", seed=choices.below(2**20)) if problem is not None and small else None

    if kind == 0:
        steps: list[Case | None] = [companion(case, kernel, 2), on(p), companion(case, kernel, 3), on(p)]
    elif kind == 1:
        sizes = [(p.height + more, p.width + more + choices.below(2)) for more in (1, 4, 2, 0)]
        smaller = (max(1, p.height - 1), max(1, p.width - 1))
        steps = [on(domain.restrict(p.with_(height=height, width=width))) for height, width in (*sizes, smaller)]
    elif kind == 2:
        changes = [_moved_padding, _turned_steps, _other_dilations, _other_strides]
        steps = [on(domain.restrict(changes[index](p, choices))) for index in choices.shuffled(range(4))]
        steps.insert(2, on(p))
    else:
        groups = p.groups if p.groups > 1 else 2
        everything = p.with_(
            in_channels=p.in_channels * groups // p.groups, out_channels=p.out_channels * groups // p.groups, groups=groups, strides=(2, 3),
            dilations=(3, 2), padding=((2, 1), (0, 3)), height=p.height + 8, width=p.width + 7,
        )  # fmt: skip
        parts = [
            everything,
            everything.with_(dilations=(1, 1)),
            everything.with_(strides=(1, 1)),
            p.with_(strides=(2, 2), dilations=(2, 2)),
        ]
        steps = [on(domain.restrict(parts[choices.below(4)])), on(p), on(domain.restrict(parts[choices.below(4)])), on(p)]
    return [step for step in steps if step is not None]


def signed(x: Array, w: Array, groups: int, seed: int) -> tuple[Array, Array, Array]:
    """Return x and w (NHWC, HWIO) with signs changed, and the signs by which the result changes: exactly, in any order of summation.

    Signs are drawn for each image, each output channel, and each input channel (in both operands, where they cancel).
    """
    batch, channels, outputs = x.shape[0], x.shape[3], w.shape[3]
    bits = random_bits(seed ^ 0xA5A5A5A5, 1 + (batch + channels + outputs) // 64 + 1).view(np.uint8)
    signs = np.unpackbits(bits)[: batch + channels + outputs].astype(np.float64) * 2.0 - 1.0
    images, inputs, results = signs[:batch], signs[batch : batch + channels], signs[batch + channels :]
    if outputs and batch and (images[:, None] * results > 0).all():
        results[-1] = -results[-1]
    changed_x = (x * (images[:, None, None, None] * inputs)).astype(x.dtype)
    if outputs and channels:
        by_group = inputs.reshape(groups, -1)
        rows = np.repeat(by_group, outputs // groups, axis=0).T
        changed_w = (w * (rows * results)).astype(w.dtype)
    else:
        changed_w = w.copy()
    return changed_x, changed_w, images[:, None, None, None] * results


def nudged(x: Array, w: Array, seed: int) -> tuple[Array, Array]:
    """Return x and w with the largest integer of one of them one nearer to zero: a change that a careless comparison takes for none."""
    changed = [x.copy(), w.copy()]
    array = changed[seed >> 6 & 1]
    if array.size:
        spot = np.unravel_index(int(np.argmax(np.abs(array.astype(np.float64)))), array.shape)
        array[spot] -= np.sign(array[spot])
    return changed[0], changed[1]
