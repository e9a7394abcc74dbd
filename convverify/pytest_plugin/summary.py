"""The end of a session: for each kernel what was tried, from the reports that carry it, those of other processes included."""

from __future__ import annotations

from typing import Any


def show(terminal: Any) -> None:
    """Write the statistics of each campaign once."""
    seen: dict[str, str] = {}
    for reports in terminal.stats.values():
        for report in reports:
            for noted in getattr(report, "convverify", ()):
                seen.setdefault(noted["key"], noted["statistics"])
    if not seen:
        return
    terminal.section("convverify")
    terminal.write("\n".join(seen.values()))
