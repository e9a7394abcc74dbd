"""Sizes on both sides of the edges of registers, tiles and blocks: one more than fits, or one less."""

from __future__ import annotations

from convverify.problems.problem import Problem
from convverify.problems.suites import Layer, suites

_SOURCE = "extents one below, at and one above 8, 16, 32, 64, 128 and 256, in the manner of oneDNN's benchdnn shapes_tails"
_LINES = """
x=1x13x13x32 w=3x3x32x13
x=1x13x13x64 w=3x3x64x33 padding=SAME
x=1x13x13x19 w=3x3x19x32
x=1x13x13x15 w=3x3x15x17 padding=SAME
x=1x13x13x17 w=3x3x17x15
x=1x9x7x7 w=3x3x7x9 padding=SAME
x=1x7x9x9 w=3x3x9x7 padding=1,0,0,1
x=1x15x17x31 w=3x3x31x65 padding=SAME
x=1x17x15x65 w=3x3x65x31
x=1x33x31x8 w=3x3x8x63 padding=SAME
x=1x31x33x63 w=1x1x63x65
x=1x13x13x29 w=1x1x29x65
x=1x5x5x207 w=1x1x207x153
x=1x5x5x153 w=3x3x153x207 padding=SAME
x=1x8x8x255 w=3x3x255x257 padding=SAME
x=1x9x8x257 w=1x1x257x255
x=1x65x63x3 w=7x7x3x17 strides=2x2 padding=3,3,3,3
x=1x64x64x4 w=8x8x4x16 strides=4x4
x=1x17x129x5 w=1x7x5x33 padding=SAME
x=1x129x17x5 w=7x1x5x33 padding=SAME
x=1x31x33x16 w=3x3x16x16 strides=2x1 padding=SAME
x=1x33x31x16 w=3x3x16x17 strides=1x3
x=1x31x33x17 w=3x3x17x16 padding=SAME dilations=2x3
x=1x16x15x15 w=3x3x1x15 padding=SAME
x=1x15x16x33 w=3x3x1x33 strides=2x2 padding=SAME
x=1x13x13x65 w=3x3x1x130
x=1x17x17x34 w=3x3x17x30 padding=SAME
x=1x1x257x1 w=1x3x1x129 padding=SAME
x=1x257x1x3 w=3x1x3x127 padding=SAME
x=1x4x4x129 w=4x4x129x127
x=1x3x3x16 w=5x5x16x17 padding=SAME
"""


@suites.register()
def tails(batch: int = 1) -> tuple[Layer, ...]:
    """31 small problems around the edges of vectors, tiles and blocks: every stride, dilation, padding and group form."""
    problems = (Problem.parse(line).with_(batch=batch) for line in _LINES.split("\n") if line)
    return tuple(Layer(f"tail{number}", problem, 1, _SOURCE) for number, problem in enumerate(problems, start=1))
