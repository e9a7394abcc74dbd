"""The repository that is started in: how it is installed, what its kernels need, and which versions of Python it is for."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

from convverify.host.loading import module_of_file
from convverify.problems.reading import read_text
from convverify.starting.finding import imports_of

PYTHONS = ("3.11", "3.12", "3.13")  # that convverify runs on
_CLAUSE = re.compile(r"\s*(>=|<=|>|<|==|!=|~=)\s*(\d+)(?:\.(\d+))?(?:\.[\d*]+)*\s*")


@dataclass(frozen=True)
class Project:
    """A repository: its folder; whether pip can install it; a file of requirements beside it, or ""; versions of Python."""

    root: Path
    name: str
    installable: bool
    requirements: str
    pythons: tuple[str, ...]

    @property
    def tests(self) -> str:
        """Where its tests are: "tests/", "test/", or "" for the folder itself."""
        return next((f"{name}/" for name in ("tests", "test") if (self.root / name).is_dir()), "")

    def importable(self, file: str) -> tuple[str, str]:
        """Return the folder that a source file is imported from, relative to the repository ("" for itself), and the module's name."""
        folder, module = module_of_file(self.root / file)
        relative = folder.relative_to(self.root.resolve()).as_posix() if folder.is_relative_to(self.root.resolve()) else ""
        return "" if relative == "." else relative, module

    def needs(self, files: Iterable[str]) -> tuple[str, ...]:
        """Return the distributions that some source files import, as far as they are installed here."""
        owners = packages_distributions()
        imported = {name for file in files for name in imports_of(self.root / file)}
        return tuple(sorted({owners[name][0] for name in imported if name in owners} - {"convverify"}))


def read_project(root: Path) -> Project:
    """Return what a repository's own files say of it."""
    table = _table(root / "pyproject.toml")
    project = table.get("project") if isinstance(table.get("project"), dict) else {}
    assert isinstance(project, dict)
    installable = "build-system" in table or "name" in project or (root / "setup.py").is_file()
    return Project(
        root,
        str(project.get("name") or root.resolve().name),
        installable,
        "requirements.txt" if (root / "requirements.txt").is_file() else "",
        pythons_within(str(project.get("requires-python", ""))),
    )


def _table(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(read_text(path)) if path.is_file() else {}
    except (OSError, ValueError, RecursionError):
        return {}


def pythons_within(specifier: str) -> tuple[str, ...]:
    """Return the versions of Python that a project's `requires-python` and convverify have in common; all where it is not understood."""
    clauses = [match for part in specifier.split(",") if (match := _CLAUSE.fullmatch(part))]
    return tuple(version for version in PYTHONS if all(_holds(version, clause) for clause in clauses)) or PYTHONS


def _holds(version: str, clause: re.Match[str]) -> bool:
    sign, minor = clause[1], int(version.partition(".")[2])
    wanted = int(clause[3]) if clause[3] else None
    if clause[2] != "3" or wanted is None:
        return (sign in (">=", ">", "==", "~=") and clause[2] in ("2", "3")) or (sign in ("<", "<=", "!=") and int(clause[2]) > 3)
    return {
        ">=": minor >= wanted, ">": minor > wanted, "<": minor < wanted, "<=": minor <= wanted,
        "==": minor == wanted, "!=": minor != wanted, "~=": minor >= wanted,
    }[sign]  # fmt: skip
