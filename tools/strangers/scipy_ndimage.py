import numpy as np
from scipy.ndimage import correlate


def conv2d(x, w):
    """VALID is cut out of what `correlate` returns for a whole image of one channel."""
    (top, left), (down, across) = (size // 2 for size in w.shape[2:]), np.subtract(x.shape[2:], w.shape[2:]) + 1
    y = [[sum(map(correlate, image, filters, [None] * len(image), ["constant"] * len(image))) for filters in w] for image in x]
    return np.array(y)[:, :, top : top + down, left : left + across]


conv2d.data_format = "NCHW"
