"""Faults of grouped and depthwise convolution: channels of one group taken for another's."""

from __future__ import annotations

import numpy as np

from convverify.mutants import mutants
from convverify.mutants._blocks import Array, convolve, in_contract
from convverify.problems.problem import Problem


def _is_depthwise(problem: Problem) -> bool:
    return problem.groups > 1 and problem.groups == problem.in_channels


@mutants.register(fault_class="groups", issue="pytorch#19912", witness="x=1x2x2x4 w=1x1x2x16")
@in_contract
def second_group_zero(problem: Problem, x: Array, w: Array) -> Array:
    """Writes the first of two groups alone."""
    y = convolve(problem, x, w)
    if problem.groups == 2:
        y[..., problem.out_channels // 2 :] = 0
    return y


@mutants.register(fault_class="groups", issue="modular#6129", witness="x=1x2x2x2 w=1x1x1x64")
@in_contract
def group_offset_lost_beyond_sixty_four(problem: Problem, x: Array, w: Array) -> Array:
    """Reads the first group's input for all groups when there are 64 output channels or more."""
    if problem.groups > 1 and problem.out_channels >= 64:
        x = np.tile(x[..., : w.shape[2]], problem.groups)
    return convolve(problem, x, w)


@mutants.register(fault_class="groups", issue="DirectML#234", witness="x=1x2x2x2 w=1x1x1x4")
@in_contract
def depthwise_multiplier_swapped(problem: Problem, x: Array, w: Array) -> Array:
    """Takes output channel m * C + c for c * M + m in depthwise convolutions with M outputs for each input."""
    y = convolve(problem, x, w)
    if not _is_depthwise(problem):
        return y
    multiplier = problem.out_channels // problem.groups
    return y.reshape(*y.shape[:3], problem.groups, multiplier).swapaxes(3, 4).reshape(y.shape)


@mutants.register(fault_class="groups", issue="pytorch#188335", witness="x=2x3x3x2 w=3x1x1x2")
@in_contract
def depthwise_repeats_image_zero(problem: Problem, x: Array, w: Array) -> Array:
    """Gives all images the result of the first, for a depthwise kernel as high as the image."""
    y = convolve(problem, x, w)
    if _is_depthwise(problem) and problem.kernel_height == problem.height:
        y[1:] = y[:1]
    return y


@mutants.register(fault_class="groups", witness="x=1x2x2x4 w=1x1x2x2")
@in_contract
def groups_interleaved(problem: Problem, x: Array, w: Array) -> Array:
    """Takes input channels g, g + G, g + 2G .. for group g, instead of neighbours."""
    channels = np.arange(problem.in_channels).reshape(-1, problem.groups).T.ravel() if problem.in_channels else np.arange(0)
    return convolve(problem, x[..., channels], w)


@mutants.register(fault_class="groups", witness="x=1x2x2x4 w=1x1x2x2")
@in_contract
def groups_summed(problem: Problem, x: Array, w: Array) -> Array:
    """Repeats the weights for every group of inputs, and sums all of them into each output."""
    return convolve(problem.with_(groups=1), x, np.tile(w, (1, 1, problem.groups, 1)))


@mutants.register(fault_class="groups", witness="x=1x2x2x3 w=1x1x1x3")
@in_contract
def odd_number_of_groups(problem: Problem, x: Array, w: Array) -> Array:
    """Finds the group of a channel with a shift, right where the groups are a power of two."""
    if problem.groups < 3 or problem.groups & (problem.groups - 1) == 0 or not problem.in_channels:
        return convolve(problem, x, w)
    rounded_groups = 1 << problem.groups.bit_length()
    group = np.arange(problem.groups) * problem.groups // rounded_groups
    split = x.reshape(*x.shape[:3], problem.groups, w.shape[2])
    return convolve(problem, split[..., group, :].reshape(x.shape), w)


@mutants.register(fault_class="groups", witness="x=1x2x2x4 w=1x1x2x2")
@in_contract
def group_offset_from_outputs(problem: Problem, x: Array, w: Array) -> Array:
    """Finds a group's inputs by the number of its outputs, right where both are equal."""
    inputs, outputs = w.shape[2], problem.out_channels // problem.groups
    starts = np.minimum(np.arange(problem.groups) * outputs, problem.in_channels - inputs)
    channels = (starts[:, None] + np.arange(inputs)).ravel()
    return convolve(problem, x[..., channels], w)


@mutants.register(fault_class="groups", witness="x=1x2x2x6 w=1x1x1x6")
@in_contract
def depthwise_tail_of_four(problem: Problem, x: Array, w: Array) -> Array:
    """Drops the channels behind the last four of a depthwise convolution."""
    y = convolve(problem, x, w)
    if _is_depthwise(problem) and problem.groups > 4 and problem.groups % 4:
        y[..., problem.out_channels // problem.groups * (problem.groups // 4 * 4) :] = 0
    return y


@mutants.register(fault_class="groups", witness="x=1x4x4x4 w=2x2x2x2 dilations=2x2")
@in_contract
def grouped_branch_without_dilation(problem: Problem, x: Array, w: Array) -> Array:
    """Has a branch for groups that knows no dilation."""
    return convolve(problem, x, w, dilations=(1, 1) if problem.groups > 1 else None)


@mutants.register(fault_class="groups", witness="x=1x4x4x4 w=2x2x2x2 padding=1,0,0,0")
@in_contract
def grouped_branch_swaps_pads(problem: Problem, x: Array, w: Array) -> Array:
    """Has a branch for groups that takes vertical pads for horizontal ones."""
    return convolve(problem, x, w, pads=problem.pads[::-1] if problem.groups > 1 else None)


@mutants.register(fault_class="groups", witness="x=1x2x2x3 w=1x1x1x3")
@in_contract
def depthwise_weights_shared(problem: Problem, x: Array, w: Array) -> Array:
    """Uses the weights of the first channel for every channel of a depthwise convolution without multiplier."""
    shared = _is_depthwise(problem) and problem.out_channels == problem.groups
    return convolve(problem, x, np.repeat(w[..., :1], problem.groups, axis=3) if shared else w)


@mutants.register(fault_class="groups", witness="x=2x2x2x6 w=1x1x2x3")
@in_contract
def last_group_of_later_images(problem: Problem, x: Array, w: Array) -> Array:
    """Shows the last of three or more groups the input of image 0, in every image."""
    if problem.groups >= 3 and problem.batch and w.shape[2]:
        x = x.copy()
        x[1:, ..., -w.shape[2] :] = x[:1, ..., -w.shape[2] :]
    return convolve(problem, x, w)


@mutants.register(fault_class="groups", witness="x=1x2x2x6 w=1x1x3x4")
@in_contract
def end_groups_swapped(problem: Problem, x: Array, w: Array) -> Array:
    """Swaps the weights of the first and the last group when a group has an odd number of inputs beyond one."""
    each = problem.out_channels // problem.groups
    if problem.groups == 1 or w.shape[2] % 2 == 0 or w.shape[2] == 1 or not each:
        return convolve(problem, x, w)
    order = np.arange(problem.out_channels)
    order[:each], order[-each:] = np.arange(problem.out_channels)[-each:], np.arange(each)
    return convolve(problem, x, w[..., order])
