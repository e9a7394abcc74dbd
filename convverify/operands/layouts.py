"""Memory layouts: where the elements of an operand lie in a buffer that is larger than they need.

A layout is a function (shape, itemsize, choices) -> Placement.  Shapes are in the axis order of the kernel under test, so that
"contiguous" means contiguous to that kernel.  What lies between and around the elements is poison: see operands.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from convverify.registry import Registry

layouts = Registry("layout", __name__)
PLAIN = "contiguous"
_SPARE = 16  # bits beyond a choice's own: no choice is more than 2**-16 more likely than another
SHARING = ("broadcast", "overlapping")  # elements share memory: operands cannot hold any values


_WORD = 1 << 64


def mixed(seed: int) -> int:
    """Return 64 well-mixed bits of a seed (Steele, Lea and Flood 2014: the output function of SplitMix64)."""
    bits = (seed + 0x9E3779B97F4A7C15) % _WORD
    bits = (bits ^ bits >> 30) * 0xBF58476D1CE4E5B9 % _WORD
    bits = (bits ^ bits >> 27) * 0x94D049BB133111EB % _WORD
    return bits ^ bits >> 31


class Choices:
    """Small random choices taken from one integer, so that a layout costs a single random number.

    Before what is left of it could favour some choices, 64 more bits follow from it.
    """

    def __init__(self, bits: int) -> None:
        self._seed = self._bits = bits
        self._left = _WORD  # how many values the bits not yet used can have

    def below(self, limit: int) -> int:
        """Return an integer from 0 to limit - 1."""
        if self._left < limit << _SPARE:
            self._seed = self._bits = mixed(self._seed)
            self._left = _WORD
        self._left //= limit
        self._bits, choice = divmod(self._bits, limit)
        return choice

    def subset(self, items: Sequence[int]) -> list[int]:
        """Return a random subset of `items` that is not empty (empty where `items` is)."""
        if not items:
            return []
        chosen = self.below(2 ** len(items) - 1) + 1
        return [item for position, item in enumerate(items) if chosen >> position & 1]

    def shuffled(self, items: Sequence[int]) -> list[int]:
        """Return `items` in a random order."""
        pool = list(items)
        return [pool.pop(self.below(len(pool))) for _ in items]


@dataclass(frozen=True)
class Placement:
    """Bytes needed, byte offset of element 0, byte strides, and what else the layout asks of the buffer.

    `guard` "after" or "before" puts a page that may not be touched right behind the last or right before the first byte.  `owner` is
    the shape of an array that the operand is a view of, as a user's slice or transpose is, instead of poisoned memory as such.
    """

    size: int
    offset: int
    strides: tuple[int, ...]
    misalignment: int = 0
    writeable: bool = True
    guard: str = ""
    owner: tuple[int, ...] = ()


def _dense(
    shape: Sequence[int], itemsize: int, order: Sequence[int], *, step: dict[int, int] | None = None, extra: dict[int, int] | None = None
) -> Placement:
    """Return a placement with the axes from outermost to innermost as in `order`, of axis i every step[i]-th element used, and
    extra[i] unused ones behind them."""
    strides, size = [0] * len(shape), itemsize
    for axis in reversed(order):
        every = step.get(axis, 1) if step else 1
        strides[axis] = size * every
        size *= max(1, shape[axis]) * every + (extra.get(axis, 0) if extra else 0)
    return Placement(size, 0, tuple(strides))


@layouts.register()
def contiguous(shape: Sequence[int], itemsize: int, choices: Choices) -> Placement:
    """C order, without gaps."""
    return _dense(shape, itemsize, range(len(shape)))


@layouts.register()
def fortran(shape: Sequence[int], itemsize: int, choices: Choices) -> Placement:
    """Fortran order: the first axis varies fastest."""
    return _dense(shape, itemsize, range(len(shape))[::-1])


@layouts.register()
def transposed(shape: Sequence[int], itemsize: int, choices: Choices) -> Placement:
    """Axes in another order, such as an NHWC view of an NCHW array."""
    placement = _dense(shape, itemsize, choices.shuffled(range(len(shape))))
    return replace(placement, owner=tuple(shape) if choices.below(2) else ())


@layouts.register()
def sliced(shape: Sequence[int], itemsize: int, choices: Choices) -> Placement:
    """A slice of a larger array: gaps behind some axes, and one axis with a step."""
    axes = choices.subset(range(len(shape)))
    lead, margin = choices.below(3), 1 + choices.below(5)
    step = {axes[choices.below(len(axes))]: 1 + choices.below(3)}
    placement = _dense(shape, itemsize, range(len(shape)), step=step, extra=dict.fromkeys(axes, margin))
    if choices.below(2):
        larger = tuple(max(1, extent) * step.get(axis, 1) + (margin if axis in axes else 0) for axis, extent in enumerate(shape))
        place = _dense(larger, itemsize, range(len(shape))).strides
        return replace(placement, offset=sum(place[axis] * choices.below(margin + 1) for axis in axes), owner=larger)
    return replace(placement, size=placement.size + lead * itemsize, offset=lead * itemsize)


@layouts.register()
def reversed_axes(shape: Sequence[int], itemsize: int, choices: Choices) -> Placement:
    """Negative strides along some axes."""
    longer = [axis for axis in range(len(shape)) if shape[axis] > 1]
    placement = _dense(shape, itemsize, range(len(shape)))
    strides, offset = list(placement.strides), 0
    for axis in choices.subset(longer or range(len(shape))):
        offset += (max(1, shape[axis]) - 1) * strides[axis]
        strides[axis] = -strides[axis]
    return replace(placement, offset=offset, strides=tuple(strides), owner=tuple(shape) if choices.below(2) else ())


@layouts.register()
def broadcast(shape: Sequence[int], itemsize: int, choices: Choices) -> Placement:
    """Zero strides along some axes: the values repeat along them."""
    longer = [axis for axis in range(len(shape)) if shape[axis] > 1]
    repeated = choices.subset(longer or range(len(shape)))
    if len(repeated) > 2:
        repeated = repeated[:1]
    kept = [1 if axis in repeated else extent for axis, extent in enumerate(shape)]
    placement = _dense(kept, itemsize, range(len(shape)))
    strides = tuple(0 if axis in repeated else stride for axis, stride in enumerate(placement.strides))
    return replace(placement, strides=strides, writeable=False)


@layouts.register()
def overlapping(shape: Sequence[int], itemsize: int, choices: Choices) -> Placement:
    """Two axes with the same stride, as in a view of sliding windows: elements share memory."""
    first = choices.below(len(shape) - 1)
    placement = _dense(shape, itemsize, range(len(shape)))
    strides = list(placement.strides)
    strides[first] = strides[first + 1]
    return replace(placement, strides=tuple(strides), writeable=False)


@layouts.register()
def stray_strides(shape: Sequence[int], itemsize: int, choices: Choices) -> Placement:
    """Meaningless strides on the axes of extent 1, which NumPy allows; contiguous otherwise."""
    placement = _dense(shape, itemsize, range(len(shape)))
    strays = (0, itemsize, -itemsize, 3 * itemsize, 1000 * itemsize, placement.size)
    strides = tuple(strays[choices.below(len(strays))] if shape[axis] <= 1 else stride for axis, stride in enumerate(placement.strides))
    return replace(placement, strides=strides)


@layouts.register()
def unaligned(shape: Sequence[int], itemsize: int, choices: Choices) -> Placement:
    """Contiguous, at an address that is not a multiple of the item size."""
    return replace(_dense(shape, itemsize, range(len(shape))), misalignment=1 + choices.below(itemsize - 1))


@layouts.register()
def barely_aligned(shape: Sequence[int], itemsize: int, choices: Choices) -> Placement:
    """Contiguous, aligned to the item size and to nothing larger, as a vector load would like."""
    return replace(_dense(shape, itemsize, range(len(shape))), misalignment=itemsize * (1 + 2 * choices.below(4)))


@layouts.register()
def readonly(shape: Sequence[int], itemsize: int, choices: Choices) -> Placement:
    """Contiguous, and flagged as not writeable."""
    return replace(_dense(shape, itemsize, range(len(shape))), writeable=False)


@layouts.register()
def owning(shape: Sequence[int], itemsize: int, choices: Choices) -> Placement:
    """An array that owns its memory, as most users' arrays do: contiguous, not a view."""
    return replace(_dense(shape, itemsize, range(len(shape))), owner=tuple(shape))


@layouts.register()
def crossed(shape: Sequence[int], itemsize: int, choices: Choices) -> Placement:
    """Another layout, not writeable, unaligned, or both."""
    base, flags = _CROSSED[choices.below(len(_CROSSED))], 1 + choices.below(3)
    placement = base(shape, itemsize, choices)
    misalignment = 1 + choices.below(itemsize - 1) if flags & 2 else 0
    return replace(placement, owner=() if misalignment else placement.owner, misalignment=misalignment, writeable=not flags & 1)


_CROSSED = (fortran, transposed, sliced, reversed_axes, stray_strides)


@layouts.register()
def guarded(shape: Sequence[int], itemsize: int, choices: Choices) -> Placement:
    """Contiguous, next to a protected memory page: a read or write outside ends the process."""
    return replace(_dense(shape, itemsize, range(len(shape))), guard=("after", "before")[choices.below(2)])
