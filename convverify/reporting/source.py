"""Where a kernel's source stands, found without importing anything."""

from __future__ import annotations

import ast
import sys
from pathlib import Path


def source_of(target: str) -> tuple[Path, int] | None:
    """Return the file that a target names, and the line where its function is defined (0: unknown).

    None for targets that are not `file.py:function` or `module:function`, and for modules whose file is not found on `sys.path`.
    """
    place, _, name = target.rpartition(":")
    place = place.rstrip(":")
    path = Path(place) if place.endswith(".py") else _module_file(place)
    if path is None or not path.is_file():
        return None
    return path, _line(path, name.split("."))


def from_here(file: str | Path) -> str:
    """Return a path relative to the working directory if it is in there, else as it is."""
    path, here = Path(file), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _module_file(module: str) -> Path | None:
    parts = module.split(".")
    if not all(part.isidentifier() for part in parts):
        return None
    for folder in (".", *sys.path):
        base = Path(folder, *parts)
        for path in (base.with_suffix(".py"), base / "__init__.py"):
            if path.is_file():
                return path
    return None


def _line(path: Path, names: list[str]) -> int:
    """Return the line where a function is defined; 0 if no definition has its name."""
    try:
        body: list[ast.stmt] = ast.parse(path.read_bytes()).body
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):  # the last two for what is nested too deep
        return 0
    line = 0
    for name in names:
        found = [node for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name]
        if not found:
            return 0
        line, body = found[-1].lineno, found[-1].body
    return line
