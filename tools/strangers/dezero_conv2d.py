import numpy as np

np.int = int  # which dezero takes for there
from dezero.functions_conv import conv2d as theirs  # noqa: E402


def conv2d(x, w, stride, padding):
    return theirs(x, w, stride=tuple(stride), pad=(padding[1][0], padding[2][0])).data


conv2d.domain, conv2d.data_format = {"padding": "EXPLICIT", "pads": "symmetric"}, "NCHW"
