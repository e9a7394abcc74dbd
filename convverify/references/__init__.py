"""References: kernels that one trusts, in the same contract as any other.  Frameworks are imported when first called, never before.

A reference whose package is an extra says so in its traits: `packages` (what is imported), `extra` (what installs it), `load`.
"""

from __future__ import annotations

from convverify.registry import Registry

references = Registry("reference", __name__)


def load_reference(name: str) -> None:
    """Import now what a reference would import when it is first called: that takes seconds, and is no call.

    Raises ImportError where it is not installed; a name that is no reference is passed over.
    """
    if name in references:
        references[name].traits.get("load", lambda: None)()
