"""The kernel under test: a callable, what of a problem it takes, and how its operands and result are laid out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from convverify.host.loading import describe
from convverify.problems.problem import Problem

_SPELLINGS = {
    "strides": "strides", "stride": "strides", "padding": "padding", "pad": "padding", "pads": "padding",
    "dilations": "dilations", "dilation": "dilations", "groups": "groups",
}  # fmt: skip
NEUTRAL: Mapping[str, Any] = {"strides": (1, 1), "padding": "VALID", "dilations": (1, 1), "groups": 1}
DATA_FORMATS = {"NHWC": ((0, 1, 2, 3), (0, 1, 2, 3)), "NCHW": ((0, 3, 1, 2), (3, 2, 0, 1))}
ACCURACIES = ("elementwise", "normwise")


@dataclass(frozen=True)
class Kernel:
    """A convolution that can be called with a problem.

    `keywords` maps what the kernel's signature declares (strides, padding, dilations, groups) to its own spelling.
    """

    name: str
    function: Callable[..., Any]
    keywords: Mapping[str, str]
    data_format: str = "NHWC"
    accuracy: str = "elementwise"

    @property
    def axes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Axes of NHWC x and HWIO w in the order that the kernel takes."""
        return DATA_FORMATS[self.data_format]

    @property
    def result_axes(self) -> tuple[int, ...]:
        """Axes of the kernel's result in NHWC order."""
        return (0, 1, 2, 3) if self.data_format == "NHWC" else (0, 2, 3, 1)

    def explores(self, problem: Problem) -> bool:
        """Return whether the signature declares all that the problem varies."""
        return all(name in self.keywords or _value(problem, name) == neutral for name, neutral in NEUTRAL.items())

    def restrict(self, problem: Problem) -> Problem:
        """Return the problem with what the signature does not declare made neutral."""
        changes = {name: neutral for name, neutral in NEUTRAL.items() if name not in self.keywords}
        return problem.with_(**changes) if changes else problem

    def __call__(self, x: Any, w: Any, problem: Problem) -> Any:
        """Call the function with operands in its own axis order, and with the parameters that it declares."""
        return self.function(x, w, **self.arguments(problem))

    def arguments(self, problem: Problem) -> dict[str, Any]:
        """Return what the function is called with besides the operands, in its own spelling."""
        return {spelling: _value(problem, name, for_call=True) for name, spelling in self.keywords.items()}


def never_called(x: Any, w: Any) -> Any:
    """Stand for a kernel that this process must not call."""
    raise AssertionError("the kernel under test is called in hosts alone")


def declaring(keywords: Iterable[str]) -> Kernel:
    """Return a kernel to ask what its signature takes, not to be called: for processes that must not call the one under test."""

    return Kernel("declared", never_called, {name: name for name in keywords})


def _value(problem: Problem, name: str, *, for_call: bool = False) -> Any:
    return problem.tf_padding if for_call and name == "padding" else getattr(problem, name)


def make_kernel(
    function: Callable[..., Any], name: str | None = None, *, data_format: str | None = None, accuracy: str | None = None
) -> Kernel:
    """Return the kernel that a callable is, read off its signature.

    Parameters
    ----------
    function : callable f(x, w) or f(x, w, *, strides, padding, dilations, groups), or any subset of these, in the plural or singular
    name : what to call it (default: its own name)
    data_format : "NHWC" (w is HWIO) or "NCHW" (w is OIHW); default: the function's attribute `data_format`, or NHWC
    accuracy : "elementwise" or "normwise"; default: the function's attribute `accuracy`, or elementwise

    Raises
    ------
    TypeError
        Where it is not callable, or its signature does not fit.
    ValueError
        Where an option is not one of those allowed.
    """
    if not callable(function):
        raise TypeError(f"the kernel must be callable, not {type(function).__name__}")
    return kernel_of(describe(function), name, data_format=data_format, accuracy=accuracy, function=function)


def kernel_of(
    described: Mapping[str, Any], name: str | None = None, *, data_format: str | None = None, accuracy: str | None = None,
    function: Callable[..., Any] | None = None,
) -> Kernel:  # fmt: skip
    """Return the kernel that `described` (see `host.loading.describe`) is; the rest is as for `make_kernel`.

    What a host says is foreign input: TypeError or ValueError, in one sentence, for what is not a kernel.
    """
    name = name or str(described.get("name", "kernel"))
    attributes = described.get("attributes") or {}
    data_format = data_format or attributes.get("data_format", "NHWC")
    accuracy = accuracy or attributes.get("accuracy", "elementwise")
    if data_format not in DATA_FORMATS:
        raise ValueError(f"data_format must be NHWC or NCHW, not {data_format!r}")
    if accuracy not in ACCURACIES:
        raise ValueError(f"accuracy must be elementwise or normwise, not {accuracy!r}")
    return Kernel(name, function or never_called, _keywords(described, name), data_format, accuracy)


def _keywords(described: Mapping[str, Any], name: str) -> dict[str, str]:
    """Read the signature: two operands by position, then known parameters by keyword."""
    if described.get("parameters") is None:
        return {}  # a builtin or C function without a signature: called with the two operands alone
    parameters = [(str(given), str(kind), bool(has_default)) for given, kind, has_default in described["parameters"]]
    signature = described.get("signature", "")
    positional = [parameter for parameter in parameters if parameter[1].startswith("POSITIONAL")]
    if len(positional) < 2 and not any(kind == "VAR_POSITIONAL" for _, kind, _ in parameters):
        raise TypeError(f"kernel {name} must take two operands, f(x, w, ...); its signature is {signature}")
    keywords: dict[str, str] = {}
    for parameter in parameters:
        spelled, kind, has_default = parameter
        if parameter in positional[:2] or kind == "VAR_POSITIONAL":
            continue
        if kind == "VAR_KEYWORD":
            keywords |= {known: known for known in NEUTRAL if known not in keywords}
            continue
        meaning = _SPELLINGS.get(spelled)
        if meaning and kind != "POSITIONAL_ONLY":
            if meaning in keywords:
                raise TypeError(f"kernel {name} declares {meaning} twice: {signature}")
            keywords[meaning] = spelled
        elif not has_default:
            raise TypeError(f"kernel {name} requires the unknown parameter {spelled!r}; known: strides, padding, dilations, groups")
    return keywords
