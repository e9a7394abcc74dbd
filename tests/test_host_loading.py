"""Loading: a kernel is found as the user's own script would find it, and what it says of itself is plain data."""

from __future__ import annotations

import functools
import json
import operator
import sys
from pathlib import Path
from typing import Any

import pytest

from convverify.host import loading
from convverify.host.loading import LoadError, describe, load, module_of_file
from convverify.targets import SHIPPED


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory that a user works in; what is imported from it is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    for registry in SHIPPED:
        _ = registry.names()  # loads what ships, which is not to be forgotten
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "modules", sys.modules.copy())
    return tmp_path


# Where a function is found.


def test_a_file_is_imported_by_its_own_name_and_not_as_the_main_program(folder: Path) -> None:
    (folder / "own_name_for_tests.py").write_text("def kernel(x, w):\n    return __name__\n\nif __name__ == '__main__':\n    1 / 0\n")
    assert load("own_name_for_tests.py", "kernel")(0, 0) == "own_name_for_tests"
    assert "own_name_for_tests" in sys.modules


def test_a_file_in_a_package_imports_its_neighbours_relatively(folder: Path) -> None:
    package = folder / "package_for_tests" / "inner"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "neighbour.py").write_text("def f(x, w):\n    return 'neighbour'\n")
    (package / "mine.py").write_text("from .neighbour import f as kernel\n")
    assert module_of_file(package / "mine.py") == (folder.resolve(), "package_for_tests.inner.mine")
    assert module_of_file(package / "__init__.py") == (folder.resolve(), "package_for_tests.inner")
    assert load(str(package / "mine.py"), "kernel")(0, 0) == "neighbour"


def test_a_file_called_like_a_module_that_is_there_already_is_loaded_all_the_same(folder: Path) -> None:
    (folder / "json.py").write_text("def kernel(x, w):\n    return 'mine'\n")
    assert load("json.py", "kernel")(0, 0) == "mine"
    assert sys.modules["json"] is json


def test_a_module_is_found_in_the_working_directory(folder: Path) -> None:
    (folder / "here_for_tests.py").write_text("def kernel(x, w):\n    return 'here'\n")
    assert load("here_for_tests", "kernel")(0, 0) == "here"


# What is wrong is one sentence.


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("def convolve(x, w): ...", "kernels_for_tests.py has no attribute 'convolv'; did you mean 'convolve'?"),
        ("", "kernels_for_tests.py has no attribute 'convolv'"),
        ("class convolv: forward = 3", "kernels_for_tests.py:convolv.forward is not callable: it is of type int"),
        ("raise KeyboardInterrupt", "file 'kernels_for_tests.py' failed to import: KeyboardInterrupt"),
        (
            "class Silent(Exception):\n    def __str__(self):\n        raise RuntimeError\nraise Silent",
            "file 'kernels_for_tests.py' failed to import: Silent: (its message cannot be read)",
        ),
        ("raise ValueError('x' * 10000)", f"file 'kernels_for_tests.py' failed to import: ValueError: {'x' * 300}"),
    ],
)
def test_what_cannot_be_loaded_is_told_in_one_sentence(folder: Path, code: str, told: str) -> None:
    (folder / "kernels_for_tests.py").write_text(code)
    with pytest.raises(LoadError) as caught:
        load("kernels_for_tests.py", "convolv.forward" if "forward" in code else "convolv")
    assert str(caught.value) == told


@pytest.mark.parametrize("place", ["absent.py", "sub/absent", "nul\0.py", "x" * 5000 + ".py", "."])
def test_a_file_that_is_not_there_is_told_in_one_sentence(folder: Path, place: str) -> None:
    with pytest.raises(LoadError, match=r"there is no (file|module)|failed to import"):
        load(place, "kernel")


# Files that verify a kernel themselves.


VERIFIES = """
from convverify.targets import stop_if_loading

{before}
stop_if_loading()
{after}
"""
KERNEL = "def kernel(x, w):\n    return 'mine'\n"


