"""`make bench`: how its factor is derived, what it calls worse, and that it fails where nothing was measured."""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
BASE, HEAD, BOX = "a" * 40, "b" * 40, "box"
Values = Mapping[str, list[float | None] | None]
RIGHT: Values = {"speed.Matmul.time_call": [1.0, 2.0], "correctness.Matmul.track_wrong": [0.0, 0.0]}


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script, with its results in a directory of the test's."""
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    module: Any = importlib.import_module("bench")
    monkeypatch.setattr(module, "RESULTS", tmp_path)
    monkeypatch.setattr(module, "FACTOR_FILE", tmp_path / "factor.json")
    return module


def write(directory: Path, commit: str, values: Values) -> None:
    """Write a commit's results as asv does."""
    place = directory / BOX
    place.mkdir(exist_ok=True)
    rows = {name: [result, [["'one'", "'other'"]]] for name, result in values.items()}
    (place / f"{commit[:8]}-env.json").write_text(json.dumps({"result_columns": ["result", "params"], "results": rows}))


def test_the_factor_is_the_square_of_the_largest_ratio_in_either_direction(
    bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(commit: str, twin: str, *_: Any) -> int:
        write(tmp_path, commit, RIGHT)
        write(tmp_path, twin, RIGHT | {"speed.Matmul.time_call": [1.0 / 1.2, 2.2]})
        return 0

    monkeypatch.setattr(bench, "continuous", measure)
    monkeypatch.setattr(bench, "twin_of", lambda commit: HEAD)
    assert bench.measure_factor(BASE, BOX, []) == pytest.approx(1.44)
    assert bench.known_factor(BOX, ["a part"]) == pytest.approx(1.44)
    assert bench.known_factor("another machine", []) == 0
    bench.measure_factor(BASE, BOX, ["a part"])
    assert bench.known_factor(BOX, ["a part"]) == pytest.approx(1.44)
    assert bench.known_factor(BOX, []) == 0  # the factor of a part says too little


def test_the_factor_is_never_less_than_a_tenth(bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "continuous", lambda *_: [write(tmp_path, commit, RIGHT) for commit in (BASE, HEAD)])
    monkeypatch.setattr(bench, "twin_of", lambda commit: HEAD)
    assert bench.measure_factor(BASE, BOX, []) == bench.LEAST_FACTOR


def test_where_nothing_was_measured_it_fails_and_says_so(bench: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, BASE, RIGHT)
    for nothing in ({}, {"speed.Matmul.time_call": None}, {"speed.Matmul.time_call": [math.nan, None]}):
        write(tmp_path, HEAD, nothing)
        with pytest.raises(SystemExit) as ended:
            bench.verdict(BASE, HEAD, BOX, 0)
        assert ended.value.code == 3
        assert "nothing was measured at bbbbbbbb" in capsys.readouterr().err


@pytest.mark.parametrize(("asv_says", "status"), [(0, 0), (1, 1)])
def test_what_asv_calls_worse_decides_where_nothing_fails(bench: Any, tmp_path: Path, asv_says: int, status: int) -> None:
    write(tmp_path, BASE, RIGHT)
    write(tmp_path, HEAD, RIGHT)
    assert bench.verdict(BASE, HEAD, BOX, asv_says) == (status, ["4 figures measured at bbbbbbbb, 0 n/a, 0 failed"])


def test_a_kernel_that_became_wrong_is_worse_and_named_with_its_reason(bench: Any, tmp_path: Path) -> None:
    write(tmp_path, BASE, RIGHT)
    write(tmp_path, HEAD, {"speed.Matmul.time_call": [1.0, None], "correctness.Matmul.track_wrong": [0.0, 12.0]})
    status, lines = bench.verdict(BASE, HEAD, BOX, 2)
    assert status == 1
    assert "failed: speed.Matmul.time_call('other')" in lines
    assert "wrong, hence without figures: correctness.Matmul.track_wrong('other'): 12 elements" in lines


def test_what_failed_before_is_no_change(bench: Any, tmp_path: Path) -> None:
    for commit in (BASE, HEAD):
        write(tmp_path, commit, {"speed.Matmul.time_call": [1.0, None]})
    status, lines = bench.verdict(BASE, HEAD, BOX, 2)
    assert status == 2
    assert "failed: speed.Matmul.time_call('other') (before, too)" in lines


def test_a_twin_has_the_same_files_and_lies_on_no_branch(bench: Any) -> None:
    if not bench.commit_of("HEAD"):
        pytest.skip("not a git checkout: an unpacked source distribution")
    head = bench.commit_of("HEAD")
    twin = bench.twin_of(head)
    assert bench.git("rev-parse", f"{twin}^{{tree}}", f"{twin}^").split() == bench.git("rev-parse", f"{head}^{{tree}}", head).split()
    assert bench.git("branch", "--all", "--contains", twin) == ""
