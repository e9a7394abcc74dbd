"""Names that documents, snippets and commits of before the folders were made still use: each is imported as what it has become."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from types import ModuleType

_NOW = {
    "benchdnn": "problems.benchdnn", "case": "operands.case", "corpus": "generation.corpus", "dtypes": "problems.dtypes",
    "error_bounds": "operations.error_bounds", "events": "campaign.events", "kernel": "judging.kernel", "layouts": "operands.layouts",
    "normwise": "operations.normwise", "options": "campaign.options",
    "problem": "problems.problem", "properties": "judging.properties", "report": "campaign.report", "strategies": "generation.strategies",
    "styles": "operands.fills", "suites": "problems.suites", "threads": "kernels.shared.threads",
}  # fmt: skip


class _Aliases(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> importlib.machinery.ModuleSpec | None:
        package, _, rest = name.partition(".")
        return importlib.util.spec_from_loader(name, self) if package == __package__ and rest in _NOW else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        module = importlib.import_module(f"{__package__}.{_NOW[spec.name.partition('.')[2]]}")
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Give the module its own spec back; what it has become has been executed."""
        assert module.__spec__ is not None
        module.__spec__ = module.__spec__.loader_state


def install() -> None:
    """Let the old names be imported, after all others have been looked for."""
    sys.meta_path.append(_Aliases())
