"""Cheats: kernels that try to be VERIFIED, or to look fast, without computing the convolution.  They verify that nobody can.

A cheat is a function `f(x, w)` in the contract of a kernel, decorated with `@cheats.register(kind="frames", at=CHECK, stopped_by="..")`.
Its traits:

- `kind`: where it attacks, which is also the module's name;
- `at`: the commands that it is for, CHECK, COMPARE or both;
- `stopped_by`: what keeps it from success, in a few words;
- `issue`: a public report of a program, or of a model that writes kernels, that did the same;
- `options`: words that the command line needs for it to have its chance;
- `dear`: a right result costs it `DEAR` seconds of a processor, so that any time below is a false one;
- `slows`: seconds by which it delays each call of other kernels;
- `takes`: MiB that a right call takes for itself.

What a cheat attacks is convverify alone: its own process, and the processes above it up to the one that runs convverify's command
line, and no others; files in a scratch directory alone.
"""

from __future__ import annotations

from convverify.registry import Registry

CHECK, COMPARE = "check", "compare"

cheats = Registry("cheat", __name__)
