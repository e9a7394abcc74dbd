"""Standard streams that outlast their readers: a pipe that is closed, a disk that is full or a terminal without umlauts costs no report.

What a stream cannot take is dropped from then on, so that no code that prints, even a kernel in this process, meets an error; what an
encoding cannot say is written as an escape.
"""

from __future__ import annotations

import contextlib
import errno
import io
import select
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class _Lasting(io.FileIO):
    """A descriptor that is written to as long as it takes what is written."""

    trouble: OSError | None = None

    def write(self, data: ReadableBuffer) -> int:
        """Write data, or drop them where that is not possible, and return the number of bytes that are done with."""
        while self.trouble is None:
            try:
                written = super().write(data)
                if written is not None:
                    return written
                select.select([], [self], [])  # another process has made the pipe one that does not wait
            except OSError as error:
                self.trouble = error
        return memoryview(data).nbytes


class Streams:
    """Standard output and standard error while a command runs.

    A stream without a descriptor, as in a test, stays what it is.
    """

    def __enter__(self) -> Streams:
        self._before = {"stdout": sys.stdout, "stderr": sys.stderr}
        self._raw: dict[str, _Lasting] = {}
        for name, stream in self._before.items():
            with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, or without a descriptor
                stream.flush()
                self._raw[name] = _Lasting(stream.fileno(), "w", closefd=False)
                setattr(sys, name, _text(self._raw[name], stream))
        return self

    def __exit__(self, *error: object) -> None:
        for name in self._raw:
            getattr(sys, name).flush()
        sys.stdout, sys.stderr = self._before.values()

    def trouble(self) -> OSError | None:
        """Return why standard output was not printed; None where it was, and for a reader that has had enough of it, as `head` has."""
        if "stdout" not in self._raw:
            return None
        sys.stdout.flush()
        trouble = self._raw["stdout"].trouble
        return None if trouble is None or trouble.errno == errno.EPIPE else trouble

    def drop(self) -> None:
        """Print no more to standard output: an interruption has ended a print, perhaps to a reader that does not read."""
        if "stdout" in self._raw:
            self._raw["stdout"].trouble = BrokenPipeError(errno.EPIPE, "interrupted")


def _text(raw: _Lasting, stream: TextIO) -> io.TextIOWrapper:
    return io.TextIOWrapper(
        io.BufferedWriter(raw), stream.encoding, "backslashreplace", line_buffering=getattr(stream, "line_buffering", False),
        write_through=getattr(stream, "write_through", False),
    )  # fmt: skip
