"""Asking: one call of each kernel, in a host, tells its data layout, what it is for, and whether it is right there."""

from __future__ import annotations

from dataclasses import dataclass, replace

from convverify.campaign.assembling import host_of, kernel_in
from convverify.campaign.options import Options
from convverify.campaign.probing import Prober
from convverify.campaign.session import Session
from convverify.host.limits import unreadable
from convverify.host.process import CannotLoad
from convverify.judging.kernel import Kernel
from convverify.operands.case import Case
from convverify.problems.problem import Problem
from convverify.targets import TargetError, resolve

_PROBLEM = Problem(2, 7, 6, 4, 3, 2, 8)  # no two extents of one array are equal: layouts do not look alike
_TIMED = Problem(1, 32, 32, 16, 3, 3, 32)
_PROPERTIES = ("completes", "shape", "exact_on_integers")
_SECONDS = 30.0


@dataclass(frozen=True)
class Answer:
    """What a kernel is: its data layout, a problem to time it on, and what is wrong with it, in a clause ("" where nothing was found).

    `loads` is false where it could not be loaded or is no kernel; `declared` where its own attribute says the layout.
    """

    target: str
    data_format: str = "NHWC"
    declared: bool = True
    accuracy: str = "elementwise"
    timed: str = str(_TIMED)
    wrong: str = ""
    loads: bool = True


def ask(target: str) -> Answer:
    """Call a kernel once in each layout until it is right, and return what that says of it."""
    try:
        options = Options(target)
        first = _asked(options)
        if first.wrong and first.data_format == "NHWC":
            other = _asked(replace(options, data_format="NCHW"))
            if not other.wrong:
                return replace(other, declared=False)
    except (CannotLoad, TargetError, TypeError, ValueError) as error:
        return Answer(target, wrong=str(error), loads=False)
    return first


def _asked(options: Options) -> Answer:
    located, _ = resolve(replace(options, references=()))
    host = host_of(located, options)
    try:
        with unreadable():
            kernel = kernel_in(host, located, options)
            case = Case(kernel.restrict(_PROBLEM))
            probe = Prober(Session(host, kernel, options.timeout)).probe(str(case), properties=_PROPERTIES, history=(), timeout=_SECONDS)
            timed = _timed(kernel)
    finally:
        host.close()
    finding = str(probe.died) if probe.died is not None else probe.finding.sentence if probe.finding is not None else ""
    wrong = f"{finding} ({case.problem})" if finding else ""
    return Answer(options.target, kernel.data_format, accuracy=kernel.accuracy, timed=str(timed), wrong=wrong)


def _timed(kernel: Kernel) -> Problem:
    near = kernel.restrict(_TIMED)
    return near if near.macs <= 4 * _TIMED.macs else kernel.restrict(_PROBLEM)
