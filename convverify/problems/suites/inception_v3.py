"""Inception v3: kernels of 1x7, 7x1, 1x3, 3x1 and 5x5, and channel counts that are no powers of two."""

from __future__ import annotations

from collections.abc import Iterator

from convverify.problems.problem import Problem
from convverify.problems.suites import Layer, conv, distinct, suites

_SOURCE = "Szegedy, Vanhoucke, Ioffe, Shlens, Wojna 2015 (arXiv:1512.00567), table 1; channels and padding as in Keras' InceptionV3"
Named = Iterator[tuple[str, Problem]]


@suites.register()
def inception_v3(batch: int = 1) -> tuple[Layer, ...]:
    """Inception v3 at 299x299: 94 convolutions, 5.7e9 multiply-adds an image; VALID and SAME."""
    return distinct(_layers(), _SOURCE, batch)


def _layers() -> Named:
    yield from _stem()
    for number, (channels, pooled) in enumerate(((192, 32), (256, 64), (288, 64))):
        yield from _branches(f"mixed{number}", 35, channels, "1x1:64", "1x1:48 5x5:64", "1x1:64 3x3:96 3x3:96", f"1x1:{pooled}")
    yield from _branches("mixed3", 35, 288, "3x3/2:384", "1x1:64 3x3:96 3x3/2:96")
    for number, inner in ((4, 128), (5, 160), (6, 160), (7, 192)):
        short = f"1x1:{inner} 1x7:{inner} 7x1:192"
        long = f"1x1:{inner} 7x1:{inner} 1x7:{inner} 7x1:{inner} 1x7:192"
        yield from _branches(f"mixed{number}", 17, 768, "1x1:192", short, long, "1x1:192")
    yield from _branches("mixed8", 17, 768, "1x1:192 3x3/2:320", "1x1:192 1x7:192 7x1:192 3x3/2:192")
    for number, channels in ((9, 1280), (10, 2048)):
        yield from _branches(f"mixed{number}", 8, channels, "1x1:320", "1x1:384", "1x1:448 3x3:384", "1x1:192")
        for branch in ("b", "c"):  # both of these branches end in two halves side by side
            yield from _branches(f"mixed{number}{branch}", 8, 384, "1x3:384", "3x1:384")


def _stem() -> Named:
    yield "stem1", conv(299, 299, 3, (3, 3), 32, strides=(2, 2))
    yield "stem2", conv(149, 149, 32, (3, 3), 32)
    yield "stem3", conv(147, 147, 32, (3, 3), 64, padding="SAME")
    yield "stem4", conv(73, 73, 64, (1, 1), 80)
    yield "stem5", conv(73, 73, 80, (3, 3), 192)


def _branches(name: str, size: int, channels: int, *branches: str) -> Named:
    """Yield the convolutions of parallel branches, each written as 'HxW:outputs' words; '/2' is a stride, without padding."""
    for letter, branch in zip("abcd", branches, strict=False):
        inputs = channels
        for position, word in enumerate(branch.split(), start=1):
            shape, outputs = word.split(":")
            kernel, _, stride = shape.partition("/")
            rows, columns = (int(extent) for extent in kernel.split("x"))
            yield (
                f"{name}_{letter}{position}",
                conv(size, size, inputs, (rows, columns), int(outputs), strides=(2, 2), padding="VALID")
                if stride
                else conv(size, size, inputs, (rows, columns), int(outputs), padding="SAME"),
            )
            inputs = int(outputs)
