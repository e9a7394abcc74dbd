"""Print the table of docs/errors.md: the worst error of each kernel, as a fraction of its bound, for each style of values and dtype.

    PYTHONPATH=. python docs/make_error_table.py --problems 250 --seed 0 > table.md

Every kernel gets the same cases.  Problems on which TensorFlow is known to be wrong, or to end the process, are left out for all of
them: docs/findings.md says which these are.  A cell holds two figures: over all problems, and over those of at least 8 terms.
"""

from __future__ import annotations

import argparse
from collections import defaultdict

from convverify.campaign.session import Session
from convverify.generation.drawing import draw_problems
from convverify.host.inprocess import LocalHost
from convverify.judging.kernel import Kernel
from convverify.judging.trial import Trial
from convverify.operands.case import Case
from convverify.operands.fills import styles
from convverify.problems.dtypes import FORMATS
from convverify.problems.problem import Problem
from convverify.targets import find_kernel

KERNELS = ("tensorflow", "loops", "loops_compiled", "matmul")
LONG = 8  # terms, from which on roundings begin to cancel
STYLES = tuple(entry.name for entry in styles if entry.traits["stage"] == "rounding")


def tensorflow_is_at_fault(problem: Problem) -> bool:
    """Return whether docs/findings.md has the problem: no output, one output column at unequal strides, bfloat16 with explicit pads."""
    if problem.dtype not in ("float32", "bfloat16"):
        return False
    one_column = problem.output_shape[2] == 1 and problem.strides[0] == 1 and problem.strides[1] > 1
    padded = problem.dtype == "bfloat16" and not isinstance(problem.padding, str)
    return problem.is_empty or one_column or padded


def drawn(kernel: Kernel, dtype: str, count: int, seed: int, max_macs: int) -> list[tuple[Problem, int]]:
    """Return problems with seeds for their operands; those without output, and those that TensorFlow gets wrong, are not among them."""
    found: list[tuple[Problem, int]] = []

    def each(problem: Problem, bits: int) -> None:
        if not problem.is_empty and problem.terms and not tensorflow_is_at_fault(problem) and len(found) < count:
            found.append((problem, bits))

    draw_problems(kernel, [dtype], max_macs, seed, 3 * count, each)
    return found


def main() -> None:
    """Run all cases and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=250, help="problems for each dtype (default: 250)")
    parser.add_argument("--seed", type=int, default=0, help="seed of problems and operands (default: 0)")
    parser.add_argument("--max-macs", type=int, default=1 << 15, help="largest number of multiply-adds of a problem (default: 32768)")
    arguments = parser.parse_args()
    kernels = {name: find_kernel(name) for name in KERNELS}
    sessions = {name: Session(LocalHost(kernel.function), kernel, 60.0) for name, kernel in kernels.items()}
    worst: dict[tuple[str, str, str, bool], float] = defaultdict(float)
    where: dict[tuple[str, str, str, bool], str] = {}
    counts: dict[str, tuple[int, int]] = {}
    for dtype in FORMATS:
        posed = drawn(kernels["loops"], dtype, arguments.problems, arguments.seed, arguments.max_macs)
        counts[dtype] = len(posed), sum(problem.terms >= LONG for problem, _ in posed)
        for style in STYLES:
            for problem, bits in posed:
                case = Case(problem, style, seed=bits)
                for name, session in sessions.items():
                    trial = Trial(session.kernel, case)
                    session.submit([trial], ())
                    session.collect()
                    fraction = trial.accuracy().fraction
                    for long in {False, problem.terms >= LONG}:
                        key = style, dtype, name, long
                        if not fraction <= worst[key]:
                            worst[key], where[key] = fraction, str(case)
    for dtype in FORMATS:
        print(f"\n{dtype}, {counts[dtype][0]} problems, {counts[dtype][1]} of them with at least {LONG} terms:\n")
        print(f"| values | {' | '.join(KERNELS)} |\n|---|{'--:|' * len(KERNELS)}")
        for style in STYLES:
            cells = [" / ".join(f"{worst[style, dtype, name, long]:.3f}" for long in (False, True)) for name in KERNELS]
            print(f"| {style} | {' | '.join(cells)} |")
    largest = max(worst, key=lambda key: worst[key])
    print(f"\nThe largest of all: {worst[largest]:.3f}, {largest[2]} on `{where[largest]}`.")


if __name__ == "__main__":
    main()
