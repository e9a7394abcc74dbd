"""What does verifying cost, and how soon does it find a fault?"""

from __future__ import annotations

import statistics
import tempfile
import time
from typing import Any

from .by_kernel import asks

_EXAMPLES = 250  # problems: one shard of a campaign
MUTANTS = [  # one or two of most classes, of those that exist longest; none that harms its process
    "kernel_flipped", "kernel_size_from_height", "last_row_left_zero", "one_column_shifted", "strides_swapped", "dilations_swapped",
    "groups_interleaved", "depthwise_tail_of_four", "pads_of_axes_swapped", "same_odd_pad_first", "width_tail_of_eight_zero",
    "batch_tail_of_eight", "doubles_summed_as_singles", "every_seventh_call", "weights_cached_by_shape", "sums_not_cleared",
]  # fmt: skip


class _Stop(BaseException):
    """Ends a campaign at the first finding; not an Exception, so that nobody takes it for the kernel's."""


def campaign(target: str, examples: int) -> tuple[int, bool, float]:
    """Run a campaign in this process, against exact arithmetic, until it finds something.

    Returns the number of cases, whether it found something, and processor seconds without those of the kernel.
    """
    try:
        from convverify.campaign import Campaign, Task, shards_of
        from convverify.events import Found
        from convverify.options import Options
    except ImportError:
        raise NotImplementedError("no campaigns at this commit") from None
    with tempfile.TemporaryDirectory() as corpus:
        try:
            options = Options(target, references=(), max_examples=examples, seed=0, corpus=corpus)
            shards = tuple(shards_of(options))
        except TypeError:
            raise NotImplementedError("other options at this commit") from None

        def hear(event: Any) -> None:
            if isinstance(event, Found):
                raise _Stop

        one = Campaign(options, Task(shards), hear)
        start, found = time.process_time(), False
        try:
            one.run()
        except _Stop:
            found = True
        seconds = time.process_time() - start - one.statistics.times.kernel
    return one.statistics.cases + found, found, seconds


class Cost:
    """What a case costs besides the kernel."""

    timeout = 120

    def setup(self) -> None:
        campaign("matmul", 5)  # load everything

    @asks("processor time of the harness for a case", unit="ms")
    def track_milliseconds_per_case(self) -> float:
        cases, _, seconds = campaign("matmul", _EXAMPLES)
        return 1e3 * seconds / cases


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
        cases, found, _ = campaign(name, _EXAMPLES)
        return cases if found else float("inf")
