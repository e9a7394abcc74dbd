"""Known faults are muted, so that the next is found; another fault is not hidden, and what was muted is said."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from convverify import Report, verify
from convverify.campaign.events import Phase
from convverify.campaign.known import Fault, around, reaches, read, write
from convverify.operands.case import Case
from convverify.reporting.outcomes import outcomes

KERNELS = """
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view as view


def core(x, w, strides, padding, groups, *faults):
    if "strides" in faults:
        strides = strides[::-1]
    if padding == "SAME":
        pads = []
        for extent, taps, step in zip(x.shape[1:3], w.shape[:2], strides):
            total = max((-(-extent // step) - 1) * step + taps - extent, 0)
            half = total // 2 + ("pads" in faults) * (total % 2)
            pads.append((half, total - half))
        x = np.pad(x, ((0, 0), *pads, (0, 0)))
    elif padding != "VALID":
        x = np.pad(x, padding)
    if "raises" in faults and w.shape[3] > 9:
        raise IndexError(f"index {w.shape[3]} is out of bounds")
    rows, columns = (max(0, (x.shape[axis + 1] - w.shape[axis]) // strides[axis] + 1) for axis in (0, 1))
    inside, outside = x.shape[3] // groups, w.shape[3] // groups
    y = np.zeros((x.shape[0], rows, columns, w.shape[3]), x.dtype)
    for group in range(groups if y.size else 0):
        taken = (group + ("groups" in faults)) % groups
        patches = view(x[..., taken * inside : (taken + 1) * inside], w.shape[:2], axis=(1, 2))[:, :: strides[0], :: strides[1]]
        part = slice(group * outside, (group + 1) * outside)
        y[..., part] = np.einsum("nijcab,abco->nijo", patches, w[..., part])
    return y


def two(x, w, strides, padding, groups):
    return core(x, w, strides, padding, groups, "pads", "groups")


def one(x, w, strides, padding, groups):
    return core(x, w, strides, padding, groups, "pads")


def four(x, w, strides, padding, groups):
    return core(x, w, strides, padding, groups, "strides", "pads", "groups", "raises")


def right(x, w, strides, padding, groups):
    return core(x, w, strides, padding, groups)
"""
PROBLEMS = [
    "x=2x6x7x4 w=3x2x4x3",
    "x=1x6x6x4 w=2x2x4x3 padding=SAME",
    "x=1x5x7x4 w=2x3x2x6",
    "x=2x7x8x4 w=2x2x2x4 padding=SAME",
    "x=1x7x9x3 w=3x2x3x12",
    "x=1x7x9x3 w=3x2x3x4 strides=2x1",
    "x=1x8x8x4 w=3x3x4x2 strides=2x2",
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kernels.py").write_text(KERNELS)
    monkeypatch.chdir(tmp_path)


PADS = ("exact_on_integers", "SAME pads at the wrong end", "x=1x1x1x1 w=1x2x1x1 padding=SAME", "x=1x1x1x1 w=2x1x1x1 padding=SAME")
GROUPS = ("exact_on_integers", "groups moved", "x=1x1x1x2 w=1x1x1x2")


def verified(name: str, **options: Any) -> Report:
    known: dict[str, Any] = {"references": ["exact"], "problems": PROBLEMS, "dtypes": ["float32"], "without": ["threads", "plain_script"]}
    return verify(f"kernels.py:{name}", **(known | options))


def know(name: str, *faults: tuple[str, ...]) -> None:
    """Write faults down as known ones of a kernel."""
    found = [Fault(f"kernels.py:{name}", kind, "", tuple(map(Case.parse, cases)), cause) for kind, cause, *cases in faults]
    write(Path("known.toml"), f"kernels.py:{name}", found)


def test_all_faults_are_found_one_after_the_other_and_each_is_one_finding() -> None:
    report = verified("four", write_known="known.toml", max_time=200.0)
    assert report.verdict == "refuted"
    found = [(Case.parse(example.case).problem, example.property) for example in report.counterexamples]
    assert [problem.strides != (1, 1) for problem, _ in found].count(True) == 1
    assert [problem.padding for problem, _ in found].count("SAME") == 1
    assert [problem.groups > 1 for problem, _ in found].count(True) == 1
    assert [name for _, name in found].count("completes") == 1
    assert len(found) == 4, str(report)
    assert sorted(fault.property for fault in read(Path("known.toml"))) == sorted(name for _, name in found)


def test_a_fault_is_looked_for_once_more_and_not_until_all_rounds_are_over() -> None:
    phases: list[str] = []
    problem = "x=1x5x5x4 w=3x2x2x4"  # two groups: right where values happen to agree, so that a script could call it
    report = verified(
        "two", problems=[problem], write_known="known.toml", max_time=200.0, without=["threads"],
        listener=lambda event: phases.append(event.name) if isinstance(event, Phase) else None,
    )  # fmt: skip
    assert len(report.counterexamples) == 1, str(report)
    assert "plain_script" not in {example.property for example in report.counterexamples}
    assert phases.count("corpus") <= 3, phases


def test_known_faults_are_muted_and_said_in_the_verdict() -> None:
    know("two", PADS, GROUPS)
    report = verified("two", known="known.toml")
    assert (report.verdict, report.exit_status, report.ok) == ("known", 0, True), str(report)
    first = str(report).splitlines()[0]
    assert first.startswith("KNOWN without threads, plain_script  kernels.py:two: 0 counterexamples in ")
    assert "; 2 known faults muted: exact_on_integers: SAME pads at the wrong end (" in first
    assert not report.counterexamples
    assert all(count > 0 for _, count in report.muted)
    assert outcomes(report, [])["exact_on_integers"].text.startswith("nothing new; a known fault is muted: exact_on_integers: SAME pads")


def test_another_fault_of_the_same_property_is_not_hidden_by_a_known_one() -> None:
    know("two", PADS)
    report = verified("two", known="known.toml")
    assert report.verdict == "refuted"
    assert len(report.counterexamples) == 1, str(report)
    (example,) = report.counterexamples
    assert example.property == "exact_on_integers"
    assert Case.parse(example.case).problem.groups == 2
    assert "1 known fault muted" in str(report).splitlines()[0]


def test_a_known_fault_that_no_longer_occurs_is_said_and_leaves_the_file_when_it_is_written_anew() -> None:
    know("one", PADS, GROUPS)
    report = verified("one", known="known.toml", write_known="known.toml")
    assert report.verdict == "known", str(report)
    assert "the known fault exact_on_integers: groups moved no longer occurs: take it out of known.toml" in " ".join(report.warnings)
    assert [fault.cause for fault in read(Path("known.toml"))] == ["SAME pads at the wrong end"]


def test_a_right_kernel_is_verified_whatever_is_known_of_others() -> None:
    know("one", PADS)
    assert verified("right", known="known.toml").verdict == "verified"


def test_a_file_that_is_to_be_written_too_need_not_be_there_yet_any_other_has_to() -> None:
    assert verified("right", known="new.toml", write_known="new.toml").verdict == "verified"
    report = verified("right", known="missing.toml")
    assert report.verdict == "usage"
    assert report.sentence == "file 'missing.toml' of known faults cannot be read: No such file or directory"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("fault = 3", "must hold tables [[fault]] alone"),
        ("[[fault]", "is not a valid file of TOML"),
        ("[other]\n", "must hold tables [[fault]] alone"),
        ("[[fault]]\ntarget = 'a'\nproperty = 'b'\n", "must give each fault cases, an array of cases, not None"),
        ("[[fault]]\ntarget = 'a'\nproperty = 'b'\ncases = []\n", "must give each fault at least one case"),
        ("[[fault]]\ntarget = 'a'\nproperty = 'b'\ncases = ['x=1']\n", "holds what is not a case: "),
        ("[[fault]]\ntarget = 'a'\nproperty = 'b'\ncases = [3]\n", "holds what is not a case: "),
        ("[[fault]]\ntarget = 'a'\nproperty = 'b'\ncases = ['x=1x1x1x1 w=1x1x1x1']\nhow = 1\n", "has the unknown key 'how'"),
        ("[[fault]]\ntarget = 'a'\nproperty = 'b'\ncases = ['x=1x999999999x999999x1 w=1x1x1x1']\n", "holds a case that "),
    ],
)
def test_a_damaged_file_is_one_sentence(text: str, told: str) -> None:
    Path("known.toml").write_text(text)
    report = verified("right", known="known.toml")
    assert report.verdict == "usage"
    assert report.sentence.startswith(f"file 'known.toml' of known faults {told}")


def test_a_file_keeps_the_faults_of_other_targets_and_any_text() -> None:
    case = Case.parse("x=1x2x1x1 w=1x1x1x1")
    mine = Fault("mine.py:f", "completes", 'the kernel raised E: "\\ \u2603 \x00\x7f', (case,), "a\nb")
    write(Path("known.toml"), "theirs", [Fault("theirs", "shape", "", (case,))])
    write(Path("known.toml"), "mine.py:f", [mine])
    write(Path("known.toml"), "mine.py:f", [mine])
    theirs, again = read(Path("known.toml"))
    assert theirs.target == "theirs"
    assert (again.says, again.cause, again.cases) == ('the kernel raised E: "\\ \u2603   ', "a b", (case,))


@pytest.mark.parametrize(
    ("case", "smallest", "reached"),
    [
        ("x=2x5x5x3 w=3x3x3x4", "x=1x2x1x1 w=2x1x1x1", True),
        ("x=2x5x5x3 w=1x3x3x4", "x=1x2x1x1 w=2x1x1x1", False),
        ("x=2x5x5x3 w=3x3x3x4 strides=2x1", "x=1x2x1x1 w=1x1x1x1 strides=1x2", False),
        ("x=2x5x5x3 w=3x3x3x4 padding=SAME", "x=1x2x1x1 w=2x1x1x1 padding=SAME", True),
        ("x=2x5x5x3 w=3x3x3x4 padding=1,1,1,1", "x=1x2x1x1 w=2x1x1x1 padding=SAME", False),
        ("x=2x5x5x3 w=3x3x3x4 padding=1,0,0,0", "x=1x2x1x1 w=2x1x1x1 padding=0,1,0,0", False),
        ("x=2x5x5x4 w=3x3x2x4", "x=1x1x1x2 w=1x1x1x2", True),
        ("x=2x5x5x4 w=3x3x4x4", "x=1x1x1x2 w=1x1x1x2", False),
        ("x=2x5x5x3 w=3x3x3x4 dtype=float64", "x=1x1x1x1 w=1x1x1x1", False),
        ("x=0x5x5x3 w=3x3x3x4", "x=1x1x1x1 w=1x1x1x1", False),
        ("x=2x5x5x3 w=3x3x3x4", "x=0x1x1x1 w=1x1x1x1", False),
        ("x=2x5x5x3 w=3x3x3x4 values=integers", "x=1x1x1x1 w=1x1x1x1 values=positive", False),
        ("x=2x5x5x3 w=3x3x3x4 values=positive", "x=1x1x1x1 w=1x1x1x1 values=integers", True),
        ("x=2x5x5x3 w=3x3x3x4", "x=1x1x1x1 w=1x1x1x1 layouts=transposed,contiguous", False),
    ],
)
def test_a_case_reaches_another_where_it_has_all_that_the_other_has(case: str, smallest: str, reached: bool) -> None:
    assert reaches(Case.parse(case), Case.parse(smallest)) is reached


def test_what_lies_around_a_case_are_other_dtypes_and_exchanged_axes() -> None:
    case = Case.parse("x=1x3x1x1 w=2x1x1x1 strides=2x1 padding=1,0,0,0 values=given x[0,2,0,0]=1 w[1,0,0,0]=2")
    found = set(map(str, around(case, ["float32", "float64"])))
    assert "x=1x1x3x1 w=1x2x1x1 strides=1x2 padding=0,0,1,0 values=given x[0,0,2,0]=1 w[0,1,0,0]=2" in found
    assert str(case) not in found
    assert len(found) == 7


@pytest.mark.parametrize(
    ("known", "says", "hidden"),
    [
        ("the kernel raised IndexError: index 9 is out of bounds", "the kernel raised IndexError: index 12 is out of bounds", True),
        ("the kernel raised IndexError: index 9 is out of bounds", "the kernel raised ValueError: cannot reshape (3, 4)", False),
    ],
)
def test_exceptions_are_the_same_fault_by_their_words(known: str, says: str, hidden: bool) -> None:
    case = Case.parse("x=1x1x1x1 w=1x1x1x1")
    assert Fault("t", "completes", known, (case,)).covers("completes", says, [case]) is hidden


def test_a_call_on_another_problem_that_shows_a_known_fault_shows_nothing_new() -> None:
    fault = Fault("t", "exact_on_integers", "", (Case.parse("x=1x1x1x1 w=1x1x1x1 strides=2x2"),))
    plain, strided = Case.parse("x=1x4x4x1 w=1x1x1x1"), Case.parse("x=1x4x4x1 w=1x1x1x1 strides=2x2")
    assert fault.covers("order_of_calls", "after this case, a call gave a wrong result", [plain, strided])
    assert not fault.covers("order_of_calls", "after this case, a call gave a wrong result", [plain, plain])
    assert not fault.covers("inputs_unchanged", "the kernel changed the values of its operand x", [strided])


def test_the_command_line_mutes_what_it_has_written() -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "convverify", "check", "kernels.py:one", "--reference", "exact", "--problem", PROBLEMS[1]]
        quick = ["--dtype", "float32", "--properties", "completes,exact_on_integers"]
        return subprocess.run([*command, *quick, *arguments], capture_output=True, text=True)

    assert run("--write-known", "known.toml").returncode == 1
    muted = run("--known", "known.toml")
    assert muted.returncode == 0
    assert "KNOWN by completes, exact_on_integers only  kernels.py:one: " in muted.stdout
    nowhere = run("--write-known", "nowhere/known.toml")
    assert nowhere.returncode == 2
    assert "write-known must be a file in a directory that exists, not 'nowhere/known.toml'" in nowhere.stderr
