"""Standard output outlasts its readers, its disk and its encoding."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from convverify.cli.streams import Streams


@contextmanager
def standard_output(target: int, encoding: str = "utf-8") -> Iterator[Streams]:
    """Let `target` be the descriptor of this process's standard output, as Python opens it, while a command runs."""
    before = sys.stdout
    sys.stdout = open(target, "w", encoding=encoding, closefd=False)  # noqa: SIM115  # closed below
    try:
        with Streams() as streams:
            yield streams
    finally:
        sys.stdout.close()
        sys.stdout = before


def test_a_reader_that_has_had_enough_is_no_trouble() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with standard_output(writer) as streams:
        for _ in range(10):
            print("x" * 100_000)
            print("flushed", flush=True)
        assert streams.trouble() is None
    os.close(writer)


def test_what_came_before_the_reader_left_was_read() -> None:
    reader, writer = os.pipe()
    with standard_output(writer) as streams:
        print("first", flush=True)
        assert os.read(reader, 100) == b"first\n"
        os.close(reader)
        print("second", flush=True)
        assert streams.trouble() is None
    os.close(writer)


def test_a_full_disk_is_told_in_the_end() -> None:
    with open("/dev/full", "w") as full, standard_output(full.fileno()) as streams:
        print("x", flush=True)
        print("y")
        trouble = streams.trouble()
    assert trouble is not None
    assert trouble.strerror == "No space left on device"


@pytest.mark.parametrize(("encoding", "said"), [("ascii", b"gr\\xf6\\xdfe \\u2603\n"), ("latin-1", b"gr\xf6\xdfe \\u2603\n")])
def test_what_an_encoding_cannot_say_is_an_escape(tmp_path: Path, encoding: str, said: bytes) -> None:
    with (tmp_path / "out").open("wb") as file, standard_output(file.fileno(), encoding):
        print("größe ☃")
    assert (tmp_path / "out").read_bytes() == said


def test_a_pipe_that_does_not_wait_is_waited_for() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    found: list[bytes] = []

    def read() -> None:
        time.sleep(0.05)  # until the pipe is full
        while data := os.read(reader, 1 << 20):
            found.append(data)

    thread = threading.Thread(target=read)
    thread.start()
    with standard_output(writer) as streams:
        print("x" * 1_000_000)
        assert streams.trouble() is None
    os.close(writer)
    thread.join()
    assert b"".join(found) == b"x" * 1_000_000 + b"\n"


def test_after_an_interrupted_print_no_more_is_printed() -> None:
    reader, writer = os.pipe()
    with standard_output(writer) as streams:
        sys.stdout.write("begun")
        streams.drop()
    os.close(writer)
    assert os.read(reader, 100) == b""


def test_a_stream_without_a_descriptor_stays_what_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    before: Any = sys.stdout
    with Streams() as streams:
        assert sys.stdout is before
        print("heard")
        assert streams.trouble() is None
    assert capsys.readouterr().out == "heard\n"


def test_a_closed_stream_is_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    with Streams() as streams:
        print("lost")
        assert streams.trouble() is None
