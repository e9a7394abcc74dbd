"""A domain is declared once, reads as it prints, and holds the problems that it says; what lies outside has a neighbour inside."""

from __future__ import annotations

import functools
import json
import pickle
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import convverify
from convverify.generation.strategies import problems
from convverify.problems.domain import Domain, domain
from convverify.problems.dtypes import FORMATS
from convverify.problems.problem import Problem, is_degenerate

ANY_PROBLEM = problems(dtypes=tuple(FORMATS), max_macs=20_000)
WORDS = {
    "dtypes": ["float32", "float32,float64"],
    "padding": ["VALID", "VALID,SAME", "EXPLICIT", "SAME"],
    "pads": ["equal", "symmetric", "..2", "0,1x2x0x3"],
    "strides": ["equal", "1", "..2", "1x1,2x1"],
    "dilations": ["equal", "1", "..3"],
    "kernel": ["square", "odd,square", "3x3", "1x1,3x3", "..5"],
    "image": ["square", "8n", "4..16"],
    "batch": ["1", "1..4"],
    "in_channels": ["8n", "3", "1..16", "odd"],
    "out_channels": ["8n", "12,24", "..24"],  # of 3 channels, 24 can be made depthwise
    "groups": ["1", "depthwise", "1,depthwise", "1..4"],
    "degenerate": ["no"],
}
DOMAINS = st.fixed_dictionaries({}, optional={name: st.sampled_from(words) for name, words in WORDS.items()})


def declared(words: dict[str, str]) -> Domain:
    return Domain.of(" ".join(f"{name}={word}" for name, word in words.items()))


@pytest.mark.parametrize(
    ("field", "value", "inside", "outside"),
    [
        ("dtypes", ["float32"], "x=1x4x4x2 w=2x2x2x3", "x=1x4x4x2 w=2x2x2x3 dtype=float64"),
        ("padding", ["VALID", "SAME"], "x=1x4x4x2 w=2x2x2x3 padding=SAME", "x=1x4x4x2 w=2x2x2x3 padding=0,0,0,0"),
        ("pads", "symmetric", "x=1x4x4x2 w=2x2x2x3 padding=1,1,2,2", "x=1x4x4x2 w=2x2x2x3 padding=1,2,1,2"),
        ("pads", "equal", "x=1x4x4x2 w=2x2x2x3 padding=1,1,1,1", "x=1x4x4x2 w=2x2x2x3 padding=1,1,2,2"),
        ("pads", "equal", "x=1x5x4x2 w=2x2x2x3 padding=SAME", "x=1x4x4x2 w=2x2x2x3 padding=0,1,0,1"),
        ("strides", "equal", "x=1x4x4x2 w=2x2x2x3 strides=2x2", "x=1x4x4x2 w=2x2x2x3 strides=2x1"),
        ("strides", [(2, 1)], "x=1x4x4x2 w=2x2x2x3 strides=2x1", "x=1x4x4x2 w=2x2x2x3"),
        ("strides", range(1, 3), "x=1x4x4x2 w=2x2x2x3 strides=2x1", "x=1x4x4x2 w=2x2x2x3 strides=3x1"),
        ("dilations", 1, "x=1x4x4x2 w=2x2x2x3", "x=1x4x4x2 w=2x2x2x3 dilations=1x2"),
        ("kernel", "square", "x=1x4x4x2 w=2x2x2x3", "x=1x4x4x2 w=2x3x2x3"),
        ("kernels", [(3, 3)], "x=1x4x4x2 w=3x3x2x3", "x=1x4x4x2 w=1x1x2x3"),
        ("kernel", "odd", "x=1x4x4x2 w=1x3x2x3", "x=1x4x4x2 w=1x2x2x3"),
        ("image", "square", "x=1x4x4x2 w=2x2x2x3", "x=1x4x5x2 w=2x2x2x3"),
        ("batch", 1, "x=1x4x4x2 w=2x2x2x3", "x=2x4x4x2 w=2x2x2x3"),
        ("channels", "8n", "x=1x4x4x8 w=2x2x8x16", "x=1x4x4x8 w=2x2x8x12"),
        ("in_channels", "1..4", "x=1x4x4x2 w=2x2x2x9", "x=1x4x4x5 w=2x2x5x1"),
        ("out_channels", [16, 32], "x=1x4x4x2 w=2x2x2x16", "x=1x4x4x2 w=2x2x2x8"),
        ("groups", "depthwise", "x=1x4x4x2 w=2x2x1x4", "x=1x4x4x2 w=2x2x2x4"),
        ("groups", "1,depthwise", "x=1x4x4x4 w=2x2x4x4", "x=1x4x4x4 w=2x2x2x4"),
        ("groups", 2, "x=1x4x4x4 w=2x2x2x4", "x=1x4x4x4 w=2x2x4x4"),
        ("degenerate", False, "x=1x2x2x1 w=2x2x1x1", "x=1x2x2x1 w=2x3x1x1"),
        ("where", lambda p: p.height % p.strides[0] == 0, "x=1x4x4x2 w=2x2x2x3 strides=2x1", "x=1x5x4x2 w=2x2x2x3 strides=2x1"),
    ],
)
def test_a_field_admits_what_it_says(field: str, value: Any, inside: str, outside: str) -> None:
    narrowed = Domain(**{field: value})
    assert narrowed.admits(Problem.parse(inside))
    assert not narrowed.admits(Problem.parse(outside))
    assert narrowed.outside(Problem.parse(inside)) == ""
    assert narrowed.outside(Problem.parse(outside)) in str(narrowed).split()


