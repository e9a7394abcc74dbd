"""The check of a release: what is missing from an archive is named."""

from __future__ import annotations

import importlib
import io
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from convverify import __version__
from convverify.starting.origin import pack

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    return importlib.import_module("check_release")


def archives(folder: Path, *, without: str = "") -> Path:
    """Both archives, as a build makes them, without one file."""
    with zipfile.ZipFile(io.BytesIO(pack())) as old, zipfile.ZipFile(folder / f"convverify-{__version__}-py3-none-any.whl", "w") as new:
        for name in old.namelist():
            if name != without:
                new.writestr(name, old.read(name))
    with tarfile.open(folder / f"convverify-{__version__}.tar.gz", "w:gz") as source:
        for top in ("convverify", "tests", "pyproject.toml", "README.md", "LICENSE", "Makefile", "mkdocs.yml", "asv.conf.json"):
            for path in ((ROOT / top), *(ROOT / top).rglob("*")):
                name = path.relative_to(ROOT).as_posix()
                if path.is_file() and name != without:
                    source.add(path, f"convverify-{__version__}/{name}")
    return folder


def test_whole_archives_pass_and_one_that_lacks_a_file_does_not(script: Any, tmp_path: Path) -> None:
    assert list(script.faults(archives(tmp_path))) == []
    without = list(script.faults(archives(tmp_path, without="convverify/py.typed")))
    assert [sentence.partition(" lacks ")[2] for sentence in without] == ["convverify/py.typed"] * 2


def test_a_package_that_does_not_run_is_not_uploaded(script: Any, tmp_path: Path) -> None:
    (told,) = [
        one for one in script.faults(archives(tmp_path, without="convverify/cli/streams.py")) if "fails" in one and "--version" in one
    ]
    assert "convverify.cli.streams" in told


def test_an_empty_folder_is_no_release(script: Any, tmp_path: Path) -> None:
    assert "one source distribution and one wheel" in next(script.faults(tmp_path))
