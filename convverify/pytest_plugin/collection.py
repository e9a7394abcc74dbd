"""Tests for each property: of functions that are marked, and of kernels that the command line names."""

from __future__ import annotations

import types
from collections.abc import Iterator

import pytest

from convverify.pytest_plugin import PROPERTY
from convverify.pytest_plugin.campaigns import Plan, plan
from convverify.reporting.outcomes import property_names
from convverify.reporting.plain import printable
from convverify.testing import kernel_test

Parameter = tuple[Plan, str]


def parametrize(metafunc: pytest.Metafunc) -> None:
    """Give a marked function one parameter for each property."""
    marker = metafunc.definition.get_closest_marker("convverify")
    if marker is None or not marker.args:
        raise pytest.Collector.CollectError("the marker convverify needs a kernel: convverify(kernel, **options)")
    try:
        planned = plan(metafunc.config, marker.args[0], marker.kwargs, metafunc.definition.nodeid)
    except (TypeError, ValueError) as error:
        raise pytest.Collector.CollectError(f"{metafunc.function.__name__}: {printable(str(error))}") from None
    metafunc.fixturenames.append(PROPERTY)
    marks = _on_one_worker(metafunc, planned)
    parameters = [pytest.param((planned, name), id=name, marks=marks) for name in property_names(planned.options)]
    metafunc.parametrize(PROPERTY, parameters, indirect=True)


def _on_one_worker(metafunc: pytest.Metafunc, planned: Plan) -> list[pytest.MarkDecorator]:
    """Keep the tests of a kernel together under `--dist loadgroup`, where the test does not say otherwise."""
    if not metafunc.config.pluginmanager.hasplugin("xdist") or metafunc.definition.get_closest_marker("xdist_group"):
        return []
    return [pytest.mark.xdist_group(f"convverify-{planned.key}")]


def named_kernels(session: pytest.Session) -> Iterator[pytest.Item]:
    """Yield the tests of the kernels that --convverify names, as those of a module of their own."""
    module = types.ModuleType("convverify_targets")
    for target in dict.fromkeys(session.config.getoption("convverify")):
        function = kernel_test(target)(_holds)
        function.__test__ = True  # type: ignore[attr-defined]  # collect it, whatever its name
        setattr(module, printable(target), function)
    node = pytest.Module.from_parent(session, path=session.config.rootpath, nodeid="convverify")
    node.obj = module
    yield from session.genitems(node)


def _holds() -> None:
    """Add nothing to the property."""


def target_of_test(item: pytest.Item) -> tuple[str, str] | None:
    """Return the target and the property that a test stands for; None where it stands for none."""
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    if PROPERTY not in parameters:
        return None
    planned, name = parameters[PROPERTY]
    return planned.options.target, name
