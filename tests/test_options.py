"""Options are checked once, and travel to worker processes as JSON."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest

from convverify.campaign.options import Options
from convverify.problems.domain import Domain


def test_options_are_read_back_from_json() -> None:
    problems = ("x=1x1x1x1 w=1x1x1x1", "x=1x2x2x1 w=1x1x1x1")
    options = Options(
        "a:b", ("exact",), properties=("shape", "dtype"), problems=problems, seed=7, data_format="NCHW", isolation=False, domain="batch=1"
    )
    assert Options.from_json(options.to_json()) == options
    assert Options.from_json(Options("a:b").to_json()) == Options("a:b")


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"max_examples": -1}, "max_examples must be at least 0, not -1"),
        ({"seed": -1}, "seed must be at least 0, not -1"),
        ({"memory_limit": 1}, "memory_limit must be at least 64, not 1"),
        ({"workers": 0}, "workers must be at least 1, not 0"),
        ({"max_macs": -5}, "max_macs must be at least 0, not -5"),
        ({"batch": 0}, "batch must be at least 1, not 0"),
        ({"max_examples": 10**9}, "max_examples must be at most 100000000, not 1000000000"),
        ({"seed": 2**64}, "seed must be at most 18446744073709551615, not 18446744073709551616"),
        ({"memory_limit": 10**400}, "memory_limit must be at most 1073741824, not 1000"),
        ({"workers": 10**6}, "workers must be at most 1024, not 1000000"),
        ({"max_macs": 10**15}, "max_macs must be at most 999999999999999, not 1000000000000000"),
        ({"batch": 10**15}, "batch must be at most 999999999999999, not 1000000000000000"),
        ({"corpus": "a\0b"}, r"corpus must be text without NUL characters, not 'a\x00b'"),
        ({"suite": "\0"}, r"suite must be text without NUL characters, not '\x00'"),
        ({"max_time": 0.0}, "max_time must be more than 0 seconds, not 0.0"),
        ({"timeout": -1.0}, "timeout must be more than 0 seconds, not -1.0"),
        ({"timeout": math.nan}, "timeout must be more than 0 seconds, not nan"),
        ({"dtypes": ("float32", "int8")}, "dtype must be one of float16, bfloat16, float32, float64, not 'int8'"),
        ({"data_format": "HWC"}, "layout must be NHWC or NCHW, not 'HWC'"),
        ({"accuracy": "good"}, "accuracy must be elementwise or normwise, not 'good'"),
        ({"domain": "strides=round"}, "domain: strides must be of any, equal, square, odd, even, "),
        ({"domain": "where=even"}, "domain: where must be a function of a problem, which only Python can declare, not 'even'"),
        ({"properties": ("shape", "beauty")}, "property 'beauty' is unknown; known: "),
    ],
)
def test_a_wrong_option_is_named(values: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        Options("a:b", **values)


@pytest.mark.parametrize(
    ("options", "declared", "explored"),
    [
        ({}, "any", "dtypes=float32,float64"),
        ({"dtypes": ("float16",)}, "any", "dtypes=float16"),
        ({}, "dtypes=float16,float32", "dtypes=float16,float32"),
        ({"dtypes": ("float32",)}, "dtypes=float16,float32", "dtypes=float32"),
        ({"domain": "batch=1"}, "batch=1..4 dtypes=float32", "dtypes=float32 batch=1"),
        ({"domain": "dtypes=float64"}, "strides=equal", "dtypes=float64 strides=equal"),
        ({"degenerate": False}, "strides=equal", "dtypes=float32,float64 strides=equal degenerate=no"),
        ({}, "degenerate=no", "dtypes=float32,float64 degenerate=no"),
    ],
)
def test_what_is_explored_is_what_is_declared_and_asked_for(options: dict[str, Any], declared: str, explored: str) -> None:
    assert str(Options("a:b", **options).explored(Domain.of(declared))) == explored


@pytest.mark.parametrize(("options", "declared"), [({"dtypes": ("float64",)}, "dtypes=float32"), ({"domain": "batch=2"}, "batch=1")])
def test_options_that_leave_nothing_of_a_domain_are_named(options: dict[str, Any], declared: str) -> None:
    with pytest.raises(ValueError, match="have nothing in common"):
        Options("a:b", **options).explored(Domain.of(declared))


def test_a_target_has_no_nul() -> None:
    with pytest.raises(ValueError, match="target must be text without NUL characters"):
        Options("a\0.py:b")
