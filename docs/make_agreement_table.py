"""Write docs/agreement.md: how frameworks do on problems of one feature at a time, and how far they agree with each other.

    PYTHONPATH=. python docs/make_agreement_table.py --problems 24 --seed 0 > docs/agreement.md

Each framework computes the same cases in a process of its own, which is replaced where it dies.  Results are compared with exact
arithmetic, as `convverify check` does it.  Frameworks that are not installed are left out, and named on standard error.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from convverify.campaign.session import Session
from convverify.host.inprocess import LocalHost
from convverify.judging.properties import judge
from convverify.judging.trial import Trial
from convverify.operands.case import Case
from convverify.problems.problem import Problem
from convverify.targets import TargetError, find_kernel

FRAMEWORKS = ("tensorflow", "torch", "jax", "onnxruntime", "onnxruntime_inputs", "scipy", "opencv")
JUDGED = ("completes", "shape", "dtype", "exact_on_integers", "within_error_bound", "special_values")
INTEGERS = ("integers", "long_integers", "cancelling_integers")
Draw = Callable[[np.random.Generator, Problem], Problem]
PACKAGES = ("tensorflow", "torch", "jax", "onnxruntime", "scipy", "opencv-python-headless", "numpy")
TEXT = """# How far frameworks agree

Each row is one feature, {count} problems of it. The same cases went to every framework; results were compared with exact arithmetic, as
`convverify check` does it. A cell counts the cases on which the framework was right. In bold are those on which it was wrong, raised an
exception, or its process died; `-` means that it refuses all of them ([frameworks.md](frameworks.md) says what is refused), `refused` that
it refuses some. Where rows do not name a dtype, it is float32, and the operands are integers: right means right to the last bit.

Made with `PYTHONPATH=. python docs/make_agreement_table.py --problems {count} --seed {seed} > docs/agreement.md`; {versions}; on the CPU.
"""
PAIRS = """
## With each other

On how many of the cases of integers that both answered two frameworks returned the same bits, results of the wrong shape counted as other
ones. Where two differ, it is the faults below; no two right results differ.
"""
FAULTS = """
## Where one was wrong

The first case of each row, for `convverify replay FRAMEWORK 'CASE'`. What stands behind them: [findings.md](findings.md).
"""
FORMS = ("VALID", "SAME", "equal", "four")


def base(rng: np.random.Generator) -> Problem:
    """Return a small problem without strides, padding, dilations or groups, whose kernel fits."""
    tall, wide = (int(n) for n in rng.integers(1, 5, 2))
    batch, inputs, outputs = (int(n) for n in rng.integers(1, (4, 7, 9)))
    return Problem(batch, tall + int(rng.integers(2, 12)), wide + int(rng.integers(2, 12)), inputs, tall, wide, outputs)


def pads(rng: np.random.Generator, low: int, high: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return four pads from `low` to `high`."""
    top, bottom, left, right = (int(n) for n in rng.integers(low, high + 1, 4))
    return (top, bottom), (left, right)


def anything(rng: np.random.Generator, p: Problem) -> Problem:
    """Return a problem with all features at once, but the degenerate ones."""
    p = (_groups, _depthwise, lambda rng, p: p)[rng.integers(3)](rng, p)
    strides, dilations = (tuple(int(n) for n in rng.integers(1, 4, 2)) for _ in range(2))
    tall, wide = (p.kernel_height - 1) * dilations[0] + 1, (p.kernel_width - 1) * dilations[1] + 1
    side = int(rng.integers(1, 3))
    padding = {"equal": ((side, side), (side, side)), "four": pads(rng, 0, 3)}.get(form := FORMS[rng.integers(4)], form)
    return p.with_(strides=strides, dilations=dilations, padding=padding, height=max(p.height, tall), width=max(p.width, wide))


def _groups(rng: np.random.Generator, p: Problem) -> Problem:
    groups = int(rng.integers(2, 4))
    return p.with_(in_channels=groups * int(rng.integers(2, 4)), out_channels=groups * int(rng.integers(1, 4)), groups=groups)


def _depthwise(rng: np.random.Generator, p: Problem) -> Problem:
    channels = int(rng.integers(2, 9))
    return p.with_(in_channels=channels, out_channels=channels * int(rng.integers(1, 3)), groups=channels)


