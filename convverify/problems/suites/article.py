"""The article's problems: batches of small colour images by 16 filters of 3x3, and of 1x1."""

from __future__ import annotations

from convverify.problems.problem import Problem
from convverify.problems.suites import Layer, suites

_SOURCE = "the article that convverify grew out of: its check, its timing, and its 1x1 case (TensorFlow, VALID)"


@suites.register()
def article(batch: int = 1) -> tuple[Layer, ...]:
    """(15,32,32,3) and (100,32,32,3) by (3,3,3,16), and by (1,1,3,16); the batches are the article's, `batch` changes nothing."""
    return tuple(
        Layer(name, Problem(images, 32, 32, 3, kernel, kernel, 16), 1, _SOURCE)
        for name, images, kernel in (("check_3x3", 15, 3), ("timing_3x3", 100, 3), ("check_1x1", 15, 1), ("timing_1x1", 100, 1))
    )
