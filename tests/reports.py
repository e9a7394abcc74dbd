"""Reports of every verdict, made in this process, and names that would do harm where they were not shown as text."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from tempfile import mkdtemp
from typing import Any

import numpy as np
from trials import tried

from convverify import conv2d_matmul, verify
from convverify.campaign.events import Event, Progress, ReferenceWrong
from convverify.campaign.options import Options
from convverify.campaign.report import FAILED, INCONCLUSIVE, INTERRUPTED, KNOWN, REFUTED, USAGE, VERIFIED, Counterexample, Report
from convverify.cli.listening import Heard
from convverify.judging.properties import NOT_JUDGED
from convverify.judging.properties.values import exact_on_integers
from convverify.judging.trial import Finding

HOSTILE = "<script>document.title='taken'</script> \"quoted\" 'single' \x1b[31mred\x1b[0m \u202ertl ünï ☃ ]]> &amp; %0A 100%"
LARGE = "x=2x9x13x4 w=3x2x2x6 strides=2x1 padding=1,0,2,1 dilations=1x3 values=integers seed=3"


def right(x: Any, w: Any, *, strides: Any, padding: Any, dilations: Any, groups: Any) -> Any:
    """A right kernel."""
    return conv2d_matmul(x, w, strides=strides, padding=padding, dilations=dilations, groups=groups)


def wrong_in_places(x: Any, w: Any, *, strides: Any, padding: Any, dilations: Any, groups: Any) -> Any:
    """A kernel whose every third column is wrong, in some channels."""
    y = np.array(conv2d_matmul(x, w, strides=strides, padding=padding, dilations=dilations, groups=groups))
    y[:, :, ::3, :2] += 1
    return y


def raises(x: Any, w: Any) -> Any:
    """A kernel whose exception is hostile."""
    raise ValueError(HOSTILE)


def unsupported(x: Any, w: Any) -> Any:
    """A kernel that computes nothing."""
    raise NotImplementedError


def _interrupt(event: Event) -> None:
    if isinstance(event, Progress):
        raise KeyboardInterrupt


def _verified(target: str | Callable[..., Any], **options: Any) -> Report:
    words = {"references": ["exact"], "max_examples": 0, "max_macs": 500, "seed": 1, "isolation": False, "corpus": mkdtemp()}
    return verify(target, **(words | options))


@functools.cache
def report(verdict: str) -> Report:
    """Return a report with a verdict, with all that such a report can hold."""
    made = {
        VERIFIED: lambda: _verified(right, max_examples=40),
        REFUTED: _refuted,
        KNOWN: lambda: replace(report(VERIFIED), verdict=KNOWN, muted=((f"exact_on_integers: {HOSTILE}", 3),)),
        USAGE: lambda: _verified("nothing"),
        INCONCLUSIVE: lambda: _verified(unsupported),
        FAILED: lambda: Heard(Options("kernels.py:conv2d")).report(FAILED, "the harness failed: KeyError: 'x'"),
        INTERRUPTED: lambda: _verified(right, max_examples=100_000, listener=_interrupt),
    }[verdict]()
    assert made.verdict == verdict, made
    return made


def _refuted() -> Report:
    made = _verified(wrong_in_places)
    hostile = _verified(raises).counterexamples[0]
    fault = ReferenceWrong("tensorflow", LARGE, f"returns {HOSTILE}")
    examples = (*made.counterexamples, replace(hostile, history=(LARGE,), diagnosis=(HOSTILE,), notes=(HOSTILE,)), counterexample(LARGE))
    named = replace(made.options, target=f"kernels/{HOSTILE}.py:conv2d", corpus=HOSTILE)
    return replace(made, options=named, counterexamples=examples, reference_faults=(fault,), warnings=(HOSTILE,))


@functools.cache
def counterexample(line: str) -> Counterexample:
    """Return a case as the counterexample that it is to `wrong_in_places`."""
    finding = exact_on_integers(tried(wrong_in_places, line))
    assert finding is not NOT_JUDGED
    assert isinstance(finding, Finding)
    return Counterexample(line, finding.property, finding.sentence, line, finding, others=3)
