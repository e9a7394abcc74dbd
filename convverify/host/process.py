"""The judge's side of a host: starts the process, hands it batches, and says how it ended where it did."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from collections.abc import Mapping as Mapping_
from dataclasses import dataclass, replace
from typing import IO, Any

import psutil

from . import boot
from .mapping import CALLING, TO_HOST, TO_JUDGE, Mapping
from .sandbox import outside_pid
from .standing import processor_seconds, starved_seconds
from .surroundings import surroundings
from .weighing import mebibytes_of

_POLL = 0.02
_TAIL = 8192
_OWN = 10.0  # times a limit, that a host may use of processors: beyond that it keeps them from itself
_WORD = 1 << 32
_LOADS = 3  # tries to load a kernel whose process ends meanwhile
_LARGEST = 1 << 36  # bytes that are mapped at the most; what is not touched takes no memory

EXITED, SIGNALLED, HUNG, MEMORY, LOST = "exited", "signalled", "hung", "memory", "lost"

Limit = Callable[[int, int], float]


@dataclass(frozen=True)
class Place:
    """Where a kernel is loaded from: a module or a file that ends in .py, and the dotted name in it.

    `prepare` is a function (module, name) that is called after loading: it imports what would otherwise be imported by the first call.
    `convert` is one that makes of each operand, before the clock starts, what the kernel takes in turns (see `turns`).  What nobody has
    read is loaded in a `sandbox`, or not at all.
    """

    place: str
    attribute: str
    prepare: tuple[str, str] | None = None
    convert: tuple[str, str] | None = None
    sandbox: bool = False


@dataclass(frozen=True)
class Death:
    """How a host ended: `number` is an exit status, a signal, seconds or MiB; `case` and `step` say where it was in its batch."""

    kind: str
    number: float
    case: int = 0
    step: int = 0
    calling: bool = False
    words: str = ""

    def is_like(self, other: Death) -> bool:
        """Return whether another host ended in the same way."""
        return self.kind == other.kind and (self.kind in (HUNG, MEMORY) or self.number == other.number)

    def __str__(self) -> str:
        """Return it in words."""
        if self.kind == HUNG:
            return f"the kernel did not return within {self.number:.3g} s"
        if self.kind == MEMORY:
            return f"the kernel used more than {self.number:.0f} MiB of memory"
        if self.kind == EXITED:
            return f"the process exited with status {self.number:.0f}{self.words}"
        if self.kind == LOST:
            return "the process is gone"
        try:
            name = signal.Signals(int(self.number)).name
        except ValueError:
            name = f"signal {self.number:.0f}"
        return f"the process was ended by {name}{self.words}"


@dataclass(frozen=True)
class Reply:
    """What a host has recorded of a batch, a line of JSON for each case that it has done, and how it ended where it did."""

    records: tuple[bytes, ...]
    death: Death | None = None


class CannotLoad(RuntimeError):
    """A host that cannot load its kernel; the message is one sentence."""


class EndedFromOutside(CannotLoad):
    """A host whose process ended in another way at each try, which no kernel does: somebody ends it."""


class _Patience:
    """How long one waits for a host: without the time for which it could have run and had no processor."""

    def __init__(self, root: int) -> None:
        self._root, self._starved = root, starved_seconds(root)
        self.begin()

    def begin(self) -> None:
        """Wait for something new."""
        self._since, self._used = time.monotonic(), -1.0

    def is_over(self, seconds: float) -> bool:
        """Return whether a limit is exceeded: this one, or, where many threads of its own keep the host from running, one of processor
        time, which is ten times as long and counts from when the first might have been over."""
        passed = time.monotonic() - self._since
        if passed <= seconds:
            return False
        used = processor_seconds(self._root)
        if self._used < 0:
            self._used = used
        return passed > seconds + starved_seconds(self._root) - self._starved or used - self._used > _OWN * seconds


class Host:
    """A process that holds a kernel."""

    def __init__(
        self, place: Place, *, python: str = "", memory_limit: float = float("inf"), load_timeout: float = 120.0, forks: bool = True,
        environment: Mapping_[str, str] | None = None,
    ) -> None:  # fmt: skip
        """`memory_limit` is in MiB, of what the process takes beyond the shared memory; `load_timeout` in seconds; `environment` are
        variables besides this process's own."""
        self.place, self.python, self.memory_limit, self.load_timeout = place, python or sys.executable, memory_limit, load_timeout
        self._forks, self._environment = forks, environment or {}
        _take_standard_streams()
        self.mapping, self._descriptor = map_memory()
        self.described: dict[str, Any] = {}
        self.printed = 0
        self._submitted = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._link: socket.socket | None = None
        self._tail: _Tail | None = None
        self._kept = b""
        self._child = self._child_here = 0  # as its program knows it, and, in a sandbox, as one knows it here
        self._exit: int | None = None
        self._loaded = False
        self._failure: CannotLoad | None = None
        self.load_deaths: list[Death] = []  # of processes that ended before the kernel was loaded
        self._used = self._overgrown = False  # whether it was asked for anything; whether it grew while the next batch was laid out
        self._loading: _Patience | None = None
        self._laid_out = 0
        self._weighed = 0.0
        self.beside = contextlib.ExitStack()  # what is closed with it

    # Its life.

    def another(self) -> Host:
        """Return another host of the same kernel, not started."""
        return Host(
            self.place, python=self.python, memory_limit=self.memory_limit, load_timeout=self.load_timeout, environment=self._environment
        )

    def start(self) -> None:
        """Start the process, without waiting until the kernel is loaded."""
        if self._process is not None:
            return
        ours, theirs = socket.socketpair()
        said = {
            "descriptor": self._descriptor, "size": self.mapping.size, "socket": theirs.fileno(), "place": self.place.place,
            "attribute": self.place.attribute, "fork": self._forks, "prepare": self.place.prepare, "judge": os.getpid(),
            "convert": self.place.convert,
        }  # fmt: skip
        sandbox = self.place.sandbox
        try:
            self._process = subprocess.Popen(
                boot.command(self.python, json.dumps(said), sandbox=sandbox), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, start_new_session=True, pass_fds=(self._descriptor, theirs.fileno()),
                env=surroundings(self.python, sandbox=sandbox) | dict(self._environment),
            )  # fmt: skip
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        ours.setblocking(False)
        self._link, self._kept = ours, b""
        assert self._process.stdout is not None
        self._tail = _Tail(self._process.stdout)
        self._child, self._exit, self._loaded, self._failure, self._used = 0, None, False, None, False
        self._take_stock()
        self._child_here = 0
        self._loading = _Patience(self.root)
        self.mapping.set_word(TO_JUDGE, self._submitted)
        self.mapping.set_word(TO_HOST, self._submitted)

    def ready(self, seconds: float = 0.0) -> bool:
        """Return whether the kernel is loaded, after at most `seconds`; start the process where need be.

        A process that ends meanwhile is started again: a kernel that cannot be loaded ends it in the same way each time.  Raises
        CannotLoad, in one sentence, for such a kernel; EndedFromOutside where it ends in one way, then in another.
        """
        self.start()
        deadline, earlier = time.monotonic() + seconds, len(self.load_deaths)
        while True:
            self._pump(0.0 if self._loaded else max(0.0, min(deadline - time.monotonic(), 0.1)))
            if self._failure is not None:
                raise self._failure
            if self._loaded:
                return True
            if self._is_gone():
                self.load_deaths.append(_death_of(self._wait_exit(), self._last_words()))
                self._failure = self._blame(self.load_deaths[earlier:])
                if self._failure is None:
                    self._end()
                    self.start()
            elif self._loading is not None and self._loading.is_over(self.load_timeout):
                self._failure = CannotLoad(f"{self._name} was not loaded within {self.load_timeout:g} s")
            elif time.monotonic() >= deadline:
                return False

    @property
    def _name(self) -> str:
        return f"{self.place.place}:{self.place.attribute}"

    def _blame(self, deaths: list[Death]) -> CannotLoad | None:
        """Return whose fault it is that the process ended so often before the kernel was loaded; None as long as that is to be tried."""
        if len(deaths) < _LOADS:
            return None
        last = deaths[-1]
        if all(death.is_like(last) for death in deaths):
            return CannotLoad(f"{last} while loading {self._name}")
        ways = ", ".join(dict.fromkeys(str(replace(death, words="")).removeprefix("the process ") for death in deaths))
        return EndedFromOutside(f"the process that loads {self._name} ended {len(deaths)} times, not always in the same way: it {ways}")

    def fresh(self) -> None:
        """See to it that the next batch meets a kernel that has never been called; what has been submitted is forgotten."""
        self.ready(float("inf"))
        if not self._used:
            return
        self._used = False
        if self._forks_now and not self._is_gone():
            if self._child:
                self._say({"end": True})
                deadline = time.monotonic() + 10.0
                while self._child and self._exit is None and not self._is_gone() and time.monotonic() < deadline:
                    self._pump(0.1)
            if not self._is_gone() and (self._exit is not None or not self._child):
                self._settle()
                self._take_stock()
                self._fork()
                return
        self._end()
        self.ready(float("inf"))

    def _take_stock(self) -> None:
        """Count what the shared memory has grown by so far as nobody's: who calls the kernel has not begun.

        What the last one has filled beyond its limit is given back, so that it shows if this one fills it, too.
        """
        if self._overgrown or self.grown() > self.memory_limit:
            for slot in (0, 1):
                self.mapping.release(*self.mapping.arena(slot))
        self._overgrown, self._laid_out = False, os.fstat(self._descriptor).st_blocks * 512

    def _fork(self) -> None:
        self._child, self._exit = 0, None
        self._say({"fork": True})

    def _settle(self) -> None:
        """Forget what was asked and not done: the next child begins behind it."""
        self.mapping.set_word(TO_JUDGE, self._submitted)
        self.mapping.set_word(TO_HOST, self._submitted)

    def close(self) -> None:
        """End the process and all that it has started, and what is to be closed with it."""
        self._end()
        self.beside.close()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if self._link is not None:
            self._link.close()  # a host that serves forks ends its children, and itself
            self._link = None
        if not self._forks_now:
            kill(process)
        try:
            process.wait(2.0)
        except subprocess.TimeoutExpired:
            kill(process)
        if self._tail is not None:
            self._tail.text()
            self.printed += self._tail.total
        self._used, self._loaded = False, False

    # Batches.

    @property
    def next_slot(self) -> int:
        """The slot that the next batch goes into."""
        return (self._submitted + 1) % 2

    @property
    def is_idle(self) -> bool:
        """Whether all that was submitted is done."""
        return self.mapping.word(TO_JUDGE) == self._submitted

    def submit(self, script: bytes, laid_out: float = float("inf")) -> int:
        """Hand over the script of the batch in `next_slot`; return its number.  At most two may wait to be collected.

        `laid_out` is how many bytes of shared memory have been prepared for it: what came besides is who calls the kernel's.
        """
        self._used = True
        self._overgrown = self._overgrown or self.grown() - laid_out / 2**20 > self.memory_limit
        self._laid_out = os.fstat(self._descriptor).st_blocks * 512
        self._submitted = (self._submitted + 1) % _WORD
        self.mapping.write_script(self._submitted % 2, script)
        self.mapping.set_word(TO_HOST, self._submitted)
        return self._submitted

    def is_done(self, number: int) -> bool:
        """Return whether a batch that was submitted has been done."""
        return (self.mapping.word(TO_JUDGE) - number) % _WORD < _WORD // 2

    def collect(self, number: int, limit: Limit) -> Reply:
        """Wait until a batch is done, and return what was recorded; `limit(case, step)` is how long a step may take, in seconds.

        After a death nothing that was submitted will be done: `fresh` is the way on.
        """
        mapping, seen, patience = self.mapping, None, _Patience(self.root)
        death: Death | None = None
        while True:
            is_done = self.is_done(number)
            if self._takes_too_much():
                death = Death(MEMORY, self.memory_limit)
                break
            if is_done:
                break
            mapping.wait(TO_JUDGE, mapping.word(TO_JUDGE), _POLL)
            if self.is_done(number):
                continue
            if (ended := self.ended()) is not None:
                death = None if self.is_done(number) else ended
                break
            if (state := mapping.state()) != seen:
                seen = state
                patience.begin()
            elif patience.is_over(seconds := limit(state[1], state[2])):
                death = Death(HUNG, seconds)
                break
        records = tuple(mapping.records(number % 2))
        if death is None:
            return Reply(records)
        batch, case, step, activity, _ = mapping.state()
        if batch != number:
            case, step, activity = 0, 0, 0
        return Reply(records, Death(death.kind, death.number, case, step, activity == CALLING, death.words))

    def ended(self) -> Death | None:
        """Return how who calls the kernel has ended, where it has."""
        self._pump(0.0)
        if self._exit is None and not self._is_gone():
            return None
        return _death_of(self._exit if self._exit is not None else self._wait_exit(), self._last_words())

    def _takes_too_much(self) -> bool:
        """Return whether who calls the kernel takes more than its limit beyond what the judge has laid out.

        Shared memory is looked at each time, processes ten times a second.
        """
        if self._overgrown or self.grown() > self.memory_limit:
            return True
        now = time.monotonic()
        if now - self._weighed < 0.1 or not self.pid:
            return False
        self._weighed = now
        return self.mebibytes() > self.memory_limit

    def mebibytes(self) -> float:
        """Return the MiB that who calls the kernel takes, with all that it has started, beyond what the judge has laid out."""
        return mebibytes_of(self.pid, but=self.file) + self.grown() if self.pid else 0.0

    @property
    def file(self) -> int:
        """The inode of the shared memory, of which a host may hold a descriptor."""
        return os.fstat(self._descriptor).st_ino

    def grown(self) -> float:
        """Return the MiB by which the shared memory has grown since the last batch: by being read, too, where nothing was."""
        return max(0, os.fstat(self._descriptor).st_blocks * 512 - self._laid_out) / 2**20

    @property
    def pid(self) -> int:
        """The process that calls the kernel; 0 where there is none yet."""
        if self._forks_now and not self._child:
            self._pump(0.5)
        if not self.place.sandbox:
            return self._child or (self._process.pid if self._process is not None and not self._forks_now else 0)
        inside = self._child or (0 if self._forks_now else 1)
        if inside and not self._child_here:
            self._child_here = outside_pid(self.root, inside)
        return self._child_here

    @property
    def root(self) -> int:
        """The process from which all of this host's descend; 0 where there is none."""
        return self._process.pid if self._process is not None else 0

    # Messages.

    @property
    def _forks_now(self) -> bool:
        return bool(self.described.get("forks"))

    def _say(self, message: dict[str, Any]) -> None:
        if self._link is not None:
            with contextlib.suppress(OSError):
                self._link.sendall((json.dumps(message) + "\n").encode())

    def _is_gone(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def _wait_exit(self) -> int | None:
        return self._process.returncode if self._process is not None else None

    def _pump(self, seconds: float) -> None:
        """Hear what the program says, for at most `seconds`; what makes no sense is passed over."""
        if self._link is None:
            time.sleep(min(seconds, 0.01))
            return
        if not select.select([self._link], [], [], seconds)[0]:
            return
        try:
            data = self._link.recv(1 << 16)
        except OSError:
            return
        if not data:
            self._link.close()  # the process has ended, or serves by itself and has closed its end
            self._link = None
            return
        *lines, self._kept = (self._kept + data).split(b"\n")
        self._kept = self._kept[-_TAIL:]
        for line in lines:
            self._understand(line)

    def _understand(self, line: bytes) -> None:
        """Take in a message, which may be anything: before the kernel is called, its module has been imported where the socket is."""
        with contextlib.suppress(ValueError, TypeError, AttributeError, KeyError, OverflowError, RecursionError):
            self._hear(json.loads(line))

    def _hear(self, message: dict[str, Any]) -> None:
        if "failed" in message and not self._loaded:
            self._failure = CannotLoad(str(message["failed"])[:2000])
        elif "loaded" in message and not self._loaded:
            self.described = dict(message["loaded"]) | {"forks": message["forks"] is True}
            self._loaded = True
            if self._forks_now:
                self._fork()
        elif "child" in message:
            child = int(message["child"])
            if 0 < child < 1 << 31:
                self._child, self._child_here = child, 0
        elif "exit" in message and int(message["of"]) == self._child:
            code = int(message["exit"])
            self._exit = code if abs(code) < 1 << 16 else None

    def _last_words(self) -> str:
        return "" if self._tail is None else self._tail.words()


def _death_of(code: int | None, words: str) -> Death:
    if code is None:
        return Death(LOST, 0)
    return Death(SIGNALLED, -code, words=words) if code < 0 else Death(EXITED, code, words=words)


def _take_standard_streams() -> None:
    """Open what is missing of the descriptors 0, 1 and 2: what got these numbers would be closed where a child gets its streams."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)


def map_memory() -> tuple[Mapping, int]:
    """Return shared memory, as large as the machine's at the most, and its file descriptor."""
    size = min(_LARGEST, 1 << (psutil.virtual_memory().total - 1).bit_length())
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("operands", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    while True:
        try:
            os.ftruncate(descriptor, size)
            mapping = Mapping(descriptor, size)
            _keep_size(descriptor)
            return mapping, descriptor
        except (OSError, ValueError, OverflowError) as error:  # a limit on address space or on files' sizes
            size //= 4
            if size < 1 << 26:
                os.close(descriptor)
                told = f"no memory can be shared with the kernel's process (see ulimit -f and ulimit -v): {error}"
                raise OSError(errno.ENOMEM, told) from None


def _keep_size(descriptor: int) -> None:
    """Let nobody shorten shared memory (Linux): whoever reads what is cut off dies of SIGBUS."""
    with contextlib.suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that descends from it, at once."""
    with contextlib.suppress(psutil.Error):
        for child in psutil.Process(process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                child.kill()
    with contextlib.suppress(OSError):
        process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(5)


class _Tail:
    """Drains a stream in a thread and keeps its last bytes, so that a process that prints megabytes neither blocks nor costs memory."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._kept, self.total, self._stream = b"", 0, stream
        self._thread = threading.Thread(target=self._drain, daemon=True)
        self._thread.start()

    def _drain(self) -> None:
        with contextlib.suppress(OSError, ValueError), self._stream:
            while data := os.read(self._stream.fileno(), 65536):
                self.total += len(data)
                self._kept = (self._kept + data)[-_TAIL:]

    def text(self) -> str:
        """Return the last of what was written."""
        self._thread.join(0.2)  # no longer: a child may keep the stream open
        return self._kept.decode("utf-8", "replace")

    def words(self) -> str:
        """Return in brackets what a process that died has last printed, or why Python says that it did."""
        lines = [line.strip() for line in self.text().splitlines() if line.strip()]
        for line in lines:
            if line.startswith("Fatal Python error:"):
                return f" ({line})"
        return f" (it last printed: {lines[-1][:160]})" if lines else ""
