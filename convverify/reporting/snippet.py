"""Snippets: a counterexample as a few lines of Python to paste, and as one line of shell."""

from __future__ import annotations

import dataclasses
import keyword
import math
import shlex
from pathlib import Path

import numpy as np

from convverify.campaign.plainly import lines_of_sawtooth
from convverify.campaign.report import Counterexample, Report
from convverify.generation.companions import companion, walk
from convverify.host.loading import module_of_file
from convverify.judging.kernel import NEUTRAL, Kernel, declaring
from convverify.naming import is_nameable
from convverify.operands.case import Array, Case
from convverify.problems.domain import Domain
from convverify.problems.dtypes import FORMATS
from convverify.reporting.plain import printable

_INLINE = 48  # elements of an array that is written out
_NONZEROS = 12  # elements of one that is zero elsewhere
_MANY = 100  # calls behind those whose results are kept
_MADE = 1 << 20  # elements of operands that are made to be looked at; larger ones are left to the snippet to make


def replay_line(report: Report, example: Counterexample) -> str:
    """Return what judges the counterexample's case again: a shell command, or a line of Python for a kernel that has no target."""
    if not is_nameable(report.options.target):
        return _replay_call(report, example)
    words = ["convverify", "replay", report.options.target]
    if example.history:
        words.append(example.file or example.case)
    else:
        words.append(example.case)
    if report.options.data_format:
        words += ["--layout", report.options.data_format]
    if report.options.accuracy:
        words += ["--accuracy", report.options.accuracy]
    if report.options.accumulator:
        words += ["--accumulator", report.options.accumulator]
    if report.options.refuses:
        words += ["--refuses", ",".join(report.options.refuses)]
    if report.options.python:
        words += ["--python", report.options.python]
    if report.options.sandbox:
        words.append("--sandbox")
    return " ".join(shlex.quote(word) for word in words)


_FLAGS = {"references": "--reference", "dtypes": "--dtype", "data_format": "--layout", "problems": "--problem"}
_SWITCHES = {"degenerate": ("--degenerate", "--no-degenerate"), "isolation": ("--isolation", "--no-isolation")}


def check_line(report: Report) -> str:
    """Return the shell command that makes the same run again: the seed, and the options that are not the usual ones."""
    options, words = report.options, ["convverify", "check", report.options.target]
    for item in dataclasses.fields(options):
        name, value = item.name, getattr(options, item.name)
        if name == "target" or (value == item.default and name != "seed"):
            continue
        flag = _FLAGS.get(name, f"--{name.replace('_', '-')}")
        if isinstance(value, bool):
            words.append(_SWITCHES[name][not value] if name in _SWITCHES else flag)
        elif name == "problems":
            words += [word for problem in value for word in (flag, problem)]
        else:
            words += [flag, f"{value:g}" if isinstance(value, float) else ",".join(value) if isinstance(value, tuple) else str(value)]
    return shlex.join(words)


def _replay_call(report: Report, example: Counterexample) -> str:
    options = {"data_format": report.options.data_format, "accuracy": report.options.accuracy, "accumulator": report.options.accumulator}
    given = "".join(f", {name}={value!r}" for name, value in options.items() if value)
    case = example.file if example.history and example.file else example.case
    return f"convverify.replay({_local_name(report.options.target)}, {case!r}{given})"


def _local_name(target: str) -> str:
    """Return the name that a kernel without a target has where it is defined."""
    name = target.rpartition(":")[2].rpartition(".")[2]
    return name if name.isidentifier() else "kernel"


def snippet(report: Report, example: Counterexample) -> list[str]:
    """Return lines of Python that call the kernel on the counterexample's operands, and show the worst element."""
    from convverify.judging.properties.values import worst_index

    case = Case.parse(example.case)
    lines = ["import numpy as np", *_import_lines(report.options.target)]
    if called := _calls(report, example):
        return [*lines, *_sequence(report, called, keeps=example.property == "fresh_output")]
    x_axes, w_axes = report.axes
    lines += _operand_lines(case, (x_axes, w_axes)) or [
        "from convverify.operands.case import Case",
        f"case = Case.parse({example.case!r})",
        f"x, w = (operand.array for operand in case.operands(({x_axes}, {w_axes})))",
    ]
    problem = case.problem
    arguments = {"strides": problem.strides, "padding": problem.tf_padding, "dilations": problem.dilations, "groups": problem.groups}
    spelled = "".join(f", {_spelling(report, name)}={value!r}" for name, value in arguments.items() if name in _keywords(report))
    if case.calls > 1:
        lines.append(f"for _ in range({case.calls}):")
        lines.append(f"    y = kernel(x, w{spelled})")
    else:
        lines.append(f"y = kernel(x, w{spelled})")
    finding = example.finding
    if finding is not None and finding.expected is not None and (index := worst_index(finding, problem.dtype)) is not None:
        spot = [index[axis] for axis in x_axes]
        lines.append(f"print(y[{', '.join(map(str, spot))}], 'should be', {_literal(float(finding.expected[index]))})")
    elif example.property == "shape":
        shape = tuple(problem.output_shape[axis] for axis in x_axes)
        lines.append(f"print(np.shape(y), 'should be', {shape!r})")
    return lines


