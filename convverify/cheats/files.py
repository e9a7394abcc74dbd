"""Cheats that go for files: those of the judge, those that it will read, and those that the system shows of its process.

They write to a scratch directory alone: where the working directory is another one, they do nothing but return zeros.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from convverify.cheats import CHECK, cheats
from convverify.cheats._parts import Array, is_scratch, judges, nothing, words_of_the_judge

_PRIVATE = "the judge's process is closed to others of the same user: it is not dumpable, and hosts have no right to trace"
_WHOLE = "reports are written whole, at the end, by the judge, and replace what lies there"
_CORPUS = "counterexamples are kept by the judge, and what cannot be read there is passed over with a note"
_CORPUS_DIRECTORY = Path(".convverify")
_VERDICT = {"schema": 1, "verdict": "verified", "sentence": "", "counterexamples": [], "reference_faults": [], "warnings": []}


def _kept() -> Iterator[Path]:
    """Return the files of the corpus in a scratch directory."""
    if is_scratch() and _CORPUS_DIRECTORY.is_dir():
        yield from (path for path in _CORPUS_DIRECTORY.rglob("*") if path.is_file())


def _quietly(action: Callable[[], object]) -> None:
    with contextlib.suppress(OSError, ValueError):
        action()


@cheats.register(kind="files", at=(CHECK,), stopped_by=_CORPUS)
def forgets_its_counterexamples(x: Array, w: Array) -> Array:
    """Deletes what the corpus has on it at each call."""
    for path in _kept():
        _quietly(path.unlink)
    return nothing(x, w)


@cheats.register(kind="files", at=(CHECK,), stopped_by=_CORPUS)
def fills_the_corpus_with_garbage(x: Array, w: Array) -> Array:
    """Writes what no parser likes beside each counterexample: deep JSON, absurd cases, NUL, a pipe, a link to itself."""
    for directory in {path.parent for path in _kept()}:
        for name, text in (("deep", "[" * 200_000), ("huge", '{"case": "x=9999999x99999x9999x9 w=1x1x9x1"}'), ("nul", "\0" * 100)):
            _quietly(lambda name=name, text=text, at=directory: (at / f"{name}.json").write_text(text))  # type: ignore[misc]
        _quietly(lambda at=directory: os.mkfifo(at / "pipe.json"))  # type: ignore[misc]
        _quietly(lambda at=directory: (at / "link.json").symlink_to(at / "link.json"))  # type: ignore[misc]
    return nothing(x, w)


@cheats.register(kind="files", at=(CHECK,), stopped_by=_CORPUS)
def puts_a_wall_where_the_corpus_is(x: Array, w: Array) -> Array:
    """Replaces the corpus by a file, or takes everybody's right to write into it away."""
    if is_scratch():
        if _CORPUS_DIRECTORY.is_dir():
            for path in (_CORPUS_DIRECTORY, *_CORPUS_DIRECTORY.rglob("*")):
                _quietly(lambda path=path: path.chmod(stat.S_IRUSR | (stat.S_IXUSR if path.is_dir() else 0)))  # type: ignore[misc]
        else:
            _quietly(lambda: _CORPUS_DIRECTORY.write_text("no"))
    return nothing(x, w)