@pytest.mark.parametrize(
    ("line", "degenerate"),
    [
        ("x=1x2x2x1 w=2x2x1x1", False),
        ("x=1x1x1x1 w=3x3x1x1 padding=SAME", False),
        ("x=1x1x1x1 w=3x3x1x1 padding=1,1,1,1", False),
        ("x=1x2x2x1 w=3x2x1x1", True),
        ("x=1x3x9x1 w=2x2x1x1 dilations=3x1", True),
        ("x=0x2x2x1 w=2x2x1x1", True),
        ("x=1x0x2x1 w=1x1x1x1 padding=1,1,0,0", True),
        ("x=1x2x2x0 w=2x2x0x1", True),
        ("x=1x2x2x1 w=2x2x1x0", True),
    ],
)
def test_degenerate_means_an_empty_extent_or_a_kernel_larger_than_the_padded_image(line: str, degenerate: bool) -> None:
    assert is_degenerate(Problem.parse(line)) == degenerate


# Every form says the same.


@given(words=DOMAINS)
def test_a_domain_is_read_as_it_prints_and_from_its_data(words: dict[str, str]) -> None:
    whole = declared(words)
    assert Domain.of(str(whole)) == whole
    assert Domain.of(json.loads(json.dumps(whole.to_data()))) == whole
    assert Domain.of(words) == whole
    assert pickle.loads(pickle.dumps(whole)) == whole


def test_a_table_and_a_line_may_use_the_singular_and_dashes() -> None:
    assert Domain.of({"stride": "equal", "in-channels": 3, "dtype": "float32"}) == Domain.of("strides=equal in_channels=3 dtypes=float32")


