"""Assembling: hosts for a target and its references, and the kernels that they turn out to hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Protocol

from convverify.campaign.condition import condition_of
from convverify.campaign.events import Event, ReferenceWrong
from convverify.campaign.options import Options
from convverify.campaign.referring import TIMEOUT, Reference, References
from convverify.campaign.session import AnyHost
from convverify.host import early
from convverify.host.inprocess import LocalHost
from convverify.host.process import CannotLoad, Host, Place
from convverify.judging.findings import ReferenceFault
from convverify.judging.kernel import Kernel, kernel_of
from convverify.judging.trial import Times
from convverify.problems.problem import Problem


class LocatedKernel(Protocol):
    """Where a kernel is loaded from, and what its registry says of it (see `targets.Located`)."""

    @property
    def name(self) -> str: ...
    @property
    def place(self) -> Place: ...
    @property
    def data_format(self) -> str | None: ...
    @property
    def accuracy(self) -> str | None: ...
    @property
    def domain(self) -> str: ...


def host_of(target: LocatedKernel | Kernel, options: Options) -> AnyHost:
    """Return the host of a kernel: a process, started or not, or this one."""
    if isinstance(target, Kernel):
        return LocalHost(target.function)
    return early.host_for(target.place, options.python or "", options.memory_limit)


def kernel_in(host: AnyHost, target: LocatedKernel | Kernel, options: Options) -> Kernel:
    """Wait until a host has loaded its kernel, and return what that says of itself.

    Raises CannotLoad, in one sentence, and where a domain has no problem.
    """
    if isinstance(target, Kernel):
        kernel = target
    else:
        host.ready(float("inf"))
        try:
            kernel = _described(host, target, options.data_format, options.accuracy, options.timeout)
        except (TypeError, ValueError) as error:
            raise CannotLoad(str(error)) from None
    kernel = replace(
        kernel,
        refuses=tuple(dict.fromkeys((*kernel.refuses, *options.refuses))),
        accumulator=options.accumulator or kernel.accumulator,
        max_macs=options.max_macs,
        without=tuple(dict.fromkeys((*kernel.without, *options.without))),
    )
    try:
        kernel = kernel.within(options.explored(kernel.domain))
        if kernel.domain.restrict(Problem()) is None:
            if kernel.domain.where is None:
                raise ValueError(f"its domain holds no problem on which anything is computed: {kernel.domain}")
            raise ValueError(f"no problem that its domain's where admits was found, of some thousands that were tried: {kernel.domain}")
    except ValueError as error:
        raise CannotLoad(f"target {kernel.name!r}: {error}") from None
    return kernel


def references_of(
    options: Options, located: tuple[LocatedKernel, ...], times: Times, hear: Callable[[Event], None]
) -> References:  # fmt: skip
    """Return the references of a verification, their hosts started."""

    def tell(fault: ReferenceFault) -> None:
        hear(ReferenceWrong(fault.reference, fault.case, fault.sentence))

    return References(
        [
            Reference(one.name, Host(one.place, forks=False), partial(_described, located=one))
            for one in located
            if one.name != options.target
        ],
        times,
        tell,
    )


def _described(
    host: AnyHost, located: LocatedKernel, data_format: str | None = None, accuracy: str | None = None, seconds: float = TIMEOUT
) -> Kernel:
    try:
        return kernel_of(
            host.described, located.name, data_format=data_format or located.data_format, accuracy=accuracy or located.accuracy,
            domain=located.domain, where=condition_of(host, seconds),
        )  # fmt: skip
    except (TypeError, ValueError) as error:
        raise type(error)(f"target {located.name!r}: {error}") from None
