"""What a pass means, in numbers: how likely a wrong polynomial would have slipped through the exact stage."""

from __future__ import annotations

from convverify.campaign.report import VERIFIED, Report


def statement(report: Report) -> list[str]:
    """Return the statement that goes with a verified kernel; nothing for any other verdict.

    On integers drawn from S values, a kernel that computes another polynomial of total degree d in the operands than the bilinear right one
    agrees with it by chance with probability at most max(2, d) / S (Schwartz 1980, Zippel 1979).  The most common draw has
    S = 2 M + 1 with M = floor(sqrt(2**24 / n)), in float32 for n terms; n = 27 is a 3x3 kernel on 3 channels.
    """
    if report.verdict != VERIFIED:
        return []
    if not report.statistics.judged.get("exact_on_integers", 0):
        return []
    return [
        "exactness: a kernel that computes another polynomial of degree 2 hides on one case with values=integers with a probability of "
        "2 / 1577 at most (3x3 kernel, 3 channels, float32; by Schwartz and Zippel)"
    ]