def test_a_domain_prints_what_it_restricts_alone() -> None:
    assert str(Domain()) == "any"
    assert Domain.of("any") == Domain.of("") == Domain.of(None) == Domain()
    assert str(Domain(channels=[8, 16], padding="same", degenerate=False)) == "padding=SAME channels=8,16 degenerate=no"
    assert str(Domain(where=is_degenerate, batch=1)) == "batch=1 where=is_degenerate"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"stride_": 1}, "a domain has no field 'stride_'; did you mean 'strides'?"),
        ("colour=blue", "a domain has no field 'colour'; known: kernels, channels, dtypes, padding, "),
        ("strides", "'strides' is not of the form key=value"),
        ("batch=1 batch=2", "key 'batch' is given twice"),
        (3, "a domain must be declared by a line such as 'strides=equal batch=1' or a table, not 3"),
        ("where=even", "where must be a function of a problem, which only Python can declare, not 'even'"),
        ({"degenerate": "perhaps"}, "degenerate must be True, False or 'apart', not 'perhaps'"),
        ({"padding": "FULL"}, "padding must be a selection of VALID, SAME, EXPLICIT, not 'FULL'"),
        ({"padding": 1}, "padding must be a selection of VALID, SAME, EXPLICIT, not 1"),
        ({"dtypes": []}, "dtypes must be a selection of float16, bfloat16, float32, float64, not []"),
        ({"dtypes": "int8"}, "dtypes must be a selection of float16, bfloat16, float32, float64, not 'int8'"),
        ({"kernel": 0}, "kernel must be 1 or more, not 0x0"),
        ({"groups": 0}, "groups must be 1 or more, not 0"),
        ({"groups": "depthwise,many"}, "groups must be a number (3), a list (1,3,5)"),
        ({"kernel": "3x3", "kernels": [5]}, "a domain must leave something to choose: kernel=3x3 and kernel=5x5 have nothing in common"),
        ({"channels": "8n", "in_channels": 3}, "in_channels=3 and in_channels=8n have nothing in common"),
    ],
)
def test_what_is_no_domain_is_told_in_a_sentence_that_names_the_field(value: Any, told: str) -> None:
    with pytest.raises((TypeError, ValueError), match=re.escape(told)):
        Domain.of(value)


def test_a_condition_that_cannot_say_is_named_with_the_problem() -> None:
    wrong = Domain(where=lambda problem: problem.heigth > 2)  # type: ignore[attr-defined]  # a misspelling, as users make it
    with pytest.raises(ValueError, match=r"where raised AttributeError .*heigth.* about x=1x1x1x1 w=1x1x1x1"):
        wrong.admits(Problem())


# Narrowing.


@given(first=DOMAINS, second=DOMAINS, problem=ANY_PROBLEM)
def test_an_intersection_admits_what_both_admit(first: dict[str, str], second: dict[str, str], problem: Problem) -> None:
    one, two = declared(first), declared(second)
    inside = one.admits(problem) and two.admits(problem)
    if _apart(one, two):
        assert not inside
        with pytest.raises(ValueError, match="have nothing in common"):
            one.intersect(two)
    else:
        assert one.intersect(two).admits(problem) == inside


def _apart(one: Domain, two: Domain) -> bool:
    fields = ("pads", "strides", "dilations", "kernel", "image", "batch", "in_channels", "out_channels", "groups")
    names = [set(getattr(one, name)).isdisjoint(getattr(two, name)) for name in ("dtypes", "padding")]
    return any(names) or any(getattr(one, name).intersect(getattr(two, name)) is None for name in fields)


def test_conditions_are_joined() -> None:
    both = Domain(where=lambda p: p.height > 2).intersect(Domain(where=lambda p: p.width > 2))
    assert [both.admits(Problem(1, *image)) for image in ((3, 3), (3, 2), (2, 3))] == [True, False, False]
    assert both.intersect(both).where is both.where


# The nearest problem inside.


@given(words=DOMAINS, problem=ANY_PROBLEM)
def test_the_nearest_problem_is_inside_and_of_the_same_class(words: dict[str, str], problem: Problem) -> None:
    whole = declared(words)
    near = whole.restrict(problem)
    assert near is not None
    assert whole.admits(near)
    assert whole.restrict(near) is near
    assert is_degenerate(problem) or not is_degenerate(near)
    if whole.admits(problem):
        assert near is problem


