"""Calls: carry out a script, and record what came of each step.

A script is JSON: {"cases": [{"operands": [...], "steps": [...]}]}.  An operand says where it lies and what its array looks like; a step
calls the kernel, changes an operand in place, calls from several threads at once, or asks the condition of the kernel's domain about a
problem.  Results are copied into the shared memory within the call: it is over when the bytes are there.  After a step that raised, or
that wrote to its operands, the rest of a case is left out.
"""

from __future__ import annotations

import ctypes
import json
import linecache
import sys
import threading
from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np

from .loading import where_of
from .mapping import CALLING, PAGE, PREPARING, Mapping
from .posed import Problem
from .turns import take_turns

_ndarray = np.ndarray
_PLAIN = (list, tuple, dict, set, str, bytes, int, float, complex, type(None))
_TEXT, _FRAMES, _BASES = 300, 8, 12
_RETAINED = 256  # results of earlier calls at the most that are looked at again
_KEPT, _KEPT_BYTES = 16, 1 << 18  # results that are kept for good, and as many of the latest; bytes that one of them may hold


def dtype_of(name: str) -> Any:
    """Return the dtype called `name`; bfloat16 comes from ml_dtypes."""
    if name == "bfloat16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(name)


class Operand:
    """An operand of a case: the array that the kernel gets, and its memory as it was."""

    def __init__(self, mapping: Mapping, said: dict[str, Any]) -> None:
        self.first, self.size = said["at"], said["size"]
        self._shared = np.frombuffer(mapping.buffer, np.uint8, self.size, self.first) if self.size else np.empty(0, np.uint8)
        dtype = dtype_of(said["dtype"])
        shape, strides = tuple(said["shape"]), tuple(said["strides"])
        if said["owner"] is not None:
            owner = np.empty(tuple(said["owner"]), dtype)
            self.memory = owner.reshape(-1).view(np.uint8)
            self.memory[...] = self._shared
            whole = owner.shape == shape and owner.strides == strides
            view = owner if whole else np.ndarray(shape, dtype, owner, said["start"], strides)
        else:
            self.memory = self._shared
            view = np.ndarray(shape, dtype, mapping.buffer, self.first + said["start"], strides)
        view.flags.writeable = said["writeable"]
        self.array = view
        self.before = self.memory.tobytes()
        self._form = self._now()

    def _now(self) -> tuple[Any, ...]:
        array = self.array
        return array.shape, array.strides, array.dtype, array.flags.writeable

    def written(self) -> str:
        """Return "form" where the array has got another shape, strides or flags, "bytes" where its memory has changed, or ""."""
        if self._now() != self._form:
            return "form"
        return "bytes" if self.memory.tobytes() != self.before else ""

    def put(self, source: Any) -> None:
        """Put other bytes into the operand's memory."""
        self.memory[...] = source
        self.before = self.memory.tobytes()

    def show(self) -> None:
        """Let the judge see the memory of an operand that owns it."""
        if self.memory is not self._shared:
            self._shared[...] = self.memory


