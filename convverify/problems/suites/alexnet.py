"""AlexNet as it was published: 227x227, two groups where the two graphics cards did not talk."""

from __future__ import annotations

from convverify.problems.suites import Layer, conv, distinct, suites

_SOURCE = "Krizhevsky, Sutskever, Hinton 2012 (NIPS 25), section 3.5; pads and groups as in Caffe's bvlc_reference_caffenet"


@suites.register()
def alexnet(batch: int = 1) -> tuple[Layer, ...]:
    """AlexNet at 227x227: 5 convolutions, 6.66e8 multiply-adds an image; stride 4, 5x5, and two groups."""
    layers = (
        ("conv1", conv(227, 227, 3, (11, 11), 96, strides=(4, 4))),
        ("conv2", conv(27, 27, 96, (5, 5), 256, padding=((2, 2), (2, 2)), groups=2)),
        ("conv3", conv(13, 13, 256, (3, 3), 384, padding=((1, 1), (1, 1)))),
        ("conv4", conv(13, 13, 384, (3, 3), 384, padding=((1, 1), (1, 1)), groups=2)),
        ("conv5", conv(13, 13, 384, (3, 3), 256, padding=((1, 1), (1, 1)), groups=2)),
    )
    return distinct(layers, _SOURCE, batch)
