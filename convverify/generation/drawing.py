"""Drawing many problems from Hypothesis, fast: its strategies, without its database, its shrinking, and its mutations.

As a test runs, Hypothesis varies each example a few times before it draws an independent one, which suits tests that assert on structure;
here most problems would be repeated.  Its interface for external fuzzers (`fuzz_one_input`) makes an example of bytes; random bytes make
independent ones.  An example costs some 0.5 ms besides its draws, so that each one draws several problems.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from convverify.generation.strategies import problems
from convverify.judging.kernel import Kernel
from convverify.problems.domain import Domain
from convverify.problems.problem import Problem

_PROBLEMS = 10  # of one example
_BYTES = 512 * _PROBLEMS  # several times what they take
_PATIENCE = 20  # examples in a row in which no problem of the domain is found


def drawn_problems(
    domain: Domain, dtypes: Sequence[str], max_macs: int, number: int, *, degenerate: bool | None = None
) -> Iterator[tuple[Problem, int]]:
    """Yield problems of a domain without end, each with a seed of 64 bits for its operands; `number` decides all of them.

    `degenerate` is as for `problems`.  They end where nothing is found any more, as where degenerate ones are asked of a domain without.
    """
    if degenerate and not domain.degenerate:
        return
    one = st.tuples(problems(domain=domain, dtypes=dtypes, max_macs=max_macs, degenerate=degenerate), st.integers(0, 2**64 - 1))
    drawn: list[tuple[Problem, int]] = []

    @settings(database=None, deadline=None)
    @given(several=st.tuples(*[one] * _PROBLEMS))
    def example(several: tuple[tuple[Problem, int], ...]) -> None:
        drawn.extend(several)

    from_bytes = example.hypothesis.fuzz_one_input  # type: ignore[attr-defined]  # as documented for external fuzzers
    source = random.Random(number)
    misses = 0
    while misses < _PATIENCE:
        misses = misses + 1 if from_bytes(source.randbytes(_BYTES)) is None else 0
        yield from drawn
        drawn.clear()


def draw_problems(
    kernel: Kernel, dtypes: Sequence[str], max_macs: int, number: int, count: int, each: Callable[[Problem, int], None]
) -> None:
    """Call each(problem, seed) for `count` problems of the kernel's domain."""
    for _, (problem, seed) in zip(range(count), drawn_problems(kernel.domain, dtypes, max_macs, number), strict=False):
        each(problem, seed)
