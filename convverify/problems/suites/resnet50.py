"""ResNet-50, version 1.5: the stride of a stage is in its 3x3 convolution."""

from __future__ import annotations

from collections.abc import Iterator

from convverify.problems.problem import Problem
from convverify.problems.suites import Layer, conv, distinct, suites

_SOURCE = "He, Zhang, Ren, Sun 2015 (arXiv:1512.03385), table 1; strides and pads as in torchvision's resnet50 (version 1.5)"
_STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))


@suites.register()
def resnet50(batch: int = 1) -> tuple[Layer, ...]:
    """ResNet-50 v1.5 at 224x224: 53 convolutions, 4.09e9 multiply-adds an image; explicit pads."""
    return distinct(_layers(), _SOURCE, batch)


def _layers() -> Iterator[tuple[str, Problem]]:
    yield "conv1", conv(224, 224, 3, (7, 7), 64, strides=(2, 2), padding=((3, 3), (3, 3)))
    size, channels = 56, 64
    for stage, (width, blocks) in enumerate(_STAGES, start=2):
        for block in range(1, blocks + 1):
            stride = 2 if block == 1 and stage > 2 else 1
            name, after = f"conv{stage}_{block}", size // stride
            yield f"{name}_reduce", conv(size, size, channels, (1, 1), width)
            yield f"{name}_3x3", conv(size, size, width, (3, 3), width, strides=(stride, stride), padding=((1, 1), (1, 1)))
            yield f"{name}_expand", conv(after, after, width, (1, 1), 4 * width)
            if block == 1:
                yield f"{name}_shortcut", conv(size, size, channels, (1, 1), 4 * width, strides=(stride, stride))
            size, channels = after, 4 * width
