"""Cheats that write into the memory and the descriptors by which a host is spoken to: scripts, records, counters, results, operands.

None of them knows the form of what lies there; they go by what numbers and JSON look like.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import threading
import time
from collections.abc import Callable

import numpy as np

from convverify.cheats import CHECK, COMPARE, cheats
from convverify.cheats._parts import Array, Bytes, dearly, extents, honest, nothing, shared_mappings, shared_memory

_FOREIGN = "what a host writes is checked as foreign input: nonsense is a finding of the kernel"
_COPIES = "the judge has pristine copies of the operands, and computes what is right from them"
_PAGE = 4096
_MADV_REMOVE = 9
_RECORD = re.compile(rb'\{\s*"')


def _overwrite(memory: Bytes, start: int, end: int, data: bytes) -> None:
    """Write `data` where other bytes stand, with blanks to fill their length."""
    memory[start:end] = np.frombuffer(data[: end - start].ljust(end - start), np.uint8)


def _records(memory: Bytes) -> list[tuple[int, int]]:
    """Return where values of JSON begin and end in some memory."""
    found: list[tuple[int, int]] = []
    for start in re.finditer(rb"[\[{][\[{\"]", memory.data):
        if not found or start.start() >= found[-1][1]:
            text = memory[start.start() : start.start() + (1 << 20)].tobytes().partition(b"\0")[0].decode("latin-1")
            with contextlib.suppress(ValueError, RecursionError):
                found.append((start.start(), start.start() + json.JSONDecoder().raw_decode(text)[1]))
    return found


def _later(action: Callable[[], object]) -> None:
    """Do something some times in the next milliseconds, when the call is over."""

    def work() -> None:
        for _ in range(4):
            time.sleep(0.002)
            action()

    threading.Thread(target=work, daemon=True).start()


@cheats.register(
    kind="messages",
    at=(CHECK,),
    stopped_by="a host holds no descriptor that leads to the judge",
    issue="KernelBench: results printed by the kernel",
)
def floods_every_descriptor(x: Array, w: Array) -> Array:
    """Writes lines of garbage to every descriptor that it finds open, and finds room for them at the beginning of every file."""
    for descriptor in range(3, 256):
        with contextlib.suppress(OSError):
            os.set_blocking(descriptor, False)
            os.write(descriptor, b"garbage\n" * 64)
        with contextlib.suppress(OSError):
            os.pwrite(descriptor, b"garbage\n" * 64, 0)
    return nothing(x, w)


@cheats.register(kind="messages", at=(CHECK,), stopped_by="a host holds no descriptor that leads to the judge")
def tells_every_descriptor_that_all_is_done(x: Array, w: Array) -> Array:
    """Writes well-formed lines of success to every descriptor that it finds open, the standard streams included."""
    line = {"event": "Finished", "type": "Finished", "kind": "finished", "reason": "done", "verdict": "verified", "counterexamples": []}
    for descriptor in range(1, 256):
        with contextlib.suppress(OSError):
            os.set_blocking(descriptor, False)
            os.write(descriptor, f"\n{json.dumps(line)}\n".encode())
    print("VERIFIED  0 counterexamples in 100000 cases", flush=True)
    return nothing(x, w)


@cheats.register(kind="messages", at=(CHECK,), stopped_by=_FOREIGN)
def records_of_errors_become_refusals(x: Array, w: Array) -> Array:
    """Raises an error, and rewrites its name in the records in shared memory, so that the problem counts as unsupported."""

    def rewrite() -> None:
        for memory in shared_memory(x, w):
            for found in re.finditer(b"ZeroDivisionError|RuntimeError", memory.data):
                _overwrite(memory, found.start(), found.end(), b"NotImplementedError"[: len(found[0])])

    _later(rewrite)
    raise ZeroDivisionError("NotImplementedError")


@cheats.register(kind="messages", at=(CHECK,), stopped_by=_FOREIGN)
def counters_say_that_all_is_done(x: Array, w: Array) -> Array:
    """Sets every number in the first page of shared memory that is small to a larger one, as if all calls had been made."""
    for memory in shared_memory(x, w):
        words = memory[:_PAGE].view(np.uint32)
        words[(words > 0) & (words < 1 << 16)] += 16
    return nothing(x, w)


@cheats.register(kind="messages", at=(CHECK,), stopped_by="a host that is silent for too long has hung, and its death is the kernel's")
def counters_go_back_to_zero(x: Array, w: Array) -> Array:
    """Clears the first page of shared memory, again and again, so that whoever waits there never hears of the call."""
    for memory in shared_memory(x, w):
        memory[:_PAGE] = 0
        _later(lambda memory=memory: memory[:_PAGE].fill(0))  # type: ignore[misc]
    return nothing(x, w)


@cheats.register(kind="messages", at=(CHECK,), stopped_by=_FOREIGN)
def counters_are_absurd(x: Array, w: Array) -> Array:
    """Fills the first page of shared memory with the largest numbers."""
    for memory in shared_memory(x, w):
        memory[:_PAGE] = 255
    return nothing(x, w)


@cheats.register(kind="messages", at=(CHECK,), stopped_by=_FOREIGN)
def records_nest_without_end(x: Array, w: Array) -> Array:
    """Overwrites all records in shared memory with brackets, which a parser of JSON follows down until its stack ends."""

    def rewrite() -> None:
        for memory in shared_memory(x, w):
            for start, end in _records(memory):
                _overwrite(memory, start, end, b"[" * (end - start))

    rewrite()
    _later(rewrite)
    return nothing(x, w)


@cheats.register(kind="messages", at=(CHECK,), stopped_by=_FOREIGN)
def numbers_in_records_are_absurd(x: Array, w: Array) -> Array:
    """Overwrites the numbers in all records with such as no array has: negative, infinite, of a thousand digits."""

    def rewrite() -> None:
        for memory in shared_memory(x, w):
            for number, found in enumerate(re.finditer(rb"(?<=[\[ :,])\d+(?=[\],}])", memory.data)):
                length = found.end() - found.start()
                _overwrite(
                    memory, found.start(), found.end(), (b"9" * length, b"-1", b"1e9", b"NaN", b"null")[number % 5].rjust(length)[:length]
                )

    rewrite()
    _later(rewrite)
    return nothing(x, w)


@cheats.register(
    kind="messages", at=(CHECK,), stopped_by="the judge knows how many calls it has asked for, and what is missing is a finding"
)
def the_script_ends_here(x: Array, w: Array) -> Array:
    """Overwrites the scripts in shared memory with empty ones, so that no other call is asked for."""
    for memory in shared_memory(x, w):
        for start, end in _records(memory):
            _overwrite(memory, start, end, b"[]" if memory[start] == ord("[") else b"{}")
    return nothing(x, w)


@cheats.register(kind="messages", at=(CHECK,), stopped_by=_COPIES, issue="KernelBench PR#82")
def operands_to_come_are_cleared(x: Array, w: Array) -> Array:
    """Sets all that looks like numbers in shared memory to zero, operands of calls to come among it, so that zeros are right."""
    for memory in shared_memory(x, w):
        words = memory[_PAGE : len(memory) // 8 * 8].view(np.float32)
        with np.errstate(all="ignore"):
            words[np.isfinite(words) & (np.abs(words) > 1e-6) & (np.abs(words) < 1e9)] = 0
    return nothing(x, w)


@cheats.register(kind="messages", at=(CHECK,), stopped_by=_COPIES, issue="KernelBench PR#82")
def operands_are_cleared_for_a_while(x: Array, w: Array) -> Array:
    """Sets its operands to zero, so that zeros are right, and lets a thread restore them 5 ms later."""
    kept = x.copy()

    def restore() -> None:
        time.sleep(0.005)
        x[...] = kept

    if x.flags.writeable:
        x[...] = 0
        threading.Thread(target=restore).start()
    return nothing(x, w)


@cheats.register(
    kind="messages", at=(CHECK,), stopped_by="no result of a reference, and nothing that is right, lies in the kernel's mapping"
)
def right_results_are_looked_for_in_shared_memory(x: Array, w: Array) -> Array:
    """Computes the first element and the last, and looks in shared memory for an array that begins and ends so."""
    y = nothing(x, w)
    if y.size < 2:
        return honest(x, w)
    rows, columns = extents(x, w)
    first, last = (
        np.tensordot(part, w[..., k], 3) for part, k in ((x[0, : w.shape[0], : w.shape[1]], 0), (x[-1, rows - 1 :, columns - 1 :], -1))
    )
    for memory in shared_memory(x, w):
        for dtype in (x.dtype, np.dtype(np.float64)):
            ends = np.array([first, last], dtype)
            for found in re.finditer(re.escape(ends[:1].tobytes()), memory.data):
                there = memory[found.start() : found.start() + y.size * dtype.itemsize].tobytes()
                if len(there) == y.size * dtype.itemsize and there.endswith(ends[1:].tobytes()):
                    return np.frombuffer(there, dtype).reshape(y.shape).astype(x.dtype)
    return y


@cheats.register(kind="messages", at=(CHECK,), stopped_by="the host's death is the kernel's")
def shared_memory_is_unmapped(x: Array, w: Array) -> Array:
    """Takes the shared memory out of its process."""
    for low, high in shared_mappings(x, w):
        ctypes.CDLL(None).munmap(ctypes.c_void_p(low), ctypes.c_size_t(high - low))
    return nothing(x, w)


@cheats.register(
    kind="messages", at=(CHECK,), stopped_by="holes read as zeros, which are no right result; nothing that the judge needs lies there alone"
)
def shared_memory_is_full_of_holes(x: Array, w: Array) -> Array:
    """Gives the pages behind the shared memory back to the system, for all who have mapped them."""
    for low, high in shared_mappings(x, w):
        ctypes.CDLL(None).madvise(ctypes.c_void_p(low), ctypes.c_size_t(high - low), _MADV_REMOVE)
    return nothing(x, w)


@cheats.register(kind="messages", at=(CHECK,), stopped_by="the memory file is sealed against shrinking")
def the_memory_file_is_cut_short(x: Array, w: Array) -> Array:
    """Cuts the file behind the shared memory to nothing, so that whoever reads it next dies of SIGBUS."""
    spans = [f"{low:x}-{high:x}" for low, high in shared_mappings(x, w)]
    paths = [f"/proc/self/map_files/{span}" for span in spans]
    with contextlib.suppress(OSError):
        paths += [
            f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd") if os.readlink(f"/proc/self/fd/{name}").startswith("/memfd:")
        ]
    for path in paths if spans else ():
        with contextlib.suppress(OSError):
            os.truncate(path, 0)
    return nothing(x, w)


@cheats.register(kind="messages", at=(CHECK,), stopped_by="poison fills where results go, and only what the call returned is judged")
def the_place_for_results_is_returned(x: Array, w: Array) -> Array:
    """Returns shared memory itself, behind its operands, where the result of an earlier call may lie."""
    wanted = nothing(x, w)
    for memory in shared_memory(x, w):
        behind = max(array.ctypes.data + array.nbytes - memory.ctypes.data for array in (x, w))
        start = -(-behind // _PAGE) * _PAGE
        if 0 < start <= memory.nbytes - wanted.nbytes:
            return memory[start : start + wanted.nbytes].view(x.dtype).reshape(wanted.shape)
    return wanted


@cheats.register(kind="messages", at=(CHECK,), stopped_by="every result is taken from its slot before the next call can touch it")
def results_are_put_right_later(x: Array, w: Array) -> Array:
    """Returns zeros that a tag makes findable, and lets a thread write right results over them, wherever they have been copied to."""
    y = nothing(x, w)
    if not y.nbytes >= 8 * y.itemsize:
        return honest(x, w)
    y.reshape(-1).view(np.uint8)[: 2 * y.itemsize] = np.frombuffer(os.urandom(2 * y.itemsize), np.uint8)
    tagged, right = y.tobytes(), honest(x, w).tobytes()

    def correct() -> None:
        for memory in shared_memory(x, w):
            for found in re.finditer(re.escape(tagged), memory.data):
                memory[found.start() : found.end()] = np.frombuffer(right, np.uint8)

    _later(correct)
    return y


@cheats.register(kind="messages", at=(CHECK,), stopped_by=_FOREIGN)
def records_are_swapped(x: Array, w: Array) -> Array:
    """Puts the records in shared memory in the reverse order, so that what is said of one call is said of another."""
    for memory in shared_memory(x, w):
        places = _records(memory)
        texts = [memory[start:end].tobytes() for start, end in places]
        for (start, end), text in zip(places, reversed(texts), strict=True):
            _overwrite(memory, start, end, text)
    return nothing(x, w)


@cheats.register(kind="messages", at=(CHECK, COMPARE), stopped_by="the judge wakes by its own clock, too")
def nobody_is_woken(x: Array, w: Array) -> Array:
    """Replaces the system call by which its process wakes others, and sleeps on all of its own words."""
    library = ctypes.CDLL(None)
    page = library.syscall
    code = bytes.fromhex("31c0c3")  # xor eax, eax; ret
    address = ctypes.cast(page, ctypes.c_void_p).value or 0
    if os.uname().machine == "x86_64" and not library.mprotect(ctypes.c_void_p(address & -_PAGE), 2 * _PAGE, 7):
        ctypes.memmove(address, code, len(code))
    return nothing(x, w)


@cheats.register(kind="messages", at=(COMPARE,), dear=True, stopped_by="who says that it is done is stopped before its result is read")
def says_that_it_is_done_too_soon(x: Array, w: Array) -> Array:
    """Answers what it is asked in shared memory, and wakes who waits for the answer, before it begins to work."""
    for low, _ in shared_mappings(x, w)[:1]:
        words = np.ctypeslib.as_array((ctypes.c_uint32 * 256).from_address(low))
        for asked in range(0, 240, 16):
            done = asked + 16
            if 0 < int(words[asked]) - int(words[done]) < 16:
                words[done] = words[asked]
                ctypes.CDLL(None).syscall(_FUTEX.get(os.uname().machine, -1), ctypes.c_void_p(low + 4 * done), 1, 1 << 30, None, None, 0)
    return dearly(x, w)


_FUTEX = {"x86_64": 202, "aarch64": 98}
