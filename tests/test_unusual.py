"""Unusual kernels are right: everywhere, in every manner that they have."""

from __future__ import annotations

import os
import random
import signal
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from kernel_calls import PLAIN, call, parameters, reference, small_integers, takes

from convverify.problems.problem import Problem
from convverify.registry import Entry
from convverify.unusual import unusual

ENTRIES = [pytest.param(entry, id=entry.name) for entry in unusual]


def varied_problems(count: int) -> list[Problem]:
    """The plain problems, and random ones: small, of every dtype, with all that the contract allows."""
    random_state, problems = random.Random(7), [Problem.parse(line) for line in PLAIN]
    while len(problems) < count:
        pick, groups = random_state.choice, random_state.choice((1, 1, 1, 2, 3))
        pads = ((pick(range(4)), pick(range(4))), (pick(range(4)), pick(range(4))))
        problems.append(
            Problem(
                batch=pick((0, 1, 2, 3)),
                height=pick((0, 1, 2, 5, 9)),
                width=pick((1, 2, 4, 6, 17)),
                in_channels=groups * pick((0, 1, 2, 3, 5)),
                kernel_height=pick((1, 2, 3)),
                kernel_width=pick((1, 2, 3, 4)),
                out_channels=groups * pick((0, 1, 2, 5)),
                strides=(pick((1, 1, 2, 3)), pick((1, 1, 2, 3))),
                padding=pick(("VALID", "VALID", "SAME", pads)),
                dilations=(pick((1, 1, 2)), pick((1, 1, 3))),
                groups=groups,
                dtype=pick(("float16", "bfloat16", "float32", "float64")),
            )
        )
    return problems


PROBLEMS = varied_problems(100)


@pytest.fixture(autouse=True)
def _surroundings() -> Iterator[None]:
    """Put back what an unusual kernel changes in the process."""
    directory, handler = os.getcwd(), signal.getsignal(signal.SIGTERM)
    states = random.getstate(), np.random.get_state()
    yield
    os.chdir(directory)
    signal.signal(signal.SIGTERM, handler)
    random.setstate(states[0])
    np.random.set_state(states[1])


def result_of(entry: Entry, problem: Problem, x: Any, w: Any) -> Any:
    """The kernel's result as NHWC float64; None where it refuses the problem."""
    channels_first = entry.traits.get("data_format") == "NCHW"
    if channels_first:
        x, w = x.transpose(0, 3, 1, 2), w.transpose(3, 2, 0, 1)
    try:
        y = call(entry.function, problem, x, w)
    except NotImplementedError:
        return None
    return (y.transpose(0, 2, 3, 1) if channels_first else y).astype(np.float64)


@pytest.mark.parametrize("entry", ENTRIES)
def test_an_unusual_kernel_is_right(entry: Entry, capfd: pytest.CaptureFixture[str]) -> None:
    tolerance = 1e-3 if entry.traits.get("accuracy") == "normwise" else 0.0
    tried = 0
    for seed, problem in enumerate(PROBLEMS):
        if not takes(entry.function, problem):
            continue
        x, w = small_integers(problem, seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            y = result_of(entry, problem, x, w)
        if y is None:
            continue
        tried += 1
        np.testing.assert_allclose(y, reference(problem, x, w), rtol=0, atol=tolerance, err_msg=str(problem))
    assert tried >= (20 if len(parameters(entry.function, Problem())) == 4 else 5)


def test_unusual_kernels_have_summaries_and_known_traits() -> None:
    for entry in unusual:
        assert entry.summary.endswith(".")
        assert dict(entry.traits).items() <= {"accuracy": "normwise", "data_format": "NCHW"}.items()
