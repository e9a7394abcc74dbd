"""The documentation is executed: what it shows is what one sees.

In README.md and docs/*.md:

- every block of Python runs, in a process of its own, in a directory of the document's own;
- `<!-- file: NAME -->` before a block writes it to that file first (and it is not run);
- `<!-- run -->` before a block of Python compares what it prints with the next block of text;
- `<!-- run -->` before a console block runs its `$ convverify`, `$ pytest` and `$ python` commands, and compares their output and exit
  status (`$ echo $?`);
- where TensorFlow's faults are shown, that is compared with the version that has them alone;
- `<!-- needs PACKAGE -->` before a block, perhaps followed by `, run`: it is skipped where that package is not installed, or where
  the system has no `namespaces`;
- `<!-- may end the process -->` before a block of Python lets it: such is a finding about a reference.

Numbers that depend on the machine or on time are compared as such; a line [...] stands for any lines.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pytest
from command_line import has_sandbox

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_BLOCK = re.compile(r"(?:<!-- ([^\n]*?) -->\n+)?```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_RUN = re.compile(r"(needs \w+, )?run")
_PROGRESS = re.compile(r"([a-z ]+): \d+ problems in \d+ s")
_FAULTS = re.compile(r"tensorflow [\d.]* ?is (at fault|wrong)")
HAS_FAULTS = (
    version("tensorflow").startswith("2.21.")
    and (sys.platform, platform.machine()) == ("linux", "x86_64")
    and "avx512_bf16" in Path("/proc/cpuinfo").read_text()
)
_VARYING = (
    (r"\d+ more cases", "N more cases"),
    (r"\d+ judged cases", "N judged cases"),
    (r"[\d.]+e[+-]\d+ ulp|\d+(\.\d+)? ulp", "N ulp"),
    (r"\d+(\.\d+)? (cases/s|cases|problems|s|ulp|of its bound)\b", r"N \2"),
    (r"\d+%", "N%"),
    (r"on \d+ of \d+ failing cases", "on N of N failing cases"),
    (r"^(\w+) +\d+\b", r"\1 N"),
    (r"(exact|rounding|special) \d+", r"\1 N"),
    (r"pairwise coverage: .*", "pairwise coverage: N"),
    (r"values=\w+, \w+\)", "values)"),
    (r"speed: .*", "speed: N"),
    (r"tensorflow \d+\.\d+\.\d+", "tensorflow N"),
)


@dataclass(frozen=True)
class Block:
    """A fenced block: the comment before it, its language, its text, and the text of the block that follows."""

    mark: str
    language: str
    text: str
    following: str


def blocks_of(page: Path) -> list[Block]:
    """Return the fenced blocks of a page in their order."""
    found = [(match[1] or "", match[2], match[3]) for match in _BLOCK.finditer(page.read_text(encoding="utf-8"))]
    return [Block(*block, found[i + 1][2] if i + 1 < len(found) else "") for i, block in enumerate(found)]


def runnable(page: Path) -> list[int]:
    """Return the numbers of the blocks that are executed."""
    return [
        number
        for number, block in enumerate(blocks_of(page))
        if (block.language == "python" and not block.mark.startswith("file:"))
        or (block.language == "console" and _RUN.fullmatch(block.mark))
    ]


def normal(text: str) -> list[str]:
    """Return the lines of an output with what varies replaced, progress and blank lines left out."""
    lines = []
    for line in text.splitlines():
        line = " ".join(line.split())
        if line and not _PROGRESS.match(line):
            for pattern, replacement in _VARYING:
                line = re.sub(pattern, replacement, line)
            lines.append(line)
    return lines


def assert_shows(shown: str, actual: str) -> None:
    """Assert that the lines shown are the actual ones, in order; where the text has [...], others may lie between."""
    remaining = normal(actual)
    gap = False
    for line in normal(shown):
        if line == "[...]":
            gap = True
            continue
        shortened = line.endswith(" [...]")
        wanted = line.removesuffix(" [...]")
        places = [i for i, found in enumerate(remaining) if found == wanted or (shortened and found.startswith(wanted))]
        assert places, f"not printed: {line!r}\nleft of the output:\n" + "\n".join(remaining)
        assert gap or places[0] == 0, f"printed before {line!r}:\n" + "\n".join(remaining[: places[0]])
        remaining, gap = remaining[places[0] + 1 :], False
    assert gap or not remaining, "printed, and not shown:\n" + "\n".join(remaining)


def run(command: list[str], directory: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in the document's directory, with this package importable."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", "COLUMNS": "100"}
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, timeout=120)


def commands_of(text: str) -> list[tuple[str, str, int]]:
    """Return (command, output, exit status) of each command of a console block."""
    parts = re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]
    found: list[tuple[str, str, int]] = []
    for part in parts:
        command, _, output = part.partition("\n")
        if command == "echo $?":
            found[-1] = (*found[-1][:2], int(output))
        else:
            found.append((command, output, 0))
    return found


@pytest.mark.parametrize(("page", "number"), [pytest.param(p, n, id=f"{p.stem}-{n}") for p in PAGES for n in runnable(p)])
def test_the_documentation_runs_as_it_says(page: Path, number: int, tmp_path: Path) -> None:
    blocks = blocks_of(page)
    for earlier in blocks[:number]:
        if earlier.mark.startswith("file:"):
            (tmp_path / earlier.mark.removeprefix("file:").strip()).write_text(earlier.text)
    block = blocks[number]
    mark = block.mark
    if needed := re.match(r"needs (\w+)(?:, )?", mark):
        if needed[1] == "namespaces" and not has_sandbox():
            pytest.skip("this system lets nobody make namespaces")
        if needed[1] != "namespaces" and importlib.util.find_spec(needed[1]) is None:
            pytest.skip(f"{needed[1]} is not installed: the extra {needed[1]} has it")
        mark = mark[needed.end() :]
    if block.language == "python":
        done = run([sys.executable, "-c", block.text], tmp_path)
        assert done.returncode == 0 or "may end the process" in mark, done.stderr
        if mark == "run" or (mark == "run with tensorflow 2.21 on Linux" and HAS_FAULTS):
            assert_shows(block.following, done.stdout)
        return
    for command, output, status in commands_of(block.text):
        words = shlex.split(command)
        assert words[0] in ("convverify", "pytest", "python"), command
        done = run([sys.executable, *(words[1:] if words[0] == "python" else ("-m", *words))], tmp_path)
        assert done.returncode == status, done.stdout + done.stderr
        if HAS_FAULTS or not _FAULTS.search(output):
            assert_shows(output, done.stdout + done.stderr)


@pytest.mark.parametrize("shown", ["one 1\ntwo", "one\n[...]\nfour", "two\none", "one\nthree", "one\ntwo [...]"])
def test_other_output_than_is_shown_is_found(shown: str) -> None:
    assert_shows("one\n[...]\nthree", "one\ntwo\nthree")
    assert_shows("one\ntw [...]\nthree", "one\ntw o\nthree")
    with pytest.raises(AssertionError):
        assert_shows(shown, "one\ntwo\nthree")


def test_pages_that_are_linked_exist() -> None:
    for page in PAGES:
        prose = _BLOCK.sub("", page.read_text(encoding="utf-8"))
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", prose):
            assert "://" in target or (page.parent / target).exists(), f"{page.name}: {target}"
