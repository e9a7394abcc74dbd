"""No option is ignored by any property: whatever a kernel is called with, was asked for.

Each property is judged alone, with all that it calls besides the first call: second calls, calls on other problems, in threads, with other
values, in a plain script.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from convverify import verify
from convverify.judging.properties import properties
from convverify.problems.problem import Problem, is_degenerate

KERNEL = '''
import json
from pathlib import Path

import convverify


def conv2d(x, w, strides, padding, dilations, groups):
    """A right kernel that writes down what it is called with."""
    said = {"x": x.shape, "w": w.shape, "dtypes": [str(x.dtype), str(w.dtype)], "strides": strides, "padding": padding,
            "dilations": dilations, "groups": groups}
    with open(Path(__file__).parent / "calls", "a") as file:
        file.write(json.dumps(said) + "\\n")
    nchw = Path(__file__).with_name("nchw").exists()
    if nchw:
        x, w = x.transpose(0, 2, 3, 1), w.transpose(2, 3, 1, 0)
    y = convverify.conv2d_matmul_offsets(x, w, strides=strides, padding=padding, dilations=dilations, groups=groups)
    return y.transpose(0, 3, 1, 2) if nchw else y
'''
Called = Callable[[dict[str, Any], Problem], bool]
SETS: dict[str, tuple[dict[str, Any], dict[str, Called]]] = {
    "ordinary": (
        {
            "dtypes": ["float32"], "domain": "padding=SAME,VALID strides=2 dilations=1 kernel=3x3,1x2 batch=2 channels=4n groups=1,2",
            "degenerate": False, "max_macs": 3000,
        },
        {
            "dtypes": lambda said, problem: said["dtypes"] == ["float32"] * 2,
            "padding": lambda said, problem: said["padding"] in ("SAME", "VALID"),
            "strides": lambda said, problem: (problem.strides, problem.dilations) == ((2, 2), (1, 1)),
            "kernel": lambda said, problem: problem.w_shape[:2] in ((3, 3), (1, 2)),
            "batch": lambda said, problem: problem.batch == 2,
            "channels": lambda said, problem: problem.in_channels % 4 == problem.out_channels % 4 == 0,
            "groups": lambda said, problem: problem.groups < 3,
            "degenerate": lambda said, problem: not is_degenerate(problem),
            "max_macs": lambda said, problem: problem.macs <= 3000,
        },
    ),
    "unusual": (
        {"dtypes": ["float16", "bfloat16"], "domain": "in_channels=7 image=9x8 padding=EXPLICIT", "data_format": "NCHW"},
        {
            "dtypes": lambda said, problem: set(said["dtypes"]) in ({"float16"}, {"bfloat16"}),
            "data_format and image": lambda said, problem: said["x"][1:] == [7, 9, 8],
            "padding": lambda said, problem: isinstance(said["padding"], list),
        },
    ),
}  # fmt: skip


def problem_of(said: dict[str, Any], nchw: bool) -> Problem:
    x, w = said["x"], said["w"]
    if nchw:
        x, w = [x[axis] for axis in (0, 2, 3, 1)], [w[axis] for axis in (2, 3, 1, 0)]
    return Problem(
        *x, *w[:2], w[3], strides=said["strides"], padding=said["padding"], dilations=said["dilations"], groups=said["groups"],
        dtype=said["dtypes"][0],
    )  # fmt: skip


@pytest.mark.parametrize("chosen", SETS)
@pytest.mark.parametrize("name", properties.names())
def test_what_a_kernel_is_called_with_was_asked_for(name: str, chosen: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("recording.py").write_text(KERNEL)
    options, asked = SETS[chosen]
    nchw = options.get("data_format") == "NCHW"
    if nchw:
        Path("nchw").touch()
    report = verify("recording.py:conv2d", references=["exact"], properties=[name], max_examples=50, max_time=3.0, **options)
    assert not report.counterexamples, str(report)
    calls = [json.loads(line) for line in Path("calls").read_text().splitlines()]
    assert len(calls) > 10
    for option, is_asked_for in asked.items():
        ignored = [said for said in calls if not is_asked_for(said, problem_of(said, nchw))]
        assert not ignored, f"{option} is ignored in {len(ignored)} of {len(calls)} calls, as in {ignored[0]}"
