"""Drawing many problems from Hypothesis, fast: its strategies and seeds, without its database, its shrinking, and its mutations.

Hypothesis normally varies each example a few times before it draws an independent one, which suits tests that assert on structure;
here a quarter of the problems would be repeated.  Its documented interface for backends lets one draw every example afresh.
An example costs Hypothesis some 0.5 ms besides its draws, so that each one draws several problems.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.internal.conjecture.providers import AVAILABLE_PROVIDERS, HypothesisProvider

from convverify.generation.strategies import problems
from convverify.judging.kernel import Kernel
from convverify.problems.problem import Problem


class IndependentDraws(HypothesisProvider):
    """Hypothesis's own distributions, each example drawn independently of the others."""


_PROBLEMS = 10  # of one example

AVAILABLE_PROVIDERS["convverify"] = f"{__name__}.IndependentDraws"


def draw_problems(
    kernel: Kernel, dtypes: Sequence[str], max_macs: int, number: int, count: int, each: Callable[[Problem, int], None]
) -> None:
    """Call each(problem, seed) for `count` problems that the kernel's signature declares; `number` seeds Hypothesis."""
    drawn = problems(
        strides=None if "strides" in kernel.keywords else st.just((1, 1)),
        padding=None if "padding" in kernel.keywords else ("VALID",),
        dilations=None if "dilations" in kernel.keywords else st.just((1, 1)),
        grouped="groups" in kernel.keywords,
        dtypes=dtypes,
        max_macs=max_macs,
    )

    several = st.lists(st.tuples(drawn, st.integers(0, 2**64 - 1)), min_size=_PROBLEMS, max_size=_PROBLEMS)
    left = count

    @seed(number)
    @settings(
        max_examples=-(-count // _PROBLEMS), database=None, deadline=None, derandomize=False, phases=[Phase.generate], backend="convverify",
        suppress_health_check=list(HealthCheck), report_multiple_bugs=False, print_blob=False,
    )  # fmt: skip
    @given(chosen=several)
    def example(chosen: list[tuple[Problem, int]]) -> None:
        nonlocal left
        for problem, bits in chosen[:left]:
            each(kernel.restrict(problem), bits)
        left = max(0, left - len(chosen))

    example()
