"""How many of convverify's mutants do the case lists of others refute?

    python docs/other_case_lists.py [--kill-matrix FILE] [--json FILE] [NAME|CLASS]...

Four lists, with their own data and tolerance: ONNX's node tests for Conv, PyTorch's OpInfo samples for conv2d, a plain Hypothesis test,
and the article's three problems.  Each is put to every mutant but those of the class `process`, and to every unusual kernel; these are
right, so that refuting one is a false alarm.  A list whose package is not installed is left out, and the output says so.
Every kernel meets every list in a process of its own, forked from this one, which never calls a kernel under test.
"""

from __future__ import annotations

import json
import os
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

from convverify.judging.kernel import Kernel
from convverify.kill_matrix import choose
from convverify.mutants import mutants
from convverify.problems.problem import Problem
from convverify.problems.suites import suites
from convverify.references.exact import conv2d as exact
from convverify.registry import Registry
from convverify.targets import find_kernel


@dataclass(frozen=True)
class CaseList:
    """A list ready to run: what it holds, and `check`, which raises an exception where a kernel fails."""

    holds: str
    check: Callable[[Kernel], None]


@dataclass(frozen=True)
class FixedCase:
    """Operands in NHWC and HWIO with the result that the list's authors expect of them."""

    name: str
    problem: Problem
    x: Any
    w: Any
    expected: Any


case_lists = Registry("case list", __name__)
LATE = "no end"


def posed(x: Any, w: Any, **geometry: Any) -> Problem:
    """Return the problem of NHWC and HWIO operands; pads that are all zero are VALID, which every kernel takes."""
    if geometry.get("padding") == ((0, 0), (0, 0)):
        geometry["padding"] = "VALID"
    return Problem(*x.shape, *w.shape[:2], w.shape[3], dtype=x.dtype.name, **geometry)


def from_channels_first(x: Any, w: Any, y: Any) -> tuple[Any, Any, Any]:
    """Return NCHW x, OIHW w and NCHW y as new arrays, NHWC, HWIO and NHWC: views would bring cases in touch, and odd strides."""
    return tuple(np.array(a.transpose(axes), order="C") for a, axes in ((x, (0, 2, 3, 1)), (w, (2, 3, 1, 0)), (y, (0, 2, 3, 1))))


def result_of(kernel: Kernel, problem: Problem, x: Any, w: Any) -> Any:
    """Call a kernel with contiguous operands in its own order of axes, and return what it returns, in NHWC order."""
    operands = (np.ascontiguousarray(array.transpose(axes)) for array, axes in zip((x, w), kernel.axes, strict=True))
    y = kernel(*operands, problem)
    return y if kernel.data_format == "NHWC" else y.transpose(kernel.result_axes)


def check_fixed(cases: Sequence[FixedCase], compare: Callable[[Any, Any], None], kernel: Kernel) -> None:
    """Raise at the first case that a kernel fails; those that it does not take, by signature or NotImplementedError, are passed over."""
    for case in cases:
        if kernel.explores(case.problem):
            try:
                compare(result_of(kernel, case.problem, case.x, case.w), case.expected)
            except NotImplementedError:
                continue
            except Exception as error:
                raise AssertionError(f"{case.name}: {error!r}") from error


@case_lists.register("ONNX", package="onnx")
def onnx_node_tests() -> CaseList:
    """The node tests for Conv; ONNX's own runner compares shape, dtype, and values with rtol 1e-3 and atol 1e-7."""
    from onnx.backend.test.case.node import collect_testcases
    from onnx.backend.test.runner import Runner

    cases = [case for test in collect_testcases("Conv") for case in onnx_cases(test)]
    compare = partial(Runner.assert_similar_outputs, rtol=1e-3, atol=1e-7)
    return CaseList(f"{len(cases)} cases", partial(check_fixed, cases, lambda y, expected: compare([expected], [y])))


