"""The kernel under test: a callable, what of a problem it takes, and how its operands and result are laid out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from convverify.host.loading import describe, where_of
from convverify.problems.domain import Domain
from convverify.problems.problem import Problem

SPELLINGS = {
    "strides": "strides", "stride": "strides", "padding": "padding", "pad": "padding", "pads": "padding",
    "dilations": "dilations", "dilation": "dilations", "groups": "groups",
}  # fmt: skip
NEUTRAL: Mapping[str, Any] = {"strides": (1, 1), "padding": "VALID", "dilations": (1, 1), "groups": 1}
DATA_FORMATS = {"NHWC": ((0, 1, 2, 3), (0, 1, 2, 3)), "NCHW": ((0, 3, 1, 2), (3, 2, 0, 1))}
ACCURACIES = ("elementwise", "normwise")
ACCUMULATORS = ("float32", "float64")
REFUSAL = ("NotImplementedError",)


@dataclass(frozen=True)
class Kernel:
    """A convolution that can be called with a problem.

    `keywords` maps what the kernel's signature declares (strides, padding, dilations, groups) to its own spelling; `refuses` names the
    exceptions by which it says that it does not support a problem; `without` names properties that it is not judged by; `domain` holds the
    problems that it is for (default: those that the keywords can pose); `max_macs` is the most multiply-adds that it may be called with (0:
    any number), `accumulator` a wider format than the operands' in which it says that it sums ("": none), `advice` what to do where it is
    called as it does not expect.
    """

    name: str
    function: Callable[..., Any]
    keywords: Mapping[str, str]
    data_format: str = "NHWC"
    accuracy: str = "elementwise"
    refuses: tuple[str, ...] = REFUSAL
    without: tuple[str, ...] = ()
    accumulator: str = ""
    max_macs: int = 0
    advice: str = ""
    domain: Domain = None  # type: ignore[assignment]  # is one once it is made

    def __post_init__(self) -> None:
        if self.domain is None:
            object.__setattr__(self, "domain", whole_domain(self.name, self.keywords, {}, Domain()))

    @property
    def axes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Axes of NHWC x and HWIO w in the order that the kernel takes."""
        return DATA_FORMATS[self.data_format]

    @property
    def result_axes(self) -> tuple[int, ...]:
        """Axes of the kernel's result in NHWC order."""
        return (0, 1, 2, 3) if self.data_format == "NHWC" else (0, 2, 3, 1)

    def explores(self, problem: Problem) -> bool:
        """Return whether the problem is in the kernel's domain."""
        return self.domain.admits(problem)

    def restrict(self, problem: Problem) -> Problem:
        """Return the problem of the kernel's domain that is nearest; ValueError where there is none."""
        near = self.domain.restrict(problem)
        if near is None:
            raise ValueError(f"the domain of {self.name} holds no problem near {problem}: {self.domain}")
        return near

    def within(self, domain: Domain) -> Kernel:
        """Return the kernel with its domain narrowed; ValueError, naming the field, where nothing is left of it."""
        return replace(self, domain=self.domain.intersect(domain))

    def __call__(self, x: Any, w: Any, problem: Problem) -> Any:
        """Call the function with operands in its own axis order, and with the parameters that it declares."""
        return self.function(x, w, **self.arguments(problem))

    def arguments(self, problem: Problem) -> dict[str, Any]:
        """Return what the function is called with besides the operands, in its own spelling."""
        return {spelling: _value(problem, name, for_call=True) for name, spelling in self.keywords.items()}


def never_called(x: Any, w: Any) -> Any:
    """Stand for a kernel that this process must not call."""
    raise AssertionError("the kernel under test is called in hosts alone")


def declaring(keywords: Iterable[str], domain: Domain | None = None) -> Kernel:
    """Return a kernel to ask what it takes, not to be called."""
    return Kernel("declared", never_called, {name: name for name in keywords}, domain=domain)  # type: ignore[arg-type]


def _value(problem: Problem, name: str, *, for_call: bool = False) -> Any:
    return problem.tf_padding if for_call and name == "padding" else getattr(problem, name)


