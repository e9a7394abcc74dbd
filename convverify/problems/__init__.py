"""Problems: the geometry and dtype of a convolution, its forms in one line of text, the domains of kernels, and the suites of real ones.

The package has the name of the strategy `convverify.problems(...)`, and stands for it when it is called.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Strategy(ModuleType):
    def __call__(self, **options: Any) -> Any:
        """Return the strategy for problems: see `convverify.generation.strategies.problems`."""
        from convverify.generation.strategies import problems

        return problems(**options)


sys.modules[__name__].__class__ = _Strategy
