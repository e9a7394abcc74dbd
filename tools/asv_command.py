"""What the scripts for benchmarks share: asv and git as commands, where results lie, and a copy of the configuration."""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
CONFIGURATION = ROOT / "asv.conf.json"
WORK = ROOT / ".asv"
KERNEL_PATHS = (  # what runs when a kernel is called, and what judges it
    "convverify/kernels", "convverify/references", "convverify/compiled.py", "convverify/threads.py", "convverify/problem.py",
    "convverify/dtypes.py", "convverify/registry.py", "convverify/error_bounds.py", "convverify/normwise.py", "convverify/suites",
)  # fmt: skip


def fail(sentence: str, status: int = 2) -> None:
    """Leave with one sentence on standard error."""
    print(f"{Path(sys.argv[0]).name}: {sentence}", file=sys.stderr)
    sys.exit(status)


def git(*arguments: str) -> str:
    """Return what git prints; it has to succeed."""
    return subprocess.run(["git", "-C", str(ROOT), *arguments], check=True, capture_output=True, text=True).stdout.strip()


def commit_of(name: str) -> str:
    """Return the hash of a commit; "" for what is none."""
    found = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "--verify", "--quiet", name + "^{commit}"], capture_output=True, text=True, check=False
    )  # fmt: skip
    return found.stdout.strip()


def configuration() -> dict[str, Any]:
    """Return asv.conf.json without its comments."""
    text = re.sub(r"^\s*//.*$", "", CONFIGURATION.read_text(encoding="utf-8"), flags=re.MULTILINE)
    found: dict[str, Any] = json.loads(text)
    return found


def with_results_in(directory: Path) -> Path:
    """Write a copy of the configuration whose results go elsewhere, and return its path; asv takes its paths from where the file lies."""
    changed = configuration() | {"results_dir": str(directory)}
    path = ROOT / f".asv.conf.{directory.name}.json"
    path.write_text(json.dumps(changed, indent=1), encoding="utf-8")
    return path


def asv(*arguments: str, config: Path = CONFIGURATION) -> int:
    """Run asv, its output on ours, and return its exit status."""
    sys.stdout.flush()
    return subprocess.run(
        [sys.executable, "-m", "asv", arguments[0], "--config", str(config), *arguments[1:]], cwd=ROOT, check=False
    ).returncode


def machine(name: str = "") -> str:
    """Return the name of this machine among the results: the given one, or that of the host.  Where asv does not know it, it is told."""
    path = Path.home() / ".asv-machine.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    chosen = name or platform.node()
    if chosen not in known and asv("machine", "--yes", *(["--machine", name] if name else [])):
        fail(f"asv does not take {chosen!r} for the name of a machine")
    return chosen


def result_files(directory: Path, name: str, commit: str) -> list[Path]:
    """Return the files with the results of a commit on a machine."""
    return sorted((directory / name).glob(f"{commit[:8]}-*.json"))


def values(file: Path) -> Iterator[tuple[str, Any]]:
    """Yield (benchmark, value) of all that a file of results holds: a number, None for what failed, NaN for what is n/a."""
    data = json.loads(file.read_text(encoding="utf-8"))
    for benchmark, columns in data["results"].items():
        result = dict(zip(data["result_columns"], columns, strict=False))["result"]
        for value in result or [None]:
            yield benchmark, value
