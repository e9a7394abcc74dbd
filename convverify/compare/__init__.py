"""Comparison: verify kernels on some problems, then time them on the same operands, and say how fast and how accurate each is.

`options` what to compare; `contenders` who takes part; `verified` who may be timed; `operands`, `turns`, `empty`, `conditions`, `reduction`
and `timing` how it is timed; `memory` what a call needs; `machine` what the machine could do, and `plausible` what it could not; `results`
and `summary` what came of it; `comparison` all of this in order.
"""
