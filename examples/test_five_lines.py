from mine import conv2d

from convverify.testing import verify_convolution


def test_conv2d():
    verify_convolution(conv2d)
