"""A convolution of one's own, twice: right, and with the fault that a square kernel hides.

convverify check examples/mine.py:conv2d            VERIFIED
convverify check examples/mine.py:conv2d_square     REFUTED
"""

import numpy as np


def conv2d(x, w):
    """Stride 1, VALID, NHWC, HWIO: one matrix product for each offset of the kernel."""
    tall, wide = w.shape[:2]
    batch, height, width, _ = x.shape
    rows, columns = max(0, height - tall + 1), max(0, width - wide + 1)
    y = np.zeros((batch, rows, columns, w.shape[3]), x.dtype)
    for i in range(tall):
        for j in range(wide):
            y += x[:, i : i + rows, j : j + columns] @ w[i, j]
    return y


def conv2d_square(x, w):
    """Read one size, the height, for both axes of the kernel."""
    size = w.shape[0]
    batch, height, width, _ = x.shape
    rows, columns = max(0, height - size + 1), max(0, width - size + 1)
    y = np.zeros((batch, rows, columns, w.shape[3]), x.dtype)
    for i in range(size):
        for j in range(min(size, w.shape[1])):
            y += x[:, i : i + rows, j : j + columns] @ w[i, j]
    return y