def _beyond(rng: np.random.Generator, p: Problem) -> Problem:
    return p.with_(kernel_height=p.height + 1, width=max(p.width, p.kernel_width))


FEATURES: dict[str, Draw] = {
    "stride 1, VALID": lambda rng, p: p,
    "1x1 kernel": lambda rng, p: p.with_(kernel_height=1, kernel_width=1),
    "equal strides": lambda rng, p: p.with_(strides=(2, 2)),
    "unequal strides": lambda rng, p: p.with_(strides=((1, 2), (3, 1), (2, 3))[rng.integers(3)]),
    "one output column, strides 1x2": lambda rng, p: p.with_(batch=2, in_channels=1, width=3, kernel_width=2, strides=(1, 2)),
    "strides larger than the kernel": lambda rng, p: p.with_(strides=(p.kernel_height + 1, p.kernel_width + 2)),
    "SAME": lambda rng, p: p.with_(padding="SAME"),
    "SAME, strides": lambda rng, p: p.with_(padding="SAME", strides=((2, 2), (2, 1), (3, 2))[rng.integers(3)]),
    "SAME, even kernel": lambda rng, p: p.with_(padding="SAME", kernel_height=2, kernel_width=4),
    "equal pads": lambda rng, p: p.with_(padding=((1, 1), (2, 2))),
    "four different pads": lambda rng, p: p.with_(padding=pads(rng, 0, 3)),
    "pads larger than the kernel": lambda rng, p: p.with_(padding=pads(rng, 5, 8)),
    "dilations": lambda rng, p: p.with_(dilations=((2, 2), (1, 3), (3, 2))[rng.integers(3)], height=p.height + 9, width=p.width + 9),
    "groups": _groups,
    "depthwise": _depthwise,
    "depthwise, strides": lambda rng, p: _depthwise(rng, p).with_(strides=(2, 2), padding="SAME"),
    "kernel as large as the image": lambda rng, p: p.with_(kernel_height=p.height, kernel_width=p.width),
    "kernel larger than the image, no output": _beyond,
    "kernel larger than the image, pads": lambda rng, p: _beyond(rng, p).with_(padding=((1, 1), (0, 0))),
    "empty batch": lambda rng, p: p.with_(batch=0),
    "no input channels": lambda rng, p: p.with_(in_channels=0),
    "no output channels": lambda rng, p: p.with_(out_channels=0),
    "no rows but pads": lambda rng, p: p.with_(height=0, padding=((p.kernel_height, p.kernel_height), (0, 0))),
    "all but the degenerate": anything,
}  # fmt: skip


def cases(count: int, seed: int) -> Iterator[tuple[str, Case]]:
    """Yield (feature, case): each feature in float32 on integers, then other values and other dtypes on all but the degenerate ones."""
    for name, draw in FEATURES.items():
        rng = np.random.default_rng([seed, len(name), *name.encode()])
        for _ in range(count):
            yield name, Case(draw(rng, base(rng)), INTEGERS[rng.integers(len(INTEGERS))], seed=int(rng.integers(2**30)))
    for dtype in ("float32", "float64", "float16", "bfloat16"):
        rng = np.random.default_rng([seed, *dtype.encode()])
        for name in ("depthwise", "stride 1, VALID"):
            for _ in range(count):
                problem = FEATURES[name](rng, base(rng).with_(in_channels=1)).with_(dtype=dtype)
                yield (
                    f"{dtype}, {'one channel' if '1' in name else name}, NaN and Inf",
                    Case(problem, "special", seed=int(rng.integers(2**30))),
                )
        for values in ("integers", "normal", "subnormal", "overflowing", "special"):
            if (dtype, values) == ("float32", "integers"):
                continue
            rng = np.random.default_rng([seed, *dtype.encode(), *values.encode()])
            for _ in range(count):
                problem = anything(rng, base(rng)).with_(dtype=dtype)
                yield f"{dtype}, {'NaN and Inf' if values == 'special' else values}", Case(problem, values, seed=int(rng.integers(2**30)))


