"""A comparison as a whole: who may be timed, what is said of those who may not, and what the figures are."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from convverify.compare import comparison as module
from convverify.compare import contenders
from convverify.compare import machine as machine_module
from convverify.compare.comparison import ReferenceUnavailable, Runner, Step
from convverify.compare.machine import Machine, measure_machine
from convverify.compare.options import CompareOptions
from convverify.compare.results import Comparison, Measurement, Row
from convverify.compare.timing import Spread
from convverify.host.process import Place
from convverify.targets import Located, TargetError

ARTICLE = str(Path(__file__).parents[1] / "examples" / "article.py")
PROBLEM = "x=1x9x9x2 w=3x3x2x4"
KERNELS = """
import os
import signal
import time
import numpy as np
from convverify import conv2d_matmul

calls = 0


def turns_wrong(x, w):
    global calls
    calls += 1
    return conv2d_matmul(x, w) + (calls > 12)


def turns_into_an_error(x, w):
    global calls
    calls += 1
    if calls > 12:
        raise MemoryError("no more")
    return conv2d_matmul(x, w)


def crashes_when_it_is_timed(x, w):
    global calls
    calls += 1
    if calls > 12:
        os._exit(7)
    return conv2d_matmul(x, w)


def is_ended_once(x, w):
    with open(os.path.join(os.path.dirname(__file__), "calls"), "r+") as file:
        left = int(file.read())
        file.seek(0)
        file.write(f"{left - 1:4}")
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return conv2d_matmul(x, w)


def crashes(x, w):
    os.abort()


def hangs(x, w):
    time.sleep(1000)


def writes_to_x(x, w):
    x[...] = 0
    return conv2d_matmul(x, w)


def right_in_float16_alone(x, w):
    return conv2d_matmul(x.astype(np.float16), w.astype(np.float16)).astype(x.dtype)


def slow(x, w):
    time.sleep(3e-7 * x.size * w.size)
    return conv2d_matmul(x, w)


def right_on_channels_last_alone(x, w):
    return conv2d_matmul(x.transpose(0, 2, 3, 1), w.transpose(2, 3, 1, 0)).transpose(0, 3, 1, 2)


