"""One test for each property of a kernel, so that a failure names the property.

pytest examples/test_each_property.py                             all pass; what no case judged is skipped
pytest examples/test_each_property.py -k exact                    one of them
pytest examples/test_each_property.py --convverify-stats -n 2     what was tried, on two processes
"""

import numpy as np
from mine import conv2d

import convverify


@convverify.kernel_test(conv2d, max_examples=300)
def test_conv2d():
    pass


def test_with_a_bias(convverify_operands, convverify_reference):
    x, w = convverify_operands("x=2x5x6x3 w=3x2x3x4")
    bias = np.arange(4, dtype=x.dtype)
    np.testing.assert_array_equal(conv2d(x, w) + bias, convverify_reference("exact")(x, w) + bias)
