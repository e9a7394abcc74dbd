"""Probing without isolation: the same questions, answered in this process, for debuggers and for functions that have no name to import."""

from __future__ import annotations

from convverify.campaign.events import Started
from convverify.campaign.isolation.prober import diagnosis, repeat_until_wrong
from convverify.campaign.isolation.probing import Probe
from convverify.judging.kernel import Kernel
from convverify.judging.properties import judge
from convverify.judging.trial import Trial
from convverify.operands.case import Case


class LocalProber:
    """Answers as a Prober does, from this process: nothing is limited, and no kernel is fresh."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def fresh(self) -> None:
        """Do nothing: the kernel has been called before."""

    def probe(
        self,
        case: str,
        *,
        properties: tuple[str, ...] | None = None,
        history: tuple[str, ...] = (),
        arrays: bool = False,
        timeout: float | None = None,
    ) -> Probe:
        """Return the verdict on a case, after the cases of `history`; `arrays` and `timeout` make no difference here."""
        for line in history:
            judge(Trial(self._kernel, Case.parse(line), thorough=False))
        judged, finding = judge(Trial(self._kernel, Case.parse(case)), properties)
        kernel = self._kernel
        started = Started(tuple(kernel.keywords), kernel.data_format, kernel.accuracy, 0, 0.0, spellings=dict(kernel.keywords))
        return Probe(finding, "", judged, started)

    def diagnose(self, cases: list[str], without: str) -> tuple[str, ...]:
        """Return which known faults explain the kernel's outputs on failing cases."""
        return tuple(diagnosis(self._kernel, {"diagnose": cases, "without": without}))

    def calls_until_wrong(self, case: str, calls: int, seconds: float) -> int:
        """Return the number of the first of some further calls that goes wrong; 0 for none."""
        return repeat_until_wrong(self._kernel, case, calls, seconds)
