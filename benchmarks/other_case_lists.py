"""How many of convverify's mutants do the case lists of others refute?

    python benchmarks/other_case_lists.py [--kill-matrix FILE] [--json FILE] [NAME|CLASS]...

Four lists, each as its authors run it, with their data and their tolerance: ONNX's node tests for Conv, PyTorch's OpInfo samples for
conv2d, a plain Hypothesis test, and the article's three problems.  Each is put to every mutant that can be called without harm, and to
every unusual kernel, all of which are right: a list that refutes one of those raises a false alarm.  A list whose package is not installed
is left out, and the output says so.

Every kernel meets every list in a process of its own, forked from this one, which never calls a kernel under test.
"""

from __future__ import annotations

import json
import os
import platform
import select
import signal
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import numpy as np
from threadpoolctl import threadpool_limits

from convverify import __version__
from convverify.kernel import Kernel, make_kernel
from convverify.mutants import mutants
from convverify.problem import Problem
from convverify.references.exact import conv2d as exact
from convverify.registry import Entry, Registry
from convverify.suites import suites
from convverify.unusual import unusual

SILENT = ""
"""What a list says of a kernel that it finds no fault with."""


@dataclass(frozen=True)
class CaseList:
    """A list ready to run: what it holds, and `refute`, which says by which case a kernel fails, or nothing."""

    holds: str
    refute: Callable[[Kernel], str]


@dataclass(frozen=True)
class FixedCase:
    """Operands in NHWC and HWIO with the result that the list's authors expect of them."""

    name: str
    problem: Problem
    x: Any
    w: Any
    expected: Any


case_lists = Registry("case list", __name__)


# What the lists share.


def result_of(kernel: Kernel, problem: Problem, x: Any, w: Any) -> Any:
    """Call a kernel with contiguous operands in its own order of axes, and return what it returns, in NHWC order."""
    operands = (np.ascontiguousarray(array.transpose(axes)) for array, axes in zip((x, w), kernel.axes, strict=True))
    y = kernel(*operands, problem)
    return y if kernel.data_format == "NHWC" else y.transpose(kernel.result_axes)


def first_failure(cases: Sequence[FixedCase], compare: Callable[[Any, Any], None], kernel: Kernel) -> str:
    """Return the first case that a kernel fails; those that it does not take, by signature or by NotImplementedError, are passed over."""
    for case in cases:
        if kernel.explores(case.problem):
            try:
                compare(result_of(kernel, case.problem, case.x, case.w), case.expected)
            except NotImplementedError:
                continue
            except Exception as error:
                return f"{case.name}: {told(error)}"
    return SILENT


def told(error: BaseException) -> str:
    """Return an exception in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:200]


def posed(x: Any, w: Any, **geometry: Any) -> Problem:
    """Return the problem of NHWC and HWIO operands; pads that are all zero are VALID, which every kernel takes."""
    if geometry.get("padding") == ((0, 0), (0, 0)):
        geometry["padding"] = "VALID"
    (batch, height, width, channels), (rows, columns, _, outputs) = x.shape, w.shape
    return Problem(batch, height, width, channels, rows, columns, outputs, dtype=x.dtype.name, **geometry)


def from_channels_first(x: Any, w: Any, y: Any) -> tuple[Any, Any, Any]:
    """Return NCHW x, OIHW w and NCHW y as contiguous NHWC, HWIO and NHWC arrays."""
    return tuple(np.ascontiguousarray(a.transpose(axes)) for a, axes in ((x, (0, 2, 3, 1)), (w, (2, 3, 1, 0)), (y, (0, 2, 3, 1))))


# The lists.


@case_lists.register("ONNX", package="onnx")
def onnx_node_tests() -> CaseList:
    """Node tests for Conv, with the comparison of ONNX's own runner: shape, dtype, rtol 1e-3, atol 1e-7."""
    from onnx.backend.test.case.node import collect_testcases
    from onnx.backend.test.runner import Runner

    cases = [case for test in collect_testcases("Conv") for case in onnx_cases(test)]

    def compare(y: Any, expected: Any) -> None:
        Runner.assert_similar_outputs([expected], [y], rtol=1e-3, atol=1e-7)

    return CaseList(f"{len(cases)} cases", partial(first_failure, cases, compare))


