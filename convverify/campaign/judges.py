"""Judges: several processes that share a campaign's shards, each with hosts of its own.

A judge asks for each shard before it begins it.  One that dies (killed by an operator, or by a system short of memory) has its shard done
again by another.  Judges are ours: what they send is trusted.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait

from convverify.campaign.assembling import LocatedKernel, host_of, kernel_in, references_of
from convverify.campaign.campaign import Campaign, shards_of
from convverify.campaign.events import Event, Failed, Finished, Listener, Progress, ReferenceWrong, Warned
from convverify.campaign.known import Known
from convverify.campaign.options import Options
from convverify.campaign.session import Session
from convverify.campaign.statistics import Statistics
from convverify.host.limits import die_with_parent, unreadable
from convverify.host.process import CannotLoad, kill
from convverify.problems.domain import ConditionError

_DEATHS = 3  # of judges, for each one that was started


@dataclass
class _Judge:
    number: int
    process: subprocess.Popen[bytes]
    link: Connection
    shard: int = -1
    finished: bool = False
    counted: Statistics = field(default_factory=Statistics)  # as of its last whole shard
    latest: Statistics = field(default_factory=Statistics)


class Judges:
    """Runs a campaign in several processes."""

    def __init__(
        self, options: Options, target: LocatedKernel, references: tuple[LocatedKernel, ...], hear: Listener, statistics: Statistics,
        known: Known,
    ) -> None:  # fmt: skip
        """What all of them count is put into `statistics`; `known` are faults that are muted."""
        self.options, self._sent, self.hear, self.statistics = options, (options, target, references, known), hear, statistics
        self._judges: list[_Judge] = []
        self._ended: list[Statistics] = []
        self._taken: set[int] = set()
        self._faults: set[tuple[str, str]] = set()
        self._deaths = 0

    def run(self) -> None:
        """Run until all shards are done, or somebody has found enough."""
        try:
            count = min(self.options.workers, len(shards_of(self.options)))
            for _ in range(count):
                self._start()
            while self._judges:
                links = {judge.link: judge for judge in self._judges}
                for link in wait(list(links)):
                    self._hear(links[link])  # type: ignore[index]
        finally:
            for judge in self._judges:
                kill(judge.process)

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(theirs.fileno())], stdin=subprocess.DEVNULL, pass_fds=(theirs.fileno(),),
            start_new_session=True, env=os.environ | {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)},
        )  # fmt: skip
        theirs.close()
        link = Connection(ours.detach())
        link.send(self._sent)
        self._judges.append(_Judge(len(self._judges), process, link))

    def _hear(self, judge: _Judge) -> None:
        try:
            message: Event | int = judge.link.recv()
        except (EOFError, OSError):
            self._gone(judge)
            return
        if isinstance(message, int):
            judge.counted = judge.latest
            free = message not in self._taken
            if free:
                self._taken.add(message)
                judge.shard = message
            judge.link.send(free)
            return
        if isinstance(message, Progress):
            judge.latest = message.statistics
            self._add_up()
            self.hear(Progress(self.statistics))
        elif isinstance(message, Finished):
            judge.latest = judge.counted = message.statistics
            judge.finished = True
            self._add_up()
            self.hear(replace(message, statistics=self.statistics))
            if message.reason == "found":
                self._stop(judge)
        elif isinstance(message, ReferenceWrong):
            key = message.reference, message.sentence.split("(")[0]
            if key not in self._faults:
                self._faults.add(key)
                self.hear(message)
        else:
            judge.finished |= isinstance(message, Failed)
            self.hear(message)

    def _gone(self, judge: _Judge) -> None:
        """Count what a judge has done; where it died, let another do its shard."""
        self._judges.remove(judge)
        kill(judge.process)
        self._ended.append(judge.latest if judge.finished else judge.counted)
        self._add_up()
        if judge.finished:
            return
        self._taken.discard(judge.shard)
        self._deaths += 1
        if self._deaths > _DEATHS * self.options.workers:
            self.hear(Failed("internal", f"processes of the campaign have died {self._deaths} times"))
            return
        self.hear(Warned("a process of the campaign was ended from outside; its work was done again by another"))
        self._start()

    def _stop(self, finder: _Judge) -> None:
        """End the others: enough has been found."""
        for judge in [judge for judge in self._judges if judge is not finder]:
            self._judges.remove(judge)
            kill(judge.process)
            self._ended.append(judge.latest)

    def _add_up(self) -> None:
        total = Statistics()
        for counted in (*self._ended, *(judge.latest for judge in self._judges)):
            total.merge(counted)
        vars(self.statistics).update(vars(total))


def main(descriptor: int) -> None:
    """Be one of the judges."""
    parent = os.getppid()
    link = Connection(descriptor)
    options, target, references, known = link.recv()
    die_with_parent(parent)
    statistics = Statistics()

    def take(shard: int) -> bool:
        emit(Progress(statistics))
        try:
            link.send(shard)
            return bool(link.recv())
        except (OSError, EOFError):
            raise SystemExit from None

    def emit(event: Event) -> None:
        try:
            link.send(event)
        except OSError:  # the process that started this judge is gone
            raise SystemExit from None

    host = host_of(target, options)
    try:
        with unreadable():
            host.start()
            consulted = references_of(options, references, statistics.times, emit)
            try:
                session = Session(host, kernel_in(host, target, options), options.timeout)
                for death in host.load_deaths:
                    emit(Warned.of_load(death))
                Campaign(options, session, consulted, emit, statistics, take, known).run()
            finally:
                consulted.close()
    except (CannotLoad, ConditionError) as error:
        emit(Failed.of(error))
    finally:
        host.close()


if __name__ == "__main__":
    main(int(sys.argv[1]))
