"""Targets: from the name that a user types to a kernel.

`package.module:function`, `path/to/file.py:function`, or a name that `convverify list` shows.
"""

from __future__ import annotations

import ast
import difflib
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from convverify.campaign.options import Options
from convverify.cheats import cheats
from convverify.host import boot, loading
from convverify.host.early import place_of
from convverify.host.process import Place
from convverify.judging.kernel import Kernel, make_kernel
from convverify.kernels import kernels
from convverify.mutants import mutants
from convverify.references import references
from convverify.references._packages import missing
from convverify.registry import Entry, Registry
from convverify.unusual import unusual

_WHOLE = "degenerate=yes"  # what ships is right on problems of every kind, or is refuted where it is not
SHIPPED: tuple[Registry, ...] = (references, kernels, mutants, unusual, cheats)


class TargetError(ValueError):
    """A target that cannot be loaded; the message is one sentence for the person who named it."""


def stop_if_loading() -> None:
    """Raise StillLoading where a target's module is being loaded: a script that verifies its own function would verify without end."""
    in_a_host = sys.modules.get(f"{boot.NAME}.loading")
    if loading.loading or getattr(in_a_host, "loading", None):
        raise loading.StillLoading


@dataclass(frozen=True)
class Located:
    """Where the kernel that a target names is loaded from, and what its registry says of it."""

    name: str
    place: Place
    data_format: str | None = None
    accuracy: str | None = None
    domain: str = ""


def locate(target: str, *, sandbox: bool = False) -> Located:
    """Return where a target is to be loaded from, without importing it; `sandbox` says that this is to be done in one.

    Raises TargetError, in one sentence, for a name that is unknown or not understood, and where an optional package is missing.
    """
    located = _locate(target)
    return replace(located, place=replace(located.place, sandbox=True)) if sandbox else located


def _locate(target: str) -> Located:
    if ":" in target:
        if (named := place_of(target)) is None:
            raise TargetError(f"target {target!r} must be module:function or file.py:function{_functions_in(target.rstrip(':'))}")
        return Located(target, Place(*named))
    for registry in SHIPPED:
        if target in registry:
            entry = registry[target]
            _require_packages(entry)
            load = entry.traits.get("load")
            prepare = (load.__module__, load.__qualname__) if load else None
            traits = entry.traits
            return Located(
                target, Place(*_place_of(entry), prepare), traits.get("data_format"), traits.get("accuracy"), traits.get("domain", _WHOLE)
            )
    if Path(target).suffix == ".py":
        raise TargetError(f"target {target!r} names a file; say which function: {target}:NAME{_functions_in(target)}")
    if told := _as_module(target):
        raise TargetError(f"target {target!r} {told}")
    known = [name for registry in SHIPPED for name in registry.names()]
    if close := difflib.get_close_matches(target, known, 1):
        raise TargetError(f"target {target!r} is unknown; did you mean {close[0]!r}?")
    names = ", ".join(name for registry in SHIPPED[:2] for name in registry.names())
    raise TargetError(f"target {target!r} is unknown; give module:function, file.py:function, or one of {names} (or a mutant)")


def _as_module(target: str) -> str:
    """Return what to write where a target is a module's name, or has a dot for the colon; "" for any other."""
    module, _, name = target.rpartition(".")
    file = target.replace(".", "/") + ".py"
    if Path(file).is_file():
        return f"names a module; say which function: {target}:NAME{_functions_in(file)}"
    if module and name.isidentifier() and Path(module.replace(".", "/") + ".py").is_file():
        return f"has a dot where a colon is needed: {module}:{name}"
    return ""


def _functions_in(file: str) -> str:
    """Return in a clause what a source file defines that could be meant; "" where that cannot be told."""
    try:
        tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError, RecursionError):
        return ""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    names = [node.name for node in tree.body if isinstance(node, kinds) and not node.name.startswith("_")]
    return f"; it defines {', '.join(names[:12])}" if names else "; it defines no function"


def _place_of(entry: Entry) -> tuple[str, str]:
    """Return the module and the name by which a registered function is imported; its registry, where its module has no such name."""
    module, name = entry.function.__module__, entry.function.__qualname__
    if getattr(sys.modules[module], name, None) is entry.function:
        return module, name
    return __name__, f"shipped.{entry.name}"


class _Shipped:
    """What ships, as attributes."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        for registry in SHIPPED:
            if name in registry:
                return registry[name].function
        raise AttributeError(name)


shipped = _Shipped()


def find_kernel(target: str, *, data_format: str | None = None, accuracy: str | None = None) -> Kernel:
    """Return the kernel that `target` names, loaded into this process.

    Raises TargetError, in one sentence, where there is none.
    """
    located = locate(target)
    try:
        function = loading.load_kernel(located.place.place, located.place.attribute)
    except loading.LoadError as error:
        raise TargetError(str(error)) from None
    try:
        return make_kernel(
            function, target, data_format=data_format or located.data_format, accuracy=accuracy or located.accuracy, domain=located.domain
        )
    except (TypeError, ValueError) as error:
        raise TargetError(f"target {target!r}: {error}") from None


def resolve(options: Options) -> tuple[Located | Kernel, tuple[Located, ...]]:
    """Return where the target and the references of a verification are loaded from; the kernel itself where it is not to be isolated.

    Raises TargetError, in one sentence.
    """
    target: Located | Kernel = locate(options.target, sandbox=options.sandbox)
    if not options.isolation:
        target = find_kernel(options.target, data_format=options.data_format, accuracy=options.accuracy)
    try:
        return target, tuple(locate(name) for name in options.references)
    except TargetError as error:
        raise TargetError(f"reference: {error}") from None


def _require_packages(entry: Entry) -> None:
    """Raise TargetError where a shipped target needs an optional package that is not installed; import nothing."""
    for package in entry.traits.get("packages", ()):
        if importlib.util.find_spec(package) is None:
            raise TargetError(f"{entry.name!r} is not available: {missing(package, entry.traits['extra'])}")