def test_a_file_that_verifies_its_kernel_at_its_end_is_loaded_up_to_there(folder: Path) -> None:
    (folder / "verifies_for_tests.py").write_text(VERIFIES.format(before=KERNEL, after="1 / 0"))
    assert load("verifies_for_tests.py", "kernel")(0, 0) == "mine"
    assert loading.loading == []


def test_a_file_that_verifies_before_it_defines_its_kernel_is_told_what_to_do(folder: Path) -> None:
    (folder / "early_for_tests.py").write_text(VERIFIES.format(before="", after=KERNEL))
    with pytest.raises(LoadError, match="verifies a kernel before it defines 'kernel'; do that under if __name__ == '__main__':"):
        load("early_for_tests.py", "kernel")


def test_a_module_that_verifies_while_it_is_imported_is_told_what_to_do(folder: Path) -> None:
    (folder / "module_for_tests.py").write_text(VERIFIES.format(before=KERNEL, after=""))
    with pytest.raises(LoadError, match="verifies a kernel while it is imported; do that under if __name__ == '__main__':"):
        load("module_for_tests", "kernel")


# What a function says of itself.


def full(x: Any, w: Any, /, *, strides: Any = (1, 1), padding: Any = "VALID", more: Any = print, **rest: Any) -> Any: ...


def test_a_signature_is_described_by_names_kinds_and_defaults() -> None:
    described = describe(full)
    assert described["name"] == "full"
    assert described["parameters"] == [
        ["x", "POSITIONAL_ONLY", False, None],
        ["w", "POSITIONAL_ONLY", False, None],
        ["strides", "KEYWORD_ONLY", True, [1, 1]],
        ["padding", "KEYWORD_ONLY", True, "VALID"],
        ["more", "KEYWORD_ONLY", True, str(print)],
        ["rest", "VAR_KEYWORD", False, None],
    ]
    assert described["signature"].startswith("(x: 'Any', w: 'Any', /, *, strides")


def test_a_builtin_without_a_signature_has_no_parameters() -> None:
    assert describe(max)["parameters"] is None
    assert describe(operator.mul)["parameters"] is not None


def test_an_object_that_can_be_called_is_named_by_its_class() -> None:
    class Convolution:
        def __call__(self, x: Any, w: Any) -> Any: ...

    described = describe(Convolution())
    assert (described["name"], [name for name, *_ in described["parameters"]]) == ("Convolution", ["x", "w"])


def test_attributes_are_told_and_those_of_what_a_partial_wraps() -> None:
    def mine(x: Any, w: Any, stride: int = 1) -> Any: ...

    mine.data_format, mine.reentrant = "NCHW", False  # type: ignore[attr-defined]
    mine.refuses = (ValueError, AssertionError)  # type: ignore[attr-defined]
    outer = functools.partial(functools.partial(mine, stride=3), stride=2)
    outer.accuracy = "normwise"  # type: ignore[attr-defined]
    described = describe(outer)
    assert described["name"] == "mine"
    assert described["fixed"] == {"stride": 2}
    assert described["attributes"] == {
        "data_format": "NCHW", "reentrant": False, "refuses": ["ValueError", "AssertionError"], "accuracy": "normwise",
    }  # fmt: skip


def test_a_condition_of_a_domain_stays_where_it_can_be_called() -> None:
    def mine(x: Any, w: Any) -> Any: ...

    mine.domain = {"kernel": "square", "where": lambda problem: True}  # type: ignore[attr-defined]
    described = describe(mine)
    assert described["where"]
    assert described["attributes"]["domain"] == {"kernel": "square"}
    assert not describe(full)["where"]


def test_whatever_a_function_carries_its_description_is_plain_data() -> None:
    def mine(x: Any, w: Any, odd: Any = object(), deep: Any = {1: [{2, 3}, (None, 1.5)]}) -> Any: ...  # noqa: B006, B008

    mine.domain = {"channels": range(8), "dtypes": [float]}  # type: ignore[attr-defined]
    described = describe(mine)
    assert json.loads(json.dumps(described)) == described
    assert described["attributes"]["domain"]["dtypes"] == ["float"]
