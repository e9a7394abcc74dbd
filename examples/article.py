"""The two functions of the article that convverify grew out of: stride 1, VALID, NHWC by HWIO.

Both read one kernel size for both axes and sum into float64 zeros, as they did there.  So they are right for square kernels alone:

convverify check examples/article.py:conv2d_matmul     REFUTED
convverify check examples/article.py:conv2d_loops      REFUTED

To time them beside the ones that ship:

    convverify compare examples/article.py:conv2d_matmul examples/article.py:conv2d_loops matmul loops --suite article
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def conv2d_loops(x: npt.NDArray[Any], w: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """The definition: seven loops in plain Python."""
    batch, height, width, in_channels = x.shape
    size, _, _, out_channels = w.shape
    rows, columns = height - size + 1, width - size + 1
    y = np.zeros((batch, rows, columns, out_channels))
    for n in range(batch):
        for i in range(rows):
            for j in range(columns):
                for k in range(out_channels):
                    for a in range(size):
                        for b in range(size):
                            for c in range(in_channels):
                                y[n, i, j, k] += x[n, i + a, j + b, c] * w[a, b, c, k]
    return y


def conv2d_matmul(x: npt.NDArray[Any], w: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """One matrix product for each offset of the kernel."""
    batch, height, width, _ = x.shape
    size, _, _, out_channels = w.shape
    rows, columns = height - size + 1, width - size + 1
    y = np.zeros((batch, rows, columns, out_channels))
    for a in range(size):
        for b in range(size):
            y += x[:, a : a + rows, b : b + columns] @ w[a, b]
    return y
