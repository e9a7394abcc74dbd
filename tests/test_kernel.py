"""What a kernel is given is read off its signature."""

from __future__ import annotations

import functools
import operator
import re
from typing import Any

import pytest

from convverify.judging.kernel import NEUTRAL, make_kernel
from convverify.problems.problem import Problem

PROBLEM = Problem(1, 5, 5, 4, 3, 3, 4, strides=(2, 1), padding=((1, 2), (3, 0)), dilations=(1, 2), groups=2)
PADDING = [[0, 0], [1, 2], [3, 0], [0, 0]]


def echo(*operands: Any, **keywords: Any) -> Any:
    return operands, keywords


def plain(x: Any, w: Any) -> Any:
    return echo(x, w)


def full(x: Any, w: Any, *, strides: Any, padding: Any, dilations: Any, groups: Any) -> Any:
    return echo(x, w, strides=strides, padding=padding, dilations=dilations, groups=groups)


def singular(x: Any, w: Any, stride: Any, pad: Any, dilation: Any) -> Any:
    return echo(x, w, stride=stride, pad=pad, dilation=dilation)


def defaulted(x: Any, w: Any, bias: Any = None, groups: Any = 1, *, fast: bool = True) -> Any:
    return echo(x, w, groups=groups)


class Callable:
    def __call__(self, image: Any, kernel: Any, pads: Any) -> Any:
        return echo(image, kernel, pads=pads)


EVERYTHING = {"strides": (2, 1), "padding": PADDING, "dilations": (1, 2), "groups": 2}


@pytest.mark.parametrize(
    ("function", "given"),
    [
        (plain, {}),
        (full, EVERYTHING),
        (singular, {"stride": (2, 1), "pad": PADDING, "dilation": (1, 2)}),
        (defaulted, {"groups": 2}),
        (Callable(), {"pads": PADDING}),
        (lambda x, w, **rest: echo(x, w, **rest), EVERYTHING),
        (echo, EVERYTHING),
        (functools.partial(full, groups=2), EVERYTHING),
        (functools.wraps(plain)(lambda *args, **rest: echo(*args, **rest)), {}),
        (lambda x, w, /, strides: echo(x, w, strides=strides), {"strides": (2, 1)}),
    ],
)
def test_a_kernel_is_called_with_what_it_declares_under_its_own_names(function: Any, given: dict[str, Any]) -> None:
    assert make_kernel(function)("x", "w", PROBLEM) == (("x", "w"), given)


def test_a_function_without_a_signature_is_called_with_two_operands() -> None:
    kernel = make_kernel(max)  # inspect finds no signature for this builtin
    assert kernel(1, 2, PROBLEM) == 2
    assert not kernel.explores(PROBLEM)


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (3, "the kernel must be callable, not int"),
        (lambda x: x, "must take two operands, f(x, w, ...); its signature is (x)"),
        (lambda: None, "must take two operands"),
        (lambda x, w, bias: x, "requires the unknown parameter 'bias'; known: strides, padding, dilations, groups"),
        (lambda x, w, *, bias: x, "requires the unknown parameter 'bias'"),
        (lambda x, w, stride, strides: x, "declares strides twice"),
        (lambda x, w, pad, padding=0: x, "declares padding twice"),
    ],
)
def test_a_signature_that_does_not_fit_is_refused(function: Any, told: str) -> None:
    with pytest.raises(TypeError, match=re.escape(told)):
        make_kernel(function, "mine")


def test_only_what_is_declared_is_explored() -> None:
    kernel = make_kernel(lambda x, w, padding: None)
    assert kernel.explores(Problem(padding="SAME"))
    assert not kernel.explores(Problem(padding="SAME", strides=(2, 1)))
    assert kernel.restrict(PROBLEM) == PROBLEM.with_(strides=(1, 1), dilations=(1, 1), groups=1)
    assert make_kernel(full).restrict(PROBLEM) is PROBLEM


def test_neutral_values_are_those_of_a_plain_problem() -> None:
    assert {name: getattr(Problem(), name) for name in NEUTRAL} == dict(NEUTRAL)


def test_options_come_from_arguments_or_from_attributes_of_the_function() -> None:
    def mine(x: Any, w: Any) -> Any: ...

    assert (make_kernel(mine).data_format, make_kernel(mine).accuracy) == ("NHWC", "elementwise")
    mine.data_format, mine.accuracy = "NCHW", "normwise"  # type: ignore[attr-defined]  # as users mark their functions
    assert (make_kernel(mine).data_format, make_kernel(mine).accuracy) == ("NCHW", "normwise")
    assert make_kernel(mine, data_format="NHWC", accuracy="elementwise").axes == ((0, 1, 2, 3), (0, 1, 2, 3))


def test_wrong_options_are_named() -> None:
    with pytest.raises(ValueError, match="data_format must be NHWC or NCHW, not 'HWC'"):
        make_kernel(operator.mul, data_format="HWC")
    with pytest.raises(ValueError, match="accuracy must be elementwise or normwise, not 'good'"):
        make_kernel(operator.mul, accuracy="good")


def test_axes_of_nchw_bring_the_channels_forward_and_back() -> None:
    kernel = make_kernel(operator.mul, data_format="NCHW")
    nhwc, hwio = ("N", "H", "W", "C"), ("H", "W", "I", "O")
    assert [nhwc[axis] for axis in kernel.axes[0]] == ["N", "C", "H", "W"]
    assert [hwio[axis] for axis in kernel.axes[1]] == ["O", "I", "H", "W"]
    assert ["NCHW"[axis] for axis in kernel.result_axes] == list("NHWC")