def _keywords(report: Report) -> tuple[str, ...]:
    return report.started.keywords if report.started else ()


def _declared(report: Report) -> Kernel:
    """Return the kernel as it has described itself: what companions are chosen by."""
    return declaring(_keywords(report), Domain.of(report.started.domain if report.started else None))


def _calls(report: Report, example: Counterexample) -> list[str]:
    """Return the cases to call one after the other, where it takes more than one call to see the fault in the numbers."""
    if example.history:
        return [*example.history, example.case]
    if example.property == "repeatable":
        return [example.case] * 2
    if example.property == "order_of_calls":
        return [example.case, str(companion(Case.parse(example.case), _declared(report))), example.case]
    if example.property == "sequence":
        return [example.case, *map(str, walk(Case.parse(example.case), _declared(report)))]
    return []


def _sequence(report: Report, called: list[str], *, keeps: bool) -> list[str]:
    """Return lines that call the kernel on one case after the other, and count the elements that are not exact; or that keep all results,
    call it on the last case many times, and count the elements that have changed."""
    spelled = "".join(
        f", {_spelling(report, name)}=p.{'tf_padding' if name == 'padding' else name}" for name in NEUTRAL if name in _keywords(report)
    )
    x_axes, w_axes = report.axes
    result = "y" if x_axes == (0, 1, 2, 3) else "np.transpose(y, (0, 2, 3, 1))"
    exact = [
        "    p, (x, w) = case.problem, case.operands(((0, 1, 2, 3), (0, 1, 2, 3)))",
        "    right = convolve(p, x.values.astype(float), w.values.astype(float))",
    ]
    call = [
        f"    x, w = (operand.array for operand in case.operands(({x_axes}, {w_axes})))",
        f"    y = kernel(x, w{spelled})",
    ]
    loop = ["for line in (", *(f"    {line!r}," for line in called)]
    if keeps:
        return [
            "from convverify.operands.case import Case",
            "kept = []",
            *loop,
            f"    *[{called[-1]!r}] * {_MANY},",
            "):",
            "    case = Case.parse(line)",
            "    p = case.problem",
            *call,
            "    kept.append((line, y, np.copy(y)))",
            "for line, y, before in kept:",
            "    if y.tobytes() != before.tobytes():",
            "        print('changed after it was returned:', line)",
        ]
    return [
        "from convverify.operands.case import Case",
        "from convverify.references.exact import convolve",
        *loop,
        "):",
        "    case = Case.parse(line)",
        *exact,
        *call,
        f"    print(np.count_nonzero({result} != right), 'elements are not exact:', line)",
    ]


def _spelling(report: Report, name: str) -> str:
    spellings = report.started.spellings if report.started else {}
    return spellings.get(name, name)


def _import_lines(target: str) -> list[str]:
    place, _, name = target.rpartition(":")
    if not place:
        return ["from convverify.targets import find_kernel", f"kernel = find_kernel({target!r}).function"]
    if not is_nameable(target):
        return [f"kernel = {_local_name(target)}  # {printable(target)}"]
    function = name.partition(".")[0]
    if place.endswith(".py") or "/" in place:
        root, dotted = module_of_file(Path(place))
        if any(not part.isidentifier() or keyword.iskeyword(part) for part in dotted.split(".")):  # my-kernel.py: no import can name it
            return ["from convverify.targets import find_kernel", f"kernel = find_kernel({target!r}).function"]
        shown = str(root.relative_to(Path.cwd())) if root.is_relative_to(Path.cwd()) else str(root)
        return ["import sys", f"sys.path.insert(0, {shown!r})", f"from {dotted} import {function}", f"kernel = {name}"]
    return [f"from {place} import {function}", f"kernel = {name}"]


def _operand_lines(case: Case, axes: tuple[tuple[int, ...], tuple[int, ...]]) -> list[str]:
    """Return lines that write x and w out; none where they are too long for that, or are not to be written so."""
    problem = case.problem
    if not case.is_plain or problem.dtype == "bfloat16" or math.prod(problem.x_shape) + math.prod(problem.w_shape) > _MADE:
        return []
    if case.style == "sawtooth" and problem.terms <= FORMATS[problem.dtype].exact_integers:
        return lines_of_sawtooth(case, axes)
    lines: list[str] = []
    for name, array, order in zip("xw", case.values(), axes, strict=True):
        written = _array_lines(name, array.transpose(order), problem.dtype)
        if not written:
            return []
        lines += written
    return lines


def _array_lines(name: str, array: Array, dtype: str) -> list[str]:
    if array.size <= _INLINE and np.isfinite(array.astype(np.float64)).all():
        return [f"{name} = np.array({array.tolist()}, np.{dtype}).reshape{array.shape}"]
    if np.count_nonzero(array) > _NONZEROS:
        return []
    sets = [f"{name}[{', '.join(map(str, index))}] = {_literal(float(array[tuple(index)]))}" for index in np.argwhere(array).tolist()]
    return [f"{name} = np.zeros({array.shape}, np.{dtype})", *sets]


def _literal(value: float) -> str:
    return f"np.float64({str(value)!r})" if value != value or value in (float("inf"), float("-inf")) else repr(value)
