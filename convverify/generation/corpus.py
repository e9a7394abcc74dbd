"""The corpus: counterexamples of earlier runs, one JSON file each, tried first next time.

A file is written to a temporary name and renamed, and its name comes from its content, so that runs side by side do not disturb each other.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from convverify.operands.case import Case
from convverify.problems.reading import brief, parse_json, read_text
from convverify.problems.size import MOST_WORK, too_large, work_of

SCHEMA = 1
HIDDEN = ".convverify"  # the default folder, which gets a .gitignore
_SENTENCE = 4000  # characters that are kept of one, which may hold a kernel's own text


def folder(directory: Path, target: str) -> Path:
    """Return where a target's counterexamples are kept."""
    slug = re.sub(r"[^A-Za-z0-9_.-]+", "-", target).strip("-.")[-80:] or "kernel"
    return directory / "corpus" / slug


def save(directory: Path, target: str, case: str, property_name: str, sentence: str, history: tuple[str, ...] = ()) -> Path:
    """Write one counterexample and return its file; OSError where that cannot be done."""
    record: dict[str, Any] = {
        "schema": SCHEMA, "target": target, "case": case, "property": property_name, "sentence": sentence[:_SENTENCE],
        "history": list(history),
    }  # fmt: skip
    name = hashlib.sha256(f"{property_name} {case} {history}".encode()).hexdigest()[:16] + ".json"
    path = folder(directory, target) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if directory.name == HIDDEN and not (ignore := directory / ".gitignore").exists():
        write_whole(ignore, "# Counterexamples of convverify, tried first next time.  Delete this file to commit them.\n*\n")
    write_whole(path, json.dumps(record, indent=1) + "\n")
    return path


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file so that it is there whole or not at all; what is there and no file, as /dev/stdout, is written to as it is."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and not path.is_file():
        path.write_bytes(data)
        return
    temporary = path.parent / f".{path.name}.{secrets.token_hex(8)}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)  # whom the umask lets read: reports are for others, too
    try:
        os.chmod(temporary, 0o666 & ~_umask())  # as any new file; mkstemp would keep others from reading it
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _umask() -> int:
    """Return the process's mask of permissions, which can be asked for only by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def read(path: Path, *, pipes: bool = False) -> dict[str, Any]:
    """Return a counterexample's record; `pipes` as for `read_text`.

    Raises ValueError, in one sentence, for a file that is not one, and for one whose cases are too large to be tried.
    """
    try:
        return _checked(parse_json(read_text(path, pipes=pipes)))
    except ValueError as error:
        raise ValueError(f"file {str(path)!r} {error}") from None


def _checked(record: Any) -> dict[str, Any]:
    """Return what a file holds where that is a record; ValueError, whose message continues a sentence, where it is not."""
    lines = [*record.get("history", ()), record.get("case")] if _is_record(record) else []
    if not lines or not all(isinstance(line, str) for line in lines):
        raise ValueError("is not a replay file of convverify")
    if record.get("schema") != SCHEMA:
        raise ValueError(f"has schema {brief(record.get('schema'))}; this version reads schema {SCHEMA}")
    work = 0
    for line in lines:
        try:
            case = Case.parse(line)
        except ValueError as error:
            raise ValueError(f"holds what is not a case: {error}") from None
        if told := too_large(case.problem):
            raise ValueError(f"holds a case that {told}: {case.problem}")
        work += work_of(case.problem, case.calls)
    if work > MOST_WORK:
        raise ValueError(
            f"holds calls of {work:.1e} multiply-adds, which is more than the {MOST_WORK:.1e} that are tried because a file says so"
        )
    checked: dict[str, Any] = record
    return checked


def _is_record(record: Any) -> bool:
    return isinstance(record, dict) and isinstance(record.get("history", []), list)


def files(directory: Path, target: str) -> list[Path]:
    """Return a target's files, in a fixed order."""
    return sorted(folder(directory, target).glob("*.json")) if folder(directory, target).is_dir() else []


def load(directory: Path, target: str) -> Iterator[Case]:
    """Yield the cases of a target's corpus; a file that cannot be read is passed over (`damaged` names it)."""
    for path in files(directory, target):
        try:
            record = read(path)
        except ValueError:
            continue
        for line in record.get("history", []):
            yield Case.parse(line)
        yield Case.parse(record["case"])


def damaged(directory: Path, target: str) -> list[str]:
    """Return a sentence for each file of the corpus that cannot be read."""
    sentences = []
    for path in files(directory, target):
        try:
            read(path)
        except ValueError as error:
            sentences.append(str(error))
    return sentences


def remove(path: str) -> None:
    """Remove a file of the corpus that another has taken the place of; one that is gone already is no error."""
    with contextlib.suppress(OSError):
        Path(path).unlink()
