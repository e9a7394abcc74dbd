"""The problem: geometry and dtype of one convolution.  It owns all arithmetic of extents; no other module computes a pad.

>>> problem = Problem.parse("x=2x7x9x4 w=3x2x2x6 strides=2x1 padding=SAME")
>>> problem.output_shape, problem.pads, problem.groups
((2, 4, 9, 6), ((1, 1), (0, 1)), 2)
>>> str(problem)
'x=2x7x9x4 w=3x2x2x6 strides=2x1 padding=SAME'
"""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias

from convverify.problems.dtypes import FORMATS

Pair: TypeAlias = tuple[int, int]
Pads: TypeAlias = tuple[Pair, Pair]
Padding: TypeAlias = str | Pads
MOST = 10**15 - 1  # of any number in a problem: fifteen digits, as in its line


def output_extent(extent: int, pads: Pair, effective_kernel: int, stride: int) -> int:
    """Return how many windows fit along one axis: floor((extent + pads - effective_kernel) / stride) + 1, and at least 0."""
    return max(0, (extent + sum(pads) - effective_kernel) // stride + 1)


def same_pads(extent: int, effective_kernel: int, stride: int) -> Pair:
    """Return TensorFlow's SAME pads along one axis: ceil(extent / stride) outputs, the odd one of the pads at the end.

    Source: the notes on padding in the documentation of `tf.nn`.
    """
    outputs = -(-extent // stride)
    total = max((outputs - 1) * stride + effective_kernel - extent, 0)
    return total // 2, total - total // 2


def _integer(name: str, value: Any, least: int) -> int:
    if isinstance(value, bool):
        raise TypeError(f"{name} must be an integer, not {value!r}")
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, not {value!r}") from None
    if number < least:
        raise ValueError(f"{name} must be at least {least}, not {number}")
    if number > MOST:
        raise ValueError(f"{name} must be at most {MOST}, not {number}")
    return number


def _pair(name: str, value: Any) -> Pair:
    try:
        first, second = value
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a pair of integers (vertical, horizontal), not {value!r}") from None
    return _integer(name, first, 1), _integer(name, second, 1)


def _padding(value: Any) -> Padding:
    if isinstance(value, str):
        if value.upper() in ("VALID", "SAME"):
            return value.upper()
        raise ValueError(f"padding must be VALID, SAME or [[0,0],[top,bottom],[left,right],[0,0]], not {value!r}")
    try:
        rows = [tuple(row) for row in value]
        if len(rows) == 4:
            if rows[0] != (0, 0) or rows[3] != (0, 0):
                raise ValueError(f"padding must leave the batch and the channels alone, not {value!r}")
            rows = rows[1:3]
        (top, bottom), (left, right) = rows
    except TypeError:
        raise TypeError(f"padding must be VALID, SAME or [[0,0],[top,bottom],[left,right],[0,0]], not {value!r}") from None
    except ValueError as error:
        if "padding" in str(error):
            raise
        raise ValueError(f"padding must be VALID, SAME or [[0,0],[top,bottom],[left,right],[0,0]], not {value!r}") from None
    return (
        (_integer("padding (top)", top, 0), _integer("padding (bottom)", bottom, 0)),
        (_integer("padding (left)", left, 0), _integer("padding (right)", right, 0)),
    )


@dataclass(frozen=True, order=True)
class Problem:
    """One convolution's geometry and dtype: x is (batch, height, width, in_channels), NHWC;
    w is (kernel_height, kernel_width, in_channels // groups, out_channels), HWIO.

    Extents are in elements.  batch, height, width and the channels may be 0; the kernel's extents, strides, dilations and groups
    are 1 or more.  `padding` is "VALID", "SAME", ((top, bottom), (left, right)), or TensorFlow's four pairs.

    Raises TypeError or ValueError, naming the field, for what is not a convolution.
    """

    batch: int = 1
    height: int = 1
    width: int = 1
    in_channels: int = 1
    kernel_height: int = 1
    kernel_width: int = 1
    out_channels: int = 1
    strides: Pair = (1, 1)
    padding: Padding = "VALID"
    dilations: Pair = (1, 1)
    groups: int = 1
    dtype: str = "float32"

    def __post_init__(self) -> None:
        fix = object.__setattr__
        for name in ("batch", "height", "width", "in_channels", "out_channels"):
            fix(self, name, _integer(name, getattr(self, name), 0))
        for name in ("kernel_height", "kernel_width", "groups"):
            fix(self, name, _integer(name, getattr(self, name), 1))
        fix(self, "strides", _pair("strides", self.strides))
        fix(self, "dilations", _pair("dilations", self.dilations))
        fix(self, "padding", _padding(self.padding))
        if self.dtype not in FORMATS:
            raise ValueError(f"dtype must be one of {', '.join(FORMATS)}, not {self.dtype!r}")
        for name in ("in_channels", "out_channels"):
            if getattr(self, name) % self.groups:
                raise ValueError(f"{name} must be a multiple of groups={self.groups}, not {getattr(self, name)}")

    # What follows from the fields.

    @property
    def effective_kernel(self) -> Pair:
        """Extent of the dilated kernel: (k - 1) * dilation + 1 along each axis."""
        return (self.kernel_height - 1) * self.dilations[0] + 1, (self.kernel_width - 1) * self.dilations[1] + 1

    @cached_property
    def pads(self) -> Pads:
        """((top, bottom), (left, right)), in pixels, whatever form `padding` has."""
        if self.padding == "VALID":
            return (0, 0), (0, 0)
        if self.padding == "SAME":
            rows, columns = self.effective_kernel
            return same_pads(self.height, rows, self.strides[0]), same_pads(self.width, columns, self.strides[1])
        assert not isinstance(self.padding, str)
        return self.padding

    @property
    def tf_padding(self) -> str | list[list[int]]:
        """`padding` as `tf.nn.conv2d` takes it: a name, or a list of four pairs."""
        if isinstance(self.padding, str):
            return self.padding
        return [[0, 0], list(self.padding[0]), list(self.padding[1]), [0, 0]]

    @property
    def x_shape(self) -> tuple[int, int, int, int]:
        return self.batch, self.height, self.width, self.in_channels

    @property
    def w_shape(self) -> tuple[int, int, int, int]:
        return self.kernel_height, self.kernel_width, self.in_channels // self.groups, self.out_channels

    @cached_property
    def output_shape(self) -> tuple[int, int, int, int]:
        """(batch, output height, output width, out_channels)."""
        rows, columns = self.effective_kernel
        return (
            self.batch,
            output_extent(self.height, self.pads[0], rows, self.strides[0]),
            output_extent(self.width, self.pads[1], columns, self.strides[1]),
            self.out_channels,
        )

    @property
    def terms(self) -> int:
        """Products summed for one output element (pads counted): kernel_height * kernel_width * in_channels // groups."""
        return self.kernel_height * self.kernel_width * (self.in_channels // self.groups)

    @property
    def macs(self) -> int:
        """Multiply-adds of the definition, pads counted: output elements times terms."""
        batch, rows, columns, channels = self.output_shape
        return batch * rows * columns * channels * self.terms

    @property
    def macs_inside(self) -> int:
        """Multiply-adds of the definition that meet no pad."""
        met = 1
        for axis, (extent, taps) in enumerate(((self.height, self.kernel_height), (self.width, self.kernel_width))):
            first, stride, dilation = self.pads[axis][0], self.strides[axis], self.dilations[axis]
            outputs = range(self.output_shape[axis + 1])
            met *= sum(0 <= output * stride + tap * dilation - first < extent for output in outputs for tap in range(taps))
        return self.batch * met * self.out_channels * (self.in_channels // self.groups)

    @property
    def is_empty(self) -> bool:
        """Whether the output has no elements."""
        return 0 in self.output_shape

    def with_(self, **changes: Any) -> Problem:
        """Return a copy with some fields changed."""
        return replace(self, **changes)

    # One line of text.

    def __str__(self) -> str:
        parts = [f"x={_times(self.x_shape)}", f"w={_times(self.w_shape)}"]
        if self.strides != (1, 1):
            parts.append(f"strides={_times(self.strides)}")
        if self.padding != "VALID":
            padding = self.padding
            parts.append(f"padding={padding if isinstance(padding, str) else ','.join(str(p) for side in padding for p in side)}")
        if self.dilations != (1, 1):
            parts.append(f"dilations={_times(self.dilations)}")
        if not self.in_channels and self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.dtype != "float32":
            parts.append(f"dtype={self.dtype}")
        return " ".join(parts)

    @classmethod
    def parse(cls, line: str) -> Problem:
        """Return the problem that `line` describes: our own form, as `str` prints it, or a benchdnn descriptor.

        Raises ValueError with one sentence that names the key at fault.
        """
        if "=" not in line:
            from convverify.problems.benchdnn import parse_descriptor

            return parse_descriptor(line)[0]
        return cls.from_tokens(split_tokens(line))

    @classmethod
    def from_tokens(cls, tokens: dict[str, str]) -> Problem:
        """Return the problem that {key: text} describes; ValueError for a key that is missing or unknown."""
        unknown = sorted(set(tokens) - {"x", "w", "strides", "padding", "dilations", "groups", "dtype"})
        if unknown:
            raise ValueError(f"key {unknown[0]!r} is unknown; allowed: x, w, strides, padding, dilations, groups, dtype")
        for key in ("x", "w"):
            if key not in tokens:
                raise ValueError(f"key {key!r} is missing; a problem reads like 'x=1x5x5x3 w=3x3x3x16 strides=2x2 padding=SAME'")
        batch, height, width, in_channels = _extents("x", tokens["x"], 4)
        kernel_height, kernel_width, group_channels, out_channels = _extents("w", tokens["w"], 4)
        groups = int(_extents("groups", tokens["groups"], 1)[0]) if "groups" in tokens else 0
        if not groups:
            if "groups" in tokens:
                raise ValueError("groups must be at least 1, not 0")
            if group_channels and in_channels % group_channels:
                raise ValueError(f"x has {in_channels} channels, which are not a multiple of w's {group_channels} input channels")
            groups = max(1, in_channels // group_channels) if group_channels else 1
        if group_channels * groups != in_channels:
            raise ValueError(f"x has {in_channels} channels, but w takes {group_channels} in each of {groups} groups")
        padding: Any = tokens.get("padding", "VALID")
        if padding.upper() not in ("VALID", "SAME"):
            top, bottom, left, right = _extents("padding", padding, 4, separator=",")
            padding = ((top, bottom), (left, right))
        return cls(
            batch, height, width, in_channels, kernel_height, kernel_width, out_channels,
            strides=_extents("strides", tokens.get("strides", "1x1"), 2),  # type: ignore[arg-type]  # two were asked for
            padding=padding,
            dilations=_extents("dilations", tokens.get("dilations", "1x1"), 2),  # type: ignore[arg-type]  # likewise
            groups=groups,
            dtype=tokens.get("dtype", "float32"),
        )  # fmt: skip


def is_degenerate(problem: Problem) -> bool:
    """Return whether an extent of x, w or the result is 0; it is, too, where the dilated kernel exceeds the padded image."""
    return 0 in problem.x_shape or 0 in problem.w_shape or problem.is_empty


def degeneracy(problem: Problem) -> str:
    """Return in words what makes a problem degenerate; "" for an ordinary one."""
    for name, extent in (
        ("no image", problem.batch), ("no pixels", problem.height * problem.width), ("no input channels", problem.in_channels),
        ("no output channels", problem.out_channels),
    ):  # fmt: skip
        if not extent:
            return name
    return "a kernel larger than the padded image" if problem.is_empty else ""


def kind_of(padding: Padding) -> str:
    """Return "VALID", "SAME" or "EXPLICIT"."""
    return padding if isinstance(padding, str) else "EXPLICIT"


def split_tokens(line: str) -> dict[str, str]:
    """Split 'key=value key=value' into {key: value}; ValueError for a word without '=' and for a key given twice."""
    pairs: dict[str, str] = {}
    for word in line.split():
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise ValueError(f"{word!r} is not of the form key=value")
        if key in pairs:
            raise ValueError(f"key {key!r} is given twice")
        pairs[key] = value
    return pairs


def _times(extents: tuple[int, ...]) -> str:
    return "x".join(str(extent) for extent in extents)


def _extents(key: str, text: str, count: int, separator: str = "x") -> tuple[int, ...]:
    words = text.split(separator)
    if len(words) != count or not all(re.fullmatch(r"-?[0-9]{1,15}", word) for word in words):
        shown = separator.join(["N"] * count)
        raise ValueError(
            f"{key} must be {count} integers as {shown}, not {text!r}" if count > 1 else f"{key} must be an integer, not {text!r}"
        )
    return tuple(int(word) for word in words)
