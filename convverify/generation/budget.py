"""The budget of multiply-adds: a problem that costs too much is cut down, inside the domain that it was drawn from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from convverify.problems.domain import Domain
from convverify.problems.integers import Integers
from convverify.problems.problem import Problem

DEFAULT_MACS = 1 << 18
_EVERYTHING = Domain()


def cheapest(domain: Domain) -> int:
    """Return about how many multiply-adds the cheapest ordinary problem of a domain has; 0 for a domain without one."""
    least = domain.ordinary.restrict(Problem())
    return fit_budget(least, 1, domain=domain.ordinary).macs if least else 0


def default_budget(domain: Domain, otherwise: int = DEFAULT_MACS) -> int:
    """Return the budget for a domain's problems: `otherwise`, or more where the domain has none that are so cheap, so that results of
    several pixels are among them."""
    return max(otherwise, 16 * cheapest(domain))


def fit_budget(problem: Problem, max_macs: int, allow_empty: bool = True, domain: Domain = _EVERYTHING) -> Problem:
    """Return the problem, cut down to `max_macs` multiply-adds where need be: smaller extents give way first, so that a large one stays.

    A problem of the domain stays inside; one that the domain has no cheaper relative of stays as it is.
    """
    domain = domain if allow_empty else domain.ordinary
    if not domain.admits(problem):
        problem = domain.restrict(problem) or problem
    cost = _cost(problem)
    while cost > max_macs:
        for changes in _cuts(problem, domain):
            smaller = domain.restrict(problem.with_(**changes))
            if smaller is not None and (less := _cost(smaller)) < cost:
                problem, cost = smaller, less
                break
        else:
            return problem
    return problem


def _cost(problem: Problem) -> int:
    """Multiply-adds, or the elements of the larger of x and y, by which memory traffic grows."""
    batch, rows, columns, channels = problem.output_shape
    elements = max(problem.batch * problem.height * problem.width * problem.in_channels, batch * rows * columns * channels)
    return max(problem.macs, elements)


def _cuts(p: Problem, domain: Domain) -> Iterator[dict[str, Any]]:
    """Yield what can be made smaller, the best first: one extent, by half or by one; then groups, the kernel, the padding, all."""
    rows, columns = p.effective_kernel
    ins, outs = p.groups * _unit(domain.in_channels, p.groups), p.groups * _unit(domain.out_channels, p.groups)
    steps = {
        "batch": (p.batch, 1, _unit(domain.batch)),
        "height": (p.height, rows, 1),
        "width": (p.width, columns, 1),
        "out_channels": (p.out_channels // outs, 1, outs),
        "in_channels": (p.in_channels // ins, 1, ins),
    }
    for name in sorted((name for name, (extent, least, _) in steps.items() if extent > least), key=lambda name: steps[name][0]):
        extent, least, unit = steps[name]
        yield {name: max(least, extent // 2 if extent > 4 else extent - 1) * unit}
    yield {name: least * unit for name, (_, least, unit) in steps.items()}
    if p.groups > 1:
        yield {"groups": 1, "in_channels": 1, "out_channels": 1}
    yield {"kernel_height": 1, "kernel_width": 1}
    yield {"padding": "VALID"}
    yield {
        "batch": 1, "height": 1, "width": 1, "in_channels": 1, "out_channels": 1, "kernel_height": 1, "kernel_width": 1,
        "strides": (1, 1), "dilations": (1, 1), "groups": 1, "padding": "VALID",
    }  # fmt: skip


def _unit(allowed: Integers, groups: int = 1) -> int:
    """Return what an extent is counted in: a group's channels, or the multiples that are allowed."""
    multiples = allowed.multiples(groups)
    first = multiples.nearest(1, 1) if multiples is not None else None
    return max(1, (first or groups) // groups)