def onnx_cases(test: Any) -> Iterator[FixedCase]:
    """Yield the data sets of one node test, if it is a single two-dimensional convolution; a bias is subtracted."""
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
    """PyTorch's samples for conv2d in float32 and float64; assert_close compares shape, dtype, and values with its default tolerances."""
    import torch
    from torch.testing._internal.common_methods_invocations import op_db

    torch.manual_seed(0)
    torch.set_num_threads(1)
    (operator,) = (entry for entry in op_db if entry.name == "nn.functional.conv2d")
    samples = [s for dtype in (torch.float32, torch.float64) for s in operator.sample_inputs("cpu", dtype, requires_grad=False)]
    cases = [opinfo_case(f"sample {number}", operator.op, sample) for number, sample in enumerate(samples)]

    compare, tensor = torch.testing.assert_close, torch.from_numpy
    return CaseList(f"{len(cases)} cases", partial(check_fixed, cases, lambda y, expected: compare(tensor(y.copy()), tensor(expected))))


def opinfo_case(name: str, conv2d: Callable[..., Any], sample: Any) -> FixedCase:
    """Return a sample without its bias; one image without a batch axis becomes a batch of one."""
    weight, parameters = sample.args[0], sample.kwargs
    image = sample.input if sample.input.ndim == 4 else sample.input[None]
    x, w, y = from_channels_first(image.numpy(), weight.numpy(), conv2d(image, weight, None, **parameters).numpy())

    def pair(key: str, default: int) -> Any:
        value = parameters.get(key, default)
        return (value, value) if isinstance(value, int) else value

    pads = pair("padding", 0)
    padding = pads.upper() if isinstance(pads, str) else tuple((pad, pad) for pad in pads)
    geometry = {"strides": pair("stride", 1), "dilations": pair("dilation", 1), "groups": parameters.get("groups", 1)}
    return FixedCase(name, posed(x, w, padding=padding, **geometry), x, w, y)


@case_lists.register("Hypothesis", package="hypothesis")
def plain_hypothesis() -> CaseList:
    """A property test as people write it: float32 arrays of up to 8 along each axis, assert_allclose with rtol 1e-5 and atol 1e-5."""
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import strategies as st
    from hypothesis.extra.numpy import arrays

    extent, stride, numbers = st.integers(1, 8), st.integers(1, 2), st.floats(-10, 10, width=32)
    shapes = st.tuples(st.tuples(extent, extent, extent, extent), st.tuples(extent, extent, extent))
    # The default, in numbers: importing PyTorch's tests loads a profile of 10 examples.  Neither shrinking nor time matters here.
    once = {"database": None, "deadline": None, "phases": [Phase.generate], "suppress_health_check": list(HealthCheck)}

    def check(kernel: Kernel) -> None:
        @settings(max_examples=100, derandomize=True, **once)
        @given(shapes=shapes, strides=st.tuples(stride, stride), padding=st.sampled_from(["VALID", "SAME"]), data=st.data())
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

        test()

    return CaseList("100 examples", check)


@case_lists.register("article", package="numpy")
def article_problems() -> CaseList:
    """The article's check, timing and 1x1 problems on normal operands; the norm of the difference is to be less than 1e-2."""
    draw = np.random.default_rng(0).standard_normal
    cases = []
    for layer in suites["article"].function():
        if layer.name in ("check_3x3", "timing_3x3", "check_1x1"):
            x, w = (draw(shape, np.float32) for shape in (layer.problem.x_shape, layer.problem.w_shape))
            cases.append(FixedCase(layer.name, layer.problem, x, w, exact(x, w)))

    def compare(y: Any, expected: Any) -> None:
        assert np.linalg.norm(y - expected) < 1e-2, np.linalg.norm(y - expected)

    return CaseList(f"{len(cases)} problems", partial(check_fixed, cases, compare))


def verdict(case_list: CaseList, kernel: Kernel, seconds: float) -> str:
    """Return how a kernel fails a list, or "".  A fork of this process calls it, so that neither its state nor its end reaches this one."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            for stream in (1, 2):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
            case_list.check(kernel)
            os.write(writer, b"passed")
        except Exception as error:
            os.write(writer, f"{type(error).__name__}: {error}".encode()[:4096])
        finally:
            os._exit(0)
    os.close(writer)
    ended = select.select([reader], [], [], seconds)[0]
    answer = " ".join(os.read(reader, 4096).decode(errors="replace").split()) if ended else f"{LATE} after {seconds:g} s"
    os.close(reader)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return "" if answer == "passed" else answer or "the process died"


def load(names: Sequence[str]) -> tuple[dict[str, CaseList], dict[str, str]]:
    """Return the lists that are available, and what to say of each: its package's version, or that it was left out."""
    ready, notes = {}, {}
    for entry in (case_lists[name] for name in names):
        try:
            with warnings.catch_warnings(action="ignore"):
                ready[entry.name] = entry.function()
            notes[entry.name] = f"{entry.summary[:-1]} ({entry.traits['package']} {version(entry.traits['package'])})."
        except ImportError as error:
            notes[entry.name] = f"left out, because it cannot be imported here: {error}."
    return ready, notes