right_on_channels_last_alone.data_format = "NCHW"
"""


@pytest.fixture(autouse=True)
def _quick_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "measure_peaks", lambda dtypes: {})
    monkeypatch.setattr(module, "measure_machine", lambda dtypes, threads: Machine("a machine", threads, dict.fromkeys(dtypes, 1e11), 1e10))


def compared(*kernels: str, problems: tuple[str, ...] = (PROBLEM,), against: str = "matmul_offsets", **options) -> Comparison:
    chosen = {"check_examples": 0, "max_time": 4.0, "rounds": 3, "threads": 1} | options
    return Runner(CompareOptions(kernels, against=against, problems=problems, **chosen), lambda step: None).run()


def measured(found: Comparison, name: str, row: int = 0) -> Measurement:
    one = found.rows[row].measurement(name)
    assert one is not None
    return one


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "kernels.py").write_text(KERNELS)
    return str(tmp_path / "kernels.py")


def test_a_right_kernel_is_timed_beside_the_reference() -> None:
    found = compared("matmul")
    assert found.exit_status == 0
    assert found.names == ("matmul_offsets", "matmul")
    one = measured(found, "matmul")
    assert one.seconds.low <= one.seconds.median <= one.seconds.high
    assert one.ratio is not None
    assert one.ratio.median in one.samples.ratios(measured(found, "matmul_offsets").samples)
    assert one.fraction is not None
    assert 0 < one.fraction < 1
    assert one.difference is not None
    assert one.norm is not None
    assert one.difference <= 1e-6 * one.norm
    assert measured(found, "matmul_offsets").difference == 0.0
    assert found.rows[0].operations == 2 * 7 * 7 * 4 * 18
    assert found.rows[0].intensity == found.rows[0].operations / (4 * (162 + 72 + 196))


@pytest.mark.parametrize("calls", [0, 4, 9, 20, 30])  # on a small problem, on the problem, weighed, timed
def test_a_kernel_whose_process_is_ended_once_is_started_again_and_timed(file: str, calls: int) -> None:
    (Path(file).parent / "calls").write_text(f"{calls:4}")
    found = compared(f"{file}:is_ended_once")
    assert int((Path(file).parent / "calls").read_text()) < 0
    assert found.exit_status == 0, found.licences
    assert found.rows[0].measurement(f"{file}:is_ended_once") is not None


def test_a_kernel_that_is_wrong_on_any_problem_is_not_timed_on_any() -> None:
    square, oblong = "x=1x9x9x2 w=3x3x2x4", "x=1x9x9x2 w=1x3x2x4"
    found = compared(f"{ARTICLE}:conv2d_matmul", "matmul", problems=(square, oblong))
    assert found.exit_status == 1
    assert all(row.measurement(f"{ARTICLE}:conv2d_matmul") is None for row in found.rows)
    refutation = found.licences[1].refutation
    assert refutation is not None
    assert (refutation.property, refutation.case) == ("shape", f"{oblong} values=integers seed=0")
    assert measured(found, "matmul", 1).ratio is not None


def test_a_kernel_that_is_right_here_and_wrong_elsewhere_is_timed_with_a_warning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    found = compared(f"{ARTICLE}:conv2d_matmul", check_examples=1)
    assert found.exit_status == 0
    elsewhere = found.licences[1].elsewhere
    assert elsewhere is not None
    assert elsewhere.verdict == "refuted"
    assert elsewhere.refutation is not None
    assert elsewhere.refutation.property in ("completes", "shape", "exact_on_integers")
    assert measured(found, f"{ARTICLE}:conv2d_matmul").seconds.median > 0


def test_what_a_kernel_does_not_support_is_said_and_not_timed() -> None:
    strided = "x=1x9x9x2 w=3x3x2x4 strides=2x2"
    found = compared(f"{ARTICLE}:conv2d_matmul", "winograd_2x2", problems=(PROBLEM, strided))
    assert found.exit_status == 0
    assert [one.name for one in found.rows[1].measurements] == ["matmul_offsets"]
    reasons = found.rows[1].unsupported
    assert "signature" in reasons[f"{ARTICLE}:conv2d_matmul"]
    assert "NotImplementedError" in reasons["winograd_2x2"]


@pytest.mark.parametrize(
    ("name", "property_", "why"),
    [
        ("turns_wrong", "repeatable", "a timed call returned 196 wrong elements of 196 that were looked at"),
        ("turns_into_an_error", "repeatable", "a timed call raised MemoryError: no more"),
        ("crashes_when_it_is_timed", "completes", "in a timed call the process exited with status 7"),
        ("crashes", "completes", "SIGABRT"),
        ("writes_to_x", "inputs_unchanged", "x"),
        ("right_in_float16_alone", "exact_on_integers", "differ from the exact sum"),
    ],
)
def test_a_kernel_that_goes_wrong_is_not_timed_and_the_others_are(file: str, name: str, property_: str, why: str) -> None:
    found = compared(f"{file}:{name}", "matmul")
    assert found.exit_status == 1
    refutation = found.licences[1].refutation
    assert refutation is not None
    assert (refutation.property, why in refutation.sentence) == (property_, True), refutation
    assert [one.name for one in found.rows[0].measurements] == ["matmul_offsets", "matmul"]


def test_a_kernel_that_hangs_is_one_line(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", -1.0)
    found = compared(f"{file}:hangs", "matmul")
    refutation = found.licences[1].refutation
    assert refutation is not None
    assert refutation.property == "completes"
    assert refutation.sentence == "in a timed call the kernel did not return within 3 s"
    assert [one.name for one in found.rows[0].measurements] == ["matmul_offsets", "matmul"]


def test_a_wrong_reference_is_named_and_ratios_are_left_out() -> None:
    found = compared("matmul", against="kernel_flipped")
    assert found.exit_status == 3
    assert found.licences[0].refutation is not None
    assert measured(found, "matmul").ratio is None


def test_a_slow_kernel_is_timed_on_a_smaller_problem_and_extrapolated(file: str) -> None:
    found = compared(f"{file}:slow", problems=("x=4x60x60x4 w=3x3x4x4",), max_time=0.2)
    one = measured(found, f"{file}:slow")
    assert one.is_extrapolated(found.rows[0].item)
    assert one.problem.macs < found.rows[0].item.problem.macs / 10
    assert one.seconds.median > 3e-7 * 4 * 60 * 60 * 4 * 144, "it sleeps for as long, at least"
    assert one.difference is one.memory is None
    assert json.loads(found.to_json())["rows"][0]["measurements"][1]["extrapolated"] is True


def test_a_kernel_that_supports_nothing_is_inconclusive() -> None:
    found = compared("winograd_2x2", problems=("x=1x9x9x2 w=1x1x2x4",))
    assert found.exit_status == 3
    assert found.licences[1].refutation is None
    assert "winograd_2x2" in found.rows[0].unsupported


def test_kernels_of_another_layout_get_their_own(file: str) -> None:
    found = compared(f"{file}:right_on_channels_last_alone")
    assert found.exit_status == 0
    assert measured(found, f"{file}:right_on_channels_last_alone").fraction is not None


def test_an_interruption_leaves_what_was_measured() -> None:
    def interrupt(step: Step) -> None:
        if (step.phase, step.number) == ("timing", 2):
            raise KeyboardInterrupt

    options = CompareOptions(("matmul",), against="matmul_offsets", problems=(PROBLEM, "x=1x5x5x1 w=3x3x1x1"), check_examples=0, rounds=3)
    found = Runner(options, interrupt).run()
    assert (found.exit_status, found.interrupted, len(found.rows)) == (130, True, 1)
    assert json.loads(found.to_json())["interrupted"] is True


def test_json_has_all_data_and_a_schema() -> None:
    data = json.loads(compared("matmul", rounds=4).to_json())
    assert data["schema"] == 1
    assert {"python", "numpy", "platform"} <= set(data["environment"])
    assert data["machine"]["threads"] == 1
    (row,) = data["rows"]
    assert row["problem"] == PROBLEM
    one = row["measurements"][1]
    assert len(one["samples"]) >= 3
    assert one["share_of_peak"] == one["operations_per_second"] / 1e11
    assert [mean["name"] for mean in data["means"]] == ["matmul"]


def test_what_cannot_be_had_is_an_error_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TargetError, match="target 'nothing' is unknown"):
        compared("nothing")
    with pytest.raises(TargetError, match="target 'json:nothing': json has no attribute 'nothing'"):
        compared("json:nothing")
    with pytest.raises(TargetError, match=r"^target 'os:getpid': kernel os:getpid must take two operands"):
        compared("os:getpid")
    there = contenders.locate
    monkeypatch.setattr(
        contenders,
        "locate",
        lambda name, **options: Located(name, Place("not_there", "f")) if name == "tensorflow" else there(name, **options),
    )
    with pytest.raises(ReferenceUnavailable, match="tensorflow is not available: there is no module 'not_there'"):
        compared("matmul", against="tensorflow")


def test_a_time_that_cannot_be_is_refused_and_not_ranked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "measure_machine", lambda dtypes, threads: Machine("slow", threads, dict.fromkeys(dtypes, 1.0), 1.0))
    found = compared("matmul")
    assert found.exit_status == 3
    assert found.rows[0].measurements == ()
    assert set(found.rows[0].refused) == {"matmul_offsets", "matmul"}
    assert "% of the speed at which a matrix product multiplies and adds" in found.rows[0].refused["matmul"]
    assert json.loads(found.to_json())["means"] == []


def test_tensorflow_takes_part_with_arrays_and_with_tensors() -> None:
    found = compared("matmul", against="tensorflow")
    assert found.exit_status == 0
    assert found.names == ("tensorflow", "tensorflow ready", "matmul")
    assert [one.name for one in found.rows[0].measurements] == list(found.names)


def test_times_that_spread_widely_are_said_to_be_noisy() -> None:
    row = compared("matmul").rows[0]

    def rows(low: float, high: float) -> tuple[Row, ...]:
        return (replace(row, measurements=tuple(replace(one, seconds=Spread(1.0, low, high)) for one in row.measurements)),)

    assert module.noise(rows(0.95, 1.05)) == module.noise(()) == []
    (sentence,) = module.noise(rows(0.8, 1.2))
    assert "40%" in sentence


def test_the_machine_is_measured_for_each_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_module, "_ORDER", 256)
    monkeypatch.setattr(machine_module, "_COPIED", 1 << 20)
    machine = measure_machine({"float16", "float64"}, 1, seconds=0.001)
    assert machine.peak("float16") == machine.peaks["float32"] > 0
    assert machine.peak("float64") == machine.peaks["float64"] > 0
    assert machine.bandwidth > 0
    assert machine.best(Machine("", 1, {"float32": 0.0, "float64": 1e20}, 0.0)).peaks["float64"] == 1e20
