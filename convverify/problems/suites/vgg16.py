"""VGG-16 (configuration D)."""

from __future__ import annotations

from convverify.problems.suites import Layer, conv, distinct, suites

_SOURCE = "Simonyan, Zisserman 2014 (arXiv:1409.1556), table 1, column D; padding as in Keras' VGG16"
_BLOCKS = ((224, (64, 64)), (112, (128, 128)), (56, (256, 256, 256)), (28, (512, 512, 512)), (14, (512, 512, 512)))


@suites.register()
def vgg16(batch: int = 1) -> tuple[Layer, ...]:
    """VGG-16 at 224x224: 13 convolutions of 3x3, 15.3e9 multiply-adds an image; SAME."""
    layers, channels = [], 3
    for block, (size, widths) in enumerate(_BLOCKS, start=1):
        for number, width in enumerate(widths, start=1):
            layers.append((f"conv{block}_{number}", conv(size, size, channels, (3, 3), width, padding="SAME")))
            channels = width
    return distinct(layers, _SOURCE, batch)
