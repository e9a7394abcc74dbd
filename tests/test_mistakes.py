# ruff: noqa: E501
"""Mistakes of new users: the sentence that each gets, and what to write instead, which works when it is pasted (docs/mistakes.md)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from convverify import verify

PAGE = Path(__file__).resolve().parents[1] / "docs" / "mistakes.md"
MINE = '''import numpy as np

import convverify


def conv2d(x, w):
    """VALID, stride 1; NHWC and HWIO."""
    rows, columns = x.shape[1] - w.shape[0] + 1, x.shape[2] - w.shape[1] + 1
    y = np.zeros((x.shape[0], rows, columns, w.shape[3]), x.dtype)
    for i in range(w.shape[0]):
        for j in range(w.shape[1]):
            y += x[:, i : i + rows, j : j + columns] @ w[i, j]
    return y


'''
IN_NCHW = """def nchw(x, w):
    rows, columns = x.shape[2] - w.shape[2] + 1, x.shape[3] - w.shape[3] + 1
    y = np.zeros((x.shape[0], w.shape[0], rows, columns), x.dtype)
    for i in range(w.shape[2]):
        for j in range(w.shape[3]):
            y += np.einsum("ncij,oc->noij", x[:, :, i : i + rows, j : j + columns], w[:, :, i, j])
    return y
"""
WITH_NUMBERS = """def strided(x, w, stride=1, pad=0):
    x = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    return conv2d(x, w)[:, ::stride, ::stride]
"""
REFUSES = """def unit(x, w, strides):
    if tuple(strides) != (1, 1):
        raise ValueError("strides must be 1")
    return conv2d(x, w)