def make_kernel(
    function: Callable[..., Any],
    name: str | None = None,
    *,
    data_format: str | None = None,
    accuracy: str | None = None,
    domain: Domain | Mapping[str, Any] | str | None = None,
) -> Kernel:
    """Return the kernel that a callable is, read off its signature.

    Parameters
    ----------
    function : callable f(x, w) or f(x, w, *, strides, padding, dilations, groups), or any subset of these, in the plural or singular;
        what a `functools.partial` gives it is not explored
    name : what to call it (default: its own name)
    data_format : "NHWC" (w is HWIO) or "NCHW" (w is OIHW); default: the function's attribute `data_format`, or NHWC
    accuracy : "elementwise" or "normwise"; default: the function's attribute `accuracy`, or elementwise
    domain : what of the problems that the signature and the function's attribute `domain` allow is to be explored (default: all)

    Raises
    ------
    TypeError
        Where it is not callable, or its signature does not fit.
    ValueError
        Where an option is not one of those allowed, or the domain and the signature have nothing in common.
    """
    if not callable(function):
        raise TypeError(f"the kernel must be callable, not {type(function).__name__}")
    return kernel_of(describe(function), name, data_format=data_format, accuracy=accuracy, domain=domain, function=function)


def kernel_of(
    described: Mapping[str, Any], name: str | None = None, *, data_format: str | None = None, accuracy: str | None = None,
    domain: Domain | Mapping[str, Any] | str | None = None, function: Callable[..., Any] | None = None,
    where: Callable[[Problem], bool] | None = None,
) -> Kernel:  # fmt: skip
    """Return the kernel that `described` (see `host.loading.describe`) is; the rest is as for `make_kernel`.

    `where` answers for the condition of the kernel's own domain where the function is not in this process.  What a host says is foreign
    input: TypeError or ValueError, in one sentence, for what is not a kernel.
    """
    name = name or str(described.get("name", "kernel"))
    attributes = described.get("attributes") or {}
    data_format = data_format or attributes.get("data_format", "NHWC")
    accuracy = accuracy or attributes.get("accuracy", "elementwise")
    if data_format not in DATA_FORMATS:
        raise ValueError(f"data_format must be NHWC or NCHW, not {data_format!r}")
    if accuracy not in ACCURACIES:
        raise ValueError(f"accuracy must be elementwise or normwise, not {accuracy!r}")
    accumulator = checked_accumulator(attributes.get("accumulator"))
    keywords, fixed = _signature(described, name)
    declared = Domain.of(attributes.get("domain")).intersect(Domain(where=where or where_of(function))).intersect(Domain.of(domain))
    return Kernel(
        name, function or never_called, keywords, data_format, accuracy, _refusals(attributes.get("refuses")),
        _left_out(attributes.get("reentrant")), accumulator, advice=advice(described, keywords),
        domain=whole_domain(name, keywords, fixed, declared),
    )  # fmt: skip


def checked_accumulator(declared: Any) -> str:
    """Return the accumulator that is declared, "" for none; ValueError for what is not one."""
    if declared not in (None, "", *ACCUMULATORS):
        raise ValueError(f"accumulator must be {' or '.join(ACCUMULATORS)}, not {declared!r}")
    return declared or ""


def _refusals(declared: Any) -> tuple[str, ...]:
    """Return the names of the exceptions that a kernel refuses by: NotImplementedError, and those that it declares."""
    if declared is None:
        return REFUSAL
    names = [declared] if isinstance(declared, str) else declared
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) and name.isidentifier() for name in names):
        raise TypeError(f"refuses must be exceptions, as in conv2d.refuses = (ValueError, AssertionError), not {declared!r}")
    return tuple(dict.fromkeys((*REFUSAL, *names)))


def _left_out(reentrant: Any) -> tuple[str, ...]:
    """Return the property that a kernel is not judged by which declares that it is not to be called by several threads at once."""
    if reentrant not in (None, True, False):
        raise TypeError(f"reentrant must be True or False, as in conv2d.reentrant = False, not {reentrant!r}")
    return ("threads",) if reentrant is False else ()


def whole_domain(name: str, keywords: Iterable[str], fixed: Mapping[str, Any], declared: Domain) -> Domain:
    """Return what a kernel is for: the problems that are declared, posed as its signature lets them be.

    Parameters
    ----------
    name : the kernel's name, for errors
    keywords : which of strides, padding, dilations and groups the kernel is called with
    fixed : the value of each that it is not called with, as far as that is known
    declared : what is declared besides

    Notes
    -----
    What a kernel neither takes nor has fixed is neutral: strides 1, VALID, dilations 1, one group.  A declaration stands against that: a
    kernel of two operands that computes SAME says padding="SAME".  Groups can be read off the shapes of x and w.

    Raises TypeError or ValueError where these contradict each other.
    """
    bounds: dict[str, Any] = {}
    for parameter in NEUTRAL:
        if parameter in keywords:
            continue
        if parameter in fixed:
            bounds |= _fixed(name, parameter, fixed[parameter])
        elif parameter == "groups":
            bounds |= {"groups": 1} if declared.groups.is_any else {}
        elif parameter == "padding":
            bounds |= {"padding": "VALID"} if "VALID" in declared.padding else {}
            if not bounds.get("padding") and not (len(declared.padding) == 1 and ("SAME" in declared.padding or declared.pads.only)):
                raise ValueError(f"kernel {name} takes no padding, so that its domain must fix it, not {','.join(declared.padding)}")
        else:
            given = getattr(declared, parameter)
            bounds |= {parameter: 1} if (1, 1) in given else {}
            if parameter not in bounds and given.only is None:
                raise ValueError(f"kernel {name} takes no {parameter}, so that its domain must fix them, not {given}")
    return declared.intersect(Domain(**bounds))


