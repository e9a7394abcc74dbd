"""The pytest plugin: one test for each property of a kernel, with or without a test file.

This module is loaded in every run of pytest where convverify is installed, so it imports next to nothing; what the hooks need is
imported when a kernel is to be verified.  `options` reads the command line, `collection` makes the tests, `campaigns` runs what they
are judged by, `expected` marks known failures, `summary` shows statistics.
"""

from __future__ import annotations

import functools
import os
import shutil
import tempfile
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

from convverify import testing

if TYPE_CHECKING:
    from convverify.campaign.report import Report
    from convverify.pytest_plugin.fixtures import Operands, Reference

RAN = pytest.StashKey[list[dict[str, str]]]()  # what the campaigns did since the last report
SHARED = pytest.StashKey[str]()  # the directory that processes share
PROPERTY = "convverify_property"  # the parameter of a test that stands for a property


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare what is the plugin's own; the options of `convverify check` follow where one of them is used."""
    group = parser.getgroup("convverify", "verification of convolutions")
    group.addoption(
        "--convverify",
        action="append",
        default=[],
        metavar="TARGET",
        help="Verify a kernel, one test for each property: module:function, file.py:function, or a name that `convverify list` shows. "
        "Without a file or directory on the command line, nothing else is collected.",
    )
    group.addoption("--convverify-stats", action="store_true", help="Show for each kernel what was tried.")
    group.addoption(
        "--convverify-xfail", metavar="FILE", help="Properties that are known not to hold: lines of `target property  # reason`."
    )


def pytest_load_initial_conftests(parser: pytest.Parser, args: list[str]) -> None:
    """Add the options of `convverify check`, each as --convverify-NAME, where one is used or help is asked for."""
    if any(arg.startswith("--convverify-") or arg in ("-h", "--help") for arg in args):
        from convverify.pytest_plugin.options import add_options

        add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Announce the marker; collect kernels alone where nothing else is named; tell of a wrong option at once."""
    config.addinivalue_line("markers", "convverify(kernel, **options): one test for each property of a kernel (convverify.kernel_test)")
    if config.getoption("convverify") and config.args_source is not pytest.Config.ArgsSource.ARGS:
        config.args = []
    if any(name.startswith("convverify_option_") and value is not None for name, value in vars(config.option).items()):
        from convverify.pytest_plugin.options import given

        given(config)  # which tells of a wrong one


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a process of pytest-xdist where outcomes are shared; the directory is made by the first that has one."""
    place = node.config.stash.setdefault(SHARED, f"{tempfile.gettempdir()}/convverify-{os.urandom(8).hex()}")
    node.workerinput["convverify_shared"] = place


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove what processes have shared."""
    if SHARED in config.stash:
        shutil.rmtree(config.stash[SHARED], ignore_errors=True)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test for each property of a function that is marked."""
    if metafunc.definition.get_closest_marker("convverify"):
        from convverify.pytest_plugin.collection import parametrize

        parametrize(metafunc)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the tests of the kernels named on the command line, and mark those that are expected to fail."""
    if config.getoption("convverify"):
        from convverify.pytest_plugin.collection import named_kernels

        items += named_kernels(session)
    if config.getoption("convverify_xfail"):
        from convverify.pytest_plugin.expected import mark_expected

        mark_expected(config, items)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Judge the property that a test stands for, then run the test; what it verifies itself takes the options of this command line."""
    judgement = getattr(getattr(item, "callspec", None), "params", {}).get(PROPERTY)
    running, judging = testing.runner.set(functools.partial(_run, item.config)), testing.judged.set(judgement is not None)
    try:
        if judgement is not None:
            from convverify.pytest_plugin.campaigns import check

            check(item.config, *judgement)
        return (yield)
    finally:
        testing.judged.reset(judging)
        testing.runner.reset(running)


def _run(config: pytest.Config, kernel: Any, options: dict[str, Any]) -> Report:
    from convverify.pytest_plugin.campaigns import run

    return run(config, kernel, options)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell of a kernel that is not verified without a traceback; let the report carry what campaigns did to where statistics are shown."""
    report = yield
    if call.excinfo is not None and isinstance(call.excinfo.value, testing.NotVerified):
        report.longrepr = call.excinfo.getrepr(style="value")
    if call.when == "call" and RAN in item.config.stash:
        report.convverify = item.config.stash[RAN].copy()  # type: ignore[attr-defined]  # reports may carry more
        item.config.stash[RAN].clear()
    return report


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Show statistics where asked for."""
    if config.getoption("convverify_stats"):
        from convverify.pytest_plugin.summary import show

        show(terminalreporter)


@pytest.fixture(scope="session")
def convverify_operands() -> Operands:
    """A function (case) that returns x (NHWC) and w (HWIO) for a case, a problem, or the line of one."""
    from convverify.pytest_plugin.fixtures import operands

    return operands


@pytest.fixture(scope="session")
def convverify_reference() -> Reference:
    """A function (name="exact") that returns a reference f(x, w, *, strides, padding, dilations, groups): "exact", "tensorflow", ..."""
    from convverify.pytest_plugin.fixtures import reference

    return reference