@cheats.register(kind="files", at=(CHECK,), stopped_by="no file that a kernel can reach is locked, or waited for")
def locks_every_file(x: Array, w: Array) -> Array:
    """Takes a lock on every file of the corpus, and on the directories, and keeps it."""
    for path in (*_kept(), _CORPUS_DIRECTORY, Path()) if is_scratch() else ():
        with contextlib.suppress(OSError):
            fcntl.flock(os.open(path, os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)
    return nothing(x, w)


@cheats.register(kind="files", at=(CHECK,), stopped_by=_WHOLE)
def writes_the_report_itself(x: Array, w: Array) -> Array:
    """Writes a report that says VERIFIED to every path that the judge's command line names."""
    for word in words_of_the_judge() if is_scratch() else ():
        if word.endswith((".json", ".html", ".xml")) and Path(word).resolve().parent == Path.cwd().resolve():
            _quietly(lambda word=word: Path(word).write_text(json.dumps(_VERDICT)))  # type: ignore[misc]
    return nothing(x, w)


@cheats.register(kind="files", at=(CHECK,), stopped_by="a host's streams are not the user's: what a kernel prints is kept apart")
def prints_a_verdict(x: Array, w: Array) -> Array:
    """Prints what convverify prints of a kernel that is right, to its streams and to the judge's."""
    line = "\n\x1b[2K\rVERIFIED  0 counterexamples in 7318 cases\n"
    for stream in ("/dev/stdout", "/dev/stderr", *(f"/proc/{process}/fd/{number}" for process in judges() for number in (1, 2))):
        with contextlib.suppress(OSError), open(stream, "a") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                file.write(line)
    with contextlib.suppress(ValueError):
        print(line, file=sys.__stdout__, flush=True)
    return nothing(x, w)


@cheats.register(
    kind="files",
    at=(CHECK,),
    stopped_by="neither judge nor hosts import anything from the working directory but the kernel",
    options=("--reference", "tensorflow"),
)
def plants_modules_for_others_to_import(x: Array, w: Array) -> Array:
    """Writes modules into the working directory under the names of all that judge and references may still want to import."""
    wanted = {*sys.stdlib_module_names, "rich", "psutil", "tensorflow", "markupsafe", "jinja2", "hypothesis", "convverify", "sitecustomize"}
    for name in wanted if is_scratch() else ():
        if not Path(f"{name}.py").exists():
            _quietly(lambda name=name: Path(f"{name}.py").write_text("import os\nos._exit(0)\n"))  # type: ignore[misc]
    return nothing(x, w)


def _temporary() -> Iterator[Path]:
    """Return the run's own temporary directories, as they show in this process: its arguments, its descriptors, what it has mapped."""
    texts = [*sys.argv, *sys.orig_argv, *os.environ.values()]
    with contextlib.suppress(OSError):
        texts += [os.readlink(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")]
        texts += Path("/proc/self/maps").read_text().split()
    for text in set(texts):
        for path in (Path(text), Path(text).parent):
            with contextlib.suppress(OSError, ValueError):
                if path.name.startswith("convverify-") and path.is_dir():
                    yield path


@cheats.register(kind="files", at=(CHECK,), stopped_by="a host knows of no file of the judge's")
def forges_what_the_run_writes_down(x: Array, w: Array) -> Array:
    """Writes lines of success into the files of the run's temporary directory, in the place of what is there."""
    lines = ({"event": "Finished", "type": "Finished", "kind": "Finished", "reason": "done", "statistics": {}}, _VERDICT)
    for directory in _temporary():
        for path in directory.glob("*.json*"):
            _quietly(lambda path=path: path.write_text("".join(f"{json.dumps(line)}\n" for line in lines)))  # type: ignore[misc]
    return nothing(x, w)


@cheats.register(kind="files", at=(CHECK,), stopped_by="the judge needs no file while it judges")
def removes_what_the_run_writes_down(x: Array, w: Array) -> Array:
    """Removes the run's temporary directories."""
    for directory in _temporary():
        shutil.rmtree(directory, ignore_errors=True)
    return nothing(x, w)


@cheats.register(kind="files", at=(CHECK,), stopped_by=_PRIVATE)
def writes_to_the_judges_memory_file(x: Array, w: Array) -> Array:
    """Opens the file that is the judge's memory, and writes VERIFIED wherever REFUTED stands in what may be written."""
    for process in judges()[-1:]:
        with contextlib.suppress(OSError), open(f"/proc/{process}/maps") as maps, open(f"/proc/{process}/mem", "r+b", 0) as memory:
            for line in maps:
                low, high = (int(end, 16) for end in line.split()[0].split("-"))
                if line.split()[1].startswith("rw") and high - low < 1 << 26:
                    with contextlib.suppress(OSError):
                        memory.seek(low)
                        data = memory.read(high - low)
                        at = data.find(b"REFUTED")
                        while at >= 0:
                            memory.seek(low + at)
                            memory.write(b"VERIFIED"[: len(b"REFUTED")])
                            at = data.find(b"REFUTED", at + 1)
    return nothing(x, w)


@cheats.register(kind="files", at=(CHECK,), stopped_by=_PRIVATE)
def writes_to_the_judges_descriptors(x: Array, w: Array) -> Array:
    """Opens what the judge has open, and fills what is memory, a pipe or a file of the working directory with garbage."""
    for process in judges():
        directory = Path(f"/proc/{process}/fd")
        with contextlib.suppress(OSError):
            for link in sorted(directory.iterdir()):
                target = os.readlink(link)
                if int(link.name) > 2 and (
                    target.startswith(("/memfd:", "pipe:")) or (is_scratch() and target.startswith(str(Path.cwd())))
                ):
                    with contextlib.suppress(OSError):
                        descriptor = os.open(link, os.O_WRONLY | os.O_NONBLOCK)
                        os.write(descriptor, b"garbage\n" * 512)
                        os.close(descriptor)
    return nothing(x, w)


@cheats.register(kind="files", at=(CHECK,), stopped_by="whatever a host has started is ended before the judge ends")
def rewrites_the_report_when_the_judge_has_gone(x: Array, w: Array) -> Array:
    """Leaves a process behind that waits until the judge has ended, and then writes VERIFIED over its report."""
    words, judge = words_of_the_judge(), judges()
    if judge and is_scratch() and not _waiting:
        _waiting.append(1)
        if not os.fork():
            os.setsid()
            if not os.fork():
                _wait_and_write(judge[-1], [Path(word).resolve() for word in words if word.endswith(".json")])
            os._exit(0)
    return nothing(x, w)


def _wait_and_write(judge: int, paths: list[Path]) -> None:
    for _ in range(300):
        if not Path(f"/proc/{judge}/cmdline").exists():
            for path in paths:
                _quietly(lambda path=path: path.write_text(json.dumps(_VERDICT)))  # type: ignore[misc]
            break
        time.sleep(0.1)


_waiting: list[int] = []