class Runner:
    """Carries out scripts with one kernel."""

    def __init__(
        self, mapping: Mapping, function: Callable[..., Any], passes: tuple[type[BaseException], ...] = (),
        convert: Callable[[Any], Any] | None = None,
    ) -> None:  # fmt: skip
        """`passes` are exceptions that are not the kernel's, and are let through; `convert` makes of an operand what the kernel takes."""
        self.mapping, self.function, self.passes, self.convert = mapping, function, passes, convert
        self.calls = 0
        self._place = (0, 0, 0)
        self._fenced: list[tuple[int, int]] = []
        self._kept: list[tuple[int, Any, bytes]] = []
        self._lock = threading.Lock()

    def run(self, batch: int, slot: int) -> None:
        """Carry out the script in a slot, and record each case when it is done."""
        script = json.loads(self.mapping.script(slot))
        try:
            for number, case in enumerate(script["cases"]):
                record = self._case(batch, number, case)
                self.mapping.append_record(slot, json.dumps(record).encode())
        finally:
            self._open_fences()

    def _case(self, batch: int, number: int, case: dict[str, Any]) -> list[Any]:
        mapping = self.mapping
        mapping.set_state(batch, number, 0, PREPARING, self.calls)
        for first, length in case.get("fences", ()):
            self._fence(first, length)
        operands = [Operand(mapping, said) for said in case["operands"]]
        held: list[tuple[int, Any, bytes]] = []
        record: list[Any] = []
        for step, (kind, said) in enumerate(case["steps"]):
            self._place = (batch, number, step)
            if kind == "call":
                outcome = self._call(operands, said, held)
            elif kind == "threads":
                outcome = self._at_once(operands, said)
            elif kind == "turns":
                outcome = self._turns(said)
            elif kind == "where":
                outcome = self._inside(said)
            else:
                for operand, first in said:
                    memory = operands[operand]
                    memory.put(np.frombuffer(mapping.buffer, np.uint8, memory.size, first))
                outcome = {}
            record.append(outcome)
            mapping.set_state(batch, number, step + 1, PREPARING, self.calls)
            if outcome.get("written") or ("error" in outcome and not said.get("may_fail")):
                break
        for operand in operands:
            operand.show()
        return record

    def _turns(self, said: dict[str, Any]) -> dict[str, Any]:
        mapping = self.mapping
        dtype = dtype_of(said["dtype"])
        x, w = (np.ndarray(tuple(shape), dtype, mapping.buffer, first) for first, shape in (said["x"], said["w"]))
        arguments = {name: _argument(value) for name, value in said["args"].items()}
        mapping.set_state(*self._place, CALLING, self.calls)

        def call(x: Any, w: Any) -> tuple[dict[str, Any], Any]:
            try:
                raw = self.function(x, w, **arguments)
                array = _as_array(raw)
                if array is None:
                    return {"type": _name_of(type(raw))}, raw
                copied = self._copy(array, said["out"], said["room"])
            except BaseException as error:
                return {"error": told(error)}, None
            return {
                "type": _name_of(type(raw)),
                "shape": array.shape,
                "dtype": array.dtype.name if array.dtype.isnative else array.dtype.str,
                "copied": copied,
            }, (raw, array)

        def show(outcome: dict[str, Any]) -> None:
            mapping.append_record(self._place[0] % 2, json.dumps(outcome | {"seconds": 0.0}).encode())

        with np.errstate(all="ignore"):
            take_turns(mapping, (x, w), np.ndarray(said["size"], np.uint8, mapping.buffer, said["out"]), self.convert, call, show)
        return {}

    def _inside(self, said: dict[str, Any]) -> dict[str, Any]:
        """Ask the condition of the kernel's domain about a problem."""
        self._count()
        try:
            condition = where_of(self.function)
            answer = condition(Problem(said)) if condition is not None else None
            return {"inside": bool(answer)} if isinstance(answer, (int, np.bool_)) else {"type": _name_of(type(answer))}
        except self.passes:
            raise
        except BaseException as error:
            return {"error": told(error)}

    def _call(self, operands: list[Operand], said: dict[str, Any], held: list[tuple[int, Any, bytes]]) -> dict[str, Any]:
        used = operands[said["x"]], operands[said["w"]]
        arguments = {name: _argument(value) for name, value in said["args"].items()}
        extra = [operands[number].array for number in said.get("more", ())]
        for _ in range(said.get("before", 0)):
            try:
                with np.errstate(all="ignore"):
                    self._count()
                    self.function(used[0].array, used[1].array, *extra, **arguments)
            except self.passes:
                raise
            except BaseException as error:
                return {"error": told(error)}
        outcome, array = self._one(used, extra, arguments, said)
        if "error" in outcome:
            return outcome
        outcome["written"] = [letter + ":" + how for letter, operand in zip("xw", used, strict=True) if (how := operand.written())]
        if array is not None:
            bounds = _bounds(array)
            outcome["overlaps"] = [letter for letter, operand in zip("xw", used, strict=True) if _meet(bounds, _bounds(operand.memory))]
            outcome["shares"] = [
                number for number, earlier, _ in held if _meet(bounds, _bounds(earlier)) and bool(np.shares_memory(array, earlier))
            ]
        outcome["changed"] = [number for number, earlier, content in held if earlier.tobytes() != content]
        if said.get("hold") and array is not None and len(held) < _RETAINED:
            held.append((self._place[2], array, array.tobytes()))
        if "keep" in said:
            outcome["spoiled"] = [number for number, earlier, content in self._kept if earlier.tobytes() != content]
            if said["keep"] and array is not None and not outcome["overlaps"] and _owner(array).nbytes <= _KEPT_BYTES:
                del self._kept[_KEPT : len(self._kept) - _KEPT + 1]
                self._kept.append((said["keep"], array, array.tobytes()))
        return outcome

    def _one(
        self, used: tuple[Operand, Operand], extra: list[Any], arguments: dict[str, Any], said: dict[str, Any]
    ) -> tuple[dict[str, Any], Any]:
        """Call once; return the record and the result as an array, where it is one."""
        self._count()
        start = perf_counter()
        try:
            with np.errstate(all="ignore"):
                raw = self.function(used[0].array, used[1].array, *extra, **arguments)
                array = _as_array(raw)
                if array is not None:
                    copied = self._copy(array, said["out"], said["room"])
        except self.passes:
            raise
        except BaseException as error:
            return {"error": told(error), "seconds": perf_counter() - start}, None
        seconds = perf_counter() - start
        outcome: dict[str, Any] = {"type": _name_of(type(raw)), "seconds": seconds}
        if array is not None:
            outcome |= {"shape": array.shape, "dtype": array.dtype.name if array.dtype.isnative else array.dtype.str, "copied": copied}
        return outcome, array

    def _count(self) -> None:
        with self._lock:
            self.calls += 1
            self.mapping.set_state(*self._place, CALLING, self.calls)

    def _copy(self, array: Any, first: int, room: int) -> bool:
        """Copy a result into the shared memory, in C order; return whether it could be."""
        if array.dtype.hasobject or array.nbytes > room:
            return False
        place = np.ndarray(array.shape, array.dtype, self.mapping.buffer, first)
        np.copyto(place, array)
        return True

    def _at_once(self, operands: list[Operand], said: dict[str, Any]) -> dict[str, Any]:
        """Call from several threads at once; each job is a series of calls."""
        jobs = said["jobs"]
        barrier = threading.Barrier(len(jobs))
        records: list[list[Any]] = [[] for _ in jobs]

        def work(job: list[dict[str, Any]], record: list[Any]) -> None:
            barrier.wait()
            for call in job:
                used = operands[call["x"]], operands[call["w"]]
                arguments = {name: _argument(value) for name, value in call["args"].items()}
                outcome, _ = self._one(used, [operands[number].array for number in call.get("more", ())], arguments, call)
                record.append(outcome)
                if "error" in outcome:
                    return

        threads = [threading.Thread(target=work, args=pair, daemon=True) for pair in zip(jobs, records, strict=True)]
        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)  # threads take turns at nearly every bytecode, so that a race has its chance on small problems
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            sys.setswitchinterval(interval)
        return {"threads": records}

    # Pages that nobody may touch.

    def _fence(self, first: int, length: int) -> None:
        self._fenced.append((first, length))
        _protect(self.mapping.address + first, length, 0)

    def _open_fences(self) -> None:
        for first, length in self._fenced:
            _protect(self.mapping.address + first, length, 3)
        self._fenced.clear()


