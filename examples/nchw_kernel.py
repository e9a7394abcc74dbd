"""A kernel that takes its operands as PyTorch does, x in NCHW and w in OIHW, and an adapter to the parameters of tf.nn.conv2d.

convverify check examples/nchw_kernel.py:conv2d     VERIFIED
"""

import numpy as np


def torch_conv2d(x, w, bias=None, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
    """Do what torch.nn.functional.conv2d does: `padding` holds the pads above and below, and those to the left and right."""
    (batch, channels, _, _), (outputs, _, tall, wide) = x.shape, w.shape
    padded = np.pad(x, ((0, 0), (0, 0), (padding[0], padding[0]), (padding[1], padding[1])))
    height, width = padded.shape[2:]
    rows = max(0, (height - (tall - 1) * dilation[0] - 1) // stride[0] + 1)
    columns = max(0, (width - (wide - 1) * dilation[1] - 1) // stride[1] + 1)
    images = padded.reshape(batch, groups, channels // groups, height, width)
    kernels = w.reshape(groups, outputs // groups, channels // groups, tall, wide)
    y = np.zeros((batch, groups, outputs // groups, rows, columns), x.dtype)
    for i in range(tall):
        for j in range(wide):
            down, right = i * dilation[0], j * dilation[1]
            pixels = images[..., down : down + rows * stride[0] : stride[0], right : right + columns * stride[1] : stride[1]]
            y += np.einsum("ngchw,gkc->ngkhw", pixels, kernels[..., i, j])
    y = y.reshape(batch, outputs, rows, columns)
    return y if bias is None else y + bias[:, None, None]


def conv2d(x, w, *, strides, padding, dilations, groups):
    """Adapt the parameters; what PyTorch cannot express is unsupported, which convverify counts and does not take for a pass."""
    if padding == "SAME":
        raise NotImplementedError("SAME, which may pad more on one side")
    pads = [(0, 0), (0, 0)] if padding == "VALID" else padding[1:3]
    if any(before != after for before, after in pads):
        raise NotImplementedError("different pads on two sides")
    return torch_conv2d(x, w, stride=strides, padding=[before for before, _ in pads], dilation=dilations, groups=groups)


conv2d.data_format = "NCHW"
