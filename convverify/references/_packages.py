"""What the references share: optional packages that are imported when first needed, quietly, and operands in the order NCHW."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def load_package(name: str, extra: str) -> Any:
    """Import a package, with what its libraries write to the C++ stderr kept back.

    Raises ImportError with one sentence that names the extra, where it is not installed.
    """
    with stderr_kept_back():
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name.partition(".")[0]:
                raise
            raise ModuleNotFoundError(missing(name, extra), name=error.name) from None


def missing(package: str, extra: str) -> str:
    """Return the sentence that says how to get a package that is not installed."""
    return f"the package {package!r} is not installed; it comes with the extra {extra!r}: pip install 'convverify[{extra}]'"


@contextmanager
def stderr_kept_back() -> Iterator[None]:
    """Send file descriptor 2 to a temporary file; what was written is shown when an exception passes."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        except BaseException:
            file.seek(0)
            os.write(kept, file.read()[-4000:])
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def to_nchw(x: Array, w: Array) -> tuple[Array, Array]:
    """Return copies of x (NHWC) and w (HWIO) as contiguous NCHW and OIHW: a framework may neither write to the operands nor keep them."""
    return x.transpose(0, 3, 1, 2).copy(order="C"), w.transpose(3, 2, 0, 1).copy(order="C")


def to_nhwc(y: Array) -> Array:
    """Return a result in NCHW order as a contiguous array in NHWC order."""
    return np.ascontiguousarray(y.transpose(0, 2, 3, 1))
