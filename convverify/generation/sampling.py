"""Sampling: the cases that are tried on a problem, all of them decided by one seed."""

from __future__ import annotations

from collections.abc import Iterator

from convverify.operands.case import Case
from convverify.operands.fills import styles
from convverify.operands.layouts import PLAIN, Choices, layouts
from convverify.operands.placing import random_bits
from convverify.problems.problem import Problem


def cases_of(problem: Problem, seed: int, count: int) -> Iterator[Case]:
    """Yield cases on one problem, integers and other styles in turn, in layouts and with seeds that follow from `seed`."""
    for number, (first, second) in enumerate(random_bits(seed & (1 << 64) - 1, 2 * count).reshape(count, 2).tolist()):
        choices, names = Choices(first), _OTHERS if number % 2 else _EXACT
        yield Case(problem, names[choices.below(len(names))], _layouts(choices), second >> 20)


def _layouts(choices: Choices) -> tuple[str, str]:
    if choices.below(2):
        return _USUAL[choices.below(len(_USUAL))]
    names = layouts.names()
    first, second, both = choices.below(len(names)), choices.below(len(names)), choices.below(3)
    return (names[first], PLAIN) if both == 0 else (PLAIN, names[second]) if both == 1 else (names[first], names[second])


_USUAL = ((PLAIN, PLAIN), (PLAIN, PLAIN), (PLAIN, PLAIN), (PLAIN, PLAIN), ("owning", "owning"), ("owning", PLAIN), (PLAIN, "owning"))


def _by_weight(*, exact: bool) -> list[str]:
    """Return the names of the styles for integers, or of the others, each as often as its weight says."""
    chosen = [entry for entry in styles if (entry.traits["stage"] == "exact") == exact]
    return [entry.name for entry in chosen for _ in range(entry.traits.get("weight", 1))]


_EXACT, _OTHERS = _by_weight(exact=True), _by_weight(exact=False)
