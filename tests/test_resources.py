"""What a kernel's process gathers from call to call is told; what it holds from the start is not."""

from __future__ import annotations

import os
import threading

import pytest

from convverify.campaign import resources
from convverify.campaign.resources import Held, Watch

QUIET = Held(5, 2, 0, 100)


def told(monkeypatch: pytest.MonkeyPatch, before: Held, after: Held, cases: int = 2000) -> str:
    """What a watch says of a process that held `before` in its first cases and holds `after` so many later."""
    watch, held = Watch(), iter((before, after))
    monkeypatch.setattr(Held, "by", lambda pid: next(held))
    assert watch.look(7, 0) == watch.look(7, 5) == watch.look(7, 200) == watch.look(7, 300) == ""
    return watch.look(7, 200 + cases)


@pytest.mark.parametrize(
    ("after", "part"),
    [
        (Held(405, 2, 0, 100), "5 open files and then 405"),
        (Held(5, 90, 0, 100), "2 threads and then 90"),
        (Held(5, 2, 40, 100), "0 child processes and then 40"),
        (Held(5, 2, 0, 700), "100 MiB of memory and then 700"),
    ],
)
def test_what_grows_is_told(monkeypatch: pytest.MonkeyPatch, after: Held, part: str) -> None:
    assert part in told(monkeypatch, QUIET, after)


@pytest.mark.parametrize("after", [QUIET, Held(9, 4, 1, 150), Held(3, 1, 0, 20)])
def test_what_stays_about_the_same_is_not(monkeypatch: pytest.MonkeyPatch, after: Held) -> None:
    assert told(monkeypatch, QUIET, after) == ""


def test_what_grows_more_slowly_than_calls_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(monkeypatch, QUIET, Held(25, 2, 0, 100), cases=5000) == ""


def test_another_process_is_another_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch()
    monkeypatch.setattr(Held, "by", lambda pid: QUIET if pid == 7 else Held(900, 2, 0, 100))
    for pid in (7, 8):
        assert [watch.look(pid, cases) for cases in (0, 200, 400)] == ["", "", ""]
    assert resources._FIRST < 200


def test_a_process_is_seen_as_it_is() -> None:
    before = Held.by(os.getpid())
    files = [os.open(os.devnull, os.O_RDONLY) for _ in range(5)]
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    after = Held.by(os.getpid())
    stop.set()
    thread.join()
    for file in files:
        os.close(file)
    assert before is not None
    assert after is not None
    assert after.files - before.files >= 5
    assert after.threads - before.threads >= 1


def test_a_process_that_has_ended_is_not_seen() -> None:
    assert Held.by(2**22 + 1) is None
