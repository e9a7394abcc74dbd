"""Versions that matter for a report: of Python, of this package, and of what computes."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version


def environment() -> dict[str, str]:
    """Return versions that matter for a report."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for name in ("convverify", "numpy", "tensorflow", "hypothesis", "numba", "ml_dtypes", "torch", "jax", "onnxruntime", "scipy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