def serve(framework: str) -> None:
    """Judge each case on standard input, and answer each with a line of JSON: [outcome, digest of the result on integers, sentence]."""
    kernel = find_kernel(framework)
    session = Session(LocalHost(kernel.function), kernel, 60.0)
    for line in sys.stdin:
        trial = Trial(kernel, Case.parse(line))
        session.submit([trial], JUDGED)
        session.collect()
        _, finding = judge(trial, JUDGED)
        digest = ""
        if trial.first_values is not None and trial.case.stage == "exact":
            digest = hashlib.sha256(
                repr(trial.first_values.shape).encode() + (trial.first_values.astype(np.float64) + 0.0).tobytes()
            ).hexdigest()
        if trial.first.unsupported:
            outcome = "refused"
        elif trial.first.error is not None:
            outcome = f"raised: {trial.first.error}"
        else:
            outcome = "right" if finding is None else "wrong"
        print(json.dumps([outcome, digest, finding.sentence if finding else ""]), flush=True)


def ask(framework: str, posed: list[tuple[str, Case]]) -> list[tuple[str, str, str]]:
    """Return (outcome, digest, sentence) for each case; a case that the process does not survive is "died"."""
    answers: list[tuple[str, str, str]] = []
    while len(answers) < len(posed):
        text = "".join(f"{case}\n" for _, case in posed[len(answers) :])
        command = [sys.executable, __file__, "--serve", framework]
        done = subprocess.run(command, input=text, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
        answers += [tuple(json.loads(line)) for line in done.stdout.splitlines() if line.endswith("]")]
        if len(answers) < len(posed):
            answers.append(("died", "", "the process died"))
    return answers


def cell(outcomes: Counter[str]) -> str:
    """Return in a few characters how a framework did on the cases of a feature."""
    if set(outcomes) == {"refused"}:
        return "-"
    parts = [str(outcomes["right"])] + [f"**{outcomes[name]} {name}**" for name in ("wrong", "raised", "died") if outcomes[name]]
    return ", ".join(parts + [f"{outcomes['refused']} refused"] * bool(outcomes["refused"]))


def told_version(package: str) -> str:
    """Return a distribution's name and version."""
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"no {package}"


def table(rows: list[list[str]]) -> str:
    """Return rows as a table, the first its head."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]])


def main() -> None:
    """Ask every framework, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=24, help="problems for each feature (default: 24)")
    parser.add_argument("--seed", type=int, default=0, help="seed of problems and operands (default: 0)")
    parser.add_argument("--serve", metavar="FRAMEWORK", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve)
        return
    posed = list(cases(arguments.problems, arguments.seed))
    answers: dict[str, list[tuple[str, str, str]]] = {}
    for name in FRAMEWORKS:
        try:
            find_kernel(name)
        except TargetError as error:
            print(error, file=sys.stderr)
            continue
        answers[name] = ask(name, posed)
    features = list(dict.fromkeys(feature for feature, _ in posed))
    rows = [["", *answers]]
    for feature in features:
        numbers = [i for i, (name, _) in enumerate(posed) if name == feature]
        rows.append([feature, *(cell(Counter(answers[name][i][0].partition(":")[0] for i in numbers)) for name in answers)])
    versions = ", ".join(told_version(package) for package in PACKAGES)
    print(TEXT.format(count=arguments.problems, seed=arguments.seed, versions=versions))
    print(table(rows))
    print(PAIRS)
    rows = [["", *list(answers)[1:]]]
    for one in list(answers)[:-1]:
        rows.append(
            [
                one,
                *(
                    "" if list(answers).index(other) <= list(answers).index(one) else pair(answers[one], answers[other])
                    for other in rows[0][1:]
                ),
            ]
        )
    print(table(rows))
    print(FAULTS)
    told_of: set[tuple[str, str]] = set()
    for name, (i, (feature, case)) in itertools.product(answers, enumerate(posed)):
        outcome, _, sentence = answers[name][i]
        if outcome not in ("right", "refused") and (name, feature) not in told_of:
            told_of.add((name, feature))
            print(f"- {name}, {feature}: `{case}`: {sentence}")


def pair(one: list[tuple[str, str, str]], other: list[tuple[str, str, str]]) -> str:
    """Return on how many of the cases of integers that both answered two frameworks gave the same result."""
    both = [(a[1], b[1]) for a, b in zip(one, other, strict=True) if a[1] and b[1]]
    same = sum(a == b for a, b in both)
    return f"all {same}" if same == len(both) else f"{same} of {len(both)}"


if __name__ == "__main__":
    main()
