"""References: kernels that one trusts, in the same contract as any other.  Frameworks are imported when first called, never before."""

from __future__ import annotations

from convverify.registry import Registry

references = Registry("reference", __name__)