def _fixed(name: str, parameter: str, value: Any) -> dict[str, Any]:
    """Return the fields of a domain in which a parameter has one value, in any form that functions take it."""
    try:
        if parameter == "groups":
            return {"groups": Problem(in_channels=0, out_channels=0, groups=value).groups}
        if parameter != "padding":
            return {parameter: [getattr(Problem().with_(**{parameter: value if _is_several(value) else (value, value)}), parameter)]}
        if not isinstance(value, str):
            sides = value if _is_several(value) else (value, value)
            value = [side if _is_several(side) else (side, side) for side in sides]
        padding = Problem(padding=value).padding
    except (TypeError, ValueError) as error:
        raise TypeError(f"kernel {name} has {parameter} fixed to what is not understood: {error}") from None
    if isinstance(padding, str):
        return {"padding": padding}
    pads = (*padding[0], *padding[1])
    return {"padding": "EXPLICIT", "pads": [pads]} if any(pads) else {"padding": "VALID"}


def _wrapped(described: Mapping[str, Any], spelled: str) -> str:
    """Say how a parameter is given that only its author knows."""
    own = str(described.get("name", "f"))
    if spelled == "bias":
        return f'zeros are passed by convverify.adapt({own}, bias="zeros")'
    return f"others are passed by a function that calls it, as def kernel(x, w): return {own}(x, w, {spelled}=...)"


def advice(described: Mapping[str, Any], keywords: Mapping[str, str]) -> str:
    """Return how to write the adapter for a function whose defaults say that it takes numbers where pairs are passed; "" for any other."""
    numbers = [
        str(spelled)
        for spelled, _, has, default in described.get("parameters") or ()
        if has and type(default) is int and spelled in keywords.values() and spelled != keywords.get("groups")
    ]
    if not numbers:
        return ""
    given = ", ".join(f"{name}=int" for name in numbers)
    return f"pairs are passed for {', '.join(numbers)}; numbers are by convverify.adapt({described.get('name', 'f')}, {given})"


def _is_several(value: Any) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str)


def _signature(described: Mapping[str, Any], name: str) -> tuple[dict[str, str], dict[str, Any]]:
    """Read two operands by position, then known parameters by keyword; return their spellings, and the values of those that are fixed:
    by a `functools.partial`, or by the default of a parameter that has no name for callers."""
    fixed = {SPELLINGS[key]: value for key, value in (described.get("fixed") or {}).items() if key in SPELLINGS}
    if described.get("parameters") is None:
        return {}, fixed  # a builtin or C function without a signature: called with the two operands alone
    parameters = [(str(spelled), str(kind), bool(has), default) for spelled, kind, has, default in described["parameters"]]
    signature = described.get("signature", "")
    positional = [parameter for parameter in parameters if parameter[1].startswith("POSITIONAL")]
    if len(positional) < 2 and not any(parameter[1] == "VAR_POSITIONAL" for parameter in parameters):
        raise TypeError(f"kernel {name} must take two operands, f(x, w, ...); its signature is {signature}")
    keywords: dict[str, str] = {}
    for parameter in parameters:
        spelled, kind, has_default, default = parameter
        if parameter in positional[:2] or kind == "VAR_POSITIONAL":
            continue
        if kind == "VAR_KEYWORD":
            keywords |= {known: known for known in NEUTRAL if known not in keywords and known not in fixed}
            continue
        meaning = SPELLINGS.get(spelled)
        if meaning in fixed:
            continue
        if meaning and kind != "POSITIONAL_ONLY":
            if meaning in keywords:
                raise TypeError(f"kernel {name} declares {meaning} twice: {signature}")
            keywords[meaning] = spelled
        elif not has_default:
            raise TypeError(
                f"kernel {name} requires the unknown parameter {spelled!r}; known: strides, padding, dilations, groups; "
                f"{_wrapped(described, spelled)}"
            )
        elif meaning:
            fixed[meaning] = default
    return keywords, fixed
