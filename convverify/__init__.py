"""convverify: is this 2-D convolution right, and how fast is it?

Names are loaded when they are used: `import convverify` loads neither TensorFlow nor Hypothesis nor Numba.
"""

from __future__ import annotations

import importlib
from typing import Any

from convverify._aliases import install as _install_aliases

__version__ = "0.1.0"
_install_aliases()

_PLACES = {
    "Case": "convverify.operands.case",
    "Domain": "convverify.problems.domain",
    "NotVerified": "convverify.testing",
    "Options": "convverify.campaign.options",
    "Problem": "convverify.problems.problem",
    "Report": "convverify.campaign.report",
    "adapt": "convverify.adapting",
    "assert_within_bound": "convverify.operations.error_bounds",
    "cases": "convverify.generation.strategies",
    "conv2d_fft": "convverify.kernels.fft",
    "conv2d_loops": "convverify.kernels.loops",
    "conv2d_loops_compiled": "convverify.kernels.loops_compiled",
    "conv2d_matmul": "convverify.kernels.matmul",
    "conv2d_matmul_offsets": "convverify.kernels.matmul_offsets",
    "conv2d_winograd_2x2": "convverify.kernels.winograd",
    "conv2d_winograd_4x4": "convverify.kernels.winograd",
    "domain": "convverify.problems.domain",
    "kernel_test": "convverify.testing",
    "make_kernel": "convverify.judging.kernel",
    "pads": "convverify.adapting",
    "problems": "convverify.generation.strategies",
    "replay": "convverify.api",
    "verify": "convverify.api",
    "verify_convolution": "convverify.testing",
}
__all__ = ["__version__", *_PLACES]


def __getattr__(name: str) -> Any:
    """Load a public name from the module that holds it."""
    if name not in _PLACES:
        raise AttributeError(f"module 'convverify' has no attribute {name!r}")
    return getattr(importlib.import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
