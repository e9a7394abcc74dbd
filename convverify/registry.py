"""The one registry: kernels, references, properties, mutants and suites are all kept in one of these.

A registry belongs to a package (or to one module).  Every module of that package is imported the first time anything is looked
up, so writing a decorated function in a new file of the package is all that it takes to add an entry.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Entry:
    """One registered function: its name, what it does in a line, and what else was said of it."""

    name: str
    function: Callable[..., Any]
    summary: str
    traits: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


class Registry:
    """Named functions of one kind, in the order in which they were registered."""

    def __init__(self, noun: str, package: str) -> None:
        self.noun = noun
        self._package = package
        self._entries: dict[str, Entry] = {}
        self._loaded = False

    def register(self, name: str | None = None, **traits: Any) -> Callable[[F], F]:
        """Return a decorator that adds a function under `name` (default: its own name); its docstring's first line is the summary."""

        def decorate(function: F) -> F:
            key = name or function.__name__
            if key in self._entries:
                raise ValueError(f"{self.noun} {key!r} is registered twice")
            summary = (inspect.getdoc(function) or "").partition("\n")[0]
            self._entries[key] = Entry(key, function, summary, MappingProxyType(traits))
            return function

        return decorate

    def _load(self) -> None:
        if not self._loaded:
            self._loaded = True
            package = importlib.import_module(self._package)
            for module in pkgutil.iter_modules(getattr(package, "__path__", ())):
                importlib.import_module(f"{self._package}.{module.name}")

    def __getitem__(self, name: str) -> Entry:
        self._load()
        try:
            return self._entries[name]
        except KeyError:
            close = difflib.get_close_matches(name, self._entries, 1)
            said = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(self._entries)}"
            raise ValueError(f"{self.noun} {name!r} is unknown; {said}") from None

    def __contains__(self, name: object) -> bool:
        self._load()
        return name in self._entries

    def __iter__(self) -> Iterator[Entry]:
        self._load()
        return iter(tuple(self._entries.values()))

    def __len__(self) -> int:
        self._load()
        return len(self._entries)

    def names(self) -> tuple[str, ...]:
        """Return every registered name."""
        self._load()
        return tuple(self._entries)
