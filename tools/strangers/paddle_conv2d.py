import paddle
from paddle.nn.functional import conv2d as theirs


def conv2d(x, w, stride, padding, dilation, groups):
    filters = paddle.to_tensor(w.transpose(3, 2, 0, 1))
    return theirs(paddle.to_tensor(x), filters, None, stride, padding, dilation, groups, "NHWC").numpy()
