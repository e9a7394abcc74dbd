"""One convolution on images from one output pixel to a million: cost against multiply-adds, with nothing else changed."""

from __future__ import annotations

from convverify.problems.suites import Layer, conv, suites

_SOURCE = "3x3 by 32 channels on square images, in steps of about half a decade of multiply-adds: 9,216 for each output pixel"
_SIZES = (1, 2, 3, 6, 10, 18, 33, 58, 104, 185, 329, 586, 1042)  # output rows and columns: the roots of powers of ten, and between


@suites.register()
def scaling(batch: int = 1) -> tuple[Layer, ...]:
    """13 problems of 3x3 by 32 channels, from 9.2e3 to 1.0e10 multiply-adds an image; VALID."""
    return tuple(Layer(f"{size}x{size}", conv(size + 2, size + 2, 32, (3, 3), 32).with_(batch=batch), 1, _SOURCE) for size in _SIZES)
