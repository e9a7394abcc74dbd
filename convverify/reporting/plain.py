"""Plain text that needs no library: lists, and text that is safe to print."""

from __future__ import annotations

import importlib
from typing import Any

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

_LONGEST = 4000  # characters of a line: a case of 64 elements has fewer


def printable(text: str) -> str:
    """Return text of others as it may be printed anywhere.

    Control characters, terminal escapes among them, are shown as escapes; so is what the runner of GitHub Actions takes for a command
    wherever it stands (`##[`: actions/runner, ActionCommand.TryParse).  Lines that are longer than any of ours are cut.
    """
    text = "\n".join(
        line if len(line) <= _LONGEST else f"{line[:_LONGEST]}... ({len(line) - _LONGEST} more characters)" for line in text.split("\n")
    )
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text).replace("##[", "#\\x23[")


def one_line(text: str) -> str:
    """Return `printable` text without line breaks."""
    return printable(text.replace("\n", "\\n"))


def shown(value: Any) -> Any:
    """Return what a template is given as it may be shown: text is `printable`, markup and all else is ours."""
    return printable(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


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
