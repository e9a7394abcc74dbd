"""convverify: is this 2-D convolution right, and how fast is it?"""

__version__ = "0.1.0"
