"""Write docs/mutants.md: every mutant and every unusual kernel, as the registries know them.

    PYTHONPATH=. python docs/make_mutant_table.py

tests/test_site.py compares the page with the registries.
"""

from __future__ import annotations

import re
from itertools import groupby
from pathlib import Path

from convverify.mutants import mutants
from convverify.registry import Entry
from convverify.unusual import unusual

PAGE = Path(__file__).with_name("mutants.md")
_HEAD = """\
# Mutants

A mutant is a kernel with one known fault. `convverify mutants` verifies all of them: each must be refuted, or a property would be
unable to fail. `convverify check NAME` verifies one. The witness is a case on which it is wrong. An issue
is the public report of a shipped fault of that kind. An unusual kernel is right, and goes about it in an uncommon way: nothing may
refute it. [The kill matrix](kill-matrix.md) shows which property refuted which mutant.

This page is made by `docs/make_mutant_table.py`.
"""


def page() -> str:
    """Return the page's text."""
    entries = sorted(mutants, key=lambda entry: entry.traits["fault_class"])  # sorted is stable: within a class as in the module
    parts = [_HEAD, f"There are {len(mutants)} mutants, and {len(unusual)} unusual kernels.\n"]
    for fault_class, members in groupby(entries, key=lambda entry: entry.traits["fault_class"]):
        rows = [(f"`{entry.name}`", _text(entry), _witness(entry), entry.traits.get("issue", "")) for entry in members]
        parts.append(f"## {fault_class}\n\n" + _table(("mutant", "fault", "witness", "issue"), rows))
    rows = [(f"`{entry.name}`", _text(entry)) for entry in unusual]
    parts.append("## Unusual kernels\n\n" + _table(("kernel", "what it does"), rows))
    return "\n".join(parts)


def _text(entry: Entry) -> str:
    """Return the summary with what Markdown would read as markup escaped."""
    return re.sub(r"([*<|])", r"\\\1", entry.summary)


def _witness(entry: Entry) -> str:
    witness = entry.traits.get("witness", "")
    return f"`{witness}`" if witness else ""


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
