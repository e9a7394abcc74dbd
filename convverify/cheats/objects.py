"""Cheats whose result is an object that does something when it is looked at, converted, compared, pickled or thrown away."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import numpy as np

from convverify.cheats import CHECK, COMPARE, cheats
from convverify.cheats._parts import Array, dearly, honest, nothing

_BYTES = "the clock stops when the result's bytes are in the judge's memory"
_PLAIN = "a result is converted once, within the call, and then is bytes"
_GUIDE = "gpu-mode/reference-kernels#162"


class _Lazy:
    """A result that is computed when somebody asks for an array."""

    def __init__(self, x: Array, w: Array) -> None:
        self.x, self.w = x, w

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return dearly(self.x, self.w).astype(dtype or self.x.dtype, copy=False)


@cheats.register(kind="objects", at=(COMPARE,), dear=True, stopped_by=_BYTES, issue=_GUIDE)
def computes_when_converted(x: Array, w: Array) -> Any:
    """Returns an object that computes in its method __array__."""
    return _Lazy(x, w)


class _Shaped(_Lazy):
    """The same, that looks like an array until its elements are wanted."""

    @property
    def __class__(self) -> Any:
        return np.ndarray

    @__class__.setter
    def __class__(self, value: Any) -> None:
        raise TypeError

    def __getattr__(self, name: str) -> Any:
        return getattr(nothing(self.x, self.w), name)


@cheats.register(kind="objects", at=(COMPARE,), dear=True, stopped_by=_BYTES, issue=_GUIDE)
def looks_like_an_array_until_converted(x: Array, w: Array) -> Any:
    """Returns an object that says that it is an ndarray, answers for shape and dtype, and computes when its elements are wanted."""
    return _Shaped(x, w)


class _Interface(_Lazy):
    __array__ = None  # type: ignore[assignment]

    @property
    def __array_interface__(self) -> dict[str, Any]:
        self.y = dearly(self.x, self.w)
        return self.y.__array_interface__


@cheats.register(kind="objects", at=(COMPARE,), dear=True, stopped_by=_BYTES)
def computes_when_its_address_is_asked_for(x: Array, w: Array) -> Any:
    """Returns an object that computes in its property __array_interface__."""
    return _Interface(x, w)


class _Exchanged(_Lazy):
    def __dlpack__(self, **named: Any) -> Any:
        return dearly(self.x, self.w).__dlpack__()

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0

    def __buffer__(self, flags: int) -> memoryview:
        return memoryview(dearly(self.x, self.w))  # type: ignore[arg-type]


@cheats.register(kind="objects", at=(COMPARE,), dear=True, stopped_by=_BYTES)
def computes_when_exchanged(x: Array, w: Array) -> Any:
    """Returns an object that computes when it is exchanged, as a buffer or by DLPack."""
    return _Exchanged(x, w)


class _Deferred(np.ndarray[Any, Any]):
    """An array whose elements are computed when any function of NumPy is applied to it."""

    operands: tuple[Array, Array]

    def _now(self) -> Array:
        plain = self.view(np.ndarray)
        if hasattr(self, "operands"):
            plain[...] = dearly(*self.operands)
            del self.operands
        return plain

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **named: Any) -> Any:
        return getattr(ufunc, method)(*(one._now() if isinstance(one, _Deferred) else one for one in inputs), **named)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return function(*(one._now() if isinstance(one, _Deferred) else one for one in args), **kwargs)

    def __getitem__(self, key: Any) -> Any:
        return self._now()[key]

    def tobytes(self, order: Any = "C") -> bytes:
        return self._now().tobytes(order)

    def astype(self, *given: Any, **named: Any) -> Any:
        return self._now().astype(*given, **named)

    def transpose(self, *axes: Any) -> Any:
        return self._now().transpose(*axes)


@cheats.register(kind="objects", at=(COMPARE,), dear=True, stopped_by=_BYTES, issue=_GUIDE)
def computes_when_first_used(x: Array, w: Array) -> Array:
    """Returns an array of a class of its own, which computes when a function of NumPy is first applied to it."""
    y = nothing(x, w).view(_Deferred)
    y.operands = x, w
    return y


class _Changing(_Lazy):
    """An object that is right whenever it is converted but for the first time."""

    asked = 0

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        self.asked += 1
        return honest(self.x, self.w) if self.asked > 1 else nothing(self.x, self.w)


@cheats.register(kind="objects", at=(CHECK,), stopped_by=_PLAIN)
def is_right_when_asked_again(x: Array, w: Array) -> Any:
    """Returns an object that converts to zeros the first time, and to the right result for whoever looks again."""
    return _Changing(x, w)


class _Pickled:
    """An object that unpickles by running a program, and converts to zeros."""

    def __init__(self, y: Array) -> None:
        self.y = y

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return self.y

    def __reduce__(self) -> Any:
        return exec, ("import convverify.judging.trial as t\nt.Trial.wrong_elements = lambda self, y: y != y",)


@cheats.register(kind="objects", at=(CHECK,), stopped_by="nothing that comes from a host is unpickled")
def runs_a_program_where_it_is_unpickled(x: Array, w: Array) -> Any:
    """Returns an object that patches the judge in whatever process unpickles it."""
    return _Pickled(nothing(x, w))


@cheats.register(kind="objects", at=(CHECK,), stopped_by="nothing that comes from a host is unpickled")
def runs_a_program_where_its_error_is_unpickled(x: Array, w: Array) -> Any:
    """Raises a refusal that patches the judge in whatever process unpickles it."""

    class Refused(NotImplementedError):
        def __reduce__(self) -> Any:
            return _Pickled(x).__reduce__()

    raise Refused("unsupported")


@cheats.register(kind="objects", at=(CHECK,), stopped_by=_PLAIN)
def elements_are_objects(x: Array, w: Array) -> Any:
    """Returns an array of objects, each of which equals every number, and is one."""

    class Anything(float):
        def __eq__(self, other: object) -> bool:
            return True

        def __ne__(self, other: object) -> bool:
            return False

        __lt__ = __gt__ = __ne__
        __hash__ = float.__hash__

    y = np.empty(nothing(x, w).shape, object)
    y[...] = Anything(0)
    return y


@cheats.register(kind="objects", at=(CHECK,), stopped_by="a host says what it received, and the judge demands an array")
def returns_what_is_no_array(x: Array, w: Array) -> Any:
    """Returns NotImplemented, which is true, is no exception, and stands for what is not supported."""
    return NotImplemented


class _Dying(np.ndarray[Any, Any]):
    def __del__(self) -> None:
        for frame in sys._current_frames().values():
            for value in list(frame.f_locals.values()):
                if isinstance(value, dict):
                    value.clear()


@cheats.register(kind="objects", at=(CHECK,), stopped_by="what a host has not said is a finding of the kernel")
def clears_records_when_it_is_thrown_away(x: Array, w: Array) -> Array:
    """Returns an array that, when it is deleted, empties every dictionary that its callers are about to use."""
    return nothing(x, w).view(_Dying)


@cheats.register(kind="objects", at=(CHECK,), stopped_by="a host that dies dies in the kernel's call")
def breaks_the_count_of_references(x: Array, w: Array) -> Array:
    """Takes back references to its operands that are not its own, so that they are freed while others use them."""
    for one in (x, w):
        for _ in range(4):
            ctypes.pythonapi.Py_DecRef(ctypes.py_object(one))
    return nothing(x, w)
