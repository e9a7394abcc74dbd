"""Convolution descriptors of oneDNN's benchdnn, such as `mb2ic3ih224oc64oh112kh7sh2ph3n"resnet_50:conv1"`.

Source of the syntax: oneDNN, tests/benchdnn/doc/knobs_conv.md and desc_conv.md.  oneDNN counts dilation from 0 (none) and lets the
trailing pad follow from the output; a negative one means trailing pixels that no window reads.
"""

from __future__ import annotations

import re

from convverify.problems.problem import Pair, Problem

_KEYS = ("g", "mb", "ic", "ih", "iw", "oc", "oh", "ow", "kh", "kw", "sh", "sw", "ph", "pw", "dh", "dw")
_PART = re.compile(r"([a-z]+)(-?[0-9]{1,15})(?![0-9])")
_NAME = re.compile(r'n(?:"([^"]*)"|(\S+))?$')


def parse_descriptor(line: str) -> tuple[Problem, str]:
    """Return the problem that a benchdnn descriptor describes, and its name ("" without one).

    Raises ValueError with one sentence that names the key at fault.
    """
    values, name = _split(line.strip())
    for key in ("ic", "ih", "oc", "kh"):
        if key not in values:
            raise ValueError(f"key {key!r} is missing in descriptor {line.strip()!r}")
    if not any(key in values for key in ("iw", "ow", "kw", "sw", "pw", "dw")):
        values |= {key[0] + "w": value for key, value in values.items() if len(key) == 2 and key[1] == "h"}
    for key in ("iw", "kw"):
        if key not in values:
            raise ValueError(f"key {key!r} is missing in descriptor {line.strip()!r}, which has other w keys")
    height, rows = _axis(values, "h")
    width, columns = _axis(values, "w")
    for key in ("ic", "oc"):
        if values[key] % values.get("g", 1):
            raise ValueError(f"key {key!r} must be a multiple of g={values['g']}, not {values[key]}")
    problem = Problem(
        values.get("mb", 2), height, width, values["ic"], values["kh"], values["kw"], values["oc"],
        strides=(values.get("sh", 1), values.get("sw", 1)),
        padding="VALID" if rows == columns == (0, 0) else (rows, columns),
        dilations=(values.get("dh", 0) + 1, values.get("dw", 0) + 1),
        groups=values.get("g", 1),
    )  # fmt: skip
    return problem, name


def _split(line: str) -> tuple[dict[str, int], str]:
    values: dict[str, int] = {}
    position, name = 0, ""
    while position < len(line):
        if ending := _NAME.match(line, position):
            name = ending[1] or ending[2] or ""
            break
        if line[position] == "_":  # benchdnn lets underscores part the keys
            position += 1
            continue
        part = _PART.match(line, position)
        if not part:
            raise ValueError(
                f"descriptor {line!r} cannot be read at {line[position:]!r}; "
                "it is made of keys with integers of up to 15 digits, as in ic3ih224oc64kh7"
            )
        key, value = part[1], int(part[2])
        if key not in _KEYS:
            raise ValueError(f"key {key!r} is unknown in descriptor {line!r}; allowed: {', '.join(_KEYS)}")
        if key in values:
            raise ValueError(f"key {key!r} is given twice in descriptor {line!r}")
        if value < (1 if key in ("g", "kh", "kw", "sh", "sw") else 0):
            raise ValueError(f"key {key!r} must be at least {1 if key in ('g', 'kh', 'kw', 'sh', 'sw') else 0}, not {value}")
        values[key] = value
        position = part.end()
    return values, name


def _axis(values: dict[str, int], axis: str) -> tuple[int, Pair]:
    """Return the image's extent along `axis` and its two pads."""
    extent, kernel = values["i" + axis], values["k" + axis]
    stride, effective = values.get("s" + axis, 1), (kernel - 1) * (values.get("d" + axis, 0) + 1) + 1
    outputs, pad = values.get("o" + axis), values.get("p" + axis)
    if outputs is None:
        pad = pad or 0
        outputs = (extent + 2 * pad - effective) // stride + 1
        if outputs < 1:
            return extent, (pad, pad)
    elif outputs == 0:
        raise ValueError(f"key {'o' + axis!r} must be at least 1, not 0")
    spanned = (outputs - 1) * stride + effective
    if pad is None:
        pad = abs(spanned - extent) // 2 * (1 if spanned > extent else -1)  # C++ rounds towards zero
        if pad < 0:
            raise ValueError(f"key {'o' + axis!r} = {outputs} leaves pixels unused before the first window; give {'p' + axis!r}")
    trailing = spanned - extent - pad
    if trailing > -stride:
        return extent, (pad, max(trailing, 0))
    # More pixels are unused than a stride is long: without them the same windows fit, and no others.
    if extent + trailing < 1:
        raise ValueError(f"key {'p' + axis!r} = {pad} puts all {outputs} windows of {'o' + axis!r} into the pad")
    return extent + trailing, (pad, 0)
