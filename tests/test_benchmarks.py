"""The benchmarks: what they measure, what they refuse to time, and that asv's configuration says what it is thought to say."""

from __future__ import annotations

import ast
import importlib
import json
import math
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from convverify.kernels import kernels
from convverify.problems.suites import find_suite
from convverify.references.exact import conv2d as exact

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted((ROOT / "benchmarks").glob("*.py"))


@pytest.fixture(autouse=True)
def from_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Import `benchmarks` and the scripts in `tools` from this checkout."""
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    monkeypatch.syspath_prepend(str(ROOT))


def module(name: str) -> Any:
    """A module of the benchmarks, or a script."""
    return importlib.import_module(name)


def configuration() -> dict[str, Any]:
    return module("asv_command").configuration()


# asv's configuration.


def test_asv_knows_every_key_of_its_configuration() -> None:
    config = pytest.importorskip("asv.config", reason="asv comes with the extra `bench`")
    known = {*vars(config.Config()), "version", "environment_type"}
    assert set(configuration()) <= known


def test_the_environment_has_every_dependency_in_a_version_that_the_package_takes() -> None:
    pinned = configuration()["matrix"]["req"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for text in (*project["project"]["dependencies"], *project["build-system"]["requires"]):
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)  # asv cuts a name off at its first dot
        assert name in pinned, f"{name} is missing from matrix.req in asv.conf.json"
        assert requirement.specifier.contains(pinned[name][0])
    assert "asv_runner" in pinned


def test_where_more_is_better_asv_looks_for_no_regressions() -> None:
    found = json.loads((ROOT / "benchmarks" / "results" / "benchmarks.json").read_text())
    reversed_units = {name for name, one in found.items() if isinstance(one, dict) and one["unit"] in ("GFLOP/s", "GB/s")}
    patterns = [pattern for pattern, first in configuration()["regressions_first_commits"].items() if first is None]
    assert reversed_units
    assert {name for name in found if any(re.match(pattern, name) for pattern in patterns)} == reversed_units


def test_one_threshold_of_asv_fits_each_file_of_benchmarks() -> None:
    found = json.loads((ROOT / "benchmarks" / "results" / "benchmarks.json").read_text())
    for name in (name for name, one in found.items() if isinstance(one, dict) and not name.startswith("machine.")):
        assert sum(bool(re.match(pattern, name)) for pattern in configuration()["regressions_thresholds"]) == 1, name


# What is measured.


def test_every_kernel_that_ships_is_measured() -> None:
    assert set(module("benchmarks.operands").KERNELS) == set(kernels.names())


def test_every_problem_is_a_layer_of_a_suite() -> None:
    operands = module("benchmarks.operands")
    for label in {*operands.PROBLEMS, *operands.PROBLEMS_3X3, *operands.SMALLEST, *operands.DEEP}:
        assert operands.find_problem(label).macs > 0


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_benchmarks_import_nothing_at_the_top_that_an_old_commit_lacks(file: Path) -> None:
    for node in ast.parse(file.read_text()).body:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
        assert all(name.partition(".")[0] in {*sys.stdlib_module_names, "numpy"} or name == "convverify" for name in names), names


def test_the_file_on_memory_knows_no_tensorflow() -> None:
    for name in ("memory", "verified", "operands", "by_kernel"):
        assert "import tensorflow" not in (ROOT / "benchmarks" / f"{name}.py").read_text()


def test_every_benchmark_states_its_version_its_unit_and_what_it_asks() -> None:
    found = json.loads((ROOT / "benchmarks" / "results" / "benchmarks.json").read_text())
    benchmarks = {name: one for name, one in found.items() if isinstance(one, dict)}
    assert len(benchmarks) > 40
    for name, one in benchmarks.items():
        assert one["version"].isdigit(), name
        assert one["unit"] not in ("", "unit"), name
        assert one["pretty_name"] != name
        kernel = one["pretty_name"].partition(": ")[0] if ": " in one["pretty_name"] else ""
        assert kernel in ("", "tensorflow", *kernels.names()), name


# The operands and the reference, which are not the package's.


@pytest.mark.parametrize("layer", find_suite("tails")[:27:3], ids=lambda layer: layer.name)
def test_the_reference_of_the_benchmarks_agrees_with_exact_arithmetic(layer: Any) -> None:
    operands = module("benchmarks.operands")
    x, w = operands.integers(layer.problem)
    expected = exact(x, w, **operands.arguments_of(layer.problem))
    assert (operands.float64_convolution(layer.problem, x, w) == expected).all()
    assert np.abs(x).max() * np.abs(w).max() * layer.problem.terms <= 2**24


def test_cancelling_operands_leave_less_than_a_hundredth_of_their_terms() -> None:
    operands = module("benchmarks.operands")
    problem = operands.find_problem("tails/tail2")
    x, w = operands.cancelling(problem)
    left = np.abs(operands.float64_convolution(problem, x, w))
    assert np.median(left / operands.float64_convolution(problem, np.abs(x), np.abs(w))) < 0.01


# Wrong kernels are not timed, missing ones are n/a.


@pytest.fixture
def wrong() -> Iterator[str]:
    """A kernel that is wrong in one element, and slow enough to be noticed if it were timed."""

    @kernels.register("wrong")
    def function(x: Any, w: Any, *, strides: Any = (1, 1), padding: Any = "VALID", dilations: Any = (1, 1), groups: int = 1) -> Any:
        """One element is off by one."""
        y = kernels["matmul"].function(x, w, strides=strides, padding=padding, dilations=dilations, groups=groups)
        y[-1, -1, -1, -1] += 1.0
        return y

    yield "wrong"
    del kernels._entries["wrong"]


def test_a_wrong_kernel_gets_no_timing_and_a_sentence(wrong: str) -> None:
    verified, pairs, correctness = (module(f"benchmarks.{name}") for name in ("verified", "pairs", "correctness"))
    with pytest.raises(verified.WrongResult, match=r"wrong is wrong on tails/tail6: 1 elements .* not timed"):
        verified.verified_call(wrong, "tails/tail6")
    assert "not timed" in pairs.permitted(wrong, "tails/tail6")["wrong"]
    assert correctness._Correctness._counted(wrong, "tails/tail6") == 1


def test_a_kernel_that_a_commit_does_not_have_is_not_available_and_nothing_fails() -> None:
    verified, pairs = module("benchmarks.verified"), module("benchmarks.pairs")
    with pytest.raises(NotImplementedError, match="no kernel future"):
        verified.verified_call("future", "tails/tail6")
    with pytest.raises(NotImplementedError, match="no layer tail99"):
        verified.verified_call("matmul", "tails/tail99")
    with pytest.raises(NotImplementedError, match="would take too long"):
        verified.verified_call("loops", "resnet50/conv1")
    assert "no kernel future" in pairs.permitted("future", "tails/tail6")["absent"]


def test_a_normwise_kernel_is_held_to_its_bound_and_not_to_the_last_bit() -> None:
    verified = module("benchmarks.verified")
    assert verified.verified_call("winograd_4x4", "tails/tail6")().shape == (1, 9, 7, 9)


def test_pairs_take_turns_and_tell_the_ratio_of_what_was_called(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = module("benchmarks.pairs")
    clock, order = [0.0], []

    def takes(name: str, seconds: float) -> Any:
        def call() -> None:
            order.append(name)
            clock[0] += seconds

        return call

    monkeypatch.setattr(pairs.time, "process_time", lambda: clock[0])
    mine, theirs = pairs.in_turns(takes("mine", 0.02), takes("theirs", 0.01))
    assert pairs.figures(mine, theirs, 10)["ratio"] == pytest.approx(2.0)
    assert pairs.figures([*mine, 0.03], [0.04, *theirs], 10)["ratio"] == pytest.approx(2.0)  # what was disturbed does not count
    assert order[4:12:2] == order[5:12:2]  # each is called once untimed, to have its own data in the caches
    assert order[4:12:2] in (["mine", "theirs", "theirs", "mine"], ["theirs", "mine", "mine", "theirs"])


def test_all_pairs_are_measured_and_what_is_wrong_or_absent_is_told_apart(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = module("benchmarks.pairs")
    monkeypatch.setattr(pairs, "tensorflow_call", lambda label: module("benchmarks.verified").call_of("matmul", label))
    monkeypatch.setattr(pairs, "_SECONDS", 0.01)
    found = pairs.measure_all(["matmul_offsets", wrong, "future"], ["tails/tail6"])
    assert {key: sorted(result) for key, result in found.items()} == {
        ("matmul_offsets", "tails/tail6"): ["nanoseconds", "ratio", "tensorflow"], (wrong, "tails/tail6"): ["wrong"],
        ("future", "tails/tail6"): ["absent"], ("tensorflow", "tails/tail6"): ["nanoseconds"],
    }  # fmt: skip


def test_errors_are_a_small_fraction_of_the_bound_and_known_in_roundoffs() -> None:
    fraction, roundoffs = module("benchmarks.accuracy").errors("matmul", "tails/tail2")
    assert 0 < fraction < 1
    assert math.isclose(fraction, roundoffs / 576, rel_tol=1e-3)  # not a tolerance: 1/(1 - n u), by which gamma_n exceeds n u


def test_the_harness_benchmarks_count_cases_and_find_faults() -> None:
    harness = module("benchmarks.harness")
    cases, found = harness.campaign("kernel_flipped", 0)
    assert found
    assert 1 <= cases < 50
    from convverify.mutants import mutants

    assert all(name in mutants for name in harness.MUTANTS)


# The scripts.


def test_the_last_commits_that_touched_kernels_are_in_order_and_distinct() -> None:
    history, common = module("bench_history"), module("asv_command")
    if not common.commit_of("HEAD"):
        pytest.skip("not a git checkout: an unpacked source distribution")
    chosen = history.commits(5)
    assert len(set(chosen)) == len(chosen)
    line = common.git("rev-list", "--first-parent", "--reverse", "HEAD").splitlines()
    assert [commit for commit in line if commit in chosen] == chosen


PAGE = """<html><head>
<script src="https://code.jquery.com/jquery-3.3.1.min.js" integrity="sha256-x" crossorigin="anonymous" onerror="js_load_failure()"></script>
<link rel="stylesheet" href="https://cdn.jsdelivr.net/npm/bootstrap@3.1.1/dist/css/bootstrap.min.css" integrity="sha256-y">
<script language="javascript" type="text/javascript"
  src="asv.js"></script>
