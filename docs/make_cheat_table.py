"""Write docs/cheats.md: every cheat, what it tries, and what stops it, as the registry knows it.

    PYTHONPATH=. python docs/make_cheat_table.py

tests/test_site.py compares the page with the registry.
"""

from __future__ import annotations

import importlib
import re
from itertools import groupby
from pathlib import Path

from convverify.cheats import cheats
from convverify.registry import Entry

PAGE = Path(__file__).with_name("cheats.md")
_HEAD = """\
# Cheats

A cheat is a kernel that tries to be VERIFIED, or to look fast, without computing the convolution. If a model writes kernels
for a reward, it may attack the judge instead of solving the problem; public reports describe many of those below.
Tests run all of them: none may be VERIFIED, none may get a false speed without a mark, and the judge has to end as it always does, with a
report, with its files whole, and with no process left. `convverify check NAME` and `convverify compare NAME` try one.

Most are stopped because the kernel runs alone in a process that does not know the right results
([design](design.md)). It shares one block of memory with the judge, and the judge trusts nothing in it: it has copies of the operands,
reads results as bytes, and checks records like any foreign input.

## What is not stopped

A judge that runs as the same user, on the same machine, as what it judges cannot keep everything from it. Against these, run convverify
as another user, in a container, or in a virtual machine that is thrown away:

- *Who is root.* A host gives up the right to trace, and may not signal or limit other processes; but root can load modules into the
  system, write to its devices, set its clock, and mount file systems. No cheat here does, as that would harm more than convverify.
- *Files of the same user.* A kernel may write whatever its user may write: convverify's own source, compiled modules, the start-up files
  of a shell, a `pyproject.toml` that lowers the effort of the next run. The judge has read its own when a kernel begins to run, so that
  this changes later runs, and not the present one. `git status` and a read-only installation show or stop it.
- *Resources that all share.* A kernel can fill a disk, or take memory and processors away from everyone. Then a run is inconclusive, or
  refutes the kernel for what it took.
- *A kernel that is good until it is alone.* The second of the two plain scripts has the rights of a user's program, but that it cannot
  trace, nor, on Linux from 6.12 on and as root, signal processes that it has not started. Elsewhere a kernel that waits for that script
  can end the judge; it cannot change a verdict.
- *A kernel that knows its user.* The last cases of a campaign run in a plain script, which looks like a user's own. A kernel that is wrong
  on one host name, on one date, at the millionth call, or on no machine on which any process is called convverify, is right wherever it
  is judged. No test of behaviour finds that. Read the source of what you run.
- *A kernel that asks somebody else.* A function that calls TensorFlow, and returns what that says, is right. Whether it counts as a kernel
  of one's own is not a question of correctness; `compare` shows what it costs.
- *`--no-isolation`.* It calls the kernel in the judge's own process, for debuggers. Nothing is stopped there.

This page is made by `docs/make_cheat_table.py`.
"""


def page() -> str:
    """Return the page's text."""
    entries = sorted(cheats, key=lambda entry: entry.traits["kind"])  # sorted is stable: within a kind as in the module
    parts = [_HEAD, f"There are {len(cheats)} cheats.\n"]
    for kind, members in groupby(entries, key=lambda entry: entry.traits["kind"]):
        rows = [
            (f"`{entry.name}`", _text(entry.summary), " ".join(entry.traits["at"]), _text(entry.traits["stopped_by"]), _issue(entry))
            for entry in members
        ]
        parts.append(f"## {kind}\n\n{_subject(kind)}\n\n" + _table(("cheat", "what it tries", "at", "what stops it", "seen before"), rows))
    return "\n".join(parts)


def _subject(kind: str) -> str:
    """Return what the module of a kind says that it holds."""
    return _text((importlib.import_module(f"convverify.cheats.{kind}").__doc__ or "").partition("\n")[0])


def _text(text: str) -> str:
    """Return text with what Markdown would read as markup escaped."""
    return re.sub(r"([*<|_])", r"\\\1", text)


def _issue(entry: Entry) -> str:
    return _text(entry.traits.get("issue", ""))


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
