import smallpebble


def conv2d(x, w, strides, padding):
    return smallpebble.conv2d(smallpebble.Variable(x), smallpebble.Variable(w), padding, strides).array


conv2d.domain = {"padding": "VALID,SAME"}
