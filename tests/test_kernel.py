"""What a kernel is given is read off its signature."""

from __future__ import annotations

import functools
import operator
import re
from typing import Any

import pytest

from convverify.judging.kernel import NEUTRAL, declaring, make_kernel
from convverify.operands.case import Case
from convverify.problems.domain import Domain
from convverify.problems.problem import Problem
from convverify.references import exact

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


def fixed_by_position(x: Any, w: Any, stride: Any = 3, /, padding: Any = "VALID") -> Any:
    return echo(x, w, padding=padding)


@pytest.mark.parametrize(
    ("function", "domain", "given"),
    [
        (functools.partial(full, groups=2), "groups=2", {"strides": (2, 1), "padding": PADDING, "dilations": (1, 2), "groups": 2}),
        (functools.partial(singular, stride=2), "strides=2x2 groups=1", {"stride": 2, "pad": PADDING, "dilation": (1, 2)}),
        (functools.partial(full, strides=(2, 1), padding="same"), "padding=SAME strides=2x1",
         {"strides": (2, 1), "padding": "same", "dilations": (1, 2), "groups": 2}),
        (functools.partial(functools.partial(full, groups=2), groups=4), "groups=4",
         {"strides": (2, 1), "padding": PADDING, "dilations": (1, 2), "groups": 4}),
        (functools.partial(lambda x, w, **rest: echo(x, w, **rest), dilation=3), "dilations=3x3",
         {"strides": (2, 1), "padding": PADDING, "groups": 2, "dilation": 3}),
        (fixed_by_position, "strides=3x3 dilations=1x1 groups=1", {"padding": PADDING}),
    ],
)  # fmt: skip
def test_what_is_fixed_is_neither_explored_nor_passed_again(function: Any, domain: str, given: dict[str, Any]) -> None:
    kernel = make_kernel(function)
    assert str(kernel.domain) == domain
    assert kernel("x", "w", PROBLEM) == (("x", "w"), given)


@pytest.mark.parametrize(
    ("padding", "domain"),
    [
        ("VALID", "padding=VALID"),
        (0, "padding=VALID"),
        (1, "padding=EXPLICIT pads=1"),
        ((1, 2), "padding=EXPLICIT pads=1x1x2x2"),
        (((1, 2), (0, 3)), "padding=EXPLICIT pads=1x2x0x3"),
        ([[0, 0], [1, 2], [0, 3], [0, 0]], "padding=EXPLICIT pads=1x2x0x3"),
    ],
)
def test_padding_is_fixed_in_the_forms_that_functions_take_it(padding: Any, domain: str) -> None:
    assert str(make_kernel(functools.partial(full, padding=padding)).domain) == domain


def test_a_kernel_that_is_called_with_what_is_fixed_is_right_on_its_domain() -> None:
    kernel = make_kernel(functools.partial(exact.conv2d, strides=(2, 1), padding=[[0, 0], [1, 0], [2, 1], [0, 0]]))
    problem = kernel.restrict(Problem(2, 7, 6, 2, 3, 2, 3))
    x, w = Case(problem).values()
    assert kernel(x, w, problem).shape == problem.output_shape
    assert problem.strides == (2, 1)


def test_a_domain_is_read_off_the_function_and_narrowed() -> None:
    def mine(x: Any, w: Any, strides: Any, padding: Any) -> Any: ...

    mine.domain = {"strides": "equal", "channels": "8n", "where": lambda p: p.height > 2}  # type: ignore[attr-defined]
    kernel = make_kernel(mine, domain="batch=1")
    assert str(kernel.domain) == "strides=equal dilations=1x1 batch=1 channels=8n groups=1 where=<lambda>"
    assert make_kernel(functools.partial(mine, strides=2)).domain.strides.only == (2, 2)
    assert str(make_kernel(mine).within(Domain(kernel=3)).domain.kernel) == "3x3"
    assert not kernel.explores(Problem(1, 2, 4, 8, 1, 1, 8))
    assert kernel.explores(Problem(1, 3, 4, 8, 1, 1, 8))
    assert kernel.restrict(PROBLEM).strides == (2, 2)


@pytest.mark.parametrize(
    ("domain", "whole"),
    [
        ("padding=SAME", "padding=SAME strides=1x1 dilations=1x1 groups=1"),
        ("padding=VALID,SAME", "padding=VALID strides=1x1 dilations=1x1 groups=1"),
        ("strides=2", "padding=VALID strides=2x2 dilations=1x1 groups=1"),
        ("strides=1,2", "padding=VALID strides=1x1 dilations=1x1 groups=1"),
        ("padding=EXPLICIT pads=1", "padding=EXPLICIT pads=1 strides=1x1 dilations=1x1 groups=1"),
        ("groups=depthwise", "padding=VALID strides=1x1 dilations=1x1 groups=depthwise"),
    ],
)
def test_a_kernel_of_two_operands_may_compute_something_else_than_a_plain_convolution(domain: str, whole: str) -> None:
    assert str(make_kernel(plain, domain=domain).domain) == whole


@pytest.mark.parametrize(
    ("function", "domain", "error", "told"),
    [
        (plain, "strides=2,3", ValueError, "kernel plain takes no strides, so that its domain must fix them, not 2x2,3x3"),
        (plain, "padding=SAME,EXPLICIT", ValueError, "kernel plain takes no padding, so that its domain must fix it, not SAME,EXPLICIT"),
        (functools.partial(full, strides=2), "strides=3", ValueError, "strides=3x3 and strides=2x2 have nothing in common"),
        (functools.partial(full, strides="a"), "", TypeError, "kernel full has strides fixed to what is not understood: strides must be"),
        (functools.partial(full, padding="full"), "", TypeError, "kernel full has padding fixed to what is not understood: padding must"),
        (plain, "strides=round", ValueError, "strides must be of any, equal"),
    ],
)  # fmt: skip
def test_a_domain_that_contradicts_the_signature_is_named(function: Any, domain: str, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=re.escape(told)):
        make_kernel(function, domain=domain)


def test_a_kernel_without_a_problem_says_so() -> None:
    kernel = make_kernel(full, "mine", domain="kernel=7x7 image=5x5 padding=VALID degenerate=no")
    with pytest.raises(ValueError, match="the domain of mine holds no problem near x=1x1x1x1 w=1x1x1x1: padding=VALID kernel=7x7"):
        kernel.restrict(Problem())


def test_a_kernel_to_ask_has_the_domain_of_its_keywords_or_the_one_given() -> None:
    assert declaring(("padding",)).domain == make_kernel(lambda x, w, padding: None).domain
    assert declaring((), Domain(batch=1)).domain == Domain(batch=1)


def test_axes_of_nchw_bring_the_channels_forward_and_back() -> None:
    kernel = make_kernel(operator.mul, data_format="NCHW")
    nhwc, hwio = ("N", "H", "W", "C"), ("H", "W", "I", "O")
    assert [nhwc[axis] for axis in kernel.axes[0]] == ["N", "C", "H", "W"]
    assert [hwio[axis] for axis in kernel.axes[1]] == ["O", "I", "H", "W"]
    assert ["NCHW"[axis] for axis in kernel.result_axes] == list("NHWC")
