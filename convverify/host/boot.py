"""How a host is started: a line of code for an interpreter that need not have this package, and what it is told."""

from __future__ import annotations

from pathlib import Path

NAME = "_kernel_host"

# Makes the package importable under its neutral name, without what lies around it.
_PACKAGE = """\
import importlib.util, sys
spec = importlib.util.spec_from_file_location({name!r}, {init!r}, submodule_search_locations=[{folder!r}])
module = importlib.util.module_from_spec(spec)
sys.modules[{name!r}] = module
spec.loader.exec_module(module)
"""

# The interpreter starts with the working directory in front of its path: a user's numpy.py there must not be taken for NumPy.
CODE = """\
import sys
text = sys.argv.pop()
here = sys.path.pop(0) if sys.path and sys.path[0] == "" else None
{package}
if {sandbox!r}:
    from {name}.sandbox import enter
    enter(text)
from {name}.program import main
if here is not None:
    sys.path.insert(0, here)
sys.argv[:] = [""]
main(text)
"""


def package() -> str:
    """Return lines of Python after which modules of this package are imported from NAME."""
    folder = Path(__file__).parent
    return _PACKAGE.format(name=NAME, init=str(folder / "__init__.py"), folder=str(folder))


def command(python: str, text: str, *, sandbox: bool = False) -> list[str]:
    """Return the command that starts a host, which is told `text` (JSON); in a sandbox, or not at all, where that is asked for."""
    return [python, "-c", CODE.format(name=NAME, package=package(), sandbox=sandbox), text]
