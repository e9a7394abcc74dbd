"""A kernel compiled by Numba, with strides.

    convverify check examples/numba_kernel.py:conv2d    VERIFIED

The first call compiles; convverify allows for that.  Operands are copied into plain arrays first: Numba compiles anew for each memory
layout, and for arrays that are read-only.
"""

import numba
import numpy as np


def conv2d(x, w, *, strides):
    """VALID, NHWC, HWIO, one group."""
    (down, right), (tall, wide) = strides, w.shape[:2]
    rows = max(0, (x.shape[1] - tall) // down + 1)
    columns = max(0, (x.shape[2] - wide) // right + 1)
    y = np.zeros((x.shape[0], rows, columns, w.shape[3]), x.dtype)
    _add_products(np.array(x, order="C"), np.array(w, order="C"), y, down, right)
    return y


@numba.njit
def _add_products(x, w, y, down, right):
    for n in range(y.shape[0]):
        for row in range(y.shape[1]):
            for column in range(y.shape[2]):
                for i in range(w.shape[0]):
                    for j in range(w.shape[1]):
                        for c in range(w.shape[2]):
                            value = x[n, row * down + i, column * right + j, c]
                            for k in range(w.shape[3]):
                                y[n, row, column, k] += value * w[i, j, c, k]
