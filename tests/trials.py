"""Trials for tests: what a session asks of a host, carried out in this process, or in one of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from convverify.campaign.referring import consult
from convverify.campaign.session import Session
from convverify.host.inprocess import LocalHost
from convverify.host.process import Host, Place
from convverify.judging.kernel import Kernel, kernel_of, make_kernel
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


@contextlib.contextmanager
def hosted(place: str, attribute: str, *, timeout: float = PATIENCE, **options: Any) -> Iterator[Session]:
    """A session with a kernel in a process of its own, which has loaded it."""
    host = Host(Place(place, attribute), **options)
    try:
        assert host.ready(PATIENCE)
        yield Session(host, kernel_of(host.described, attribute), timeout)
    finally:
        host.close()
