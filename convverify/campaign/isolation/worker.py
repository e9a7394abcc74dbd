"""The worker process: runs one task of a campaign, writes events to a file and each call to the journal.

A shard is taken by linking its file to the task of the first worker of one's line, so that it stays with those who go on for the dead.

Started as `python -m convverify.campaign.isolation.worker DIRECTORY NUMBER`.
The event file is opened for each write, so that a kernel that
closes file descriptors, or fills the standard streams, does no harm.  Where the disk takes no more, the status is DISK_FULL.
"""

from __future__ import annotations

import contextlib
import errno
import faulthandler
import json
import math
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

from convverify.campaign.campaign import Campaign, Task
from convverify.campaign.events import Event, Failed, to_line
from convverify.campaign.isolation.journal import Journal
from convverify.campaign.isolation.processes import DISK_FULL, die_with_parent
from convverify.campaign.options import Options
from convverify.judging.trial import told

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def main(directory: str, number: str) -> None:
    """Run the task that the supervisor has written down."""
    with contextlib.suppress(Exception):
        faulthandler.enable()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # nobody interrupts a worker but its kernel, and then that shall show
    die_with_parent()
    place = Path(directory)
    options = Options.from_json((place / "options.json").read_text())
    part = json.loads((place / f"task-{number}.json").read_text())
    task = Task(
        tuple((shard, count) for shard, count in part["shards"]),
        part["skip"],
        part["max_macs"],
        part["rehearsed"] and tuple(part["rehearsed"]),
    )
    events = place / f"events-{number}.jsonl"

    def emit(event: Event) -> None:
        data = (to_line(event) + "\n").encode()
        try:
            descriptor = os.open(events, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                written = os.write(descriptor, data)
            finally:
                with contextlib.suppress(OSError):
                    os.close(descriptor)
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            written = 0
        if written < len(data):
            os._exit(DISK_FULL)

    if task.rehearsed:  # the kernel's calls alone, all of them
        options = replace(options, references=(), max_time=math.inf)
    mine = place / f"task-{part['lineage']}.json"

    def take(shard: int) -> bool:
        taken = place / f"shard-{shard}"
        try:
            os.link(mine, taken)
        except FileExistsError:
            return taken.samefile(mine)
        return True

    try:
        Campaign(options, task, emit, Journal(place / f"journal-{number}"), take=take).run()
    except BaseException as error:
        emit(Failed("internal", f"the harness failed: {told(error)}"))
        raise
    finally:
        os._exit(0)  # whatever threads or exit handlers the kernel has left behind


if __name__ == "__main__":
    sys.path[0] = os.getcwd()
    main(sys.argv[1], sys.argv[2])