def onnx_cases(test: Any) -> Iterator[FixedCase]:
    """Yield the data sets of one node test, if it is a single two-dimensional convolution."""
    from onnx.helper import get_attribute_value

    nodes = test.model.graph.node
    if [node.op_type for node in nodes] != ["Conv"]:
        return
    attributes = {attribute.name: get_attribute_value(attribute) for attribute in nodes[0].attribute}
    for (x, w, *bias), (y,) in test.data_sets:
        if x.ndim == 4:
            x, w, y = from_channels_first(x, w, y - bias[0][:, None, None] if bias else y)
            yield FixedCase(test.name, onnx_problem(x, w, attributes), x, w, y)


def onnx_problem(x: Any, w: Any, attributes: dict[str, Any]) -> Problem:
    """Return the problem that a Conv node's attributes pose.  SAME_LOWER is SAME with the larger pad before the image."""
    top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
    geometry: dict[str, Any] = {"groups": attributes.get("group", 1)}
    geometry |= {name: tuple(attributes.get(name, (1, 1))) for name in ("strides", "dilations")}
    automatic = attributes.get("auto_pad", b"NOTSET").decode()
    if automatic == "NOTSET":
        return posed(x, w, padding=((top, bottom), (left, right)), **geometry)
    problem = posed(x, w, padding=automatic.partition("_")[0], **geometry)
    return problem.with_(padding=tuple(pads[::-1] for pads in problem.pads)) if automatic == "SAME_LOWER" else problem


@case_lists.register("OpInfo", package="torch")
def opinfo_samples() -> CaseList:
    """PyTorch's samples for conv2d in float32 and float64, with torch.testing.assert_close: shape, dtype, and its default tolerances."""
    import torch
    from torch.testing._internal.common_methods_invocations import op_db

    torch.manual_seed(0)
    torch.set_num_threads(1)
    (operator,) = (entry for entry in op_db if entry.name == "nn.functional.conv2d")
    samples = [s for dtype in (torch.float32, torch.float64) for s in operator.sample_inputs("cpu", dtype, requires_grad=False)]
    cases = [opinfo_case(f"sample {number}", operator.op, sample) for number, sample in enumerate(samples)]

    def compare(y: Any, expected: Any) -> None:
        torch.testing.assert_close(torch.from_numpy(y.copy()), torch.from_numpy(expected))

    return CaseList(f"{len(cases)} cases", partial(first_failure, cases, compare))


def opinfo_case(name: str, conv2d: Callable[..., Any], sample: Any) -> FixedCase:
    """Return a sample without its bias; one image without a batch axis becomes a batch of one."""
    image, weight, parameters = sample.input, sample.args[0], sample.kwargs
    image = image if image.ndim == 4 else image[None]
    x, w, y = from_channels_first(image.numpy(), weight.numpy(), conv2d(image, weight, None, **parameters).numpy())

    def pair(key: str, default: int) -> Any:
        value = parameters.get(key, default)
        return (value, value) if isinstance(value, int) else value

    padding = pair("padding", 0)
    padding = padding.upper() if isinstance(padding, str) else tuple((pad, pad) for pad in padding)
    groups = parameters.get("groups", 1)
    return FixedCase(name, posed(x, w, strides=pair("stride", 1), padding=padding, dilations=pair("dilation", 1), groups=groups), x, w, y)


