"""What is measured, and on what: names of kernels, problems of the suites, operands, and what a convolution of them is, in float64.

The operands and the reference are made here and not by the package: they stay the same, whatever a commit changes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

KERNELS = ["loops", "loops_compiled", "matmul", "matmul_offsets", "fft", "winograd_2x2", "winograd_4x4"]
PROBLEMS = [  # suite/layer, at the suite's own batch
    "article/timing_3x3",
    "resnet50/conv1",
    "resnet50/conv2_1_3x3",
    "resnet50/conv4_1_expand",
    "mobilenet_v2/block3_depthwise",
    "tails/tail2",
    "tails/tail6",
]
PROBLEMS_3X3 = [  # neither strided nor dilated: for Winograd
    "article/timing_3x3", "resnet50/conv2_1_3x3", "mobilenet_v2/block3_depthwise", "tails/tail2", "tails/tail6",
]  # fmt: skip
SMALLEST = ["tails/tail6"]
DEEP = ["resnet50/conv5_2_3x3", "resnet50/conv5_2_reduce", "resnet50/conv2_1_3x3"]  # sums of 4608, 2048 and 576 terms
SLOW = {"loops": 100_000}  # the most multiply-adds that a kernel is asked to do: `loops` does a million in a second


def find_kernel(name: str) -> Callable[..., Any]:
    """Return the kernel of that name; NotImplementedError at commits that have none."""
    from convverify.kernels import kernels

    if name not in kernels:
        raise NotImplementedError(f"no kernel {name} at this commit")
    return kernels[name].function


def accuracy_of(name: str) -> str:
    """Return "elementwise" or "normwise": by which bound the kernel asks to be judged."""
    from convverify.kernels import kernels

    return kernels[name].traits.get("accuracy") or getattr(kernels[name].function, "accuracy", "elementwise")


def find_problem(label: str) -> Any:
    """Return the problem `suite/layer`; NotImplementedError at commits without that suite or layer."""
    suite, _, layer = label.partition("/")
    try:
        from convverify.suites import find_suite

        layers = find_suite(suite)
    except (ImportError, ValueError):
        raise NotImplementedError(f"no suite {suite} at this commit") from None
    for one in layers:
        if one.name == layer:
            return one.problem
    raise NotImplementedError(f"no layer {layer} in suite {suite} at this commit")


def arguments_of(problem: Any) -> dict[str, Any]:
    """Return what a kernel takes besides the operands."""
    return {
        "strides": problem.strides, "padding": problem.tf_padding, "dilations": problem.dilations, "groups": problem.groups,
    }  # fmt: skip


def integers(problem: Any) -> tuple[Any, Any]:
    """Return float32 operands of integers so small that sums of their products are exact in any order: terms * max**2 <= 2**24."""
    random = np.random.default_rng(2024)
    largest = max(1, int((2**24 / problem.terms) ** 0.5))
    return tuple(
        aligned(random.integers(-largest, largest, shape, endpoint=True).astype(np.float32)) for shape in (problem.x_shape, problem.w_shape)
    )  # type: ignore[return-value]  # two shapes, two arrays


def aligned(array: Any) -> Any:
    """Return a copy that begins with a cache line.  NumPy's arrays begin anywhere: from process to process, `loops_compiled` took 1.6 or
    2.0 ms for the same."""
    memory = np.empty(array.nbytes + 64, np.uint8)
    start = -memory.ctypes.data % 64
    copy = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def cancelling(problem: Any) -> tuple[Any, Any]:
    """Return float32 operands whose products nearly cancel: the second half of the channels undoes the first, but for a thousandth."""
    random = np.random.default_rng(2025)
    x, w = random.standard_normal(problem.x_shape), random.standard_normal(problem.w_shape)
    half = w.shape[2] // 2
    x[..., half : 2 * half] = x[..., :half] * (1.0 + 1e-3 * random.standard_normal(x[..., :half].shape))
    w[:, :, half : 2 * half] = -w[:, :, :half]
    return x.astype(np.float32), w.astype(np.float32)


def float64_convolution(problem: Any, x: Any, w: Any) -> Any:
    """Return the convolution in float64, by one product for each offset of the kernel and each group.  It knows nothing of the package."""
    (top, bottom), (left, right) = problem.pads
    x = np.pad(x.astype(np.float64), ((0, 0), (top, bottom), (left, right), (0, 0)))
    w = w.astype(np.float64)
    y = np.zeros(problem.output_shape)
    _, rows, columns, channels = problem.output_shape
    inputs, outputs = w.shape[2], channels // problem.groups
    for i in range(w.shape[0]):
        for j in range(w.shape[1]):
            first, second = i * problem.dilations[0], j * problem.dilations[1]
            window = x[:, first :: problem.strides[0], second :: problem.strides[1]][:, :rows, :columns]
            for g in range(problem.groups):
                of_group = slice(g * outputs, (g + 1) * outputs)
                y[..., of_group] += window[..., g * inputs : (g + 1) * inputs] @ w[i, j][:, of_group]
    return y