def markdown(rows: Sequence[dict[str, str]], columns: dict[str, str]) -> str:
    """Return the table: the kernels of each class that each list refutes, or a dash where not all of the class were tried."""

    def count(chosen: Sequence[dict[str, str]], key: str) -> str:
        return str(sum(bool(row[key]) for row in chosen)) if all(key in row for row in chosen) else "–"

    wrong, right = ([row for row in rows if (row["class"] == "unusual") is unusual] for unusual in (False, True))
    groups = {kind: [row for row in wrong if row["class"] == kind] for kind in sorted({row["class"] for row in wrong})}
    groups |= {"**all mutants**": wrong, "right kernels (false alarms)": right}
    lines = ["| " + " | ".join(["class", "kernels", *columns.values()]) + " |", "|--" + "|--:" * (len(columns) + 1) + "|"]
    for label, chosen in ((label, chosen) for label, chosen in groups.items() if chosen):
        lines.append("| " + " | ".join([label, str(len(chosen)), *(count(chosen, key) for key in columns)]) + " |")
    return "\n".join(lines)


def own_verdicts(path: Path) -> dict[str, str]:
    """Return "refuted" or "" by kernel from a kill matrix: a mutant is refuted if it was on every seed, a right kernel if on any."""
    found: dict[str, list[bool]] = {}
    for row in json.loads(path.read_text(encoding="utf-8"))["rows"]:
        found.setdefault(row["name"], []).append(row["verdict"] == "refuted")
    return {name: "refuted" if (all if name in mutants else any)(verdicts) else "" for name, verdicts in found.items()}


@click.command(help="Put mutants and unusual kernels (default: all, never the class process) to the case lists of others.")
@click.argument("names", nargs=-1, metavar="[NAME|CLASS]...")
@click.option("--list", "lists", multiple=True, type=click.Choice(case_lists.names()), help="Run this list (default: all).")
@click.option("--kill-matrix", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="JSON of `convverify mutants`.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write every verdict as JSON.")
@click.option("--timeout", default=60.0, show_default=True, help="Seconds for one kernel on one list.")
def main(names: tuple[str, ...], lists: tuple[str, ...], kill_matrix: Path | None, json_file: Path | None, timeout: float) -> None:
    try:
        classes = {name: mutants[name].traits["fault_class"] if name in mutants else "unusual" for name in choose(names)}
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    rows = [{"kernel": name, "class": kind} for name, kind in classes.items() if kind != "process"]
    own = own_verdicts(kill_matrix) if kill_matrix else {}
    ready, notes = load(lists or case_lists.names())
    columns = {name: f"{name}, {case_list.holds}" for name, case_list in ready.items()}
    columns |= ({"any": "any of these"} if len(ready) > 1 else {}) | ({"convverify": "convverify"} if own else {})
    with threadpool_limits(1):
        for row in rows:
            row |= {name: verdict(case_list, find_kernel(row["kernel"]), timeout) for name, case_list in ready.items()}
            row |= {"any": next(filter(None, (row[name] for name in ready)), "")}
            row |= {"convverify": own[row["kernel"]]} if row["kernel"] in own else {}
    print(markdown(rows, columns), end="\n\n")
    for name, note in notes.items():
        alarms = ", ".join(row["kernel"] for row in rows if row["class"] == "unusual" and row.get(name))
        late = ", ".join(row["kernel"] for row in rows if row.get(name, "").startswith(LATE))
        print(f"- {name}: {note}" + f" False alarms: {alarms}." * bool(alarms) + f" No end in time (refuted): {late}." * bool(late))
    if json_file:
        json_file.write_text(json.dumps({"schema": 1, "lists": notes, "rows": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
