"""Targets: from the name that a user types to a kernel.

`package.module:function`, `path/to/file.py:function`, or a name that `convverify list` shows.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from convverify.judging.kernel import Kernel, make_kernel
from convverify.judging.trial import told
from convverify.kernels import kernels
from convverify.mutants import mutants
from convverify.references import references
from convverify.references._packages import missing
from convverify.registry import Registry
from convverify.unusual import unusual

SHIPPED: tuple[Registry, ...] = (kernels, references, mutants, unusual)


_loading: list[str] = []  # modules that are being loaded now
_cut_short: set[str] = set()  # files whose loading ended where they verify a kernel


class TargetError(ValueError):
    """A target that cannot be had; the message is one sentence for the person who named it."""


class StillLoading(BaseException):
    """A file that is being loaded as a target verifies a kernel itself, at its top level; it ends the loading there."""


def stop_if_loading() -> None:
    """Raise StillLoading where a target's module is being loaded: a script that verifies its own function would verify without end."""
    if _loading:
        raise StillLoading


@contextlib.contextmanager
def _loads(name: str) -> Iterator[None]:
    _loading.append(name)
    try:
        yield
    finally:
        _loading.remove(name)


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
                _require_packages(target)
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


def _require_packages(target: str) -> None:
    """Raise TargetError where a shipped target needs an optional package that is not installed; import nothing."""
    for registry in SHIPPED:
        if target in registry:
            traits = registry[target].traits
            for package in traits.get("packages", ()):
                if importlib.util.find_spec(package) is None:
                    raise TargetError(f"{target!r} cannot be had: {missing(package, traits['extra'])}")


def _load(target: str) -> Callable[..., Any]:
    place, _, attribute = target.rpartition(":")
    if not place or not attribute:
        raise TargetError(f"target {target!r} must be module:function or file.py:function")
    module = _load_file(place) if place.endswith(".py") or "/" in place else _load_module(place)
    found: Any = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            if place in _cut_short:
                raise TargetError(f"{place} verifies a kernel before it defines {attribute!r}; do that under if __name__ == '__main__':")
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
        with _loads(name):
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            raise TargetError(f"there is no module {name!r}") from None
        raise TargetError(f"module {name!r} failed to import: {told(error)}") from None
    except StillLoading:
        raise TargetError(f"module {name!r} verifies a kernel while it is imported; do that under if __name__ == '__main__':") from None
    except BaseException as error:
        raise TargetError(f"module {name!r} failed to import: {told(error)}") from None


def module_of_file(path: Path) -> tuple[Path, str]:
    """Return the directory and the dotted name by which a source file is imported, from the packages that it lies in."""
    path = path.resolve()
    root, parts = path.parent, [] if path.stem == "__init__" else [path.stem]
    while (root / "__init__.py").is_file():
        root, parts = root.parent, [root.name, *parts]
    return root, ".".join(parts)


def _load_file(place: str) -> Any:
    path = Path(place)
    if not path.is_file():
        raise TargetError(f"there is no file {place!r}")
    root, dotted = module_of_file(path)
    sys.path.insert(0, str(root))
    if root != path.resolve().parent:  # it may import its neighbours relatively
        return _load_module(dotted)
    name = "convverify_target_" + path.stem
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise TargetError(f"file {place!r} is not a Python source file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with _loads(name):
            spec.loader.exec_module(module)
    except StillLoading:
        _cut_short.add(place)  # as a rule, what is to be verified is defined by then
    except BaseException as error:
        raise TargetError(f"file {place!r} failed to import: {told(error)}") from None
    return module
