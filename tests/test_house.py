"""The house: folders say what happens to data, in an order, and each imports only from those before it (docs/design.md)."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import convverify

ROOT = Path(convverify.__file__).parent

# A folder imports from itself and from those before it.
ORDER = (
    "registry", "problems", "operations", "operands", "generation", "host", "judging", "campaign", "compare", "reporting", "starting",
    "cli", "pytest_plugin",
)  # fmt: skip
SHIPPED = {"kernels", "references", "mutants", "unusual", "cheats"}  # from what is right, and from each other
USERS = {"compare", "cli", "targets", "kill_matrix"}  # of what ships: nobody else names a kernel
FREE = {"__init__", "__main__", "_aliases", "adapting", "api", "kill_matrix", "naming", "targets", "testing"}
ABOVE = {"__main__", "api", "kill_matrix", "targets", "testing"}  # of these, what the folders up to the campaign do without

# Known exceptions, each with its reason: one that no longer applies must be removed.
EXCEPTIONS = {
    "problems imports convverify.generation.strategies": "`convverify.problems(...)` is a strategy by its documented name",
    "campaign.diagnosing.candidates imports convverify.mutants": "mutants are the faults that a diagnosis knows",
    "campaign.report imports convverify.reporting.facts": "a report in JSON has the worst element in it",
    "campaign.report imports convverify.reporting.html": "a report shows itself in notebooks",
    "campaign.report imports convverify.reporting.snippet": "a report in JSON has the snippet in it",
    "campaign.report imports convverify.reporting.terminal": "a report prints itself",
    "generation.companions imports convverify.judging.kernel": "what a kernel is for decides what is drawn",
    "generation.drawing imports convverify.judging.kernel": "what a kernel is for decides what is drawn",
    "generation.edge_cases imports convverify.judging.kernel": "what a kernel is for decides what is drawn",
    "generation.strategies imports convverify.judging.kernel": "what a kernel is for decides what is drawn",
}
STANDARD_LIBRARY = set(sys.stdlib_module_names)


@dataclass(frozen=True)
class Import:
    """`module` (dotted, from its package's root on) imports `name`; `at_once` if it does when it is imported itself."""

    module: str
    name: str
    line: int
    at_once: bool

    @property
    def where(self) -> str:
        """What a message says of it."""
        return f"{self.module}:{self.line} imports {self.name}"


def module_of(path: Path) -> str:
    """The dotted name of a file, `convverify` left out; a package has the name of its folder."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


FILES = {module_of(path): path for path in sorted(ROOT.rglob("*.py"))}


def imports_of(module: str) -> Iterator[Import]:
    """Yield what a module imports, in functions, too, but for what is there for the type checker alone."""
    path = FILES[module]
    package = ["convverify", *path.relative_to(ROOT).parts[:-1]]
    pending: list[tuple[ast.AST, bool]] = [(ast.parse(path.read_text(encoding="utf-8")), True)]
    while pending:
        node, at_once = pending.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            at_once = False
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module, alias.name, node.lineno, at_once)
        elif isinstance(node, ast.ImportFrom):
            start = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            name = ".".join(part for part in (start, node.module) if part)
            for alias in node.names:
                whole = f"{name}.{alias.name}"
                yield Import(module, whole if whole.removeprefix("convverify.") in FILES else name, node.lineno, at_once)
        pending += [(child, at_once) for child in ast.iter_child_nodes(node)]


IMPORTS = [one for module in FILES for one in imports_of(module)]
OURS = [one for one in IMPORTS if one.name.split(".")[0] == "convverify"]


def folder_of(name: str) -> str:
    """The folder, or the module beside the folders, that a module lies in."""
    return name.removeprefix("convverify.").split(".")[0] if name != "convverify" else "__init__"


def is_allowed(folder: str, target: str) -> bool:
    """Whether a folder may import from another."""
    if folder == target or folder in FREE or target in FREE - ABOVE:
        return True
    if target in ABOVE:
        return folder in ORDER and ORDER.index(folder) > ORDER.index("campaign")
    if folder in SHIPPED:
        return target in SHIPPED or target in ("registry", "problems", "operations")
    if target in SHIPPED:
        return folder in USERS
    return ORDER.index(target) < ORDER.index(folder)


def told(one: Import) -> str:
    """An import without its line."""
    return f"{one.module} imports {one.name}"


def test_every_folder_has_its_place() -> None:
    assert {folder_of(module) for module in FILES} == {*ORDER, *SHIPPED, *FREE}


@pytest.mark.parametrize("folder", [*ORDER, *sorted(SHIPPED)])
def test_a_folder_imports_only_from_those_before_it(folder: str) -> None:
    wrong = [one for one in OURS if folder_of(one.module) == folder and not is_allowed(folder, folder_of(one.name))]
    assert [one.where for one in wrong if told(one) not in EXCEPTIONS] == []


def test_every_exception_is_still_one_and_waits_until_it_is_needed_or_is_the_kernel() -> None:
    wrong = [one for one in OURS if not is_allowed(folder_of(one.module), folder_of(one.name))]
    assert {told(one) for one in wrong} == {*EXCEPTIONS}
    assert [one.where for one in wrong if one.at_once and one.name != "convverify.judging.kernel"] == []


def test_no_module_imports_itself_by_way_of_others() -> None:
    graph = {module: {one.name.removeprefix("convverify.") for one in OURS if one.module == module and one.at_once} for module in FILES}
    while leaves := [module for module, targets in graph.items() if not targets & graph.keys() - {module}]:
        for module in leaves:
            del graph[module]
    assert graph == {}


JUDGES = ("host.process", "host.inprocess", "host.standing", "host.weighing", "host.boot")  # the judge's side of a host


def test_a_host_needs_the_standard_library_and_numpy_and_nothing_of_ours() -> None:
    allowed = STANDARD_LIBRARY | {"numpy", "ml_dtypes"}
    wrong = [
        one.where
        for one in IMPORTS
        if folder_of(one.module) == "host"
        and one.name.split(".")[0] not in allowed
        and not one.name.startswith("convverify.host")
        and not (one.module in JUDGES and one.name == "psutil")
    ]
    assert wrong == []


def test_what_runs_in_a_host_imports_nothing_of_the_judges_side() -> None:
    reached, pending = set[str](), ["host.program"]
    while pending:
        module = pending.pop()
        if module not in reached:
            reached.add(module)
            pending += [one.name.removeprefix("convverify.") for one in imports_of(module) if one.name.startswith("convverify.")]
    assert not reached & {*JUDGES}
    assert {"host.calls", "host.loading", "host.mapping", "host.limits"} <= reached


def test_what_runs_in_a_host_imports_its_neighbours_relatively() -> None:
    """There is no `convverify` in a host."""
    wrong = [
        f"{module}:{node.lineno}"
        for module, path in FILES.items()
        if folder_of(module) == "host"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        and any(
            name and name.split(".")[0] == "convverify"
            for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module])
        )
    ]
    assert wrong == []


def test_the_command_line_and_what_reads_its_options_alone_know_click() -> None:
    knows = {one.module for one in IMPORTS if one.name.split(".")[0] == "click" and folder_of(one.module) != "cli"}
    assert knows == {"pytest_plugin.options", "reporting.files"}


def test_hypothesis_is_used_by_its_public_names() -> None:
    assert [one.where for one in IMPORTS if one.name.startswith(("hypothesis.internal", "hypothesis.vendor"))] == []


@pytest.mark.parametrize("library", ["hypothesis", "tensorflow", "matplotlib", "asv"])
def test_what_takes_long_to_import_is_not_waited_for(library: str) -> None:
    code = f"import sys, convverify, convverify.cli.running, convverify.generation.edge_cases; print({library!r} in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
