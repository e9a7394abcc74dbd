"""The supervisor: starts workers, hears their events, watches their journals, and ends those that hang or eat memory."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from convverify.campaign.campaign import Task, shards_of
from convverify.campaign.events import Event, Failed, Finished, Found, Listener, Progress, ReferenceWrong, Started, from_line
from convverify.campaign.isolation.journal import Entry, Journal
from convverify.campaign.isolation.patience import patience
from convverify.campaign.isolation.processes import DISK_FULL, Tail, kill, resident_mebibytes, told_exit
from convverify.campaign.options import DEFAULT_BUDGET, Options

KERNEL, NOBODY, UNCLEAR = "kernel", "nobody", "unclear"  # who is to blame for a death

_POLL = 0.02
_LOAD_TIMEOUT = 120.0  # importing the target's module and TensorFlow, on a busy machine
_RESTARTS = 6


@dataclass
class _Worker:
    number: int
    lineage: int
    task: Task
    process: subprocess.Popen[bytes]
    tail: Tail
    journal: Journal
    events: Path
    read: int = 0
    steps: int = -1
    since: float = 0.0
    ended: bool = False
    checked: float = 0.0
    how: str = ""  # it rehearses what a worker did that died like this


class Supervisor:
    """Runs all tasks of a campaign in worker processes."""

    def __init__(
        self, options: Options, listener: Listener, blame: Callable[[str, str], str], blame_reference: Callable[[str], str]
    ) -> None:
        """`blame(case, how)` says who is to blame for a death, `blame_reference(case)` which reference a case kills by itself."""
        self.options, self.listener, self.blame, self.blame_reference = options, listener, blame, blame_reference
        self._directory = Path(tempfile.mkdtemp(prefix="convverify-"))
        (self._directory / "options.json").write_text(options.to_json())
        self._started = 0
        self._restarts = 0
        self._workers: list[_Worker] = []
        self.printed = 0
        self.warm_up = 0.0

    def run(self) -> None:
        """Run until every task has ended.  KeyboardInterrupt passes through, with the workers ended."""
        try:
            shards = shards_of(self.options)
            for number in range(min(self.options.workers, len(shards))):
                self._start(Task(tuple(shards)), lineage=number)
            while self._workers:
                time.sleep(_POLL)
                for worker in tuple(self._workers):
                    self._watch(worker)
        finally:
            self.close()

    def close(self) -> None:
        """End what still runs, and remove the run's directory."""
        for worker in self._workers:
            for event in self._events(worker):
                self.listener(event)
            kill(worker.process)
        self._workers.clear()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _start(self, task: Task, lineage: int, how: str = "") -> None:
        """Start a worker; `lineage` is the number of the first of the workers that it goes on for, or its own."""
        number = self._started
        self._started += 1
        (self._directory / f"task-{number}.json").write_text(
            json.dumps(
                {"shards": task.shards, "skip": task.skip, "max_macs": task.max_macs, "rehearsed": task.rehearsed, "lineage": lineage}
            )
        )
        journal = Journal(self._directory / f"journal-{number}", create=True)
        process = subprocess.Popen(
            [sys.executable, "-m", "convverify.campaign.isolation.worker", str(self._directory), str(number)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry), "TF_CPP_MIN_LOG_LEVEL": "3"},
        )  # fmt: skip
        assert process.stdout is not None
        tail, events = Tail(process.stdout), self._directory / f"events-{number}.jsonl"
        self._workers.append(_Worker(number, lineage, task, process, tail, journal, events, since=time.monotonic(), how=how))

    def _events(self, worker: _Worker) -> Iterator[Event]:
        try:
            with worker.events.open("rb") as file:
                file.seek(worker.read)
                data = file.read()
        except OSError:
            return
        whole = data[: data.rfind(b"\n") + 1]
        worker.read += len(whole)
        for line in whole.splitlines():
            yield from_line(line.decode())

    def _watch(self, worker: _Worker) -> None:
        gone = worker.process.poll() is not None
        self._hear(worker)
        if worker.ended or gone:
            self._end(worker)
            if not worker.ended:
                self._died(worker, told_exit(worker.process.returncode))
            elif worker.how:
                self._rehearsed(worker)
            return
        if sentence := self._exceeded(worker):
            self._end(worker)
            self._died(worker, sentence)

    def _hear(self, worker: _Worker) -> None:
        for event in self._events(worker):
            worker.ended |= isinstance(event, Finished | Failed)
            if isinstance(event, Started):
                self.warm_up = max(self.warm_up, event.warm_up)
            if worker.how and not isinstance(event, Found | Failed):
                continue  # all of it has been told before
            self.listener(replace(event, worker=worker.number) if isinstance(event, Progress) else event)

    def _end(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        kill(worker.process)
        self._hear(worker)
        self.printed += worker.tail.total

    def _exceeded(self, worker: _Worker) -> str:
        """Return which limit a worker has exceeded, in a sentence, or "".

        A first call may have to compile the kernel, and is given three times as long.
        """
        now, entry = time.monotonic(), worker.journal.read()
        if entry.steps != worker.steps:
            worker.steps, worker.since = entry.steps, now
        if now - worker.since > self.options.timeout:
            limit = self._limit(worker, entry)
            if now - worker.since > limit:
                return f"the kernel did not return within {limit:.3g} s"
        if now - worker.checked > 0.1:
            worker.checked = now
            if resident_mebibytes(worker.process.pid) > self.options.memory_limit:
                return f"the kernel used more than {self.options.memory_limit} MiB of memory"
        return ""

    def _limit(self, worker: _Worker, entry: Entry) -> float:
        if not entry.line or entry.activity == "load":
            return _LOAD_TIMEOUT
        limit = patience(self.options.timeout, entry.line, self.warm_up)
        return limit if entry.position[1] >= 0 else 3.0 * limit

    def _died(self, worker: _Worker, how: str) -> None:
        """Report the case that a dead worker was at; go on behind it where the kernel is not to blame."""
        entry = worker.journal.read()
        if not entry.line:
            loading = "loading the reference" if entry.steps else f"loading {self.options.target!r}"
            self.listener(Failed("reference" if entry.steps else "usage", f"{how} while {loading}{_last_words(worker.tail)}"))
            return
        if worker.process.returncode == DISK_FULL and entry.activity != "kernel":
            self.listener(
                Failed("internal", f"no more can be written to {str(self._directory)!r}: the disk is full, or files may not grow")
            )
            return
        rest = _rest(worker.task, entry.position)
        if entry.activity == "reference" and (reference := self.blame_reference(entry.line)):
            self.listener(ReferenceWrong(reference, entry.line, f"{how} while it computed this case"))
        else:
            blamed = self.blame(entry.line, how)
            if worker.how and blamed == UNCLEAR:
                blamed = KERNEL  # again, without references
            if blamed == UNCLEAR and entry.activity != "reference" and (reference := self.blame_reference(entry.line)):
                self.listener(ReferenceWrong(reference, entry.line, f"{how} after it had computed this case"))
            elif blamed == UNCLEAR and self.options.references and entry.position[1] > 0:
                self._start(replace(worker.task, rehearsed=entry.position), worker.lineage, how)
                return
            elif blamed != NOBODY:
                self.listener(Found(entry.line, "completes", how + _last_words(worker.tail)))
                self.listener(Finished("found"))
                self._stop_others()
                return
        self._go_on(rest, worker.lineage, how)

    def _rehearsed(self, worker: _Worker) -> None:
        """Blame the references for the death of a worker whose calls of the kernel did no harm without them, and go on behind it."""
        assert worker.task.rehearsed is not None
        line, names = worker.journal.read().line, " and ".join(self.options.references)
        self.listener(
            ReferenceWrong(self.options.references[0], line, f"{worker.how}, and not when the kernel made the same calls without {names}")
        )
        self._go_on(_rest(replace(worker.task, rehearsed=None), worker.task.rehearsed), worker.lineage, worker.how)

    def _go_on(self, rest: Task, lineage: int, how: str) -> None:
        self._restarts += 1
        if self._restarts > _RESTARTS:
            self.listener(Failed("internal", f"the worker process died {self._restarts} times; at last {how}"))
            return
        self._start(rest, lineage)

    def _stop_others(self) -> None:
        for worker in tuple(self._workers):
            self._end(worker)


def _rest(task: Task, position: tuple[int, int]) -> Task:
    """Return what is left of a task whose worker died at `position`."""
    if position[1] < 0:
        return replace(task, max_macs=DEFAULT_BUDGET)
    shards = deque(task.shards)
    while shards and shards[0][0] != position[0]:
        shards.popleft()
    return replace(task, shards=tuple(shards), skip=position[1])


def _last_words(tail: Tail) -> str:
    lines = [line.strip() for line in tail.text().splitlines() if line.strip()]
    for line in lines:
        if line.startswith("Fatal Python error:"):
            return f" ({line})"
    return f" (it last printed: {lines[-1][:160]})" if lines else ""
