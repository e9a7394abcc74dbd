"""The environment variables of a host: what the kernel needs, and no secrets."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping

_SECRET = re.compile(r"TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|AUTH|(API|ACCESS|PRIVATE|SIGNING|ENCRYPTION|ACCOUNT)_?KEY", re.IGNORECASE)
_NEEDED = re.compile(
    r"PATH|HOME|LANG|LANGUAGE|LC_\w+|TZ|LD_LIBRARY_PATH|VIRTUAL_ENV|CONDA_PREFIX|(PYTHON|OMP|KMP|MKL|OPENBLAS|BLIS|NUMBA|TF|MALLOC|COV)_?\w*"
)


def without_secrets(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables but those whose names say that they are secret."""
    return {name: value for name, value in variables.items() if not _SECRET.search(name)}


def surroundings(python: str, *, sandbox: bool = False) -> dict[str, str]:
    """Return a host's environment: this process's without secrets; in a sandbox only what interpreters and libraries of numbers read.

    This interpreter's path is for this interpreter alone.
    """
    variables = without_secrets(os.environ)
    if sandbox:
        variables = {name: value for name, value in variables.items() if _NEEDED.fullmatch(name)}
    variables["TF_CPP_MIN_LOG_LEVEL"] = "3"
    if python == sys.executable:
        variables["PYTHONPATH"] = os.pathsep.join(entry for entry in sys.path if entry)
    return variables
