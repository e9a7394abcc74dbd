"""U-Net: large images and no padding at all."""

from __future__ import annotations

from collections.abc import Iterator

from convverify.problems.problem import Problem
from convverify.problems.suites import Layer, conv, distinct, suites

_SOURCE = "Ronneberger, Fischer, Brox 2015 (arXiv:1505.04597), figure 1; the four transposed 2x2 convolutions are left out"


@suites.register()
def unet(batch: int = 1) -> tuple[Layer, ...]:
    """U-Net at 572x572: 18 convolutions of 3x3 and one of 1x1, 1.45e11 multiply-adds an image; VALID."""
    return distinct(_layers(), _SOURCE, batch)


def _layers() -> Iterator[tuple[str, Problem]]:
    size, channels = 572, 1
    for level in range(5):
        width = 64 << level
        yield f"down{level + 1}_1", conv(size, size, channels, (3, 3), width)
        yield f"down{level + 1}_2", conv(size - 2, size - 2, width, (3, 3), width)
        size, channels = (size - 4) // 2 if level < 4 else size - 4, width
    for level in reversed(range(4)):
        width, size = 64 << level, size * 2
        yield f"up{level + 1}_1", conv(size, size, 2 * width, (3, 3), width)
        yield f"up{level + 1}_2", conv(size - 2, size - 2, width, (3, 3), width)
        size -= 4
    yield "segmentation", conv(size, size, 64, (1, 1), 2)
