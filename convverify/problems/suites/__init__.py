"""Suites: the convolutions of known networks, and of a user's file, as lists of layers.

A suite is a function `name(batch=1)` decorated with `@suites.register()`, in a file of its own; it returns each distinct problem
once, with how often the network has it.  A text file of problem lines is a suite as well.

>>> layers = find_suite("vgg16", batch=8)
>>> str(layers[0].problem), layers[0].count
('x=8x224x224x3 w=3x3x3x64 padding=SAME', 1)
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from convverify.problems.benchdnn import parse_descriptor
from convverify.problems.problem import Problem
from convverify.problems.reading import is_file, read_text
from convverify.registry import Registry

suites = Registry("suite", __name__)
_COUNT = re.compile(r"(.*?)\*([0-9]{1,9})")


@dataclass(frozen=True)
class Layer:
    """One convolution of a suite.

    `count` is how often the network has this problem; `source` names the paper and the implementation it was taken from, or the
    line of the file.
    """

    name: str
    problem: Problem
    count: int
    source: str


def conv(height: int, width: int, in_channels: int, kernel: tuple[int, int], out_channels: int, **options: Any) -> Problem:
    """Return the problem of one image; `options` are further fields of `Problem`."""
    return Problem(1, height, width, in_channels, kernel[0], kernel[1], out_channels, **options)


def distinct(layers: Iterable[tuple[str, Problem]], source: str, batch: int) -> tuple[Layer, ...]:
    """Return each problem once, at the given batch, under the first name it has, with its number of occurrences."""
    merged: dict[Problem, Layer] = {}
    for name, problem in layers:
        problem = problem.with_(batch=batch)
        known = merged.get(problem)
        merged[problem] = replace(known, count=known.count + 1) if known else Layer(name, problem, 1, source)
    return tuple(merged.values())


def find_suite(name_or_path: str, batch: int | None = None) -> tuple[Layer, ...]:
    """Return the suite of that name, or the one in that file.

    Parameters
    ----------
    name_or_path : a registered name; anything else is the path of a file for `load_suite`
    batch : images in each problem; default: 1, and in a file what its lines say.  `article` has batches of its own.

    Raises
    ------
    ValueError
        For what is neither a suite nor a file, and for a line that cannot be read.
    """
    if name_or_path in suites:
        layers: tuple[Layer, ...] = suites[name_or_path].function(1 if batch is None else batch)
        return layers
    if not is_file(Path(name_or_path)):
        raise ValueError(f"suite {name_or_path!r} is neither a file nor one of: {', '.join(suites.names())}")
    return load_suite(name_or_path, batch)


def load_suite(path: str | Path, batch: int | None = None) -> tuple[Layer, ...]:
    """Return the layers of a text file: a problem to a line, in our form or benchdnn's; `#` starts a comment.

    A layer is called what its descriptor says, else file name and line number; benchdnn's `"name*3"` counts 3.

    Raises ValueError naming the file, the line's number and the key at fault, and for a file that is not text or has no problem.
    """
    path = Path(path)
    try:
        text = read_text(path)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    layers = []
    for number, line in enumerate(text.splitlines(), start=1):
        layer = line.partition("#")[0].strip()
        if not layer:
            continue
        place = f"{path.name}:{number}"
        try:
            problem, label = (Problem.parse(layer), "") if "=" in layer else parse_descriptor(layer)
            if batch is not None:
                problem = problem.with_(batch=batch)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path}, line {number}: {error}") from None
        name, count = label, 1
        if counted := _COUNT.fullmatch(label):
            name, count = counted[1], int(counted[2])
        layers.append(Layer(name or place, problem, max(1, count), place))
    if not layers:
        raise ValueError(f"{path}: no problem in the file")
    return tuple(layers)
