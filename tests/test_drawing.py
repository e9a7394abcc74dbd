"""Problems are drawn from a domain: all inside, hardly one thrown away, hardly one twice; and so are the table and the companions."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from dataclasses import fields
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import pytest

import convverify
from convverify.generation.budget import cheapest, default_budget, fit_budget
from convverify.generation.companions import companion
from convverify.generation.drawing import draw_problems, drawn_problems
from convverify.generation.edge_cases import corner_cases
from convverify.generation.strategies import problems
from convverify.judging.kernel import declaring, make_kernel
from convverify.operands.case import Case
from convverify.problems.domain import Domain
from convverify.problems.dtypes import DEFAULT_DTYPES, FORMATS
from convverify.problems.problem import Problem, is_degenerate

BUDGET = 1 << 18
COUNT = 60
DECLARED = [
    "dtypes=float32", "padding=VALID,SAME", "padding=EXPLICIT pads=equal", "padding=EXPLICIT pads=symmetric,..3", "strides=equal",
    "strides=..2", "strides=1x1,2x1", "dilations=equal", "dilations=1", "kernel=square", "kernel=odd", "kernel=4..6", "kernel=3x3,1x5",
    "image=square", "image=8n", "image=32x32,28x28", "batch=1", "batch=2..4", "channels=8n", "in_channels=1..4", "in_channels=3",
    "out_channels=16,32", "channels=odd", "groups=1", "groups=depthwise", "groups=1,depthwise", "groups=2", "degenerate=no",
]  # fmt: skip
EIGHTS = "kernel=3x3 channels=8n strides=equal batch=1"


def full(x: Any, w: Any, strides: Any, padding: Any, dilations: Any, groups: Any) -> Any: ...


@functools.cache
def drawn(domain: Domain, count: int = COUNT, degenerate: bool | None = None) -> list[Problem]:
    return [problem for problem, _ in islice(drawn_problems(domain, DEFAULT_DTYPES, BUDGET, 0, degenerate=degenerate), count)]


def assert_inside(found: Iterable[Problem], domain: Domain) -> None:
    for problem in found:
        assert domain.admits(problem), f"{problem} is outside {domain.outside(problem)}"


# What is drawn.


@pytest.mark.parametrize("line", DECLARED)
def test_every_problem_is_drawn_inside_and_hardly_one_twice(line: str) -> None:
    domain = Domain.of(line)
    found = drawn(domain)
    assert_inside(found, domain)
    assert len(found) == COUNT
    assert len(set(found)) > 0.95 * COUNT
    assert max(problem.macs for problem in found) <= BUDGET


@pytest.mark.parametrize("line", DECLARED)
def test_a_generator_that_ignores_a_field_is_caught(line: str) -> None:
    domain = Domain.of(line)
    for name in domain.to_data():
        ignored = {item.name: getattr(domain, item.name) for item in fields(domain) if item.name not in _fields_of(name)}
        with pytest.raises(AssertionError, match="is outside"):
            assert_inside(_without_end(Domain(**ignored)), domain)


def _without_end(domain: Domain) -> Iterator[Problem]:
    return (problem for problem, _ in islice(drawn_problems(domain, DEFAULT_DTYPES, BUDGET, 1), 2000))


def _fields_of(name: str) -> tuple[str, ...]:
    return ("in_channels", "out_channels") if name == "channels" else (name,)


def test_every_field_of_a_domain_is_drawn_from() -> None:
    named = {_fields_of(word.partition("=")[0])[0] for line in DECLARED for word in line.split()}
    assert named >= {item.name for item in fields(Domain)} - {"where", "out_channels"}


@pytest.mark.parametrize(
    "where",
    [
        lambda p: p.height % p.strides[0] == 0 and p.width % p.strides[1] == 0,
        lambda p: p.padding != "SAME" or p.strides == (1, 1),
        lambda p: p.pads == ((0, p.kernel_height - 1), (0, p.kernel_width - 1)),
    ],
)
def test_a_condition_costs_few_questions(where: Any) -> None:
    asked = 0

    def counted(problem: Problem) -> bool:
        nonlocal asked
        asked += 1
        return bool(where(problem))

    domain = Domain(where=counted)
    found = drawn(domain)
    assert asked < 60 * COUNT
    assert_inside(found, domain)
    assert len(set(found)) > 0.9 * COUNT


def test_narrow_domains_still_have_thousands_of_problems() -> None:
    found = drawn(Domain.of(EIGHTS), 600)
    assert len(set(found)) > 0.97 * 600
    assert len({(p.in_channels, p.out_channels) for p in found}) > 50
    assert len({p.strides for p in found}) >= 5
    assert len({(p.height, p.width) for p in found}) > 200


def test_fixed_numbers_leave_images_to_vary() -> None:
    found = drawn(Domain.of("kernel=3x3 channels=1 batch=1 strides=1 dilations=1 groups=1 padding=VALID dtypes=float32 degenerate=no"))
    assert len(set(found)) > 0.7 * COUNT


def test_small_extents_and_the_edges_of_tiles_are_drawn_in_a_narrow_domain_too() -> None:
    found = drawn(Domain.of("channels=8n:..256 batch=1..200"), 600)
    assert {8, 16, 24, 32, 64, 128, 256} <= {problem.in_channels for problem in found}
    assert {1, 2, 7, 8, 9, 63, 64, 65} <= {problem.batch for problem in found}
    assert {1, 2, 3, 7, 8, 9, 15, 16, 17} <= {problem.output_shape[2] for problem in found}


def test_every_small_pair_of_strides_and_dilations_is_in_the_table() -> None:
    table = [case.problem for case in corner_cases(make_kernel(full), DEFAULT_DTYPES, BUDGET)]
    for name in ("strides", "dilations"):
        pairs = {getattr(problem, name) for problem in table}
        assert pairs >= {(a, b) for a in range(1, 7) for b in range(1, 7)} | {(16, 16), (12, 12)}


# Degenerate problems.


def test_degenerate_problems_are_drawn_apart() -> None:
    everything = drawn(Domain(), 600)
    assert 0.02 < sum(map(is_degenerate, everything)) / 600 < 0.12
    assert not any(map(is_degenerate, drawn(Domain(), degenerate=False)))
    apart = drawn(Domain(), 200, degenerate=True)
    assert all(map(is_degenerate, apart))
    for wanted in (
        lambda p: p.batch == 0,
        lambda p: p.height == 0,
        lambda p: p.width == 0,
        lambda p: p.in_channels == 0,
        lambda p: p.out_channels == 0,
        lambda p: p.is_empty and 0 not in p.x_shape + p.w_shape,
    ):
        assert any(map(wanted, apart))


@pytest.mark.parametrize("line", [EIGHTS, "padding=SAME batch=1", "kernel=square padding=VALID channels=3,5 batch=1 image=1..9"])
def test_degenerate_problems_are_inside_the_domain(line: str) -> None:
    domain = Domain.of(line)
    found = drawn(domain, 60, degenerate=True)
    assert len(found) == 60
    assert all(map(is_degenerate, found))
    assert_inside(found, domain)


def test_a_domain_without_degenerate_problems_has_none_to_draw() -> None:
    assert drawn(Domain.of("degenerate=no"), degenerate=True) == []
    assert drawn(Domain.of("padding=SAME batch=1 channels=3 image=4x4"), degenerate=True) == []


def test_degenerate_problems_of_the_table_come_after_simple_ordinary_ones_or_apart() -> None:
    kernel = make_kernel(full)
    table = [is_degenerate(case.problem) for case in corner_cases(kernel, DEFAULT_DTYPES, BUDGET)]
    assert table.index(True) > 50
    assert 20 < sum(table) < 100
    apart = list(corner_cases(kernel, DEFAULT_DTYPES, BUDGET, degenerate=True))
    ordinary = list(corner_cases(kernel, DEFAULT_DTYPES, BUDGET, degenerate=False))
    assert (len(apart), len(ordinary)) == (sum(table), len(table) - sum(table))
    assert all(is_degenerate(case.problem) for case in apart)
    assert not any(is_degenerate(case.problem) for case in ordinary)
    assert list(corner_cases(kernel.within(Domain(degenerate=False)), DEFAULT_DTYPES, BUDGET)) == ordinary


# The table, companions, and budgets in a domain.


@pytest.mark.parametrize("line", [EIGHTS, "strides=equal kernel=square padding=VALID,SAME", "groups=depthwise", "image=square channels=1"])
def test_the_table_stays_inside_and_repeats_nothing(line: str) -> None:
    kernel = make_kernel(full, domain=line)
    table = list(corner_cases(kernel, DEFAULT_DTYPES, BUDGET))
    assert_inside([case.problem for case in table], kernel.domain)
    assert len(set(table)) == len(table)
    assert len({case.problem for case in table}) > 300


@pytest.mark.parametrize("line", [EIGHTS, "dtypes=float32", "batch=1 channels=4,8 padding=SAME", "degenerate=no"])
def test_companions_are_inside_and_ordinary_beside_what_is_ordinary(line: str) -> None:
    kernel = make_kernel(full, domain=line)
    cases = [Case(problem, seed=number) for number, problem in enumerate(drawn(kernel.domain, 300))]
    others = [companion(case, kernel) for case in cases]
    assert_inside([other.problem for other in others], kernel.domain)
    assert not any(is_degenerate(other.problem) > is_degenerate(case.problem) for case, other in zip(cases, others, strict=True))
    assert sum(other.problem != case.problem for case, other in zip(cases, others, strict=True)) > 200


def test_an_ordinary_companion_is_called_after_degenerate_cases() -> None:
    kernel = declaring(("strides", "padding", "dilations", "groups"))
    cases = [Case(problem, seed=number) for number, problem in enumerate(drawn(Domain(), 40, degenerate=True))]
    assert any(not is_degenerate(companion(case, kernel).problem) for case in cases)


def test_problems_are_cut_to_the_budget_inside_the_domain() -> None:
    domain = Domain.of("channels=8n kernel=square image=square")
    large = Problem(4, 40, 40, 64, 5, 5, 64, padding="SAME")
    cut = fit_budget(large, 50_000, domain=domain)
    assert cut.macs <= 50_000
    assert domain.admits(cut)
    assert cut.in_channels >= 8


def test_a_domain_that_has_nothing_cheap_is_drawn_from_nevertheless() -> None:
    domain = Domain.of("channels=64 kernel=3x3")
    assert cheapest(domain) == 9 * 64 * 64
    assert default_budget(domain) == 16 * cheapest(domain)
    assert default_budget(Domain()) == BUDGET
    assert_inside(drawn(domain, 40), domain)
    results = [p.output_shape for p, _ in islice(drawn_problems(domain, DEFAULT_DTYPES, default_budget(domain), 0, degenerate=False), 100)]
    assert sum(batch * rows * columns > 1 for batch, rows, columns, _ in results) > 50


def test_a_domain_without_a_problem_is_refused() -> None:
    with pytest.raises(ValueError, match=r"the domain must have a problem to draw; none was found in .*kernel=7x7 image=5x5"):
        problems(domain="kernel=7x7 image=5x5 padding=VALID degenerate=no")
    with pytest.raises(ValueError, match="dtypes=float16 and dtypes=float32,float64 have nothing in common"):
        problems(domain="dtypes=float16")
    with pytest.raises(ValueError, match="degenerate must not be True where the domain has no degenerate problem"):
        problems(domain="degenerate=no", degenerate=True)


# Hypothesis.


def test_the_number_decides_what_is_drawn() -> None:
    first, again, other = (list(islice(drawn_problems(Domain(), tuple(FORMATS), BUDGET, number), 50)) for number in (7, 7, 8))
    assert first == again
    assert len(set(first) & set(other)) < 5


def test_draws_are_independent() -> None:
    found = drawn(Domain(), 600)
    assert len(set(found)) > 590
    assert sum((a.kernel_height, a.strides, a.in_channels) == (b.kernel_height, b.strides, b.in_channels) for a, b in pairwise(found)) < 30


def test_a_callback_gets_as_many_as_it_asks_for() -> None:
    got: list[tuple[Problem, int]] = []
    draw_problems(make_kernel(full, domain="batch=1"), DEFAULT_DTYPES, BUDGET, 3, 23, lambda problem, seed: got.append((problem, seed)))
    assert got == list(islice(drawn_problems(Domain.of("batch=1"), DEFAULT_DTYPES, BUDGET, 3), 23))


def test_nothing_internal_of_hypothesis_is_imported() -> None:
    sources = list(Path(convverify.__file__).parent.rglob("*.py"))
    assert len(sources) > 100
    assert not [source.name for source in sources if "hypothesis.internal" in source.read_text(encoding="utf-8")]
