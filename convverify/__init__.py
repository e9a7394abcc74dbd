"""convverify: is this 2-D convolution right, and how fast is it?

Names are loaded when they are used: `import convverify` loads neither TensorFlow nor Hypothesis nor Numba.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:  # the same names, for type checkers
    from convverify.adapting import adapt as adapt
    from convverify.adapting import pads as pads
    from convverify.api import replay as replay
    from convverify.api import verify as verify
    from convverify.campaign.options import Options as Options
    from convverify.campaign.report import Report as Report
    from convverify.generation.strategies import cases as cases
    from convverify.generation.strategies import problems as problems
    from convverify.judging.kernel import make_kernel as make_kernel
    from convverify.kernels.fft import conv2d_fft as conv2d_fft
    from convverify.kernels.loops import conv2d_loops as conv2d_loops
    from convverify.kernels.loops_compiled import conv2d_loops_compiled as conv2d_loops_compiled
    from convverify.kernels.matmul import conv2d_matmul as conv2d_matmul
    from convverify.kernels.matmul_offsets import conv2d_matmul_offsets as conv2d_matmul_offsets
    from convverify.kernels.winograd import conv2d_winograd_2x2 as conv2d_winograd_2x2
    from convverify.kernels.winograd import conv2d_winograd_4x4 as conv2d_winograd_4x4
    from convverify.operands.case import Case as Case
    from convverify.operations.error_bounds import assert_within_bound as assert_within_bound
    from convverify.problems.domain import Domain as Domain
    from convverify.problems.domain import domain as domain
    from convverify.problems.problem import Problem as Problem
    from convverify.testing import NotVerified as NotVerified
    from convverify.testing import kernel_test as kernel_test
    from convverify.testing import verify_convolution as verify_convolution

__all__ = ["__version__", *_PLACES]


def __getattr__(name: str) -> Any:
    """Load a public name from the module that holds it."""
    if name not in _PLACES:
        raise AttributeError(f"module 'convverify' has no attribute {name!r}")
    return getattr(importlib.import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
