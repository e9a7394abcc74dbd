"""Which integers, and which tuples of them: the words that a domain is written in, the same in Python, TOML and on the command line.

>>> Integers.of("channels", "8n").nearest(13), 3 in Integers.of("batch", "1..64"), str(Integers.of("batch", [5, 1, 3]))
(16, True, '1,3,5')
>>> Tuples.of("kernel", "square,odd", 2).nearest((4, 7)), str(Tuples.of("kernels", [(3, 3), (1, 5)], 2))
((3, 3), '1x5,3x3')
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

_FORM = re.compile(r"(?:([0-9]{0,9})n(?:\+([0-9]{1,9}))?)?(:)?(?:([0-9]{0,15})\.\.([0-9]{0,15}))?")
_WORDS = {"any": "", "odd": "2n+1", "even": "2n"}
RELATIONS = {"any": "", "equal": "equal", "square": "equal", "symmetric": "symmetric"}


@dataclass(frozen=True)
class Integers:
    """Integers from 0 on: those `listed`, or, where none is, those of `least` to `most` that leave `rest` when divided by `step`."""

    least: int = 0
    most: int | None = None
    step: int = 1
    rest: int = 0
    listed: tuple[int, ...] = ()

    @classmethod
    def of(cls, name: str, value: Any) -> Integers:
        """Return the integers that a value means: 3, "3", "8n", "odd", "1..64", "8n:16..64", "1,3,5", [1, 3, 5], range(1, 65), "any".

        Raises TypeError or ValueError, naming `name`.
        """
        if isinstance(value, Integers):
            return value
        if value is None:
            return cls()
        if isinstance(value, str):
            return cls._parse(name, value)
        if isinstance(value, range) and len(value) > 1 and value.step > 0 and value.start >= 0:
            return cls(value.start, value[-1], value.step, value.start % value.step)
        numbers = value if isinstance(value, Iterable) else [value]
        return cls._listed(name, [_integer(name, number) for number in numbers])

    @classmethod
    def _parse(cls, name: str, text: str) -> Integers:
        words = text.replace(" ", "").split(",")
        if all(re.fullmatch(r"[0-9]{1,15}", word) for word in words):
            return cls._listed(name, [int(word) for word in words])
        word, colon, rest = words[0].partition(":")
        match = _FORM.fullmatch(_WORDS.get(word, word) + colon + rest) if len(words) == 1 else None
        if words == ["any"]:
            return cls()
        if not match or not match[0] or bool(match[3]) != (match[1] is not None and match[4] is not None) or match[1] == "0":
            raise ValueError(
                f"{name} must be a number (3), a list (1,3,5), multiples (8n), a range (1..64, ..64, 8n:16..64), odd, even or any, "
                f"not {text!r}"
            )
        step, over = int(match[1] or 1), int(match[2] or 0)
        found = cls._progression(max(over, int(match[4] or 0)), int(match[5]) if match[5] else None, step, over)
        if found is None:
            raise ValueError(f"{name} must leave a number to choose; {text!r} has none")
        return found

    @classmethod
    def _listed(cls, name: str, numbers: Sequence[int]) -> Integers:
        if not numbers:
            raise ValueError(f"{name} must name at least one number")
        return cls(listed=tuple(sorted(set(numbers))))

    @classmethod
    def _progression(cls, least: int, most: int | None, step: int, rest: int) -> Integers | None:
        """Return the members in one form only, whatever way they were described; None where there are none."""
        rest %= step
        least += (rest - least) % step
        if most is not None:
            most -= (most - rest) % step
            if most < least:
                return None
            if most == least:
                return cls(listed=(least,))
        return cls(least, most, step, rest)

    @property
    def is_any(self) -> bool:
        """Whether every integer is among them."""
        return not self.listed and self.least == 0 and self.most is None and self.step == 1

    @property
    def only(self) -> int | None:
        """The one integer that is among them, where it is one."""
        return self.listed[0] if len(self.listed) == 1 else None

    def __contains__(self, value: int) -> bool:
        if self.listed:
            return value in self.listed
        return value >= self.least and (self.most is None or value <= self.most) and value % self.step == self.rest

    def nearest(self, value: int, least: int = 0) -> int | None:
        """Return the member nearest to `value`, of two the smaller, and not below `least`; None where there is none."""
        if self.listed:
            return min(
                (member for member in self.listed if member >= least), key=lambda member: (abs(member - value), member), default=None
            )
        low = max(self.least, least)
        low += (self.rest - low) % self.step
        if self.most is not None and low > self.most:
            return None
        below = value - (value - self.rest) % self.step
        near = below if 2 * (value - below) <= self.step else below + self.step
        return max(low, near if self.most is None else min(near, self.most))

    def pick(self, number: int) -> int | None:
        """Return `number` where it is a member, else the `number`-th member above 0: so that 1, 2, 3 become 8, 16, 24."""
        if number in self and number:
            return number
        first = self.nearest(1, 1)
        if first is None:
            return None
        if self.listed:
            members = [member for member in self.listed if member]
            return members[(number - 1) % len(members)]
        count = (self.most - first) // self.step + 1 if self.most is not None else number
        return first + (number - 1) % max(1, count) * self.step

    def intersect(self, other: Integers) -> Integers | None:
        """Return the integers among both; None where there are none."""
        if self.listed or other.listed:
            kept = tuple(member for member in self.listed or other.listed if member in self and member in other)
            return Integers(listed=kept) if kept else None
        step = math.lcm(self.step, other.step)
        rests = range(self.rest, step, self.step)
        rest = next((rest for rest in rests if rest % other.step == other.rest), None)
        ends = [most for most in (self.most, other.most) if most is not None]
        if rest is None:
            return None
        return self._progression(max(self.least, other.least), min(ends) if ends else None, step, rest)

    def multiples(self, unit: int) -> Integers | None:
        """Return the members that are multiples of `unit`; None where there are none."""
        return self if unit == 1 else self.intersect(Integers(step=unit))

    def __str__(self) -> str:
        if self.listed:
            return ",".join(map(str, self.listed))
        words = []
        if self.step > 1:
            words.append({(2, 1): "odd", (2, 0): "even"}.get((self.step, self.rest), f"{self.step}n" + f"+{self.rest}" * (self.rest > 0)))
        if self.least != self.rest or self.most is not None:
            words.append(f"{self.least if self.least != self.rest else ''}..{'' if self.most is None else self.most}")
        return ":".join(words) or "any"


ANY = Integers()


@dataclass(frozen=True)
class Tuples:
    """Tuples of integers: those `listed`, or, where none is, those of `each` that stand in a relation: "equal" (all of them), "symmetric"
    (first and second, third and fourth), or "" for none.

    Pairs are (vertical, horizontal), quadruples (top, bottom, left, right).
    """

    count: int
    each: Integers = ANY
    relation: str = ""
    listed: tuple[tuple[int, ...], ...] = ()

    @classmethod
    def of(cls, name: str, value: Any, count: int) -> Tuples:
        """Return the tuples that a value means, as text or as a list of its words: "equal", "square,odd", "..3", "3x3,1x5",
        [(3, 3), (1, 5)]; a number stands for the tuple of it alone: "1,2" are 1x1 and 2x2.

        Raises TypeError or ValueError, naming `name`.
        """
        if isinstance(value, Tuples):
            return value
        if isinstance(value, tuple) and len({*map(str, value)}) > 1 and all(isinstance(part, int) for part in value):
            raise ValueError(f"{name} must not be {value!r}, which may mean one or several; write [{value!r}], or {list(value)!r}")
        found, listed = cls(count), []
        for part in _parts(value):
            if isinstance(part, str) and part in RELATIONS and (count == 4 or part != "symmetric"):
                found = cls(count, found.each, max(found.relation, RELATIONS[part], key=("", "symmetric", "equal").index))
            elif (member := _tuple(name, part, count)) is not None:
                listed.append(member)
            else:
                each = found.each.intersect(cls._each(name, part, count))
                if each is None:
                    raise ValueError(f"{name} must leave a number to choose; {value!r} has none")
                found = cls(count, each, found.relation)
        if not listed:
            if not found.is_any or _parts(value) == ["any"] or value is None:
                return found
            raise ValueError(f"{name} must name at least one number")
        kept = tuple(sorted({member for member in listed if member in found}))
        if not kept:
            raise ValueError(f"{name} must leave something to choose; {value!r} has nothing")
        return cls(count, listed=kept)

    @classmethod
    def _each(cls, name: str, part: Any, count: int) -> Integers:
        try:
            return Integers.of(name, part)
        except (TypeError, ValueError):
            words = ["any", "equal", "symmetric"] if count == 4 else ["any", "equal", "square"]
            shown = "x".join("3" * count)
            allowed = f"{', '.join(words)}, odd, even, a range (1..5, ..3), multiples (2n), numbers, or lists such as {shown}"
            raise ValueError(f"{name} must be of {allowed}, not {part!r}") from None

    @property
    def is_any(self) -> bool:
        """Whether every tuple is among them."""
        return not self.listed and not self.relation and self.each.is_any

    @property
    def only(self) -> tuple[int, ...] | None:
        """The one tuple that is among them, where it is one."""
        if self.listed:
            return self.listed[0] if len(self.listed) == 1 else None
        return None if self.each.only is None else (self.each.only,) * self.count

    def __contains__(self, values: Sequence[int]) -> bool:
        if self.listed:
            return tuple(values) in self.listed
        return self._related(values) == tuple(values) and all(value in self.each for value in values)

    def _related(self, values: Sequence[int]) -> tuple[int, ...]:
        """Return the tuple with its relation established: its first member decides."""
        if self.relation == "equal":
            return (values[0],) * self.count
        return (values[0], values[0], values[2], values[2]) if self.relation == "symmetric" else tuple(values)

    def nearest(self, values: Sequence[int], least: Sequence[int] | None = None) -> tuple[int, ...] | None:
        """Return a tuple near to `values`, none of its members below that of `least`; None where there is none.

        Where members are related the first one decides, or the least that is allowed, if that is more.
        """
        floor = tuple(least or (0,) * self.count)
        if self.listed:
            fit = (member for member in self.listed if all(map(operator.ge, member, floor)))
            return min(fit, key=lambda member: (sum(abs(a - b) for a, b in zip(member, values, strict=True)), member), default=None)
        wanted = self._related(values)
        if self.relation:
            halves = [max(floor)] if self.relation == "equal" else [max(floor[:2]), max(floor[2:])]
            floor = tuple(half for half in halves for _ in range(self.count // len(halves)))
        found = [self.each.nearest(value, low) for value, low in zip(wanted, floor, strict=True)]
        return None if None in found else tuple(value for value in found if value is not None)

    def pick(self, values: Sequence[int]) -> tuple[int, ...] | None:
        """Return `values` where they are a member, else the tuple of what `Integers.pick` makes of each; of those listed the nearest."""
        if self.listed:
            return self.nearest(values)
        picked = [self.each.pick(value) if value else self.each.nearest(0) for value in self._related(values)]
        return None if None in picked else tuple(value for value in picked if value is not None)

    def intersect(self, other: Tuples) -> Tuples | None:
        """Return the tuples among both; None where there are none."""
        if self.listed or other.listed:
            kept = tuple(member for member in self.listed or other.listed if member in self and member in other)
            return Tuples(self.count, listed=kept) if kept else None
        each = self.each.intersect(other.each)
        relation = max(self.relation, other.relation, key=("", "symmetric", "equal").index)
        return None if each is None else Tuples(self.count, each, relation)

    def __str__(self) -> str:
        if self.listed:
            shown = (member[:1] if self.count == 4 and len(set(member)) == 1 else member for member in self.listed)
            return ",".join("x".join(map(str, member)) for member in shown)
        words = [self.relation] * bool(self.relation) + [str(self.each)] * (not self.each.is_any)
        return ",".join(words) or "any"


def _integer(name: str, value: Any) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = -1
    if number < 0 or isinstance(value, bool):
        raise (ValueError if isinstance(value, int) else TypeError)(f"{name} must be integers from 0 on, not {value!r}")
    return number


def _parts(value: Any) -> list[Any]:
    if isinstance(value, str):
        return value.replace(" ", "").split(",")
    if isinstance(value, Iterable) and not isinstance(value, range | Integers):
        return [word for part in value for word in (_parts(part) if isinstance(part, str) else [part])]
    return ["any"] if value is None else [value]


def _tuple(name: str, part: Any, count: int) -> tuple[int, ...] | None:
    """Return the tuple that a part of a list stands for; None where it is not one: a range, multiples, a word."""
    if isinstance(part, str):
        if not re.fullmatch(r"[0-9]{1,15}(x[0-9]{1,15})*", part):
            return None
        flat = tuple(int(word) for word in part.split("x"))
    elif isinstance(part, range | Integers):
        return None
    else:
        flat = tuple(_flattened(name, part))
    if len(flat) == 1:
        return flat * count
    if count == 4 and len(flat) == 2:
        return flat[0], flat[0], flat[1], flat[1]
    if len(flat) != count:
        raise ValueError(f"{name} must be {'pairs' if count == 2 else 'of one, two or four numbers'}, not {part!r}")
    return flat


def _flattened(name: str, part: Any) -> Iterator[int]:
    if isinstance(part, Iterable) and not isinstance(part, str):
        for inner in part:
            yield from _flattened(name, inner)
    else:
        yield _integer(name, part)
