"""What does verifying cost, and how soon does it find a fault?"""

from __future__ import annotations

import importlib
import statistics
import tempfile
import time
from typing import Any

from .by_kernel import asks

_EXAMPLES = 250  # problems: one shard of a campaign
MUTANTS = [  # plain faults and hidden ones of most classes, of those that exist longest; none that harms its process
    "kernel_flipped", "kernel_size_from_height", "strides_swapped", "groups_interleaved", "doubles_summed_as_singles", "every_seventh_call",
    "strides_swapped_in_tall_outputs", "height_tail_of_one_past_thirty_two", "one_channel_past_thirty_two", "pads_beyond_three",
    "kernel_rows_beyond_seven", "dilation_lost_in_even_widths", "batch_tail_of_eight", "column_index_of_eight_bits",
    "group_offset_lost_beyond_sixty_four", "cache_key_without_dilations",
]  # fmt: skip


class _Stop(BaseException):
    """Ends a campaign at the first finding; not an Exception, so that nobody takes it for the kernel's."""


def campaign(target: str, examples: int) -> tuple[int, bool]:
    """Run a campaign in this process, against exact arithmetic, until it finds something: the number of cases, and whether it found it."""
    campaigns, events, made = _modules()
    with tempfile.TemporaryDirectory() as corpus:
        try:
            options = made.Options(target, references=(), max_examples=examples, seed=0, corpus=corpus)
            shards = tuple(campaigns.shards_of(options))
        except TypeError:
            raise NotImplementedError("other options at this commit") from None

        def hear(event: Any) -> None:
            if isinstance(event, events.Found):
                raise _Stop

        if hasattr(campaigns, "Task"):
            one = campaigns.Campaign(options, campaigns.Task(shards), hear)
        else:
            one = _in_a_host(campaigns, options, hear)
        try:
            one.run()
        except _Stop:
            return one.statistics.cases + 1, True
    return one.statistics.cases, False


def _modules() -> list[Any]:
    """Return the modules of campaigns, events and options, which lay in no folder at first."""
    for folder in ("convverify.campaign", "convverify"):
        try:
            return [importlib.import_module(f"{folder}.{name}") for name in ("campaign", "events", "options")]
        except ImportError:
            continue
    raise NotImplementedError("no campaigns at this commit")


def _in_a_host(campaigns: Any, options: Any, hear: Any) -> Any:
    """Return a campaign whose kernel's host is this process."""
    from convverify.campaign.referring import References
    from convverify.campaign.session import Session
    from convverify.campaign.statistics import Statistics
    from convverify.host.inprocess import LocalHost
    from convverify.targets import find_kernel

    kernel, statistics = find_kernel(options.target), Statistics()
    session = Session(LocalHost(kernel.function), kernel, options.timeout)
    return campaigns.Campaign(options, session, References([], statistics.times, lambda fault: None), hear, statistics)


def counted() -> list[float]:
    """Register `counted`, which is `matmul` and counts its own processor time in the list that is returned."""
    from convverify.kernels import kernels

    matmul, spent = kernels["matmul"].function, [0.0]

    @kernels.register("counted")
    def function(x: Any, w: Any, *, strides: Any = (1, 1), padding: Any = "VALID", dilations: Any = (1, 1), groups: int = 1) -> Any:
        """matmul, timed."""
        start = time.process_time()
        try:
            return matmul(x, w, strides=strides, padding=padding, dilations=dilations, groups=groups)
        finally:
            spent[0] += time.process_time() - start

    return spent


class Cost:
    """What a case costs besides the kernel."""

    timeout = 120

    def setup(self) -> None:
        self.spent = counted()
        campaign("counted", 5)  # load everything

    @asks("processor time of the harness for a case", unit="ms")
    def track_milliseconds_per_case(self) -> float:
        self.spent[0] = 0.0
        start = time.process_time()
        cases, _ = campaign("counted", _EXAMPLES)
        return 1e3 * (time.process_time() - start - self.spent[0]) / cases


class Sharpness:
    """How many cases it takes until a wrong kernel is refuted, over a sample of mutants."""

    timeout = 300

    @asks("median cases until a mutant is refuted", unit="cases")
    def track_cases_until_refuted(self) -> float:
        return statistics.median(self._cases(name) for name in MUTANTS)

    def _cases(self, name: str) -> float:
        from convverify.mutants import mutants

        if name not in mutants:
            raise NotImplementedError(f"no mutant {name} at this commit")
        cases, found = campaign(name, _EXAMPLES)
        return cases if found else float("inf")
