"""The domain: which problems a kernel is for.  It is declared, and problems are drawn from it, not drawn and thrown away.

>>> domain = Domain.of("padding=VALID,SAME strides=equal kernel=3x3 channels=8n batch=1")
>>> str(domain.restrict(Problem.parse("x=2x9x7x5 w=5x5x5x12 strides=2x1")))
'x=1x9x7x8 w=3x3x8x8 strides=2x2'
>>> domain.admits(Problem.parse("x=1x9x9x8 w=3x3x8x16 padding=SAME")), Domain.of({"strides": "equal", "channels": range(8, 65, 8)})
(True, Domain.of('strides=equal channels=8n:8..64'))
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, TypeAlias, TypeVar

from convverify.problems.dtypes import FORMATS
from convverify.problems.integers import ANY, Integers, Tuples
from convverify.problems.nearest import find_inside, nearest
from convverify.problems.problem import Problem, is_degenerate, kind_of, split_tokens

Where: TypeAlias = Callable[[Problem], bool]
F = TypeVar("F", bound=Callable[..., Any])
KINDS = ("VALID", "SAME", "EXPLICIT")
_OTHER_NAMES = {"stride": "strides", "dilation": "dilations", "dtype": "dtypes", "pad": "pads"}
APART = "apart"  # tried, and reported by themselves: what fails there does not refute
_YES: Mapping[str, bool | str] = {"yes": True, "true": True, "no": False, "false": False, APART: APART}


class ConditionError(ValueError):
    """A condition, `where`, that cannot say of a problem whether it belongs to the domain."""


@dataclass(frozen=True)
class Groups:
    """Numbers of groups, and whether `depthwise`, a group for each input channel, is among them."""

    numbers: Integers | None = ANY
    depthwise: bool = False

    @classmethod
    def of(cls, name: str, value: Any) -> Groups:
        """Return the groups that a value means: numbers as `Integers.of` takes them, "depthwise", or both in a list: "1,depthwise"."""
        if isinstance(value, Groups):
            return value
        several = isinstance(value, Iterable) and not isinstance(value, str | range | Integers)
        parts: list[Any] = list(value) if several else value.replace(" ", "").split(",") if isinstance(value, str) else [value]
        rest = [part for part in parts if part != "depthwise"]
        if len(rest) == len(parts):
            return cls(_positive(name, Integers.of(name, value)))
        numbers = Integers.of(name, ",".join(map(str, rest))) if rest else None
        return cls(_positive(name, numbers) if numbers else None, True)

    @property
    def is_any(self) -> bool:
        """Whether every number is allowed."""
        return self.numbers is not None and self.numbers.is_any

    def admits(self, groups: int, in_channels: int) -> bool:
        """Return whether so many groups of so many input channels are among them."""
        return (self.numbers is not None and groups in self.numbers) or (self.depthwise and groups == in_channels)

    def intersect(self, other: Groups) -> Groups | None:
        """Return the groups among both; None where there are none."""
        if self.is_any or other.is_any:
            return other if self.is_any else self
        numbers = self.numbers.intersect(other.numbers) if self.numbers and other.numbers else None
        depthwise = self.depthwise and other.depthwise
        return Groups(numbers, depthwise) if numbers or depthwise else None

    def __str__(self) -> str:
        return ",".join([str(self.numbers)] * (self.numbers is not None) + ["depthwise"] * self.depthwise)


@dataclass(frozen=True, init=False, repr=False)
class Domain:
    """A set of problems.  Each field narrows it; what is left out is "any".

    Raises TypeError or ValueError, naming the field, for what is not allowed.
    """

    dtypes: tuple[str, ...]
    padding: tuple[str, ...]
    pads: Tuples
    strides: Tuples
    dilations: Tuples
    kernel: Tuples
    image: Tuples
    batch: Integers
    in_channels: Integers
    out_channels: Integers
    groups: Groups
    degenerate: bool | str
    where: Where | None

    def __init__(
        self,
        *,
        dtypes: Any = None,
        padding: Any = None,
        pads: Any = None,
        strides: Any = None,
        dilations: Any = None,
        kernel: Any = None,
        kernels: Any = None,
        image: Any = None,
        batch: Any = None,
        channels: Any = None,
        in_channels: Any = None,
        out_channels: Any = None,
        groups: Any = None,
        degenerate: Any = APART,
        where: Where | None = None,
    ) -> None:
        """Declare a domain; text, as on the command line, and Python's values mean the same.

        Parameters
        ----------
        dtypes : names of dtypes: "float32", ["float32", "float64"]
        padding : a selection of "VALID", "SAME" and "EXPLICIT"
        pads : of explicit padding: "symmetric" (top as bottom, left as right), "equal" (one pad for all sides), numbers ("..3"), or a list
            of pads for all sides, or of (top, bottom, left, right)
        strides, dilations : "equal" (along both axes), numbers for each axis ("..3", "odd"), or a list of pairs and numbers: [1, (2, 1)]
        kernel, kernels : heights and widths, in the same forms; "square" is "equal"
        image : heights and widths of x, in the same forms
        batch : which integers: 1, "1..8", "8n" (multiples), "8n:16..64", "odd", [1, 3, 5], range(1, 9)
        channels, in_channels, out_channels : which integers, of both operands or of one
        groups : which integers, "depthwise", or both: "1,depthwise"
        degenerate : whether problems with an extent of 0, or with a kernel larger than the padded image, are among them: True, False, or
            "apart": they are tried, and what fails there is reported by itself
        where : a function that says of a problem whether it belongs to the domain, for what cannot be said otherwise
        """
        own: dict[str, Any] = {
            "dtypes": _selection("dtypes", dtypes, tuple(FORMATS)),
            "padding": _selection("padding", padding.upper() if isinstance(padding, str) else padding, KINDS),
            "pads": Tuples.of("pads", pads, 4),
            "strides": _positive("strides", Tuples.of("strides", strides, 2)),
            "dilations": _positive("dilations", Tuples.of("dilations", dilations, 2)),
            "kernel": _positive("kernel", Tuples.of("kernel", kernel, 2)),
            "image": Tuples.of("image", image, 2),
            "batch": Integers.of("batch", batch),
            "in_channels": Integers.of("in_channels", in_channels),
            "out_channels": Integers.of("out_channels", out_channels),
            "groups": Groups.of("groups", groups),
            "degenerate": _YES.get(degenerate.lower(), degenerate) if isinstance(degenerate, str) else degenerate,
            "where": where,
        }
        if not isinstance(own["degenerate"], bool) and own["degenerate"] != APART:
            raise TypeError(f"degenerate must be True, False or {APART!r}, not {degenerate!r}")
        if where is not None and not callable(where):
            raise TypeError(f"where must be a function of a problem, which only Python can declare, not {where!r}")
        for names, given in ((("kernel",), _positive("kernels", Tuples.of("kernels", kernels, 2))),
                             (("in_channels", "out_channels"), Integers.of("channels", channels))):  # fmt: skip
            for name in names:
                own[name] = _both(name, own[name], given)
        for name, value in own.items():
            object.__setattr__(self, name, value)

    @classmethod
    def of(cls, value: Domain | Mapping[str, Any] | str | None) -> Domain:
        """Return the domain that a value declares: one line of text, a table, or a domain.

        Raises TypeError or ValueError, naming the field, for what is none.
        """
        if isinstance(value, Domain):
            return value
        if isinstance(value, str):
            value = {} if value.strip() in ("", "any") else split_tokens(value)
        if value is not None and not isinstance(value, Mapping):
            raise TypeError(f"a domain must be declared by a line such as 'strides=equal batch=1' or a table, not {value!r}")
        named = {str(key).replace("-", "_"): item for key, item in (value or {}).items()}
        named = {_OTHER_NAMES.get(key, key): item for key, item in named.items()}
        known = ["kernels", "channels", *(item.name for item in fields(cls))]
        for name in named:
            if name not in known:
                meant = difflib.get_close_matches(name, known, 1)
                hint = f"; did you mean {meant[0]!r}?" if meant else f"; known: {', '.join(known)}"
                raise ValueError(f"a domain has no field {name!r}{hint}")
        return cls(**named)

    def to_data(self) -> dict[str, Any]:
        """Return a table of plain data that `of` reads, without `where`."""
        table: dict[str, Any] = {}
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name in ("dtypes", "padding"):
                table[item.name] = ",".join(value)
            elif item.name == "degenerate":
                table[item.name] = value
            elif item.name != "where":
                table[item.name] = str(value)
        table = {name: value for name, value in table.items() if value != _ANY[name]}
        if "in_channels" in table and table["in_channels"] == table.get("out_channels"):
            table = {"channels" if name == "in_channels" else name: value for name, value in table.items() if name != "out_channels"}
        return table

    def __str__(self) -> str:
        said = {False: "no", True: "yes"}
        words = [f"{name}={said.get(value, value)}" for name, value in self.to_data().items()]
        if self.where is not None:
            words.append(f"where={getattr(self.where, '__name__', type(self.where).__name__)}")
        return " ".join(words) or "any"

    def __repr__(self) -> str:
        return f"Domain.of({str(self)!r})"

    @cached_property
    def ordinary(self) -> Domain:
        """The domain without its degenerate problems."""
        return replace(self, degenerate=False) if self.degenerate else self

    @cached_property
    def example(self) -> Problem | None:
        """An ordinary problem of the domain; None where none was found."""
        return find_inside(self.ordinary)

    def intersect(self, other: Domain) -> Domain:
        """Return the problems that are in both.

        Raises ValueError, naming the field, where the two have nothing in common.
        """
        common: dict[str, Any] = {item.name: getattr(self, item.name) for item in fields(self)}
        for name in ("dtypes", "padding"):
            common[name] = tuple(value for value in getattr(self, name) if value in getattr(other, name))
            if not common[name]:
                raise ValueError(_nothing(name, ",".join(getattr(self, name)), ",".join(getattr(other, name))))
        for name in ("pads", "strides", "dilations", "kernel", "image", "batch", "in_channels", "out_channels", "groups"):
            common[name] = _both(name, getattr(self, name), getattr(other, name))
        both = {self.degenerate, other.degenerate}
        common["degenerate"] = False not in both and (True in both or APART)
        if self.where is not other.where:
            conditions = [where for where in (self.where, other.where) if where is not None]
            common["where"] = conditions[0] if len(conditions) == 1 else _all_of(*conditions)
        return Domain(**common)

    # Whether a problem is inside.

    def admits(self, problem: Problem) -> bool:
        """Return whether the problem is in the domain; ValueError where `where` cannot say."""
        return all(_CHECKS[name](self, problem) for name in self._restricted)

    def outside(self, problem: Problem) -> str:
        """Return the first word of the domain that the problem does not keep to, as "strides=equal"; "" for a problem inside."""
        words = {word.partition("=")[0]: word for word in str(self).split()}
        name = next((name for name in self._restricted if not _CHECKS[name](self, problem)), "")
        return words.get(name, words.get("channels", "")) if name else ""

    def holds(self, problem: Problem) -> bool:
        """Return whether `where` has nothing against the problem; ValueError where it cannot say."""
        if self.where is None:
            return True
        try:
            answer = self.where(problem)
        except ConditionError:
            raise
        except Exception as error:
            raise ConditionError(f"the domain's where raised {type(error).__name__} ({error}) about {problem}") from error
        if not isinstance(answer, int) and type(answer).__name__ not in ("bool", "bool_"):
            raise ConditionError(f"the domain's where returned {type(answer).__name__} about {problem} instead of True or False")
        return bool(answer)

    def foresee(self, problems: Iterable[Problem]) -> None:
        """Ask a condition that answers from another process about many problems at once, each as the other fields have it."""
        if (ask := getattr(self.where, "foresee", None)) is not None:
            ask([near for problem in problems if (near := nearest(self._fields, problem)) is not None])

    @cached_property
    def _fields(self) -> Domain:
        """The domain without its condition."""
        return replace(self, where=None)

    @cached_property
    def _restricted(self) -> tuple[str, ...]:
        """The fields that do not admit everything: of the others nothing is asked."""
        table = self.to_data()
        held = {*table, *(("in_channels", "out_channels") if "channels" in table else ()), *(("where",) if self.where else ())}
        return tuple(name for name in _CHECKS if name in held)

    def restrict(self, problem: Problem) -> Problem | None:
        """Return a problem of the domain near to the given one, which is itself where it is inside; None where none is found.

        What is not degenerate stays so, where that is possible.
        """
        return nearest(self, problem)


def domain(line: str = "", /, **declared: Any) -> Callable[[F], F]:
    """Return a decorator that declares which problems a kernel is for, in its attribute `domain`: plain data, and `where`.

    Parameters
    ----------
    line, declared : fields of `Domain`, as one line of text or as keywords; of several decorators all count

    Raises
    ------
    TypeError, ValueError
        Naming the field that is wrong.
    """
    narrowed = Domain.of(line).intersect(Domain.of(declared))

    def decorate(function: F) -> F:
        whole = Domain.of(getattr(function, "domain", None)).intersect(narrowed)
        try:
            function.domain = whole.to_data() | ({"where": whole.where} if whole.where else {})  # type: ignore[attr-defined]
        except AttributeError:
            raise TypeError(f"{function!r} cannot carry a domain, as functions do; give it as an option") from None
        return function

    return decorate


def _positive(name: str, found: Any) -> Any:
    listed = [number for member in found.listed for number in (member if isinstance(member, tuple) else (member,))]
    if 0 in listed or (isinstance(found, Tuples) and found.each.only == 0):
        raise ValueError(f"{name} must be 1 or more, not {found}")
    return found


def _both(name: str, first: Any, second: Any) -> Any:
    found = first.intersect(second)
    if found is None:
        raise ValueError(_nothing(name, first, second))
    return found


def _nothing(name: str, first: Any, second: Any) -> str:
    return f"a domain must leave something to choose: {name}={first} and {name}={second} have nothing in common"


def _all_of(*conditions: Where) -> Where:
    def both(problem: Problem) -> bool:
        return all(condition(problem) for condition in conditions)

    both.__name__ = "+".join(getattr(condition, "__name__", type(condition).__name__) for condition in conditions)
    return both


def _selection(name: str, value: Any, allowed: tuple[str, ...]) -> tuple[str, ...]:
    if value is None or value in ("any", "ANY"):
        return allowed
    chosen = value.replace(" ", "").split(",") if isinstance(value, str) else value
    if not isinstance(chosen, Iterable):
        raise TypeError(f"{name} must be a selection of {', '.join(allowed)}, not {value!r}")
    chosen = [part.upper() if isinstance(part, str) and allowed == KINDS else part for part in chosen]
    if not chosen or any(part not in allowed for part in chosen):
        raise ValueError(f"{name} must be a selection of {', '.join(allowed)}, not {value!r}")
    return tuple(part for part in allowed if part in chosen)


_CHECKS: Mapping[str, Callable[[Domain, Problem], bool]] = {
    "dtypes": lambda d, p: p.dtype in d.dtypes,
    "padding": lambda d, p: kind_of(p.padding) in d.padding,
    "pads": lambda d, p: isinstance(p.padding, str) or (*p.padding[0], *p.padding[1]) in d.pads,
    "strides": lambda d, p: p.strides in d.strides,
    "dilations": lambda d, p: p.dilations in d.dilations,
    "kernel": lambda d, p: (p.kernel_height, p.kernel_width) in d.kernel,
    "image": lambda d, p: (p.height, p.width) in d.image,
    "batch": lambda d, p: p.batch in d.batch,
    "in_channels": lambda d, p: p.in_channels in d.in_channels,
    "out_channels": lambda d, p: p.out_channels in d.out_channels,
    "groups": lambda d, p: d.groups.admits(p.groups, p.in_channels),
    "degenerate": lambda d, p: bool(d.degenerate) or not is_degenerate(p),
    "where": lambda d, p: d.holds(p),
}
_ANY: Mapping[str, Any] = {
    "dtypes": ",".join(FORMATS), "padding": ",".join(KINDS), "degenerate": APART,
    **dict.fromkeys(("pads", "strides", "dilations", "kernel", "image", "batch", "in_channels", "out_channels", "groups"), "any"),
}  # fmt: skip
