"""Trials in this process: what a session asks of a host, carried out here, for the tests of what is made of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from convverify.campaign.referring import consult
from convverify.campaign.session import Session
from convverify.host.inprocess import LocalHost
from convverify.judging.kernel import Kernel, make_kernel
from convverify.judging.trial import Trial
from convverify.operands.case import Case
from convverify.operands.layouts import PLAIN

PATIENCE = 60.0  # seconds that a call may take: a safeguard, not a measure


def session_of(kernel: Kernel | Callable[..., Any], **options: Any) -> Session:
    """Return a session with a function, or a kernel, that is called in this process."""
    if not isinstance(kernel, Kernel):
        kernel = make_kernel(kernel, "mine", **options)
    return Session(LocalHost(kernel.function), kernel, PATIENCE)


def tried(
    kernel: Kernel | Callable[..., Any] | Session, case: Case | str, names: tuple[str, ...] | None = None, *,
    reference: Callable[..., Any] | None = None, thorough: bool = True, **options: Any,
) -> Trial:  # fmt: skip
    """Return the trial of a kernel on a case: called as its properties, or those in `names`, want it; `reference` has been asked, too."""
    session = kernel if isinstance(kernel, Session) else session_of(kernel, **options)
    trial = Trial(session.kernel, case if isinstance(case, Case) else Case.parse(case), thorough=thorough)
    session.submit([trial], names)
    batch = session.collect()
    assert (batch.done, batch.death, batch.too_large) == (1, None, [])
    if reference is not None:
        question = tried(make_kernel(reference, "theirs"), trial.case.with_(layouts=(PLAIN, PLAIN), calls=1), ())
        consult(trial, "theirs", question)
    return trial
