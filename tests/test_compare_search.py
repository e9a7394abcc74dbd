"""`compare --search`: the slowest problem is found, shrunk, and its cliffs are named; with a meter that stands in for hosts and clocks."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from convverify.cli import main
from convverify.compare import searching
from convverify.compare.options import CompareOptions
from convverify.compare.search import QUICK, Cliff, Ratio, Search, Slowest, changed, drawn, smaller_problems
from convverify.compare.searching import Outcome, Searcher
from convverify.compare.timing import Samples
from convverify.compare.verified import Refutation
from convverify.problems.problem import Problem
from convverify.reporting.compare_search import lines_of

MOST = 1 << 25
KERNELS = """
from convverify import conv2d_matmul


def right(x, w):
    return conv2d_matmul(x, w)


def wrong(x, w):
    return conv2d_matmul(x, w) + 1


def refuses(x, w):
    raise NotImplementedError("nothing is supported")
"""


class Machine:
    """A meter that knows what each problem takes, and counts; every problem takes a hundredth of the time there is, or less."""

    def __init__(self, ratio: Callable[[Problem], float | None], problems: int = 600) -> None:
        self.ratio, self.problems, self.timed = ratio, problems, 0

    def __call__(self, problem: Problem, rounds: int) -> Ratio | None:
        self.timed += 1 if rounds == QUICK else 2
        ratio = self.ratio(problem)
        return None if ratio is None else Ratio(ratio, 0.9 * ratio)

    def search(self, seed: int = 0, nearest: Callable[[Problem], Problem] = lambda problem: problem) -> Slowest | None:
        return Search(self, nearest, lambda: self.timed / self.problems, ("float32",), MOST, seed).run()


def planted(problem: Problem) -> float:
    return (3.2 if problem.width % 16 == 1 and problem.in_channels >= 32 else 1.0) * (1 + 0.1 * (problem.height % 3))


@pytest.mark.parametrize("seed", range(5))
def test_a_planted_cliff_is_found_shrunk_and_named(seed):
    found = Machine(planted).search(seed)
    assert found is not None
    assert found.problem.width % 16 == 1
    assert found.problem.in_channels >= 32
    assert found.problem.macs <= found.first.macs
    cliff = next(cliff for cliff in found.cliffs if cliff.extent == "width")
    assert cliff.at == found.problem.width
    assert cliff.factor == pytest.approx(3.2)
    assert f"3.2 times slower at width {cliff.at} than at width " in str(cliff)


def test_what_is_found_is_the_smallest_that_is_as_slow():
    found = Machine(lambda problem: 5.0 if problem.out_channels >= 40 else 1.0, problems=3000).search()
    assert found is not None
    assert found.shrunk
    assert found.problem.out_channels >= 40
    for smaller in smaller_problems(found.problem):
        assert smaller.macs < MOST // 64 or smaller.out_channels < 40


def test_a_kernel_without_cliffs_has_none():
    found = Machine(lambda problem: 1.0 + problem.width / 1000).search()
    assert found is not None
    assert found.cliffs == ()


def test_problems_that_cannot_be_timed_are_passed_over():
    found = Machine(lambda problem: None if problem.groups > 1 or problem.batch == 2 else planted(problem)).search()
    assert found is not None
    assert found.problem.groups == 1
    assert Machine(lambda problem: None).search() is None


def test_every_problem_is_one_that_the_kernel_is_for():
    seen: list[Problem] = []

    def square(problem: Problem) -> Problem:
        return problem.with_(kernel_height=3, kernel_width=3, groups=1)

    def ratio(problem: Problem) -> float:
        seen.append(problem)
        return planted(problem)

    Machine(ratio).search(nearest=square)
    assert seen
    assert all(square(problem) == problem for problem in seen)


def test_the_same_seed_times_the_same_problems():
    first, second = (Machine(planted).search(7) for _ in range(2))
    assert first == second


def test_drawn_and_changed_problems_are_of_many_forms():
    source = random.Random(0)
    problems = [drawn(("float32", "float16"), source) for _ in range(300)]
    problems += [changed(problem, source) for problem in problems]
    assert {problem.padding for problem in problems} == {"SAME", "VALID"}
    assert {problem.dtype for problem in problems} == {"float32", "float16"}
    assert {problem.strides for problem in problems} == {(1, 1), (2, 2)}
    assert any(problem.groups > 1 for problem in problems)
    assert any(problem.width % 16 == 1 and problem.in_channels >= 32 for problem in problems)


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "kernels.py").write_text(KERNELS)
    return str(tmp_path / "kernels.py")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let samples stand in for clocks, and problems for time: hosts are called all the same."""
    real = searching.interleaved
    asked = itertools.count()

    def samples(takers, estimates, rounds):
        found = real(takers, estimates, 1)
        return {name: Samples((1e-7 if name == searching.EMPTY else 1e-3,) * rounds, 1, 1.0) for name in found}

    monkeypatch.setattr(searching, "interleaved", samples)
    monkeypatch.setattr(Searcher, "_elapsed", lambda self: next(asked) / 20)


