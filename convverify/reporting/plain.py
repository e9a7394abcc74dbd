"""Plain text that needs no library: lists, and text that is safe to print."""

from __future__ import annotations

import importlib

_REGISTRIES = {
    "kernels": "convverify.kernels:kernels",
    "references": "convverify.references:references",
    "properties": "convverify.judging.properties:properties",
    "values": "convverify.operands.fills:styles",
    "layouts": "convverify.operands.layouts:layouts",
    "suites": "convverify.problems.suites:suites",
    "mutants": "convverify.mutants:mutants",
    "unusual": "convverify.unusual:unusual",
    "cheats": "convverify.cheats:cheats",
}


def printable(text: str) -> str:
    """Return text with control characters, terminal escapes among them, shown as escapes."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def one_line(text: str) -> str:
    """Return `printable` text without line breaks."""
    return printable(text).replace("\n", "\\n")


def names_of(kind: str) -> tuple[str, ...]:
    """Return the names of one registry, or of the dtypes."""
    if kind == "dtypes":
        from convverify.problems.dtypes import FORMATS

        return tuple(FORMATS)
    module, _, name = _REGISTRIES[kind].partition(":")
    names: tuple[str, ...] = getattr(importlib.import_module(module), name).names()
    return names


def show_registries(what: str | None) -> None:
    """Print the names and summaries of one registry, or of all but the long ones, which take a moment to load."""
    for title, place in _REGISTRIES.items():
        if what not in (None, title):
            continue
        if what is None and title in ("mutants", "unusual", "cheats"):
            print(f"{title}: convverify list {title}")
            continue
        module, _, name = place.partition(":")
        registry = getattr(importlib.import_module(module), name)
        print(f"{title}:")
        width = max((len(entry.name) for entry in registry), default=0)
        for entry in registry:
            print(f"  {entry.name:{width}}  {entry.summary}")
