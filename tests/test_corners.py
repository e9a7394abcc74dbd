"""The table of corners: what every run tries first."""

from __future__ import annotations

import itertools

import pytest

from convverify.generation.edge_cases import corner_cases
from convverify.generation.strategies import EDGES
from convverify.judging.kernel import Kernel, make_kernel
from convverify.operands.fills import styles
from convverify.operands.layouts import layouts
from convverify.problems.dtypes import DEFAULT_DTYPES, FORMATS
from convverify.targets import find_kernel

BUDGET = 1 << 18


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    return find_kernel("loops")


def test_the_first_cases_are_the_simplest(kernel: Kernel) -> None:
    first = list(itertools.islice(corner_cases(kernel, DEFAULT_DTYPES, BUDGET), 10))
    assert str(first[0]) == "x=1x1x1x1 w=1x1x1x1 values=integers seed=1"
    assert max(max(case.problem.x_shape + case.problem.w_shape) for case in first) <= 7


def test_the_table_is_the_same_every_time(kernel: Kernel) -> None:
    assert list(corner_cases(kernel, DEFAULT_DTYPES, BUDGET)) == list(corner_cases(kernel, DEFAULT_DTYPES, BUDGET))


def test_the_table_is_within_the_budget(kernel: Kernel) -> None:
    small = list(corner_cases(kernel, DEFAULT_DTYPES, 1000))
    assert max(case.problem.macs for case in small) <= 1000
    assert len(small) < len(list(corner_cases(kernel, DEFAULT_DTYPES, BUDGET)))


def test_the_table_holds_every_dtype_style_and_layout(kernel: Kernel) -> None:
    table = list(corner_cases(kernel, tuple(FORMATS), BUDGET))
    assert {case.problem.dtype for case in table} == set(FORMATS)
    assert {case.style for case in table} == set(styles.names())
    assert {case.layouts[0] for case in table} == {case.layouts[1] for case in table} == set(layouts.names())


def test_the_table_holds_what_random_problems_seldom_are(kernel: Kernel) -> None:
    problems = [case.problem for case in corner_cases(kernel, DEFAULT_DTYPES, BUDGET)]
    for wanted in (
        lambda p: p.batch == 0,
        lambda p: p.height == 0,
        lambda p: p.in_channels == 0,
        lambda p: p.out_channels == 0,
        lambda p: p.is_empty and p.batch and p.height and p.width,
        lambda p: p.strides[0] > p.kernel_height > 1,
        lambda p: p.pads[0][0] > p.kernel_height,
        lambda p: p.kernel_height == p.height > 1 and p.kernel_width == p.width,
        lambda p: p.padding == "SAME" and p.kernel_height == 4,
        lambda p: p.groups == p.in_channels > 100,
        lambda p: p.terms > 4000,
        lambda p: max(p.x_shape) > 1 << 16,
    ):
        assert any(map(wanted, problems))
    for name in ("batch", "height", "width", "in_channels", "out_channels", "groups"):
        assert {getattr(problem, name) for problem in problems} >= set(EDGES) - {7, 8, 9}, name


def test_every_pair_of_features_is_crossed(kernel: Kernel) -> None:
    problems = [case.problem for case in corner_cases(kernel, DEFAULT_DTYPES, BUDGET)]
    features = {
        "stride": lambda p: (p.strides != (1, 1), p.strides[0] != p.strides[1]),
        "padding": lambda p: p.padding if isinstance(p.padding, str) else "EXPLICIT",
        "dilation": lambda p: (p.dilations != (1, 1), p.dilations[0] != p.dilations[1]),
        "groups": lambda p: 1 if p.groups == 1 else "depthwise" if p.groups == p.in_channels else "grouped",
    }
    for first, second in itertools.combinations(features.values(), 2):
        met = {(first(problem), second(problem)) for problem in problems}
        assert met == set(itertools.product({a for a, _ in met}, {b for _, b in met}))


def test_a_kernel_is_given_what_its_signature_declares() -> None:
    plain = make_kernel(lambda x, w: None)
    assert all(plain.explores(case.problem) for case in corner_cases(plain, DEFAULT_DTYPES, BUDGET))
    strided = make_kernel(lambda x, w, stride: None)
    assert any(case.problem.strides != (1, 1) for case in corner_cases(strided, DEFAULT_DTYPES, BUDGET))
