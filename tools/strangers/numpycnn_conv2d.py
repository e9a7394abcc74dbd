import numpycnn


def conv2d(x, w):
    return numpycnn.conv(x[0], w.transpose(3, 0, 1, 2))[None]


conv2d.domain = {"batch": 1, "kernel": "square,odd"}
