from convnet.layers import Conv2D


def conv2d(x, w, strides, padding):
    layer = Conv2D(w.shape[3], w.shape[:2], strides[0], padding.lower(), use_bias=False)
    layer.build(x.shape)
    layer.params["W"] = w
    return layer.forward(x)


conv2d.domain = {"padding": "VALID,SAME", "strides": "equal"}