</head></html>"""


def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str) -> Any:
    """A stand-in for asv's pages, with libraries that npm did not have to fetch."""
    publish = module("bench_publish")
    library = tmp_path / "library"
    (library / "fonts").mkdir(parents=True)
    for name in ("jquery.min.js", "bootstrap.min.css"):
        (library / name).write_text("/* a library */\n//# sourceMappingURL=x.map\n")
    monkeypatch.setattr(publish, "library", lambda package, file: library / Path(file).name)
    html = tmp_path / "html"
    html.mkdir()
    (html / "index.html").write_text(page)
    (html / "asv.css").write_text("")
    (html / "info.json").write_text('{"timestamp": 5}')
    return publish


def test_published_pages_load_nothing_from_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published(tmp_path, monkeypatch, PAGE).make_self_contained(tmp_path / "html")
    text = (tmp_path / "html" / "index.html").read_text()
    assert "http" not in text
    assert "integrity" not in text
    for address in re.findall(r'(?:src|href)="([^"]+)"', text):
        assert address == "asv.js" or (tmp_path / "html" / address).is_file(), address
    assert text.index("data.js") < text.index("asv.js")
    assert '"info.json":{"timestamp":5}' in (tmp_path / "html" / "data.js").read_text()


def test_a_library_that_is_not_known_ends_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = PAGE.replace("jquery-3.3.1.min.js", "new-library.js")
    with pytest.raises(SystemExit):
        published(tmp_path, monkeypatch, page).make_self_contained(tmp_path / "html")
    assert "a script that is not known here: https://code.jquery.com/new-library.js" in capsys.readouterr().err
