from npdl.layers import Convolution


def conv2d(x, w, stride):
    layer = Convolution(w.shape[0], w.shape[2:], x.shape, stride[0], activation="linear")
    layer.connect_to()
    layer.W = w
    return layer.forward(x)


conv2d.domain, conv2d.data_format = {"dtypes": "float32", "strides": "equal"}, "NCHW"
