"""Targets: from the name that a user types to a kernel.

`package.module:function`, `path/to/file.py:function`, or a name that `convverify list` shows.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from convverify.kernel import Kernel, make_kernel
from convverify.kernels import kernels
from convverify.mutants import mutants
from convverify.references import references
from convverify.registry import Registry
from convverify.trial import told
from convverify.unusual import unusual

SHIPPED: tuple[Registry, ...] = (kernels, references, mutants, unusual)


class TargetError(ValueError):
    """A target that cannot be had; the message is one sentence for the person who named it."""


def find_kernel(target: str, *, data_format: str | None = None, accuracy: str | None = None) -> Kernel:
    """Return the kernel that `target` names.

    Raises TargetError, in one sentence, where there is none.
    """
    if ":" in target:
        function, traits = _load(target), {}
    else:
        for registry in SHIPPED:
            if target in registry:
                entry = registry[target]
                function, traits = entry.function, dict(entry.traits)
                break
        else:
            names = ", ".join(name for registry in SHIPPED[:2] for name in registry.names())
            raise TargetError(f"target {target!r} is unknown; give module:function, file.py:function, or one of {names} (or a mutant)")
    try:
        return make_kernel(
            function, target, data_format=data_format or traits.get("data_format"), accuracy=accuracy or traits.get("accuracy")
        )
    except (TypeError, ValueError) as error:
        raise TargetError(f"target {target!r}: {error}") from None


def _load(target: str) -> Callable[..., Any]:
    place, _, attribute = target.rpartition(":")
    if not place or not attribute:
        raise TargetError(f"target {target!r} must be module:function or file.py:function")
    module = _load_file(place) if place.endswith(".py") or "/" in place else _load_module(place)
    found: Any = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise TargetError(f"{place} has no attribute {attribute!r}")
        found = getattr(found, part)
    if not callable(found):
        raise TargetError(f"{target} is not callable: it is of type {type(found).__name__}")
    function: Callable[..., Any] = found
    return function


def _load_module(name: str) -> Any:
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            raise TargetError(f"there is no module {name!r}") from None
        raise TargetError(f"module {name!r} failed to import: {told(error)}") from None
    except BaseException as error:
        raise TargetError(f"module {name!r} failed to import: {told(error)}") from None


def _load_file(place: str) -> Any:
    path = Path(place)
    if not path.is_file():
        raise TargetError(f"there is no file {place!r}")
    name = "convverify_target_" + path.stem
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise TargetError(f"file {place!r} is not a Python source file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.resolve().parent))
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        raise TargetError(f"file {place!r} failed to import: {told(error)}") from None
    return module
