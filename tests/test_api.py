"""The Python API: wrong arguments are named, any function is verified, and a case is judged again as it was found."""

from __future__ import annotations

import ast
import functools
import sys
from pathlib import Path
from typing import Any

import pytest

from convverify import Case, NotVerified, Problem, conv2d_matmul_offsets, replay, verify, verify_convolution
from convverify.api import make_options
from convverify.references import exact

QUICK: dict[str, Any] = {"references": "exact", "problems": ["x=1x3x4x2 w=2x2x2x3"]}


def nchw_flipped(x: Any, w: Any) -> Any:
    """A kernel with a fault, and operands as PyTorch has them."""
    flipped = w[:, :, ::-1, ::-1]
    return conv2d_matmul_offsets(x.transpose(0, 2, 3, 1), flipped.transpose(2, 3, 1, 0)).transpose(0, 3, 1, 2)


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        ({"max_example": 10}, TypeError, "option 'max_example' is unknown; known: references, max_examples"),
        ({"max_examples": "many"}, TypeError, "max_examples must be an integer, not 'many'"),
        ({"max_examples": 1.5}, TypeError, "max_examples must be an integer, not 1.5"),
        ({"max_examples": -1}, ValueError, "max_examples must be at least 0, not -1"),
        ({"max_time": "1 min"}, TypeError, "max_time must be a number, not '1 min'"),
        ({"isolation": 1}, TypeError, "isolation must be True or False, not 1"),
        ({"seed": None}, TypeError, "seed must be an integer, not None"),
        ({"corpus": 3}, TypeError, "corpus must be a string, not 3"),
        ({"dtypes": 32}, TypeError, "dtypes must be a sequence of strings, not 32"),
        ({"dtypes": ["int8"]}, ValueError, "dtype must be one of float16, bfloat16, float32, float64, not 'int8'"),
        ({"data_format": "CHWN"}, ValueError, "data_format must be NHWC or NCHW, not 'CHWN'"),
        ({"properties": "speed"}, ValueError, "property 'speed' is unknown; did you mean 'shape'?"),
        ({"references": [3]}, TypeError, "references must be a sequence of strings, not of int"),
        ({"references": ["numpy"]}, ValueError, "reference: target 'numpy' is unknown"),
        ({"references": [lambda x, w: x]}, ValueError, "references must be functions that other processes can import, not "),
        ({"problems": "x=1x2x3"}, ValueError, "key 'w' is missing; a problem reads like"),
        ({"suite": "imagenet"}, ValueError, "imagenet"),
    ],
)  # fmt: skip
def test_a_wrong_option_is_named(options: dict[str, Any], error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        verify("loops", **options)


@pytest.mark.parametrize(
    ("target", "told"),
    [
        (3, "target must be a name or a function, not 3"),
        (lambda x: x, r"must take two operands, f\(x, w, \.\.\.\)"),
        (lambda x, w, bias: x, "requires the unknown parameter 'bias'"),
    ],
)
def test_what_is_not_a_kernel_is_told(target: Any, told: str) -> None:
    with pytest.raises(TypeError, match=told):
        verify(target)


def test_options_are_taken_as_they_are_easily_written() -> None:
    options = make_options(
        "loops",
        {"references": exact.conv2d, "dtypes": "float32, float64", "problems": Problem(1, 2, 3), "data_format": "nchw", "max_time": 5},
    )
    assert options.references == ("convverify.references.exact:conv2d",)
    assert options.dtypes == ("float32", "float64")
    assert options.problems == (str(Problem(1, 2, 3)),)
    assert (options.data_format, options.max_time) == ("NCHW", 5.0)


def test_a_function_of_this_module_is_isolated_and_replayed(tmp_path: Path) -> None:
    report = verify(nchw_flipped, data_format="NCHW", corpus=str(tmp_path), **QUICK)
    example = report.counterexamples[0]
    assert report.options.isolation
    assert (report.verdict, example.property) == ("refuted", "exact_on_integers")
    again = replay(nchw_flipped, example.case, data_format="NCHW")
    assert (again.verdict, again.counterexamples[0].property, again.statistics.cases) == ("refuted", "exact_on_integers", 1)
    assert again.counterexamples[0].finding is not None
    from_file = replay(nchw_flipped, Path(example.file), data_format="NCHW")
    assert from_file.counterexamples[0].case == example.case


@pytest.mark.parametrize(
    "kernel",
    [lambda x, w: conv2d_matmul_offsets(x, w[::-1, ::-1]), functools.partial(lambda x, w: conv2d_matmul_offsets(x, w[::-1, ::-1]))],
)
def test_a_function_without_a_name_is_verified_here_and_replayed_in_python(kernel: Any, tmp_path: Path) -> None:
    report = verify(kernel, corpus=str(tmp_path), **QUICK)
    assert report.verdict == "refuted"
    assert not report.options.isolation
    assert "\n    convverify.replay(kernel, 'x=1x1x2x1 w=1x2x1x1 values=given x[0,0,1,0]=1 w[0,1,0,0]=1')\n" in str(report)
    again = replay(kernel, report.counterexamples[0].case)
    assert again.verdict == "refuted"


def test_a_case_that_passes_is_verified_and_one_that_is_not_supported_is_not() -> None:
    assert replay(lambda x, w: conv2d_matmul_offsets(x, w), Case.parse("x=1x3x3x1 w=2x2x1x1")).ok

    def unsupported(x: Any, w: Any) -> Any:
        raise NotImplementedError

    assert replay(unsupported, "x=1x3x3x1 w=2x2x1x1").verdict == "inconclusive"


def test_what_is_not_a_case_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="values must be one of"):
        replay("loops", "x=1x3x3x1 w=2x2x1x1 values=odd")
    with pytest.raises(ValueError, match="cannot be read"):
        replay("loops", tmp_path / "none.json")
    with pytest.raises(ValueError, match="target 'nothing' is unknown"):
        replay("nothing", "x=1x3x3x1 w=2x2x1x1")


