"""The floor under VERIFIED: how many results with elements there must be, of each kind that was asked for, before a kernel is praised.

What was refused, empty, or never reached is no evidence.
"""

from __future__ import annotations

from convverify.campaign.options import Options
from convverify.campaign.statistics import Statistics
from convverify.judging.kernel import Kernel
from convverify.problems.domain import Domain

LEAST = 20  # results of each kind

_VALUES = {"exact": "exact_on_integers", "rounding": "within_error_bound", "special": "special_values"}


def asks_stages(options: Options) -> list[str]:
    """Return the stages of values of which results are asked for."""
    return [stage for stage, name in _VALUES.items() if options.asks(name)]


def shortfall(options: Options, kernel: Kernel, statistics: Statistics, *, finished: bool, needed: float = 0.0) -> str:
    """Return in a sentence, with the remedy, why a campaign that refuted nothing proves too little; "" where it proves enough.

    `finished` says whether all cases that do not depend on chance have been tried; `needed` is about how many seconds a slow kernel needs.
    """
    results = statistics.results
    fixed = bool(options.suite or options.problems)
    if not results["all"]:
        return _nothing(options, statistics)
    if not finished:
        all_of_them = "every problem" if fixed else "all edge cases"
        return (
            f"time ran out before {all_of_them} were tried ({results['all']} results were judged); "
            f"raise --max-time, which was {options.max_time:g} s{f', to about {needed:.0f} s' if needed > options.max_time else ''}"
        )
    asked = [f"reference {name}" for name in options.references if name != kernel.name] if _asks_references(options) else []
    if not fixed:
        asked += [f"dtype {dtype}" for dtype in kernel.domain.dtypes] + [name for name in kernel.keywords if _varies(kernel.domain, name)]
        asked += [f"stage {stage}" for stage in asks_stages(options)]
    least = min(LEAST, max(1, results["all"] // 2)) if fixed else LEAST
    missing = {name: results[name] for name in asked if results[name] < least}
    if not missing:
        return ""
    told = ", ".join(f"{count or 'no'} result{'s' if count != 1 else ''} with {name}" for name, count in missing.items())
    refused = f" ({statistics.unsupported} cases were refused with NotImplementedError)" if statistics.unsupported else ""
    return f"too few results were judged: {told}; at least {least} of each are needed{refused}; {_remedy(missing)}"


def _varies(domain: Domain, name: str) -> bool:
    """Return whether a parameter can be other than neutral in a domain."""
    if name == "padding":
        return domain.padding != ("VALID",)
    if name == "groups":
        return not (domain.groups.numbers is not None and domain.groups.numbers.only == 1 and not domain.groups.depthwise)
    only = getattr(domain, name).only
    return bool(only != (1, 1))


def _asks_references(options: Options) -> bool:
    return options.asks("matches_reference")


def _nothing(options: Options, statistics: Statistics) -> str:
    if statistics.unsupported:
        return "nothing could be tested: the kernel supports none of the problems that were tried"
    if not statistics.cases:
        return f"nothing could be tested within {options.max_time:g} s; raise --max-time"
    return "nothing could be tested: no result with elements was judged"


def _remedy(missing: dict[str, int]) -> str:
    """Say what to do about the first thing that is missing."""
    name = next(iter(missing))
    kind, _, what = name.partition(" ")
    if kind == "reference":
        return f"raise --max-time, or compare without {what}: --reference exact"
    if kind == "dtype":
        return f"leave {what} out with --dtype, or declare what the kernel is for: --domain"
    if kind == "stage":
        return "raise --max-time or --max-examples"
    return f"declare what the kernel is for (--domain), or take {name} out of its signature"
