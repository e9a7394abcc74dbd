"""From the name that a user types to a kernel, or to one sentence."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

from convverify.targets import SHIPPED, TargetError, find_kernel

MODULE = """
def kernel(x, w, stride):
    return "called", stride


class Convolution:
    @staticmethod
    def forward(x, w):
        return "forward"


number = 3


def greedy(x, w, bias):
    return x
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory that a user works in, with some files of theirs; what they import is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    for registry in SHIPPED:
        _ = registry.names()  # loads what ships, which is not to be forgotten
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "modules", sys.modules.copy())
    (tmp_path / "mine_for_tests.py").write_text(MODULE)
    (tmp_path / "broken_for_tests.py").write_text("import numpy\nraise OSError('no\\nluck')\n")
    (tmp_path / "exits_for_tests.py").write_text("import sys\nsys.exit('bye')\n")
    (tmp_path / "needs_for_tests.py").write_text("import surely_not_installed\n")
    (tmp_path / "typo_for_tests.py").write_text("def kernel(x, w:\n")
    (tmp_path / "notes.txt").write_text("not Python")
    return tmp_path


@pytest.mark.parametrize(
    "target", ["mine_for_tests:kernel", "mine_for_tests.py:kernel", "./mine_for_tests.py:kernel", "{}/mine_for_tests.py:kernel"]
)
def test_a_function_is_found_by_module_or_by_file(folder: Path, target: str) -> None:
    kernel = find_kernel(target.format(folder))
    assert dict(kernel.keywords) == {"strides": "stride"}
    assert kernel.name == target.format(folder)


def test_an_attribute_of_an_attribute_is_found(folder: Path) -> None:
    assert find_kernel("mine_for_tests.py:Convolution.forward").function(0, 0) == "forward"


def test_a_file_imports_its_neighbours(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "neighbour_for_tests.py").write_text("def kernel(x, w): ...")
    (folder / "sub" / "main_for_tests.py").write_text("from neighbour_for_tests import kernel")
    assert find_kernel("sub/main_for_tests.py:kernel").keywords == {}


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("nothing", "target 'nothing' is unknown; give module:function, file.py:function, or one of "),
        ("", "target '' is unknown"),
        (":kernel", "target ':kernel' must be module:function or file.py:function"),
        ("mine_for_tests:", "must be module:function or file.py:function"),
        ("mine_for_tests:absent", "mine_for_tests has no attribute 'absent'"),
        ("mine_for_tests:kernel.absent", "mine_for_tests has no attribute 'kernel.absent'"),
        ("mine_for_tests:number", "mine_for_tests:number is not callable: it is of type int"),
        ("mine_for_tests:greedy", "requires the unknown parameter 'bias'"),
        ("absent_for_tests:kernel", "there is no module 'absent_for_tests'"),
        ("absent_for_tests.deep:kernel", "there is no module 'absent_for_tests.deep'"),
        ("absent.py:kernel", "there is no file 'absent.py'"),
        ("sub/absent:kernel", "there is no file 'sub/absent'"),
        ("./notes.txt:kernel", "file './notes.txt' is not a Python source file"),
        ("broken_for_tests:kernel", "module 'broken_for_tests' failed to import: OSError: no luck"),
        ("broken_for_tests.py:kernel", "file 'broken_for_tests.py' failed to import: OSError: no luck"),
        ("exits_for_tests:kernel", "failed to import: SystemExit: bye"),
        ("needs_for_tests:kernel", "failed to import: ModuleNotFoundError: No module named 'surely_not_installed'"),
        ("typo_for_tests.py:kernel", "failed to import: SyntaxError"),
        ("..:kernel", "'..'"),
    ],
)
def test_a_target_that_cannot_be_had_is_one_sentence(folder: Path, target: str, told: str) -> None:
    with pytest.raises(TargetError, match=re.escape(told)) as caught:
        find_kernel(target)
    assert "\n" not in str(caught.value)


def test_every_shipped_name_is_a_target() -> None:
    for registry in SHIPPED:
        for entry in registry:
            if any(importlib.util.find_spec(package) is None for package in entry.traits.get("packages", ())):
                continue  # tests/test_references_frameworks.py tells of those that are not installed
            kernel = find_kernel(entry.name)
            assert kernel.name == entry.name
            assert kernel.accuracy == entry.traits.get("accuracy", getattr(entry.function, "accuracy", "elementwise"))


def test_options_override_what_a_target_says_of_itself() -> None:
    assert find_kernel("loops", data_format="NCHW", accuracy="normwise").accuracy == "normwise"
    with pytest.raises(TargetError, match="target 'loops': data_format must be NHWC or NCHW, not 'HWC'"):
        find_kernel("loops", data_format="HWC")