@case_lists.register("Hypothesis", package="hypothesis")
def plain_hypothesis() -> CaseList:
    """A property test as people write it: arrays of up to 8 along each axis, assert_allclose with rtol 1e-5 and atol 1e-5."""
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import strategies as st
    from hypothesis.extra.numpy import arrays

    extent, stride, numbers = st.integers(1, 8), st.integers(1, 2), st.floats(-10, 10, width=32)

    def refute(kernel: Kernel) -> str:
        @settings(  # 100 examples, the default; how a failure is shrunk does not matter here, nor how long an example takes
            derandomize=True, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
        )  # fmt: skip
        @given(
            shapes=st.tuples(st.tuples(extent, extent, extent, extent), st.tuples(extent, extent, extent)),
            strides=st.tuples(stride, stride),
            padding=st.sampled_from(["VALID", "SAME"]),
            data=st.data(),
        )
        def test(shapes: Any, strides: Any, padding: str, data: Any) -> None:
            image, (rows, columns, outputs) = shapes
            x = data.draw(arrays(np.float32, image, elements=numbers))
            w = data.draw(arrays(np.float32, (rows, columns, image[3], outputs), elements=numbers))
            problem = kernel.restrict(posed(x, w, strides=strides, padding=padding))
            try:
                y = result_of(kernel, problem, x, w)
            except NotImplementedError:
                return
            np.testing.assert_allclose(y, exact(x, w, strides=problem.strides, padding=problem.tf_padding), rtol=1e-5, atol=1e-5)

        try:
            test()
        except Exception as error:
            return told(error)
        return SILENT

    return CaseList("100 examples", refute)


@case_lists.register("article", package="numpy")
def article_problems() -> CaseList:
    """The article's check, timing and 1x1 problems on normal operands: the norm of the difference is less than 1e-2."""
    draw = np.random.default_rng(0).standard_normal
    cases = []
    for layer in suites["article"].function():
        if layer.name in ("check_3x3", "timing_3x3", "check_1x1"):
            x, w = (draw(shape, np.float32) for shape in (layer.problem.x_shape, layer.problem.w_shape))
            cases.append(FixedCase(layer.name, layer.problem, x, w, exact(x, w)))

    def compare(y: Any, expected: Any) -> None:
        norm = np.linalg.norm(y - expected)
        if not norm < 1e-2:
            raise AssertionError(f"the norm of the difference is {norm:.3g}")

    return CaseList(f"{len(cases)} problems", partial(first_failure, cases, compare))


# Runs, each in a process of its own, and what they come to.


def verdict(case_list: CaseList, kernel: Kernel, seconds: float) -> str:
    """Return what a list says of a kernel, which a fork of this process calls, so that neither its state nor its end reaches this one."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, 1)
            os.dup2(null, 2)
            os.write(writer, json.dumps(case_list.refute(kernel)).encode())
        finally:
            os._exit(0)
    os.close(writer)
    in_time = select.select([reader], [], [], seconds)[0]
    answer = os.read(reader, 4096) if in_time else b""
    os.close(reader)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    if in_time:
        return json.loads(answer) if answer else "the process died"
    return f"no end after {seconds:g} s"


def load(names: Sequence[str]) -> tuple[dict[str, CaseList], dict[str, str]]:
    """Return the lists that can be had, and what to say of each: its package's version, or that it was left out."""
    ready, notes = {}, {}
    for entry in case_lists:
        if entry.name in names:
            try:
                with warnings.catch_warnings(action="ignore"):
                    ready[entry.name] = entry.function()
                package = entry.traits["package"]
                notes[entry.name] = f"{ready[entry.name].holds}, {package} {version(package)}: {entry.summary}"
            except ImportError as error:
                notes[entry.name] = f"left out, because it cannot be imported here ({error})"
    return ready, notes


def fault_class(entry: Entry) -> str:
    """Return a mutant's class, or "correct" for an unusual kernel."""
    return str(entry.traits.get("fault_class", "correct"))


