"""`convverify init`: find the kernels of a repository, and write what makes a start there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from convverify.generation.corpus import write_whole
from convverify.problems.reading import read_text
from convverify.reporting.plain import one_line
from convverify.starting import texts
from convverify.starting.asking import Answer, ask
from convverify.starting.finding import Candidate, find
from convverify.starting.origin import FOLDER, OriginError, origin, pack
from convverify.starting.project import Project, read_project

_WORKFLOW = ".github/workflows/convolutions.yml"
_BENCHMARKS, _ASV = "benchmarks/convolutions.py", "asv.conf.json"
_PYPROJECT = "pyproject.toml"


def init(targets: tuple[str, ...], values: dict[str, Any]) -> int:
    """Write the files that are asked for, in the working directory; say what was found, what was written, and what to do next."""
    root = Path.cwd()
    if not any(values[name] for name in ("pytest", "ci", "asv", "domain")):
        values["pytest"] = True
    candidates = [_named(root, target) for target in targets] or find(root)
    if not candidates:
        raise click.UsageError(
            "no function here looks like a convolution kernel, f(x, w) or f(x, w, *, strides, padding, dilations, groups); "
            "name yours: convverify init path/to/file.py:function"
        )
    answers = [answer for candidate in candidates if (answer := _told(candidate)).loads]
    if not answers:
        raise click.UsageError("no kernel could be loaded, so that there is nothing to write for it")
    project = read_project(root)
    try:
        files = dict(_files(project, answers, **values))
    except OriginError as error:
        raise click.UsageError(str(error)) from None
    there = [name for name in files if (root / name).exists() and name != _PYPROJECT]
    if there and not values["force"]:
        raise click.UsageError(
            f"{' and '.join(there)} {'are' if there[1:] else 'is'} there already, and nothing was written; --force overwrites"
        )
    for name, content in files.items():
        try:
            write_whole(root / name, content)
        except OSError as error:
            raise click.UsageError(f"file {name!r} cannot be written: {error.strerror}") from None
        print(f"wrote {name}{_next(name)}")
    if _ASV in files and _git(root, "rev-parse", "HEAD"):
        print("note: asv measures commits, and there is none here yet")
    for name in files:
        if not _git(root, "check-ignore", "--quiet", name):
            print(f"note: git ignores {name}, so that it is not committed", file=sys.stderr)
    return 0


def _named(root: Path, target: str) -> Candidate:
    file, colon, name = target.rpartition(":")
    file = file.rstrip(":")
    if not colon or not name or not file.endswith(".py") or not (root / file).resolve().is_relative_to(root.resolve()):
        raise click.UsageError(f"target {target!r} must be file.py:function, of a file in this repository")
    return Candidate((root / file).resolve().relative_to(root.resolve()).as_posix(), name, name)


def _told(candidate: Candidate) -> Answer:
    """Ask a kernel, and print what comes of it."""
    answer = ask(candidate.target)
    said = f"  {candidate.file}:{candidate.signature}" if candidate.signature != candidate.name else f"  {candidate.target}"
    if not answer.loads:
        said += f"\n    left out: {answer.wrong}"
    elif answer.wrong:
        said += f"\n    wrong on its first problem: {answer.wrong}\n    convverify check {candidate.target}"
    else:
        said += f"  {answer.data_format}, right on its first problem"
    print("\n".join(one_line(line) for line in said.split("\n")), flush=True)
    return answer


def _files(
    project: Project, answers: list[Answer], *, pytest: bool, ci: str | None, asv: bool, domain: bool, install: str | None, force: bool
) -> Iterator[tuple[str, str | bytes]]:
    """Yield the files to write, with what each holds."""
    test_file = f"{project.tests}test_convolutions.py"
    if pytest:
        yield test_file, texts.pytest_file(answers, depth=test_file.count("/"))
    if domain:
        yield _PYPROJECT, _with_domain(project.root / _PYPROJECT)
    if ci or asv:
        install = install or origin()
        if install.startswith(f"{FOLDER}/") and (force or not (project.root / install).exists()):
            yield install, pack()
    if ci:
        assert install is not None
        tested = pytest or (project.root / test_file).exists()
        yield _WORKFLOW, texts.workflow(project, answers, install, test_file if tested else "")
    if asv:
        assert install is not None
        if not (project.root / "benchmarks/__init__.py").exists():
            yield "benchmarks/__init__.py", ""
        yield _BENCHMARKS, texts.asv_benchmarks(project, answers)
        yield _ASV, texts.asv_configuration(project, answers, install)


def _with_domain(path: Path) -> str:
    """Return the text of a pyproject.toml with convverify's table behind what is there."""
    try:
        text = read_text(path) if path.exists() else ""
    except (OSError, ValueError) as error:
        raise click.UsageError(f"{path.name} {error}") from None
    if "[tool.convverify" in text:
        raise click.UsageError(f"{path.name} has a table [tool.convverify] already: write the domain there")
    return text.rstrip("\n") + "\n" + texts.DOMAIN if text else texts.DOMAIN.lstrip("\n")


def _next(name: str) -> str:
    """Return what can be done with a file, in a clause."""
    if name.endswith("test_convolutions.py"):
        return f": python -m pytest {name}"
    return {
        _ASV: ": asv machine --yes && asv run 'HEAD^!' --quick --dry-run --show-stderr",
        _PYPROJECT: ", the table [tool.convverify] at its end",
        _WORKFLOW: ": commit it, and it runs at the next push",
    }.get(name, "")


def _git(root: Path, *words: str) -> int:
    """Return the exit status of a command of git's; 128 where there is no git."""
    try:
        return subprocess.run(["git", *words], cwd=root, capture_output=True, check=False).returncode
    except OSError:
        return 128
