"""Finding: the functions of a repository that look like convolution kernels.  Source files are parsed, and nothing is imported.

Three signs are looked for, and two of them suffice: the name says convolution, the first two parameters are called like an image and a
filter, and a parameter is one of those of a convolution (strides, padding, ...).  What could not be called with two operands is left out.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from convverify.judging.kernel import SPELLINGS
from convverify.problems.reading import read_text

_NAME = re.compile(r"(^|[_\d])conv(olve|olution|olutional)?([_\d]|$)")
_OTHER = re.compile(
    r"1d|3d|transpose|deconv|back|grad|shape|size|pool|flops|^(im2col|col2im|unfold|fold)|^_|^(test|bench|time|plot|init|make|get|is)_"
)
_SCALAR = re.compile(r"['\"]?(int|float|bool|str|tuple|Tuple)\b")
_SIZE = re.compile(r"_(size|shape|dims?|width|height)$")
_IMAGES = {"x", "a", "img", "im", "image", "images", "in", "inp", "inputs", "input", "data", "src", "feature", "features", "activations"}
_FILTERS = {"w", "k", "f", "h", "weight", "weights", "kernel", "kernels", "filter", "filters", "filt", "wei", "ker", "mask"}
_NOT_KERNELS = {"fixture", "overload", "abstractmethod", "property", "classmethod"}
_LEFT_OUT = {"build", "dist", "node_modules", "site-packages", "tests", "test", "testing", "benchmarks", "__pycache__"}
_FILES, _BYTES = 5000, 1 << 20  # what is read of a repository at most


@dataclass(frozen=True)
class Candidate:
    """A function that looks like a kernel: the file, relative to the repository; its name, and its signature as it is written."""

    file: str
    name: str
    signature: str

    @property
    def target(self) -> str:
        """What the command line calls it."""
        return f"{self.file}:{self.name}"


def find(root: Path) -> list[Candidate]:
    """Return what looks like a kernel in the source files below a folder, in the order of files and lines.

    Tests, benchmarks, virtual environments, hidden folders and what a build leaves behind are not looked at.
    """
    return [candidate for path in _sources(root) for candidate in _candidates(path, path.relative_to(root).as_posix())]


def imports_of(path: Path) -> set[str]:
    """Return the top-level names of the packages that a source file imports at its top level."""
    found: set[str] = set()
    for node in _tree(path).body:
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def _sources(root: Path) -> list[Path]:
    found: list[Path] = []
    for folder, below, files in os.walk(root):
        below[:] = sorted(
            name for name in below
            if not name.startswith(".") and name not in _LEFT_OUT and not Path(folder, name, "pyvenv.cfg").exists()
        )  # fmt: skip
        found += [
            Path(folder, name) for name in sorted(files)
            if name.endswith(".py") and not name.startswith(("test_", ".")) and name not in ("conftest.py", "setup.py")
        ]  # fmt: skip
        if len(found) > _FILES:
            break
    return found[:_FILES]


def _tree(path: Path) -> ast.Module:
    """Return a file's syntax tree; an empty one where it has none."""
    try:
        return ast.parse(read_text(path) if path.stat().st_size <= _BYTES else "")
    except (OSError, ValueError, SyntaxError, RecursionError):
        return ast.Module([], [])


def _candidates(path: Path, shown: str) -> Iterator[Candidate]:
    for node in _tree(path).body:
        if isinstance(node, ast.FunctionDef) and _looks_right(node):
            yield Candidate(shown, node.name, f"{node.name}({ast.unparse(node.args)})")
        elif isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef) and "staticmethod" in _decorators(inner) and _looks_right(inner):
                    yield Candidate(shown, f"{node.name}.{inner.name}", f"{node.name}.{inner.name}({ast.unparse(inner.args)})")


def _decorators(node: ast.FunctionDef) -> set[str]:
    return {re.split(r"[.(]", ast.unparse(one).partition("(")[0])[-1] for one in node.decorator_list}


def _looks_right(node: ast.FunctionDef) -> bool:
    if _decorators(node) & _NOT_KERNELS or _OTHER.search(_snake(node.name)):
        return False
    given = node.args
    positional = [*given.posonlyargs, *given.args]
    required = [one.arg for one in positional[: len(positional) - len(given.defaults)]][2:]
    required += [one.arg for one, default in zip(given.kwonlyargs, given.kw_defaults, strict=True) if default is None]
    names = [one.arg for one in positional]
    if (
        any(_is_no_array(one) for one in positional[:2])
        or len(names) < 2
        or {*names[:2]} & SPELLINGS.keys()
        or {*required} - SPELLINGS.keys()
    ):
        return False
    operands = _plain(names[0]) in _IMAGES and _plain(names[1]) in _FILTERS
    parameters = bool(({*names[2:]} | {one.arg for one in given.kwonlyargs}) & SPELLINGS.keys())
    return bool(_NAME.search(_snake(node.name))) + operands + parameters >= 2


def _is_no_array(parameter: ast.arg) -> bool:
    annotated = ast.unparse(parameter.annotation) if parameter.annotation else ""
    return bool(_SCALAR.match(annotated) or _SIZE.search(parameter.arg))


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _plain(name: str) -> str:
    return re.split(r"[_\d]", name.lower().strip("_"))[0]
