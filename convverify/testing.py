"""Verification inside tests: one line in a test of any framework, or one test for each property with pytest.

>>> from convverify.testing import kernel_test, verify_convolution
>>> def test_my_convolution():
...     verify_convolution(my_conv2d)
>>> @kernel_test(my_conv2d, max_examples=500)
... def test_my_convolution_in_detail(): ...
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:  # imported where it is needed: the pytest plugin loads this module in every run of pytest
    from convverify.campaign.report import Report

F = TypeVar("F", bound=Callable[..., Any])
Runner = Callable[[Any, dict[str, Any]], "Report"]

# The pytest plugin runs the campaigns of its session, with the options of its command line.
runner: ContextVar[Runner | None] = ContextVar("runner", default=None)
# Whether the property that a test stands for has been judged, so that the function has no more to verify.
judged: ContextVar[bool] = ContextVar("judged", default=False)


class NotVerified(AssertionError):
    """A kernel is not verified: `report` says why, and so does the message."""

    def __init__(self, text: str, report: Report) -> None:
        super().__init__(text)
        self.report = report


NotVerified.__module__ = "convverify"  # its public place


def verify_convolution(kernel: Callable[..., Any] | str, **options: Any) -> Report:
    """Assert that a kernel is verified, by all properties, and return the report.

    Parameters
    ----------
    kernel : a function in the contract of a kernel, or a target
    options : fields of `convverify.Options`, as for `convverify.verify`; under pytest, those of its command line come first

    Raises
    ------
    NotVerified
        An AssertionError with the smallest case, the diagnosis, and a line that replays it; also where nothing could be tested.
    TypeError, ValueError
        Naming the argument that is wrong.
    """
    __tracebackhide__ = True
    from convverify.api import verify
    from convverify.reporting.outcomes import failure_text

    run = runner.get()
    report = run(kernel, options) if run else verify(kernel, **options)
    if report.verdict == "interrupted":
        raise KeyboardInterrupt
    if not report.ok:
        raise NotVerified(failure_text(report), report)
    return report


def kernel_test(kernel: Callable[..., Any] | str, **options: Any) -> Callable[[F], F]:
    """Return a decorator that makes of one test function one test for each property of a kernel.

    Parameters
    ----------
    kernel, options : as for `verify_convolution`

    Notes
    -----
    One campaign judges all properties; each test passes, fails with the property's counterexample, or is skipped where no case judged
    it.  The function's body runs after its property holds, and may be empty.  Where pytest does not make tests of it (a method of
    unittest.TestCase, the plugin switched off), the function verifies all properties at once when it is called.
    """

    def decorate(function: F) -> F:
        import pytest

        if any(mark.name == "convverify" for mark in getattr(function, "pytestmark", ())):
            raise TypeError(f"{function.__name__} is a kernel_test already; write one test function for each kernel")

        @functools.wraps(function)
        def test(*arguments: Any, **fixtures: Any) -> Any:
            __tracebackhide__ = True
            if not judged.get():
                verify_convolution(kernel, **options)
            return function(*arguments, **fixtures)

        marked: F = pytest.mark.convverify.with_args(kernel, **options)(test)
        return marked

    return decorate
