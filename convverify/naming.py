"""Names of functions: the target by which a fresh process, started in this directory, finds a function that one has at hand."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

_ASK = "import importlib.util, json, sys; s = importlib.util.find_spec(sys.argv[1]); \
print(json.dumps([s.origin, *(s.submodule_search_locations or ())] if s else []))"


def target_of(function: Callable[..., Any]) -> str:
    """Return the target that names a function: `module:function` where a fresh process can import the module, else `file.py:function`.

    A function that no other process can have (a local one, a partial, one typed at a prompt) gets a name for people alone, for which
    `is_nameable` is false.
    """
    place = getattr(function, "__module__", None)
    module = sys.modules.get(place) if isinstance(place, str) else None
    name = _name_in(module, function) if module else ""
    file = Path(getattr(module, "__file__", None) or "")
    if not module or not name or not file.is_file():
        return f"{place or '<unknown>'}:{getattr(function, '__qualname__', '') or f'<{type(function).__name__}>'}"
    if module.__name__ != "__main__" and _found_afresh(module.__name__, file):
        return f"{module.__name__}:{name}"
    if file.suffix == ".py":
        return f"{_shown(file)}:{name}"
    return f"{module.__name__}:{name}"


def is_nameable(target: str) -> bool:
    """Return whether a target names what another process can have."""
    place, _, name = target.rpartition(":")
    return "<" not in name and place not in ("__main__", "<unknown>")


def _name_in(module: ModuleType, function: Callable[..., Any]) -> str:
    """Return the name by which a module holds a function, or ""."""
    name = getattr(function, "__qualname__", "")
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is function:
        return str(name)
    return next((name for name, value in vars(module).items() if value is function), "")


def _found_afresh(name: str, file: Path) -> bool:
    """Return whether a fresh process in this directory would import the module `name` from `file`."""
    file, parts = file.resolve(), name.split(".")
    if any(_lies_in(Path(root), parts, file) for root in (os.getcwd(), *_installed())):
        return True
    places = [Path(place).resolve() for place in _places(parts[0], os.getcwd())]
    return any(place == file or _lies_in(place.parent, parts, file) for place in places)


def _lies_in(root: Path, parts: list[str], file: Path) -> bool:
    """Return whether a file is the module of a dotted name below a directory."""
    place = root.resolve().joinpath(*parts)
    return (file.parent == place.parent and file.name.startswith(place.name + ".")) or file == place / "__init__.py"


@functools.cache
def _installed() -> tuple[str, ...]:
    """Return the directories of the standard library and of installed packages."""
    return tuple({str(Path(sysconfig.get_path(name)).resolve()) for name in ("stdlib", "purelib", "platlib")})


@functools.cache
def _places(top: str, directory: str) -> tuple[str, ...]:
    """Ask a fresh process where it finds a module or package of the top level."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", _ASK, top], cwd=directory, capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL
        )
        return tuple(place for place in json.loads(done.stdout) if place)
    except (OSError, subprocess.SubprocessError, ValueError):
        return ()


def _shown(file: Path) -> str:
    """Return a path as one types it from here."""
    file = file.resolve()
    return str(file.relative_to(Path.cwd())) if file.is_relative_to(Path.cwd()) else str(file)
