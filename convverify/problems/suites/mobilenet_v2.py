"""MobileNetV2: inverted residuals, whose middle convolution has a group for every channel."""

from __future__ import annotations

from collections.abc import Iterator

from convverify.problems.problem import Problem
from convverify.problems.suites import Layer, conv, distinct, suites

_SOURCE = "Sandler, Howard, Zhu, Zhmoginov, Chen 2018 (arXiv:1801.04381), table 2; padding as in the authors' TensorFlow-Slim code"
_BOTTLENECKS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


@suites.register()
def mobilenet_v2(batch: int = 1) -> tuple[Layer, ...]:
    """MobileNetV2 1.0 at 224x224: 52 convolutions, 17 of them depthwise, 3.0e8 multiply-adds an image; SAME."""
    return distinct(_layers(), _SOURCE, batch)


def _layers() -> Iterator[tuple[str, Problem]]:
    yield "conv1", conv(224, 224, 3, (3, 3), 32, strides=(2, 2), padding="SAME")
    size, channels, number = 112, 32, 0
    for expansion, width, repeats, first_stride in _BOTTLENECKS:
        for repeat in range(repeats):
            number += 1
            stride, inner = first_stride if repeat == 0 else 1, channels * expansion
            if expansion > 1:
                yield f"block{number}_expand", conv(size, size, channels, (1, 1), inner, padding="SAME")
            yield (
                f"block{number}_depthwise",
                conv(size, size, inner, (3, 3), inner, strides=(stride, stride), padding="SAME", groups=inner),
            )
            size = -(-size // stride)
            yield f"block{number}_project", conv(size, size, inner, (1, 1), width, padding="SAME")
            channels = width
    yield "conv_last", conv(size, size, channels, (1, 1), 1280, padding="SAME")
