"""What is free in the heap goes back to the system."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest
from command_line import surroundings

SCRIPT = """
import os

from convverify.host import heap
from convverify.host.weighing import status_of


def held():
    return status_of(os.getpid(), "RssAnon")["RssAnon"] >> 20


kept = [bytearray(60_000) for _ in range(2000)]
last = kept[-1]  # below which there are gaps alone
kept.clear()
before = held()
heap.tidy()
soon = held()
heap._last -= 60.0
heap.tidy()
print(before, soon, held())
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="malloc_trim(3) is glibc's")
def test_gaps_in_the_heap_go_back_to_the_system_now_and_then() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=surroundings(), capture_output=True, text=True, check=True)
    before, soon, after = map(int, done.stdout.split())
    assert soon > 100, done.stdout  # a moment ago is soon enough
    assert after < before - 60, done.stdout
