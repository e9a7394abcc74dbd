"""Few problems for kernels that are slow, or that compile themselves for each shape: many operands on each, one call a case.

On most of the problems all parameters are other than neutral, so that each case is evidence of all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from convverify.generation.budget import fit_budget
from convverify.operands.case import Case
from convverify.operands.fills import styles
from convverify.problems.domain import Domain
from convverify.problems.problem import Problem

_STAGES = ("exact", "rounding", "special")
_WANTED = (
    Problem(2, 7, 8, 4, 3, 2, 6, strides=(2, 1), padding="SAME", dilations=(1, 2), groups=2),
    Problem(1, 9, 6, 3, 2, 3, 6, strides=(1, 2), padding=((1, 2), (0, 3)), dilations=(2, 1), groups=3),
    Problem(1, 6, 9, 6, 3, 3, 4, strides=(2, 2), padding=((1, 1), (1, 1)), dilations=(2, 2), groups=2),
    Problem(3, 5, 11, 4, 1, 4, 4, strides=(1, 3), padding="SAME", dilations=(1, 2), groups=4),
    Problem(1, 8, 5, 5, 3, 2, 7, strides=(3, 1), padding=((2, 0), (1, 0))),
    Problem(2, 10, 7, 8, 2, 3, 8, dilations=(3, 2), groups=4),
    Problem(1, 11, 12, 2, 5, 3, 2, strides=(2, 3), padding="SAME", dilations=(1, 2), groups=2),
    Problem(2, 6, 7, 9, 2, 2, 3, strides=(2, 1), padding=((0, 1), (2, 1)), dilations=(1, 3), groups=3),
)


def few_problems(domain: Domain, dtypes: Sequence[str], max_macs: int) -> tuple[Problem, ...]:
    """Return ordinary problems of a domain, the same number in each dtype: six, or two in each where there are more than three.

    A problem outside of the domain stands for the one inside that is nearest; there are none where the domain has none.
    """
    found = []
    for number in range(max(6, 2 * len(dtypes))):
        wanted = _WANTED[number % len(_WANTED)].with_(dtype=dtypes[number % len(dtypes)])
        near = domain.ordinary.restrict(wanted)
        if near is not None:
            found.append(fit_budget(near, max_macs, allow_empty=False, domain=domain))
    return tuple(found)


def few_cases(problems: Sequence[Problem], count: int, seed: int) -> Iterator[Case]:
    """Yield `count` cases on few problems: on one after the other, with integers, reals and special values in turn."""
    names = [[entry.name for entry in styles if entry.traits["stage"] == stage] for stage in _STAGES]
    for number in range(count if problems else 0):
        turn, place = divmod(number, len(problems))
        chosen = names[(turn + place) % len(names)]
        yield Case(problems[place], chosen[(turn // len(names) + place) % len(chosen)], seed=(seed << 12) + number)
