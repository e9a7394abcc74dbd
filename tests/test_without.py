"""Properties that are left out, by an option or by what a kernel declares: they are not called for, and the verdict says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convverify import Report, verify
from convverify.campaign.options import Options
from convverify.judging.properties import properties
from convverify.reporting.outcomes import NOT_JUDGED, outcomes

KERNELS = '''
import threading

import numpy as np

busy, waiting = threading.Lock(), threading.Lock()


def conv2d(x, w):
    """Right, but for one caller at a time."""
    if not busy.acquire(blocking=False):
        raise RuntimeError("entered twice")
    try:
        rows, columns = x.shape[1] - w.shape[0] + 1, x.shape[2] - w.shape[1] + 1
        y = np.zeros((x.shape[0], rows, columns, w.shape[3]), x.dtype)
        for i in range(w.shape[0]):
            for j in range(w.shape[1]):
                y += x[:, i : i + rows, j : j + columns] @ w[i, j]
        return y
    finally:
        busy.release()


def declared(x, w):
    return conv2d(x, w)


def right(x, w):
    with waiting:
        return conv2d(x, w)


declared.reentrant = False


def odd(x, w):
    return conv2d(x, w)


odd.reentrant = "no"
'''


PROBLEMS = [f"x=2x{height}x30x3 w=2x3x3x2" for height in range(20, 32)]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kernels.py").write_text(KERNELS)
    monkeypatch.chdir(tmp_path)


def verified(name: str, **options: Any) -> Report:
    return verify(f"kernels.py:{name}", references=["exact"], problems=PROBLEMS, dtypes=["float32"], **options)


def test_a_kernel_for_one_caller_at_a_time_is_refuted_unless_that_is_left_out() -> None:
    assert "threads" in {example.property for example in verified("conv2d").counterexamples}
    assert verified("conv2d", without=["threads"]).ok


@pytest.mark.parametrize(("name", "without"), [("declared", ()), ("conv2d", ("threads",)), ("declared", ("repeatable",))])
def test_what_is_left_out_is_said_in_the_verdict_and_not_judged(name: str, without: tuple[str, ...]) -> None:
    report = verified(name, without=without)
    left_out = ("threads", *without) if name == "declared" else without
    assert report.ok, str(report)
    assert report.without == left_out
    assert str(report).startswith(f"VERIFIED without {', '.join(left_out)}  kernels.py:{name}: 0 counterexamples in ")
    assert not any(report.statistics.judged[name] for name in left_out)
    assert report.headline in report.to_html()
    assert f'"without": [\n  "{left_out[0]}"' in report.to_json()
    assert outcomes(report, []).get("threads") in (None, *(one for one in outcomes(report, []).values() if one.kind == NOT_JUDGED))


def test_the_verdict_names_the_properties_that_are_judged_where_these_are_few() -> None:
    few, most = ["completes", "exact_on_integers"], [name for name in properties.names() if name not in ("threads", "repeatable")]
    assert verified("conv2d", properties=few).headline == "VERIFIED by completes, exact_on_integers only"
    assert verified("conv2d", properties=few, without=["completes"]).headline == "VERIFIED by exact_on_integers only"
    assert verified("declared", properties=most).headline == "VERIFIED without repeatable, threads"


def test_nothing_is_said_where_nothing_is_left_out() -> None:
    assert verified("right", properties=properties.names()).headline == "VERIFIED"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"without": ["thread"]}, "did you mean 'threads'"),
        ({"properties": ["threads"], "without": ["threads"]}, "without must leave a property to judge, not threads"),
    ],
)
def test_a_wrong_word_is_told_in_a_sentence(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        verified("conv2d", **options)


def test_what_a_kernel_says_of_its_callers_is_yes_or_no() -> None:
    report = verified("odd")
    assert report.verdict == "usage"
    assert "reentrant must be True or False, as in conv2d.reentrant = False, not 'no'" in report.sentence


def test_a_declaration_counts_for_what_is_not_isolated_too() -> None:
    def alone(x: Any, w: Any) -> Any:
        return np.zeros(0)

    alone.reentrant = False  # type: ignore[attr-defined]
    assert verify(alone, references=["exact"], problems=["x=1x2x2x1 w=1x1x1x1"]).without == ("threads",)


def test_options_say_whether_they_ask_for_a_property() -> None:
    assert Options("t").asks("threads")
    assert not Options("t", without=("threads",)).asks("threads")
    assert not Options("t", properties=("shape",)).asks("threads")