def markdown(rows: Sequence[dict[str, Any]], columns: dict[str, str]) -> str:
    """Return the table: for each fault class the mutants that each list refutes, and for the right kernels the false alarms."""
    lines = ["| " + " | ".join(["class", "kernels", *columns.values()]) + " |", "|--" + "|--:" * (len(columns) + 1) + "|"]

    def count(label: str, chosen: Sequence[dict[str, Any]]) -> None:
        counts = [str(sum(row[column] != SILENT for row in chosen)) for column in columns]
        lines.append(f"| {label} | {len(chosen)} | {' | '.join(counts)} |")

    wrong = [row for row in rows if row["class"] != "correct"]
    for kind in sorted({row["class"] for row in wrong}):
        count(kind, [row for row in wrong if row["class"] == kind])
    count("**all mutants**", wrong)
    count("correct kernels (false alarms)", [row for row in rows if row["class"] == "correct"])
    return "\n".join(lines)


def own_verdicts(path: Path, rows: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Return by kernel what convverify's kill matrix says: a mutant is refuted if it was on every seed, a right kernel if on any."""
    found: dict[str, list[str]] = {}
    for row in json.loads(path.read_text())["rows"]:
        found.setdefault(row["name"], []).append(row["killed_by"] if row["verdict"] == "refuted" else SILENT)
    missing = [row["kernel"] for row in rows if row["kernel"] not in found]
    if missing:
        raise click.UsageError(f"{path.name} lacks {len(missing)} of {len(rows)} kernels, {missing[0]} among them; make it anew")
    return {row["kernel"]: (max if row["class"] == "correct" else min)(found[row["kernel"]]) for row in rows}


@click.command(help="Put mutants (default: all but those of the class process) and right kernels to the case lists of others.")
@click.argument("names", nargs=-1, metavar="[NAME|CLASS]...")
@click.option("--list", "lists", multiple=True, type=click.Choice(case_lists.names()), help="Run this list (default: all).")
@click.option("--kill-matrix", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="JSON of `convverify mutants`.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write every verdict as JSON.")
@click.option("--timeout", default=60.0, show_default=True, help="Seconds for one kernel on one list.")
def main(names: tuple[str, ...], lists: tuple[str, ...], kill_matrix: Path | None, json_file: Path | None, timeout: float) -> None:
    entries = [entry for entry in (*mutants, *unusual) if fault_class(entry) != "process"]
    chosen = [entry for entry in entries if not names or entry.name in names or fault_class(entry) in names]
    ready, notes = load(lists or case_lists.names())
    rows: list[dict[str, Any]] = [{"kernel": entry.name, "class": fault_class(entry)} for entry in chosen]
    with threadpool_limits(1):
        for entry, row in zip(chosen, rows, strict=True):
            traits = {key: entry.traits[key] for key in ("data_format", "accuracy") if key in entry.traits}
            kernel = make_kernel(entry.function, entry.name, **traits)
            row |= {name: verdict(case_list, kernel, timeout) for name, case_list in ready.items()}
    columns = {name: f"{name} ({case_list.holds})" for name, case_list in ready.items()}
    if len(ready) > 1:
        columns["any"] = "any of these"
        for row in rows:
            row["any"] = next((f"{name}: {row[name]}" for name in ready if row[name]), SILENT)
    if kill_matrix:
        columns["convverify"] = "convverify"
        own = own_verdicts(kill_matrix, rows)
        for row in rows:
            row["convverify"] = own[row["kernel"]]
    print(markdown(rows, columns), end="\n\n")
    for name, note in notes.items():
        alarms = [row["kernel"] for row in rows if row["class"] == "correct" and row.get(name)]
        print(f"- {name}: {note}" + (f" False alarms: {', '.join(alarms)}." if alarms else ""))
    if json_file:
        versions = {"convverify": __version__, "python": platform.python_version(), "numpy": np.__version__}
        json_file.write_text(json.dumps({"schema": 1, "versions": versions, "lists": notes, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
