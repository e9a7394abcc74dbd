"""Loading: from the place of a kernel to the function, and what its signature and attributes say."""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_ATTRIBUTES = ("data_format", "accuracy", "reentrant", "refuses", "domain", "convention", "accumulator")

loading: list[str] = []  # modules that are being loaded now
_cut_short: set[str] = set()  # files whose loading ended where they verify a kernel


class LoadError(ValueError):
    """A kernel that cannot be loaded; the message is one sentence for the person who named it."""


class StillLoading(BaseException):
    """A file that is being loaded verifies a kernel itself, at its top level; this ends the loading there."""


def load_kernel(place: str, attribute: str) -> Callable[..., Any]:
    """Return the kernel `attribute` (dotted) of a module, or of a file that ends in .py.

    Raises LoadError, in one sentence.
    """
    function = load(place, attribute)
    if told := _no_kernel(function, attribute.rpartition(".")[2]):
        raise LoadError(f"{place}:{attribute} is {told}")
    return function


def load(place: str, attribute: str) -> Callable[..., Any]:
    """Return what can be called under `attribute` (dotted) in a module, or in a file that ends in .py.

    Raises LoadError, in one sentence.
    """
    module = load_file(place) if place.endswith(".py") or "/" in place else load_module(place)
    found: Any = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            if place in _cut_short:
                raise LoadError(f"{place} verifies a kernel before it defines {attribute!r}; do that under if __name__ == '__main__':")
            raise LoadError(f"{place} has no attribute {attribute!r}{_suggestion(found, part)}")
        found = getattr(found, part)
    if not callable(found):
        raise LoadError(f"{place}:{attribute} is not callable: it is of type {type(found).__name__}")
    function: Callable[..., Any] = found
    return function


def _no_kernel(found: Any, name: str) -> str:
    """Return what a callable is that gives no result when it is called, and what to write instead; "" for any other."""
    if isinstance(found, type):
        own = "conv2d" if name != "conv2d" else "kernel"
        return f"a class: name an instance of it, as {own} = {name}()"
    if inspect.iscoroutinefunction(found):
        return f"an async function: name one that runs it, as def kernel(x, w): return asyncio.run({name}(x, w))"
    if inspect.isgeneratorfunction(found):
        return f"a generator: name a function that returns an array, as def kernel(x, w): return next({name}(x, w))"
    return ""


def _suggestion(module: Any, name: str) -> str:
    import difflib

    names = (
        [known for known, value in vars(module).items() if callable(value) and not known.startswith("_")]
        if hasattr(module, "__dict__")
        else []
    )
    close = difflib.get_close_matches(name, names, 1)
    return f"; did you mean {close[0]!r}?" if close else ""


@contextlib.contextmanager
def _loads(name: str) -> Iterator[None]:
    loading.append(name)
    try:
        yield
    finally:
        loading.remove(name)


def load_module(name: str) -> Any:
    """Import a module; LoadError, in one sentence, where that fails."""
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        with _loads(name):
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            raise LoadError(f"there is no module {name!r}") from None
        raise LoadError(f"module {name!r} failed to import: {_told(error)}") from None
    except BaseException as error:
        if type(error).__name__ == "StillLoading":
            raise LoadError(f"module {name!r} verifies a kernel while it is imported; do that under if __name__ == '__main__':") from None
        raise LoadError(f"module {name!r} failed to import: {_told(error)}") from None


def module_of_file(path: Path) -> tuple[Path, str]:
    """Return the directory and the dotted name by which a source file is imported, from the packages that it lies in."""
    path = path.resolve()
    root, parts = path.parent, [] if path.stem == "__init__" else [path.stem]
    while (root / "__init__.py").is_file():
        root, parts = root.parent, [root.name, *parts]
    return root, ".".join(parts)


def load_file(place: str) -> Any:
    """Import a source file by its own name, with its directory in front of the path, as a script would find it."""
    path = Path(place)
    if not os.path.isfile(place):  # names that no file can have are no error here
        raise LoadError(f"there is no file {place!r}")
    root, dotted = module_of_file(path)
    sys.path.insert(0, str(root))
    if root != path.resolve().parent:  # it may import its neighbours relatively
        return load_module(dotted)
    name = path.stem if path.stem not in sys.modules else "_" + path.stem  # a file may be called like a module that is there already
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise LoadError(f"file {place!r} is not a Python source file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with _loads(name):
            spec.loader.exec_module(module)
    except BaseException as error:
        if type(error).__name__ != "StillLoading":
            raise LoadError(f"file {place!r} failed to import: {_told(error)}{_remedy(error, path)}") from None
        _cut_short.add(place)  # as a rule, what is to be verified is defined by then
    return module


def _remedy(error: BaseException, path: Path) -> str:
    """Return what to do about an import that fails as it would not elsewhere."""
    if isinstance(error, ModuleNotFoundError):
        return "; --python FILE names an interpreter that has it"
    if isinstance(error, ImportError) and "relative import" in str(error):
        return f"; put an empty file __init__.py beside {path.name}"
    return ""


def _told(error: BaseException) -> str:
    try:
        text = " ".join(str(error).split())[:300]
    except BaseException:
        text = "(its message cannot be read)"
    return f"{type(error).__name__}{': ' + text if text else ''}"


def describe(function: Callable[..., Any]) -> dict[str, Any]:
    """Return what a function's signature and attributes say, as plain data.

    `parameters` is None for a builtin or C function without a signature; else (name, kind, whether it has a default, the default) of each.
    `fixed` is what a `functools.partial` fixes; `where` names the condition of the domain, which only this process can call; "" without.
    """
    try:
        signature = inspect.signature(function)
        parameters = [[p.name, p.kind.name, p.default is not p.empty, _default(p)] for p in signature.parameters.values()]
        shown = str(signature)[:300]
    except (TypeError, ValueError):
        parameters, shown = None, ""
    said: dict[str, Any] = {}
    fixed: dict[str, Any] = {}
    inner: Any = function
    while True:
        for name in _ATTRIBUTES:
            if name not in said and getattr(inner, name, None) is not None:
                said[name] = getattr(inner, name)
        if not isinstance(inner, functools.partial):
            break
        fixed = {str(key): _plain(value) for key, value in inner.keywords.items()} | fixed
        inner = inner.func
    if hasattr(said.get("domain"), "to_data"):  # a Domain itself
        said["domain"] = said["domain"].to_data()
    condition = where_of(function)
    where = "" if condition is None else str(getattr(condition, "__name__", type(condition).__name__))[:80]
    if where:
        said["domain"] = {key: value for key, value in said["domain"].items() if key != "where"}
    name = getattr(inner, "__name__", type(function).__name__)
    return {
        "name": str(name)[:200], "parameters": parameters, "signature": shown, "fixed": fixed, "where": where,
        "attributes": {key: _plain(value) for key, value in said.items()},
    }  # fmt: skip


def where_of(function: Any) -> Callable[[Any], Any] | None:
    """Return the condition, `where`, of the domain that a function declares; None without one."""
    while isinstance(function, functools.partial) and not hasattr(function, "domain"):
        function = function.func
    declared = getattr(function, "domain", None)
    condition = declared.get("where") if isinstance(declared, dict) else getattr(declared, "where", None)
    return condition if callable(condition) else None


def _default(parameter: inspect.Parameter) -> Any:
    return None if parameter.default is parameter.empty else _plain(parameter.default)


def _plain(value: Any) -> Any:
    """Return plain data for an attribute; classes stand for their names, and what is not plain for what it prints as."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, type):
        return value.__name__
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)[:200]
