"""A class for each kernel: asv averages over the parameters of a benchmark, and kernels are not to be averaged with each other."""

from __future__ import annotations

import types
from typing import Any

_PREFIXES = ("time_", "peakmem_", "track_")


class ByKernel:
    """`class Matmul(Base, kernel="matmul")` makes Base's benchmarks those of one kernel, under names that say so."""

    kernel = ""

    def __init_subclass__(cls, kernel: str = "", **extra: Any) -> None:
        super().__init_subclass__(**extra)
        if not kernel:
            return
        cls.kernel = kernel
        for name in [name for name in dir(cls) if name.startswith(_PREFIXES)]:
            shared = getattr(cls, name)
            own = types.FunctionType(shared.__code__, shared.__globals__, name, shared.__defaults__, shared.__closure__)
            own.__dict__.update(shared.__dict__)
            own.pretty_name = f"{kernel}: {shared.question}"  # type: ignore[attr-defined]  # asv reads it there
            setattr(cls, name, own)


def asks(question: str, *, unit: str, version: str = "1") -> Any:
    """Return a decorator that says what a benchmark answers, and in which unit; a new version makes older results another series."""

    def decorate(function: Any) -> Any:
        function.question, function.pretty_name, function.unit, function.version = question, question, unit, version
        return function

    return decorate
