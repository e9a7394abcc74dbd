"""The second opinion: what the reference itself says on a case that refutes a kernel."""

from __future__ import annotations

import threading
from dataclasses import replace

from convverify.campaign.isolation.probing import Prober
from convverify.campaign.options import Options
from convverify.campaign.report import Counterexample
from convverify.operands.case import Case


class SecondOpinion:
    """Asks the reference about the shrunk case; it is loaded in the background, while the minimiser works."""

    def __init__(self, options: Options) -> None:
        names = [name for name in options.references if name not in (options.target, "exact")]
        self._name = names[0] if names else ""
        self._prober: Prober | None = None
        if self._name:
            self._prober = Prober(replace(options, target=self._name, timeout=60.0, data_format=None, accuracy=None))
            self._prober.start()  # here: a process ends with the thread that has started it
            self._thread = threading.Thread(target=self._warm_up, daemon=True)
            self._thread.start()

    def _warm_up(self) -> None:
        assert self._prober is not None
        try:
            self._prober.probe("x=1x1x1x1 w=1x1x1x1", properties=("shape",))
        except Exception:
            self._name = ""

    def on(self, example: Counterexample) -> str:
        """Return in a sentence what the reference says on a counterexample's case."""
        if self._prober is None:
            return ""
        self._thread.join(60.0)
        if not self._name:
            return ""
        try:
            case = Case.parse(example.case).with_(layouts=("contiguous", "contiguous"), calls=1)
            probe = self._prober.probe(
                str(case), properties=("completes", "shape", "exact_on_integers", "within_error_bound", "special_values")
            )
        except Exception:
            return ""
        if probe.died:
            return f"{self._name} does not survive this case itself: {probe.died}"
        if probe.finding is not None:
            return f"{self._name} is wrong on this case, too: {probe.finding.sentence}"
        judged = any(probe.judged.values())
        return f"{self._name} gives the expected result" if judged else ""

    def close(self) -> None:
        """End the process."""
        if self._prober is not None:
            self._prober.close()
