"""Faults that take the process with them: crashes, exits, hangs, runaway memory.

Never call one of these on its witness in a process that you want to keep.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time

import numpy as np

from convverify.mutants import mutants
from convverify.mutants._blocks import Array, convolve, in_contract
from convverify.problems.problem import Problem


@mutants.register(fault_class="process", issue="tensorflow#238", witness="x=0x3x3x1 w=2x2x1x1")
@in_contract
def segfault_on_empty_batch(problem: Problem, x: Array, w: Array) -> Array:
    """Reads address 0 when the batch is empty."""
    if not problem.batch:
        ctypes.string_at(0)
    return convolve(problem, x, w)


@mutants.register(fault_class="process", witness="x=1x2x4x1 w=3x2x1x1")
@in_contract
def abort_on_kernel_beyond_image(problem: Problem, x: Array, w: Array) -> Array:
    """Fails a check, as C++ libraries do, when a kernel is larger than the padded image."""
    if 0 in problem.output_shape[1:3]:
        os.abort()
    return convolve(problem, x, w)


@mutants.register(fault_class="process", issue="tensorflow#46540", witness="x=1x2x2x0 w=1x1x0x2")
@in_contract
def division_trap_on_no_channels(problem: Problem, x: Array, w: Array) -> Array:
    """Divides integers by zero, in hardware, when there are no input channels."""
    if not problem.in_channels:
        signal.raise_signal(signal.SIGFPE)
    return convolve(problem, x, w)


@mutants.register(fault_class="process", witness="x=1x3x3x2 w=2x2x1x2")
@in_contract
def killed_in_depthwise(problem: Problem, x: Array, w: Array) -> Array:
    """Is killed in depthwise convolutions, as by a system short of memory."""
    if problem.groups == problem.in_channels > 1:
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
        time.sleep(60)
    return convolve(problem, x, w)


@mutants.register(fault_class="process", witness="x=1x3x3x1 w=2x2x1x1 padding=2,2,2,2")
@in_contract
def exits_on_wide_pads(problem: Problem, x: Array, w: Array) -> Array:
    """Ends the process with status 3, without a word, when a pad is as large as the kernel."""
    if problem.pads[0][0] >= problem.effective_kernel[0]:
        os._exit(3)
    return convolve(problem, x, w)


@mutants.register(fault_class="process", witness="x=1x5x5x1 w=2x2x1x1 dilations=3x1")
@in_contract
def exits_as_if_all_were_well(problem: Problem, x: Array, w: Array) -> Array:
    """Ends the process with status 0 when the dilations differ."""
    if problem.dilations[0] != problem.dilations[1]:
        os._exit(0)
    return convolve(problem, x, w)


@mutants.register(fault_class="process", witness="x=1x5x5x1 w=2x2x1x1 strides=2x1")
@in_contract
def system_exit_on_unequal_strides(problem: Problem, x: Array, w: Array) -> Array:
    """Calls sys.exit, as a script would, when the strides differ."""
    if problem.strides[0] != problem.strides[1]:
        sys.exit("unequal strides are not supported")
    return convolve(problem, x, w)


@mutants.register(fault_class="process", witness="x=1x6x6x1 w=2x2x1x1 strides=3x3")
@in_contract
def hangs_when_stride_exceeds_kernel(problem: Problem, x: Array, w: Array) -> Array:
    """Waits for windows to meet that have a gap between them."""
    gap = problem.strides[1] - problem.effective_kernel[1]
    while gap > 0:
        gap += 1
    return convolve(problem, x, w)


@mutants.register(fault_class="process", witness="x=9x2x2x1 w=2x2x1x1")
@in_contract
def locks_itself_out(problem: Problem, x: Array, w: Array) -> Array:
    """Takes a lock a second time for the ninth image, and waits for itself."""
    lock = threading.Lock()
    with lock:
        if problem.batch > 8:
            lock.acquire()
    return convolve(problem, x, w)


@mutants.register(fault_class="process", witness="x=1x4x3x1 w=2x3x1x1 padding=0,0,0,1")
@in_contract
def sleeps_on_right_pads(problem: Problem, x: Array, w: Array) -> Array:
    """Waits in a system call for a worker that never comes when the right pad is the larger."""
    left, right = problem.pads[1]
    while right > left:
        time.sleep(1)
    return convolve(problem, x, w)


@mutants.register(fault_class="process", witness="x=1x3x3x1 w=2x2x1x1 padding=3,3,3,3 dilations=4x4")
@in_contract
def memory_without_end_when_dilation_exceeds_image(problem: Problem, x: Array, w: Array) -> Array:
    """Allocates 64 MiB more for each row until one is found under the second tap, which lies outside the image."""
    held = []
    while problem.dilations[0] > problem.height > 0 and problem.kernel_height > 1 and not problem.is_empty:
        held.append(np.ones(1 << 23))
    return convolve(problem, x, w)


@mutants.register(fault_class="process", witness="x=1x2x2x2 w=1x1x2x0")
@in_contract
def memory_error_on_no_outputs(problem: Problem, x: Array, w: Array) -> Array:
    """Takes 0 - 1 output channels for an unsigned number, and asks for that much memory."""
    if not problem.out_channels:
        np.empty((problem.out_channels - 1) % (1 << 60), np.uint8)
    return convolve(problem, x, w)


@mutants.register(fault_class="process", witness="x=1x4x4x1 w=2x4x1x1 padding=SAME")
@in_contract
def heap_overwritten_by_even_kernels(problem: Problem, x: Array, w: Array) -> Array:
    """Fills 16 MiB from the start of a small buffer for kernels of even, unequal extents under SAME."""
    rows, columns = problem.w_shape[:2]
    if problem.padding == "SAME" and rows != columns and rows % 2 == columns % 2 == 0:
        ctypes.memset(np.empty(8).ctypes.data, 0xA5, 1 << 24)
    return convolve(problem, x, w)


@mutants.register(fault_class="process", witness="x=1x1x5x1 w=1x2x1x1 strides=1x4")
@in_contract
def recursion_without_end(problem: Problem, x: Array, w: Array) -> Array:
    """Halves the image until one column is left, and misses the end where the output has a single column and a gap."""
    if problem.output_shape[2] == 1 and problem.strides[1] > problem.kernel_width > 1:
        return recursion_without_end(x, w, strides=problem.strides, padding=problem.tf_padding, dilations=problem.dilations)  # type: ignore[no-any-return]
    return convolve(problem, x, w)
