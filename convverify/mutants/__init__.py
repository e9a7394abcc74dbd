"""Mutants: kernels with one known fault each, to prove that every property can fail.  `convverify mutants` makes the kill matrix.

A mutant is a function in the contract of a kernel, decorated with `@mutants.register(fault_class="padding", witness="x=.. w=..")`.
Its traits:

- `fault_class`: what kind of fault it is, which is also the module's name;
- `witness`: a case on which it is wrong;
- `before`: cases to call it on first, where the fault lies in what is kept between calls;
- `issue`: the public report of a shipped fault of that kind.
"""

from __future__ import annotations

from convverify.registry import Registry

mutants = Registry("mutant", __name__)