def search(*kernels: str, **options) -> Outcome:
    return Searcher(CompareOptions(kernels, against="matmul_offsets", threads=1, **options), lambda step: None).run()


@pytest.mark.usefixtures("quick")
def test_a_search_with_hosts_finds_a_problem(file):
    outcome = search(f"{file}:right")
    assert outcome.exit_status == 0
    assert outcome.slowest is not None
    assert outcome.slowest.ratio.fastest == pytest.approx(1.0, rel=0.01)
    assert json.loads(outcome.to_json())["slowest"]["problem"] == str(outcome.slowest.problem)


@pytest.mark.usefixtures("quick")
def test_a_wrong_kernel_ends_the_search(file):
    outcome = search(f"{file}:wrong")
    assert outcome.exit_status == 1
    assert outcome.slowest is None
    assert "wrong elements" in lines_of(outcome)[1]


@pytest.mark.usefixtures("quick")
def test_a_kernel_that_supports_nothing_is_inconclusive(file):
    outcome = search(f"{file}:refuses")
    assert outcome.exit_status == 3
    assert lines_of(outcome)[0].startswith("INCONCLUSIVE")


def test_what_was_found_is_told_in_a_line_that_compare_takes():
    problem = Problem.parse("x=1x2x369x60 w=1x1x60x16")
    found = Slowest(problem, Ratio(3.1, 2.9), problem, Ratio(3.3, 3.0), 512, False, (Cliff("width", 369, (368, 370), 3.2),))
    lines = lines_of(Outcome("mine.py:conv", "loops", 60.0, found))
    assert lines[0] == "SLOWEST  mine.py:conv takes 3.10 times as long as loops on"
    assert lines[2] == "  cliff: 3.2 times slower at width 369 than at width 368 and 370"
    assert "give it more with --max-time" in lines[3]
    assert lines[-1] == "time it again: convverify compare mine.py:conv --against loops --problem 'x=1x2x369x60 w=1x1x60x16'"
    refuted = Outcome("k", "loops", 1.0, None, Refutation("repeatable", "x=1x1x1x1 w=1x1x1x1", "a timed call returned 3 wrong elements"))
    assert lines_of(refuted)[0] == "REFUTED  k is wrong: repeatable does not hold"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["loops", "matmul"], "search takes one KERNEL, not 2"),
        (["loops", "--against", "loops"], "search needs a KERNEL other than the reference, not 'loops'"),
        (["loops", "--suite", "article"], "search takes no --suite: it finds problems of its own"),
        (["loops", "--problem", "x=1x1x1x1 w=1x1x1x1"], "search takes no --problem: it finds problems of its own"),
        (["loops", "--plot", "figure.png"], "search takes no --plot: it finds problems of its own"),
        (["loops", "--rounds", "3"], "search takes no --rounds: it finds problems of its own"),
        (["loops", "--max-time", "0"], "max_time must be more than 0 seconds, not 0.0"),
    ],
)
def test_what_a_search_cannot_take_is_told_in_a_sentence(arguments, sentence):
    finished = CliRunner().invoke(main, ["compare", *arguments, "--search"])
    assert finished.exit_code == 2
    assert sentence in finished.output
