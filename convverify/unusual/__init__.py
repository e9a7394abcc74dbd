"""Unusual kernels: correct convolutions that go about it in an uncommon way, and that nothing may refute.

An unusual kernel is a function in the contract of a kernel, decorated with `@unusual.register()`.  Its traits say what a user would
say in options: `accuracy="normwise"` for algorithms that no elementwise bound covers, `data_format="NCHW"` for another order of axes.
"""

from __future__ import annotations

from convverify.registry import Registry

unusual = Registry("unusual kernel", __name__)
