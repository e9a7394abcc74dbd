"""Patience: how long a call may take before it is called a hang.

Seconds in which a call is ready to run and waits for a processor do not count (`host.process`).  A limit in seconds alone would blame
kernels that are merely slow: one that compiles itself at the first call of each kind, or one that spends Python's time on each image or
pixel of a long axis.
"""

from __future__ import annotations

from convverify.operands.case import Case

_PER_ITEM = 0.5e-3  # seconds for each image, pixel and channel: ten times what an interpreted loop with some NumPy calls takes
PER_MAC = 5e-6  # seconds for each multiply-add: ten times what plain Python takes


def allowance(line: str, per_mac: float = PER_MAC) -> float:
    """Return the seconds that an honest kernel may need for one call on a case; `per_mac` is what it may take for a multiply-add."""
    problem = Case.parse(line).problem
    batch, rows, columns, channels = problem.output_shape
    items = batch * (rows * columns + problem.height + problem.width) + problem.in_channels + channels
    return _PER_ITEM * items + per_mac * problem.macs


def patience(limit: float, line: str, warm_up: float = 0.0, per_mac: float = PER_MAC) -> float:
    """Return the seconds to wait for one call: the limit and what the case allows, or ten times as long as the kernel took to warm up."""
    return max(limit + allowance(line, per_mac), 10.0 * warm_up if warm_up > 0.1 else 0.0)
