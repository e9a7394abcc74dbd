"""A host that is started before the judge has been imported: that takes as long as loading a kernel does.

This module is imported first, and imports nothing of the judge.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TypeAlias

from .process import Host, Place

_Sought: TypeAlias = tuple[Place, str, float]
_waiting: dict[_Sought, Host] = {}


@contextlib.contextmanager
def started(target: str, python: str, memory_limit: float, *, sandbox: bool = False) -> Iterator[None]:
    """Start the host of a kernel that is named as module:function or file.py:function; end it where nobody has taken it inside.

    Nothing is started for other names, nor where the system refuses: who asks `host_for` will hear what is wrong.
    """
    host = None
    if named := place_of(target):
        sought = Place(*named, sandbox=sandbox), python, memory_limit
        with contextlib.suppress(OSError, ValueError):
            host = host_for(*sought)
            host.start()
            _waiting[sought] = host
    try:
        yield
    finally:
        if host is not None and host in _waiting.values():
            _waiting.clear()
            host.close()


def place_of(target: str) -> tuple[str, str] | None:
    """Return the module or the file, and the name in it, of a target with a colon; None for one without, or with nothing beside it."""
    place, _, attribute = target.rpartition(":")
    place = place.rstrip(":")  # as pytest writes it: file.py::function
    return (place, attribute) if place and attribute else None


def host_for(place: Place, python: str, memory_limit: float) -> Host:
    """Return a host of a kernel, started or not."""
    return _waiting.pop((place, python, memory_limit), None) or Host(place, python=python, memory_limit=memory_limit)
