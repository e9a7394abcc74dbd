import functools

from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator


@functools.cache
def model(strides, dilations, group, **pads):
    node = helper.make_node("Conv", ["x", "w"], ["y"], strides=strides, dilations=dilations, group=group, **pads)
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "xwy"]
    return ReferenceEvaluator(helper.make_model(helper.make_graph([node], "conv", values[:2], values[2:])))


def conv2d(x, w, strides, padding, dilations, groups):
    (top, bottom), (left, right) = padding[1:3]
    return model(tuple(strides), tuple(dilations), groups, pads=(top, left, bottom, right)).run(None, {"x": x, "w": w})[0]


conv2d.domain, conv2d.data_format = {"padding": "EXPLICIT"}, "NCHW"