def test_a_kernel_that_is_not_verified_is_an_assertion_error_anywhere(tmp_path: Path) -> None:
    flipped = functools.partial(lambda x, w: conv2d_matmul_offsets(x, w[::-1, ::-1]))
    with pytest.raises(AssertionError, match="is refuted\nexact_on_integers: ") as caught:
        verify_convolution(flipped, corpus=str(tmp_path), **QUICK)
    assert isinstance(caught.value, NotVerified)
    assert caught.value.report.verdict == "refuted"


def test_the_report_of_a_verified_kernel_is_returned(tmp_path: Path) -> None:
    assert verify_convolution(lambda x, w: conv2d_matmul_offsets(x, w), corpus=str(tmp_path), **QUICK).ok


def test_a_check_raises_with_the_report(tmp_path: Path) -> None:
    with pytest.raises(NotVerified, match="replay:") as raised:
        verify(nchw_flipped, check=True, data_format="NCHW", corpus=str(tmp_path), **QUICK)
    assert raised.value.report.verdict == "refuted"
    assert verify("matmul_offsets", check=True, corpus=str(tmp_path), **QUICK).ok


@pytest.mark.parametrize("in_a_notebook", [False, True])
def test_a_notebook_shows_progress(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, in_a_notebook: bool) -> None:
    made: list[Any] = []

    class Bar:
        def __init__(self, console: Any, options: Any) -> None:
            self.events: list[Any] = []
            self.closed = False
            made.append(self)

        def __call__(self, event: Any) -> None:
            self.events.append(event)

        def close(self) -> None:
            self.closed = True

    monkeypatch.setattr("convverify.reporting.progress.TerminalProgress", Bar)
    if in_a_notebook:
        monkeypatch.setitem(sys.modules, "ipykernel", sys)
    else:
        monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    verify("matmul_offsets", corpus=str(tmp_path), **QUICK)
    assert len(made) == in_a_notebook
    assert all(bar.events and bar.closed for bar in made)


def test_type_checkers_see_every_public_name() -> None:
    import convverify

    (typed,) = (node for node in ast.parse(Path(convverify.__file__).read_text()).body if isinstance(node, ast.If))
    imported = {alias.asname: f"{node.module}" for node in ast.walk(typed) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert imported == convverify._PLACES
