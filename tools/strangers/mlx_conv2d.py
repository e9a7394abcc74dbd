import mlx.core as mx
import numpy as np


def conv2d(x, w, strides, padding, dilations, groups):
    filters, pads = mx.array(w.transpose(3, 0, 1, 2).copy()), (padding[1][0], padding[2][0])
    return np.array(mx.conv2d(mx.array(x.copy()), filters, tuple(strides), pads, tuple(dilations), groups))


conv2d.domain = {"dtypes": "float32", "padding": "EXPLICIT", "pads": "symmetric"}
