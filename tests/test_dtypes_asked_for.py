"""A kernel is tried on the dtypes that were asked for, and on no other is an error held against it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from convverify import Case, conv2d_matmul_offsets, verify


def doubles_alone(x: Any, w: Any) -> Any:
    """A kernel for float64, which raises for any other dtype."""
    assert x.dtype == np.float64
    return conv2d_matmul_offsets(x, w)


def wide_doubles_raise(x: Any, w: Any) -> Any:
    """A kernel for float64 that fails on wide images, in the same way as on other dtypes."""
    assert x.dtype == np.float64
    assert x.shape[2] <= 8
    return conv2d_matmul_offsets(x, w)


def test_a_kernel_for_one_dtype_is_verified_on_that_dtype(tmp_path: Path) -> None:
    report = verify(doubles_alone, dtypes=["float64"], references=["exact"], max_examples=100, corpus=str(tmp_path))
    assert report.ok, str(report)


def test_a_counterexample_is_not_shrunk_to_a_dtype_that_was_not_asked_for(tmp_path: Path) -> None:
    report = verify(wide_doubles_raise, dtypes=["float64"], references=["exact"], max_examples=100, corpus=str(tmp_path))
    problem = Case.parse(report.counterexamples[0].case).problem
    assert (problem.dtype, problem.width) == ("float64", 9)
