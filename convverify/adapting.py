"""Adapters: from a function as people write it to a kernel in the contract, in one line.

>>> import convverify
>>> def theirs(image, kernels, stride=1, pad=0):  # one image, channels first, one pad for all sides
...     return convverify.conv2d_loops(image.transpose(1, 2, 0)[None], kernels.transpose(2, 3, 1, 0), strides=(stride, stride),
...                                    padding=[[0, 0], [pad, pad], [pad, pad], [0, 0]])[0].transpose(2, 0, 1)
>>> conv2d = convverify.adapt(theirs, stride=int, pad=int, layout="CHW")
>>> str(conv2d.domain["strides"]), conv2d.data_format
('equal', 'NCHW')
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from convverify.problems.domain import Domain
from convverify.problems.problem import Problem

Array = npt.NDArray[Any]

LAYOUTS = ("NHWC", "NCHW", "HWC", "CHW", "HW")
_MEANINGS = {
    "strides": "strides", "stride": "strides", "padding": "padding", "pad": "padding", "pads": "padding",
    "dilations": "dilations", "dilation": "dilations", "groups": "groups", "group": "groups",
}  # fmt: skip
_FORMS = "int (one number for both axes), tuple (a pair), or str (for padding: its name)"


def pads(padding: Any, x: Array, w: Array, *, strides: Any = (1, 1), dilations: Any = (1, 1), layout: str = "NHWC") -> Any:
    """Return ((top, bottom), (left, right)) for padding in any form of the contract: "VALID", "SAME", or four pairs.

    Raises ValueError where they do not fit together.

    Parameters
    ----------
    padding, strides, dilations : as a kernel gets them
    x, w : the operands, as a kernel gets them: NHWC and HWIO, or NCHW and OIHW where `layout` is "NCHW"
    """
    if layout not in ("NHWC", "NCHW"):
        raise ValueError(f"layout must be NHWC or NCHW, not {layout!r}")
    height, width = x.shape[1:3] if layout == "NHWC" else x.shape[2:4]
    rows, columns = w.shape[:2] if layout == "NHWC" else w.shape[2:4]
    problem = Problem(1, height, width, 1, rows, columns, 1, strides=strides, padding=padding, dilations=dilations)
    return problem.pads


def adapt(
    function: Callable[..., Any], *, layout: str = "NHWC", weights: str = "", batch: bool = True, bias: str = "", domain: Any = None,
    **parameters: Any,
) -> Callable[..., Any]:  # fmt: skip
    """Return a kernel, f(x, w, *, strides, padding, dilations, groups), that calls `function` as it wants to be called.

    Raises TypeError or ValueError, naming the argument.

    Parameters
    ----------
    function : takes an image, weights, and perhaps parameters
    layout : of the image and of the result: "NHWC", "NCHW", or without a batch "HWC", "CHW", "HW" (one channel)
    weights : axes of the weights, an order of H, W, I and O (default: "HWIO", or "OIHW" where channels come first; "HW" with layout "HW")
    batch : whether `function` takes several images at once (layouts without N do not)
    bias : "zeros" passes zeros, one for each output channel, as `bias` (or as the third argument)
    domain : what the kernel is for besides what follows from the rest: a line, a table, or a Domain
    parameters : for each parameter of `function` that is to be explored, by its own name (stride, pad, dilation, groups, ...), how it is
        given: int, one number for both axes; tuple, a pair; for padding also str, its name ("valid" or "same", in lower case)
    """
    if not callable(function):
        raise TypeError(f"function must be callable, not {type(function).__name__}")
    if layout not in LAYOUTS:
        raise ValueError(f"layout must be one of {', '.join(LAYOUTS)}, not {layout!r}")
    if bias not in ("", "zeros"):
        raise ValueError(f"bias must be 'zeros', not {bias!r}")
    single, first = "N" not in layout or not batch, layout in ("NCHW", "CHW")
    order = weights or ("HW" if layout == "HW" else "OIHW" if first else "HWIO")
    if sorted(order) not in (sorted("HWIO"), sorted("HW")) or (order in ("HW", "WH")) != (layout == "HW"):
        raise ValueError(f"weights must be an order of H, W, I and O (of H and W for layout HW), not {weights!r}")
    meant = _meant(parameters)
    base = "OIHW" if first else "HWIO"

    def kernel(x: Array, w: Array, **given: Any) -> Any:
        image = x[0] if single else x
        if layout == "HW":
            image = image[..., 0]
            w = w[:, :, 0, 0].transpose([("HW").index(letter) for letter in order])
        elif order != base:
            w = np.ascontiguousarray(w.transpose([base.index(letter) for letter in order]))
        arguments = {name: _spelled(meaning, form, given[meaning]) for name, (meaning, form) in meant.items()}
        extra: list[Any] = []
        if bias:
            zeros = np.zeros(w.shape[order.index("O")] if "O" in order else 1, x.dtype)
            extra, arguments = ([], arguments | {"bias": zeros}) if _takes(function, "bias") else ([zeros], arguments)
        result = function(image, w, *extra, **arguments)
        if layout == "HW":
            result = np.asarray(result)[..., None]
        return np.asarray(result)[None] if single else result

    keywords = [meaning for meaning, _ in meant.values()]
    kernel.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in ("x", "w")]
        + [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in keywords]
    )
    kernel.__name__ = kernel.__qualname__ = getattr(function, "__name__", "adapted")
    kernel.data_format = "NCHW" if first else "NHWC"  # type: ignore[attr-defined]
    for name in ("accuracy", "accumulator", "refuses", "reentrant"):
        if hasattr(function, name):
            setattr(kernel, name, getattr(function, name))
    whole = _follows(meant, single, layout).intersect(Domain.of(getattr(function, "domain", None))).intersect(Domain.of(domain))
    kernel.domain = whole.to_data() | ({"where": whole.where} if whole.where else {})  # type: ignore[attr-defined]
    return kernel


def _meant(parameters: dict[str, Any]) -> dict[str, tuple[str, Any]]:
    """Return for each parameter of the function what it means, and in which form it is given."""
    meant: dict[str, tuple[str, Any]] = {}
    for name, form in parameters.items():
        if name not in _MEANINGS:
            raise TypeError(f"parameter {name!r} is unknown; known: {', '.join(_MEANINGS)}, and layout, weights, batch, bias, domain")
        meaning = _MEANINGS[name]
        if form not in (int, tuple, str) or (form is str and meaning != "padding") or (form is tuple and meaning == "groups"):
            raise TypeError(f"{name} must be {_FORMS}, not {form!r}")
        if meaning in [other for other, _ in meant.values()]:
            raise TypeError(f"{meaning} is given twice: {', '.join(parameters)}")
        meant[name] = meaning, form
    return meant


def _spelled(meaning: str, form: Any, value: Any) -> Any:
    """Return a parameter's value in the form that a function takes."""
    if meaning == "groups":
        return value
    if meaning != "padding":
        return value[0] if form is int else tuple(value)
    if form is str:
        return value.lower()
    if isinstance(value, str):  # VALID, to a function that counts pads
        return 0 if form is int else (0, 0)
    return value[1][0] if form is int else (value[1][0], value[2][0])


def _follows(meant: dict[str, tuple[str, Any]], single: bool, layout: str) -> Domain:
    """Return the domain that follows from how a function is called."""
    said: dict[str, Any] = {"batch": 1} if single else {}
    if layout == "HW":
        said |= {"channels": 1}
    for meaning, form in meant.values():
        if meaning in ("strides", "dilations") and form is int:
            said[meaning] = "equal"
        elif meaning == "padding":
            said |= (
                {"padding": "VALID,SAME"} if form is str else {"padding": "VALID,EXPLICIT", "pads": "equal" if form is int else "symmetric"}
            )
    return Domain.of(said)


@functools.cache
def _takes(function: Callable[..., Any], name: str) -> bool:
    """Return whether a function has a parameter of a name."""
    try:
        return name in inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False