"""

_SPELLED = {"dtypes": "dtype", "problems": "problem"}  # of options, on the command line


@dataclass(frozen=True)
class Mistake:
    """What somebody does (`code` is added to mine.py), the sentence that is told, and what to write: code, target and options."""

    what: str
    target: str
    told: str
    code: str = ""
    write: str = ""
    instead: str = "mine.py:kernel"
    options: dict[str, Any] = field(default_factory=dict)
    right: dict[str, Any] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    @property
    def row(self) -> str:
        """The row of the table."""
        given = [f"`{self.code.strip()}`"] if self.code and "\n" not in self.code.strip() else []
        words = " ".join(
            f"--{_SPELLED.get(name, name)} {','.join(map(str, value)) if isinstance(value, list) else value}"
            for name, value in self.right.items()
        )
        write = [f"`{self.write}`"] if self.write else [f"`convverify check {self.instead}{' ' + words if words else ''}`"]
        return f"| {'; '.join([self.what, *given])} | {self.told.replace('|', chr(92) + '|')} | {'; '.join(write)} |"


MISTAKES = (
    Mistake("a misspelt function", "mine.py:conv2", "mine.py has no attribute 'conv2'; did you mean 'conv2d'?", instead="mine.py:conv2d"),
    Mistake("a file without a function", "mine.py", "target 'mine.py' names a file; say which function: mine.py:NAME; it defines conv2d", instead="mine.py:conv2d"),
    Mistake("a module without a function", "mine", "target 'mine' names a module; say which function: mine:NAME; it defines conv2d", instead="mine:conv2d"),
    Mistake("a dot for the colon", "mine.conv2d", "target 'mine.conv2d' has a dot where a colon is needed: mine:conv2d", instead="mine:conv2d"),
    Mistake("a file that is not there", "mien.py:conv2d", "there is no file 'mien.py'", instead="mine.py:conv2d"),
    Mistake("a misspelt kernel of ours", "matmull", "target 'matmull' is unknown; did you mean 'matmul'?", instead="matmul"),
    Mistake("a constant", "mine.py:size", "mine.py:size is not callable: it is of type int", code="size = 3\n", instead="mine.py:conv2d"),
    Mistake(
        "a class", "mine.py:Conv2d", "mine.py:Conv2d is a class: name an instance of it, as conv2d = Conv2d()", write="kernel = Conv2d()",
        code="class Conv2d:\n    def __call__(self, x, w):\n        return conv2d(x, w)\n",
    ),
    Mistake(
        "an async function", "mine.py:later",
        "mine.py:later is an async function: name one that runs it, as def kernel(x, w): return asyncio.run(later(x, w))",
        code="import asyncio\nasync def later(x, w):\n    return conv2d(x, w)\n", write="def kernel(x, w): return asyncio.run(later(x, w))",
    ),
    Mistake(
        "a generator", "mine.py:yields",
        "mine.py:yields is a generator: name a function that returns an array, as def kernel(x, w): return next(yields(x, w))",
        code="def yields(x, w):\n    yield conv2d(x, w)\n", write="def kernel(x, w): return next(yields(x, w))",
    ),
    Mistake(
        "one operand", "mine.py:one", "kernel mine.py:one must take two operands, f(x, w, ...); its signature is (x)",
        code="def one(x): return x\n", instead="mine.py:conv2d",
    ),
    Mistake(
        "a bias", "mine.py:biased",
        "kernel mine.py:biased requires the unknown parameter 'bias'; known: strides, padding, dilations, groups; "
        'zeros are passed by convverify.adapt(biased, bias="zeros")',
        code="def biased(x, w, bias): return conv2d(x, w) + bias\n", write='kernel = convverify.adapt(biased, bias="zeros")',
    ),
    Mistake(
        "another parameter", "mine.py:scaled",
        "kernel mine.py:scaled requires the unknown parameter 'scale'; known: strides, padding, dilations, groups; "
        "others are passed by a function that calls it, as def kernel(x, w): return scaled(x, w, scale=...)",
        code="def scaled(x, w, scale): return conv2d(x, w) * scale\n", write="def kernel(x, w): return scaled(x, w, scale=1)",
    ),
    Mistake(
        "numbers for pairs", "mine.py:strided",
        "pairs are passed for stride, pad; numbers are by convverify.adapt(strided, stride=int, pad=int)",
        code=WITH_NUMBERS, write="kernel = convverify.adapt(strided, stride=int, pad=int)", right={"problems": ["x=1x5x5x2 w=2x2x2x3 padding=1,1,1,1"]},
    ),
    Mistake(
        "channels first", "mine.py:nchw", "it is right on operands in NCHW: say so, --layout NCHW or conv2d.data_format = 'NCHW'", code=IN_NCHW,
        instead="mine.py:nchw", right={"layout": "NCHW"},
    ),
    Mistake(
        "no batch", "mine.py:single", "it raises on the smallest problem: x is (batch, height, width, channels), w (height, width, in, out); "
        'other forms are for convverify.adapt, as convverify.adapt(single, layout="HWC")',
        code="def single(x, w):\n    height, width, channels = x.shape\n    return conv2d(x[None], w)[0]\n", write='kernel = convverify.adapt(single, layout="HWC")',
    ),
    Mistake(
        "no return", "mine.py:silent", "a function that ends without return returns None", code="def silent(x, w): conv2d(x, w)\n",
        write="def kernel(x, w): return conv2d(x, w)",
    ),
    Mistake(
        "a list", "mine.py:listed", "convert it: return np.asarray(y)", code="def listed(x, w): return conv2d(x, w).tolist()\n",
        write="def kernel(x, w): return np.asarray(listed(x, w), x.dtype)",
    ),
    Mistake(
        "a tuple", "mine.py:pair", "return the array alone, as y[0]", code="def pair(x, w): return conv2d(x, w), None\n",
        write="def kernel(x, w): return pair(x, w)[0]",
    ),
    Mistake(
        "a scalar", "mine.py:scalar", "return an array of four axes (NHWC, or NCHW with --layout NCHW)",
        code="def scalar(x, w): return float(conv2d(x, w).sum())\n", write="def kernel(x, w): return conv2d(x, w)",
    ),
    Mistake(
        "another dtype", "mine.py:wrong", "the result has dtype int64; expected float32 or wider",
        code="def wrong(x, w): return conv2d(x, w).astype(int)\n", write="def kernel(x, w): return conv2d(x, w).astype(x.dtype)",
    ),
    Mistake(
        "a refusal by ValueError", "mine.py:unit",
        "if it refuses such problems on purpose, say so: --refuses ValueError, or what it is for: --domain (conv2d.refuses, conv2d.domain)",
        code=REFUSES, write="kernel = convverify.domain(strides=1)(unit)", options={"problems": ["x=1x4x5x2 w=2x2x2x3 strides=2x2"]},
    ),
    Mistake(
        "a syntax error", "broken.py:conv2d", "file 'broken.py' failed to import: SyntaxError: '(' was never closed (broken.py, line 1)",
        instead="mine.py:conv2d", files={"broken.py": "def conv2d(x, w:\n"},
    ),
    Mistake(
        "a package that is not there", "needs.py:conv2d",
        "file 'needs.py' failed to import: ModuleNotFoundError: No module named 'no_such_package'; --python FILE names an interpreter that has it",
        instead="mine.py:conv2d", files={"needs.py": "import no_such_package\n"},
    ),
    Mistake(
        "a relative import without a package", "part.py:conv2d",
        "file 'part.py' failed to import: ImportError: attempted relative import with no known parent package; put an empty file __init__.py beside part.py",
        instead="part.py:conv2d", files={"part.py": "from .mine import conv2d\n"}, write="touch __init__.py",
    ),
    Mistake(
        "a misspelt dtype", "mine.py:conv2d", "dtype must be one of float16, bfloat16, float32, float64, not 'float23'; did you mean 'float32'?",
        instead="mine.py:conv2d", options={"dtypes": ["float23"]}, right={"dtypes": ["float32"]},
    ),
    Mistake(
        "a misspelt property", "mine.py:conv2d", "property 'thread' is unknown; did you mean 'threads'?", instead="mine.py:conv2d",
        options={"without": ["thread"]}, right={"without": ["threads"]},
    ),
    Mistake(
        "a misspelt reference", "mine.py:conv2d", "reference: target 'tensorflo' is unknown; did you mean 'tensorflow'?", instead="mine.py:conv2d",
        options={"references": ["tensorflo"]}, right={"reference": "exact"},
    ),
)  # fmt: skip
NAMES = {"layout": "data_format", "reference": "references"}  # of options in Python


def told(target: str, options: dict[str, Any]) -> str:
    """What a user is told: why nothing can be verified, or what was found, with what to do about it."""
    quick: dict[str, Any] = {
        "references": ["exact"], "problems": ["x=1x1x1x1 w=1x1x1x1", "x=1x4x5x2 w=2x2x2x3"], "dtypes": ["float32"],
        "properties": None if "without" in options else ["completes", "shape", "dtype", "exact_on_integers", "within_error_bound"],
    }  # fmt: skip
    try:
        report = verify(target, **(quick | {NAMES.get(name, name): value for name, value in options.items()}))
    except (TypeError, ValueError) as error:
        return str(error)
    if report.ok:
        return "verified"
    return " / ".join([report.sentence, *(text for example in report.counterexamples for text in (example.sentence, *example.notes))])


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.what)
def test_a_mistake_gets_a_sentence_and_what_it_says_works(mistake: Mistake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name, text in ({"mine.py": MINE + mistake.code} | mistake.files).items():
        Path(name).write_text(text)
    assert mistake.told in told(mistake.target, mistake.options)
    if mistake.write.startswith("touch "):
        Path(mistake.write.removeprefix("touch ")).touch()
    elif mistake.write:
        Path("mine.py").write_text(MINE + mistake.code + mistake.write + "\n")
    assert told(mistake.instead, mistake.right) == "verified"


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.what)
def test_the_page_shows_what_is_told(mistake: Mistake) -> None:
    assert mistake.row in PAGE.read_text().splitlines()
