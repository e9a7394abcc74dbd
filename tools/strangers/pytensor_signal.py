import functools

import pytensor
from pytensor.tensor import tensor
from pytensor.tensor.signal import convolve2d


@functools.cache
def compiled(dtype):
    x, w = tensor("x", dtype=dtype, shape=(None, None)), tensor("w", dtype=dtype, shape=(None, None))
    return pytensor.function([x, w], convolve2d(x, w, mode="valid"), accept_inplace=True)


def conv2d(x, w):
    return compiled(x.dtype.name)(x[0, :, :, 0].copy(), w[::-1, ::-1, 0, 0].copy())[None, :, :, None]


conv2d.domain = {"batch": 1, "channels": 1}
conv2d.accuracy, conv2d.reentrant = "normwise", False  # it may choose Fourier transforms
