"""Frameworks as references: each agrees with exact arithmetic, refuses what it says, and is found missing in one sentence.

What is not installed is skipped, and the reason names it: `pip install '.[frameworks]'` has them all (docs/frameworks.md).
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trials import tried

import convverify
from convverify import targets
from convverify.judging.properties import judge
from convverify.operands.case import Case
from convverify.problems.dtypes import numpy_dtype
from convverify.problems.problem import Problem
from convverify.references import exact, load_reference, references
from convverify.targets import TargetError, find_kernel

DTYPES = {
    "torch": ("float16", "bfloat16", "float32", "float64"),
    "jax": ("float16", "bfloat16", "float32", "float64"),
    "onnxruntime": ("float16", "float32"),
    "onnxruntime_inputs": ("float16", "float32"),
    "scipy": ("float32", "float64"),
    "opencv": ("float32", "float64"),
}
GEOMETRIES = [
    "x=2x6x7x3 w=3x2x3x4",
    "x=1x7x8x4 w=3x2x2x6 strides=2x3 padding=SAME",
    "x=2x5x6x4 w=2x3x1x8 padding=1,0,2,3",
    "x=1x9x8x2 w=2x3x2x3 dilations=3x2 strides=2x1 padding=2,2,2,2",
    "x=1x1x2x2 w=2x3x2x2 padding=1,1,4,0",
]
SURE = "shape", "dtype", "completes", "exact_on_integers", "within_error_bound"
EMPTY = {  # who refuses a problem without output, or without pixels
    "x=0x4x5x2 w=3x2x2x3": {"scipy", "opencv"},
    "x=1x2x5x2 w=3x2x2x3": {"torch", "onnxruntime", "onnxruntime_inputs", "scipy", "opencv"},
    "x=1x4x5x2 w=3x2x2x0": {"torch", "scipy", "opencv"},
    "x=1x0x5x2 w=2x2x2x3 padding=1,2,0,0": {"opencv"},
}


def needs(name: str) -> None:
    """Skip a test where a framework is not installed."""
    for package in references[name].traits["packages"]:
        pytest.importorskip(package, reason=f"{package} is not installed: the extra {references[name].traits['extra']} has it")


@pytest.fixture(params=DTYPES)
def framework(request: pytest.FixtureRequest) -> str:
    """The name of each framework that is installed."""
    name: str = request.param
    needs(name)
    return name


def operands(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    return tuple(np.ones(shape, numpy_dtype(problem.dtype)) for shape in (problem.x_shape, problem.w_shape))


def arguments(problem: Problem) -> dict[str, Any]:
    return {"strides": problem.strides, "padding": problem.tf_padding, "dilations": problem.dilations, "groups": problem.groups}


@pytest.mark.parametrize("line", GEOMETRIES)
def test_every_framework_computes_the_convolution(framework: str, line: str) -> None:
    kernel = find_kernel(framework)
    for number, dtype in enumerate(DTYPES[framework]):
        style = ("integers", "long_integers", "normal")[(number + len(line)) % 3]
        trial = tried(kernel, Case(Problem.parse(line).with_(dtype=dtype), style, ("reversed_axes", "readonly"), seed=5), SURE)
        judged, finding = judge(trial, SURE)
        assert finding is None, finding
        assert judged["shape"]


@pytest.mark.parametrize("line", EMPTY)
def test_a_framework_answers_a_degenerate_problem_or_refuses_it(framework: str, line: str) -> None:
    problem = Problem.parse(line)
    x, w = operands(problem)
    function = references[framework].function
    if framework in EMPTY[line]:
        with pytest.raises(NotImplementedError):
            function(x, w, **arguments(problem))
    else:
        np.testing.assert_array_equal(function(x, w, **arguments(problem)), exact.conv2d(x, w, **arguments(problem)))


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("torch", "x=1x2x5x2 w=3x2x2x3"),
        ("torch", "x=1x4x5x2 w=3x2x2x0"),
        ("onnxruntime", "x=1x2x5x2 w=3x2x2x3"),
        ("onnxruntime_inputs", "x=1x2x5x2 w=3x2x2x3"),
        ("onnxruntime", "x=1x4x5x2 w=3x2x2x3 dtype=float64"),
    ],
)
def test_what_an_adapter_refuses_the_framework_itself_refuses(name: str, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    needs(name)
    module = importlib.import_module(references[name].function.__module__)
    monkeypatch.setattr(module, "refusal", lambda problem: "")
    problem = Problem.parse(line)
    with pytest.raises(Exception, match=r"(?i)shape|size|weight|implementation"):
        references[name].function(*operands(problem), **arguments(problem))


def test_dtypes_that_a_framework_lacks_are_refused(framework: str) -> None:
    for dtype in set(DTYPES["torch"]) - set(DTYPES[framework]):
        with pytest.raises(NotImplementedError, match=dtype):
            references[framework].function(*operands(Problem(1, 3, 3, 1, dtype=dtype)))


def test_dilation_does_not_spread_nan() -> None:
    """Zeros put into a kernel would: 0 * NaN is NaN.  SciPy and OpenCV have no dilation, and get phases of the image instead."""
    needs("scipy")
    x = np.zeros((1, 5, 1, 1))
    x[0, 2] = np.nan
    y = references["scipy"].function(x, np.ones((2, 1, 1, 1)), dilations=(3, 1))
    np.testing.assert_array_equal(y.ravel(), [0.0, 0.0])


def test_opencv_refuses_kernels_that_it_filters_by_fourier_transforms() -> None:
    needs("opencv")
    for dtype, taps in (("float32", 129), ("float64", 49)):
        x = np.zeros((1, 3, 150, 1), dtype)
        x[0, 1, 140] = np.nan  # a Fourier transform spreads it over the whole image
        y = references["opencv"].function(x, np.ones((1, taps, 1, 1), dtype))
        assert np.isnan(y).sum() == min(taps, y.shape[2] - (141 - taps)), dtype
        with pytest.raises(NotImplementedError, match="Fourier"):
            references["opencv"].function(x, np.ones((1, taps + 1, 1, 1), dtype))


def test_what_jax_keeps_is_bounded_and_its_settings_are_left_alone() -> None:
    needs("jax")
    import jax

    module = importlib.import_module("convverify.references.jax")
    assert references["jax"].function(*operands(Problem(1, 2, 2, 1, dtype="float64"))).dtype == np.float64
    assert not jax.config.jax_enable_x64
    assert module._compiled.cache_info().maxsize == 128


def test_sessions_are_bounded_and_know_their_weights() -> None:
    needs("onnxruntime")
    module = importlib.import_module("convverify.references.onnxruntime")
    x, w = operands(Problem(1, 2, 2, 1))
    before = module._session.cache_info()
    assert [float(module.conv2d(x, w * factor).ravel()[0]) for factor in (1.0, 2.0, 1.0)] == [1.0, 2.0, 1.0]
    after = module._session.cache_info()
    assert after.maxsize == 64
    assert after.misses - before.misses <= 2


@pytest.mark.parametrize("name", DTYPES)
def test_a_framework_that_is_not_installed_is_one_sentence(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    package, extra = references[name].traits["packages"][0], references[name].traits["extra"]
    monkeypatch.setattr(targets.importlib.util, "find_spec", lambda package: None)
    told = f"'{name}' is not available: the package '{package}' is not installed; it comes with the extra '{extra}': pip install"
    with pytest.raises(TargetError, match=re.escape(told)):
        find_kernel(name)


def test_calling_what_is_not_installed_is_an_import_error(monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module("convverify.references.torch")
    monkeypatch.setitem(sys.modules, "torch", None)
    module.load.cache_clear()
    with pytest.raises(ImportError, match=r"the package 'torch' is not installed; it comes with the extra 'torch'"):
        module.conv2d(*operands(Problem(1, 2, 2, 1)))


@pytest.mark.parametrize(("words", "which"), [(("torch",), ""), (("loops", "--reference", "exact", "--reference", "torch"), "reference: ")])
def test_the_command_line_says_what_is_missing(words: tuple[str, ...], which: str, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['torch'] = None\n")
    path = os.pathsep.join([str(tmp_path), str(Path(convverify.__file__).parents[1])])
    command = [sys.executable, "-m", "convverify", "check", *words, "--max-examples", "0"]
    done = subprocess.run(command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        f"convverify: {which}'torch' is not available: the package 'torch' is not installed; it comes with the extra 'torch': "
        "pip install 'convverify[torch]'\n"
    )


def test_references_are_listed_without_being_imported() -> None:
    script = (
        "import sys; from convverify.reporting.plain import show_registries; show_registries('references'); "
        "print(sorted({'torch', 'jax', 'onnxruntime', 'onnx', 'scipy', 'cv2', 'tensorflow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    *names, loaded = done.stdout.splitlines()
    assert loaded == "[]"
    assert {line.split()[0] for line in names} >= set(DTYPES)


def test_all_references_must_agree() -> None:
    needs("scipy")
    needs("onnxruntime")
    report = convverify.verify(
        "matmul", references=["scipy", "onnxruntime"], problems=["x=1x4x5x2 w=3x2x2x3"], dtypes=["float32"], isolation=False, seed=0
    )
    assert report.ok
    assert report.statistics.judged["matches_reference"] > 10
    assert not report.reference_faults


def test_a_reference_without_a_package_loads_nothing() -> None:
    load_reference("exact")
    load_reference("mine.py:reference")