@pytest.mark.parametrize(
    ("line", "outside", "near"),
    [
        ("strides=equal", "x=1x9x9x2 w=3x3x2x2 strides=2x1", "x=1x9x9x2 w=3x3x2x2 strides=2x2"),
        ("kernel=3x3 channels=8n batch=1", "x=2x9x9x5 w=5x2x5x20", "x=1x9x9x8 w=3x3x8x16"),
        ("padding=EXPLICIT pads=equal", "x=1x9x9x1 w=3x3x1x1 padding=SAME", "x=1x9x9x1 w=3x3x1x1 padding=1,1,1,1"),
        ("padding=VALID", "x=1x1x1x1 w=3x3x1x1 padding=SAME", "x=1x3x3x1 w=3x3x1x1"),
        ("groups=depthwise", "x=1x4x4x6 w=1x1x6x9", "x=1x4x4x6 w=1x1x1x6"),
        ("in_channels=3 out_channels=16,32", "x=1x4x4x8 w=1x1x2x24", "x=1x4x4x3 w=1x1x3x16"),
        ("image=4x4 kernel=..3", "x=1x9x9x1 w=7x7x1x1", "x=1x4x4x1 w=3x3x1x1"),
        ("image=2x2", "x=1x9x9x1 w=7x7x1x1", "x=1x2x2x1 w=1x1x1x1"),
        ("degenerate=no", "x=0x1x1x0 w=2x3x0x0", "x=1x2x3x1 w=2x3x1x1"),
        ("kernel=square", "x=1x9x9x1 w=3x5x1x1 dtype=float64", "x=1x9x9x1 w=3x3x1x1 dtype=float64"),
    ],
)
def test_the_nearest_problem_keeps_what_it_can(line: str, outside: str, near: str) -> None:
    assert str(Domain.of(line).restrict(Problem.parse(outside))) == near


CONDITIONS = {
    "strides divide the image": lambda p: p.height % p.strides[0] == 0 and p.width % p.strides[1] == 0,
    "SAME with stride 1 alone": lambda p: p.padding != "SAME" or p.strides == (1, 1),
    "causal pads": lambda p: p.pads == ((0, p.kernel_height - 1), (0, p.kernel_width - 1)),
    "pads below the kernel": lambda p: max(p.pads[0]) < p.kernel_height and max(p.pads[1]) < p.kernel_width,
    "as many channels out as in": lambda p: p.in_channels == p.out_channels,
}


@pytest.mark.parametrize("name", CONDITIONS)
@given(problem=ANY_PROBLEM)
def test_a_condition_as_people_have_them_is_met_nearby(name: str, problem: Problem) -> None:
    near = Domain(where=CONDITIONS[name]).restrict(problem)
    assert near is not None
    assert CONDITIONS[name](near)


def test_a_domain_without_problems_has_no_neighbour() -> None:
    assert Domain.of("kernel=7x7 image=5x5 padding=VALID degenerate=no").restrict(Problem()) is None
    assert Domain(where=lambda problem: False).restrict(Problem()) is None
    assert Domain.of("kernel=7x7 image=5x5 padding=VALID").restrict(Problem()) == Problem(1, 5, 5, 1, 7, 7, 1)


# The decorator.


def test_a_decorated_function_carries_plain_data_and_the_condition() -> None:
    def large(problem: Problem) -> bool:
        return problem.height > 2

    @convverify.domain("strides=equal", channels="8n", where=large)
    @domain(batch=1)
    def conv2d(x: Any, w: Any) -> Any: ...

    assert conv2d.domain == {"strides": "equal", "batch": "1", "channels": "8n", "where": large}  # type: ignore[attr-defined]
    json.dumps({name: value for name, value in conv2d.domain.items() if name != "where"})  # type: ignore[attr-defined]


def test_a_wrong_decorator_is_told_where_it_is_written() -> None:
    with pytest.raises(ValueError, match="strides must be of any, equal"):
        domain(strides="round")
    with pytest.raises(ValueError, match="batch=2 and batch=1 have nothing in common"):
        domain(batch=1)(domain(batch=2)(lambda x, w: None))
    with pytest.raises(TypeError, match="cannot carry a domain"):
        domain(batch=1)(functools.reduce)
