"""Mutants: kernels with one known fault each, to prove that every property can fail.  See docs/mutants.md for the kill matrix.

A mutant is a function in the contract of a kernel, decorated with `@mutants.register(fault_class="padding", issue="...")`.
"""

from __future__ import annotations

from convverify.registry import Registry

mutants = Registry("mutant", __name__)
