"""A problem as a condition sees it that runs where its kernel does: the attributes of the judge's `Problem`, and nothing to compute."""

from __future__ import annotations

from typing import Any


class Problem:
    """What the judge says of a problem, to be read: extents, strides, pads, `output_shape`, and so on."""

    def __init__(self, said: dict[str, Any]) -> None:
        """`said` holds the attributes by name, and the problem's line as `line`."""
        vars(self).update({name: value if name == "tf_padding" else _tuples(value) for name, value in said.items()})

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a problem is to be read: {name} cannot be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a problem is to be read: {name} cannot be deleted")

    def __str__(self) -> str:
        return str(vars(self)["line"])

    __repr__ = __str__


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
