"""What is compared: suites at batches, problems, dtypes, each once."""

from __future__ import annotations

import pytest

from convverify.compare.options import CompareOptions, items_of
from convverify.kernels.shared.threads import processors


def test_a_suite_is_taken_at_every_batch_and_in_every_dtype() -> None:
    items = items_of(CompareOptions(("matmul",), suites=("vgg16",), batches=(1, 8), dtypes=("float32", "float64")))
    assert {(item.problem.batch, item.problem.dtype) for item in items} == {(b, d) for b in (1, 8) for d in ("float32", "float64")}
    assert {item.group for item in items} == {"vgg16 batch 1", "vgg16 batch 8", "vgg16 batch 1 float64", "vgg16 batch 8 float64"}
    assert len(items) == 4 * 9


def test_the_article_has_its_own_batches_and_comes_once() -> None:
    items = items_of(CompareOptions(("matmul",), batches=(1, 8)))
    assert [item.problem.batch for item in items] == [15, 100, 15, 100]


def test_a_problem_keeps_its_batch_and_dtype_unless_others_are_asked_for() -> None:
    line = "x=2x5x5x3 w=3x3x3x4 dtype=float64"
    assert [str(item.problem) for item in items_of(CompareOptions(("matmul",), problems=(line, line)))] == [line]
    asked = items_of(CompareOptions(("matmul",), problems=(line,), batches=(1,), dtypes=("float32",)))
    assert [str(item) for item in asked] == ["x=1x5x5x3 w=3x3x3x4"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"kernels": ()}, "kernels"),
        ({"threads": -1}, "threads must be at least 0, not -1"),
        ({"rounds": 2}, "rounds must be at least 3, not 2"),
        ({"max_time": 0.0}, "max_time must be more than 0 seconds"),
        ({"batches": (1, 0)}, "batch must be at least 1, not 0"),
        ({"dtypes": ("float128",)}, "dtype must be one of .* not 'float128'"),
        ({"suites": ("nothing",)}, "suite 'nothing' is neither"),
        ({"problems": ("x=1x5x5x3 w=3x3x2x4",)}, "x has 3 channels"),
        ({"problems": ("x=1x2x2x3 w=3x3x3x4",)}, "no multiply-adds to time"),
        ({"problems": ("x=9x900000x900000x3 w=3x3x3x4",)}, "takes .* of memory, and this machine has"),
    ],
)
def test_an_error_names_the_option_and_what_was_given(wrong: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        items_of(CompareOptions(**({"kernels": ("matmul",)} | wrong)))


def test_threads_are_as_many_as_processors_unless_told() -> None:
    assert CompareOptions(("matmul",)).thread_count == processors()
    assert CompareOptions(("matmul",), threads=3).thread_count == 3
