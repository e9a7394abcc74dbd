"""A function is named so that another process finds it, wherever it is defined; where none can, the name says so."""

from __future__ import annotations

import functools
import subprocess
import sys
import textwrap
import types
from pathlib import Path
from typing import Any

import pytest

from convverify import conv2d_loops
from convverify.host.loading import module_of_file
from convverify.naming import is_nameable, target_of
from convverify.targets import TargetError, find_kernel

KERNEL = "def conv2d(x, w):\n    return x\n\n\nshort = lambda x, w: x\n"


def imported(monkeypatch: pytest.MonkeyPatch, root: Path, name: str) -> Any:
    """Import a module as pytest imports a test file: from a directory that a fresh process does not look into."""
    monkeypatch.syspath_prepend(str(root))
    module = __import__(name, fromlist=["conv2d"])
    monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, name, module)
    return module


def test_an_installed_function_is_named_by_its_module() -> None:
    assert target_of(conv2d_loops) == "convverify.kernels.loops:conv2d_loops"


def test_a_function_of_this_directory_is_named_by_its_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kernels_here.py").write_text(KERNEL)
    monkeypatch.chdir(tmp_path)
    module = imported(monkeypatch, tmp_path, "kernels_here")
    assert target_of(module.conv2d) == "kernels_here:conv2d"
    assert target_of(module.short) == "kernels_here:short"


def test_a_function_of_a_test_file_is_named_by_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "test_kernels_there.py").write_text(KERNEL)
    monkeypatch.chdir(tmp_path)
    module = imported(monkeypatch, tmp_path / "checks", "test_kernels_there")
    target = target_of(module.conv2d)
    assert target == "checks/test_kernels_there.py:conv2d"
    assert is_nameable(target)
    assert find_kernel(target).function("x", "w") == "x"


def test_a_file_of_a_package_may_import_its_neighbours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "src" / "neighbours" / "inner"
    package.mkdir(parents=True)
    for directory in (package, package.parent):
        (directory / "__init__.py").write_text("")
    (package / "one.py").write_text("from .two import conv2d\n")
    (package / "two.py").write_text(KERNEL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert module_of_file(package / "one.py") == (tmp_path / "src", "neighbours.inner.one")
    assert find_kernel("src/neighbours/inner/one.py:conv2d").function("x", "w") == "x"


def test_what_no_other_process_can_have_has_a_name_for_people() -> None:
    def local(x: Any, w: Any) -> Any:
        return x

    for function in (local, functools.partial(local), types.FunctionType(local.__code__, {}, "made")):
        assert not is_nameable(target_of(function)), target_of(function)
    assert target_of(local).endswith(".<locals>.local")


SCRIPT = """
    from convverify import conv2d_matmul_offsets, verify

    def right(x, w):
        return conv2d_matmul_offsets(x, w)

    print(verify(right, references="exact", problems="x=1x3x3x1 w=2x2x1x1").options)
"""


def test_a_script_verifies_its_own_function_without_a_guard(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(textwrap.dedent(SCRIPT))
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "Options(target='script.py:right'" in done.stdout
    assert "isolation=True" in done.stdout


@pytest.fixture
def cut_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "verifies", raising=False)
    (tmp_path / "verifies.py").write_text(
        "import convverify\ndef conv2d(x, w): return x\nconvverify.verify(conv2d)\ndef later(x, w): return x\n"
    )
    return tmp_path


def test_a_file_is_loaded_up_to_where_it_verifies(cut_short: Path) -> None:
    assert find_kernel("verifies.py:conv2d").function("x", "w") == "x"
    with pytest.raises(TargetError, match=r"verifies\.py verifies a kernel before it defines 'later'; do that under if __name__"):
        find_kernel("verifies.py:later")


def test_a_module_that_verifies_on_import_is_told_to_use_a_guard(cut_short: Path) -> None:
    with pytest.raises(TargetError, match="module 'verifies' verifies a kernel while it is imported; do that under if __name__"):
        find_kernel("verifies:conv2d")
