"""A kernel in C, called through ctypes, with strides.

    convverify check examples/c_kernel.py:conv2d        VERIFIED

A segmentation fault of the C function would end a process of convverify's, and be reported with the smallest case that causes it.
"""

import ctypes
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np

SOURCE = Path(__file__).with_name("conv2d.c")


def _compile():
    """Compile the source, once for each process that loads this file."""
    with tempfile.TemporaryDirectory() as directory:
        library = Path(directory, "conv2d.so")
        subprocess.run([os.environ.get("CC", "cc"), "-O2", "-shared", "-fPIC", "-o", library, SOURCE], check=True)
        return ctypes.CDLL(str(library))


_library = _compile()
_FUNCTIONS = {"float32": _library.conv2d_float, "float64": _library.conv2d_double}


def conv2d(x, w, *, strides):
    """VALID, NHWC, HWIO, one group."""
    if x.dtype.name not in _FUNCTIONS:
        raise NotImplementedError(f"no conv2d for {x.dtype}")
    x, w = np.ascontiguousarray(x), np.ascontiguousarray(w)  # C knows no strides of memory
    rows, columns = (max(0, (extent - size) // step + 1) for extent, size, step in zip(x.shape[1:3], w.shape[:2], strides, strict=True))
    y = np.zeros((x.shape[0], rows, columns, w.shape[3]), x.dtype)
    arrays = [array.ctypes.data_as(ctypes.c_void_p) for array in (x, w, y)]
    extents = (*x.shape, w.shape[0], w.shape[1], w.shape[3], rows, columns, *strides)
    _FUNCTIONS[x.dtype.name](*arrays, *map(ctypes.c_long, extents))
    return y