def _protect(address: int, length: int, how: int) -> None:
    assert length % PAGE == 0
    if ctypes.CDLL(None, use_errno=True).mprotect(ctypes.c_void_p(address), ctypes.c_size_t(length), how):
        raise OSError(ctypes.get_errno(), "mprotect failed")


def _argument(value: Any) -> Any:
    """Return an argument as kernels take it: pairs are tuples, pads are lists of lists."""
    return tuple(value) if isinstance(value, list) and not any(isinstance(item, list) for item in value) else value


def _as_array(raw: Any) -> Any:
    """Return a result as an array, or None where it is nothing of the kind; raises what a conversion raises."""
    if not issubclass(type(raw), _ndarray):
        if isinstance(raw, _PLAIN):
            return None
        raw = np.asarray(raw)
        if raw.dtype == object and raw.ndim == 0:
            return None
    return raw if type(raw) is _ndarray else _ndarray.view(raw, _ndarray)  # what it is, whatever its class says that it is


def _bounds(array: Any) -> tuple[int, int]:
    """Return the addresses between which an array's elements lie."""
    first = last = array.__array_interface__["data"][0]
    if not array.size:
        return first, first
    for extent, stride in zip(array.shape, array.strides, strict=True):
        if stride < 0:
            first += (extent - 1) * stride
        else:
            last += (extent - 1) * stride
    return first, last + array.itemsize


def _owner(array: Any) -> Any:
    """Return the array whose memory an array is a part of."""
    while isinstance(array.base, _ndarray):
        array = array.base
    return array


def _meet(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _name_of(kind: type) -> str:
    return str(getattr(kind, "__name__", "?"))[:80]


def told(error: BaseException) -> dict[str, Any]:
    """Return an exception as plain data: its classes' names, its message, and where it was raised; it may refuse even to be printed."""
    try:
        text = " ".join(str(error).split())[:_TEXT]
    except BaseException:
        text = "(its message cannot be read)"
    frames = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if trace.tb_frame.f_globals.get("__name__") != __name__:
            source = linecache.getline(code.co_filename, trace.tb_lineno).strip()
            frames.append([code.co_filename, trace.tb_lineno, code.co_name, source[:160]])
        trace = trace.tb_next
    names = [_name_of(kind) for kind in type(error).__mro__[:_BASES]]
    return {"classes": names, "text": text, "frames": frames[-_FRAMES:]}
