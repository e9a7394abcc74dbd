"""Verification: run the campaign, confirm and shrink what it finds, and make the report."""

from __future__ import annotations

import time
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version

from convverify.campaign.campaign import Campaign, Task, shards_of
from convverify.campaign.confirming import Confirmation
from convverify.campaign.events import Event, Failed, Finished, Found, Listener, Phase, Progress, ReferenceWrong, Started
from convverify.campaign.isolation.local import LocalProber
from convverify.campaign.isolation.probing import Prober
from convverify.campaign.isolation.supervisor import KERNEL, NOBODY, UNCLEAR, Supervisor
from convverify.campaign.options import Options
from convverify.campaign.report import INCONCLUSIVE, INTERRUPTED, REFUTED, USAGE, VERIFIED, Counterexample, Report
from convverify.campaign.second_opinion import SecondOpinion
from convverify.campaign.statistics import Statistics
from convverify.generation import corpus
from convverify.judging.kernel import Kernel
from convverify.judging.properties import in_order
from convverify.targets import find_kernel

_REPORTED = 3  # counterexamples to distinct properties that are shown
_REFERENCE_CALLS = 5  # of a reference on a case: memory that it has damaged may show only later
_EXPLAINED = 5  # that are shrunk at the most, some of which are not seen again
_FAMILIES = {"within_error_bound": "exact_on_integers", "matches_reference": "exact_on_integers"}  # one fault shows in all of them


class Verification:
    """One run of `verify`: hears the campaign's events, passes them on, and keeps what the report needs."""

    def __init__(self, options: Options, listener: Listener, kernel: Kernel | None = None) -> None:
        """`kernel` is what to verify where it has no name to import; then nothing is isolated."""
        self.options, self.listener, self._kernel = options, listener, kernel
        self.snapshots: dict[int, Statistics] = {}
        self.found: list[Found] = []
        self._prober = Prober(options)
        self.confirmation = Confirmation(options, self._prober)
        self.reference_faults: list[ReferenceWrong] = []
        self.failed: Failed | None = None
        self.started: Started | None = None
        self.reason = ""
        self._killed_before = False
        self.warnings: list[str] = []
        self.counterexamples: list[Counterexample] = []
        self._files: dict[str, str] = {}
        self._explained: set[str] = set()  # families of properties

    def hear(self, event: Event) -> None:
        """Take note of an event and pass it on."""
        if isinstance(event, Progress):
            self.snapshots[event.worker] = event.statistics
        elif isinstance(event, Found):
            self.found.append(event)
            self._keep(event)
        elif isinstance(event, ReferenceWrong):
            self.reference_faults.append(event)
        elif isinstance(event, Failed):
            self.failed = self.failed or event
        elif isinstance(event, Started):
            self.started = self.started or event
            self.confirmation.keywords = event.keywords
            self.confirmation.warm_up = max(self.confirmation.warm_up, event.warm_up)
        elif isinstance(event, Finished) and self.reason in ("", "done"):
            self.reason = event.reason
        self.listener(event)

    def _keep(self, found: Found) -> None:
        """Save a counterexample at once, before anything is tried with it."""
        if len(self.found) > _REPORTED and any(found.property == other.property for other in self.found[:-1]):
            return
        try:
            path = corpus.save(self.options.directory, self.options.target, found.case, found.property, found.sentence)
            self._files[found.case] = str(path)
        except OSError as error:
            self._warn(f"counterexamples cannot be kept in {str(self.options.directory)!r}: {error.strerror}")

    def _warn(self, sentence: str) -> None:
        if sentence not in self.warnings:
            self.warnings.append(sentence)

    @property
    def statistics(self) -> Statistics:
        """The counts of all workers together."""
        total = Statistics()
        for snapshot in self.snapshots.values():
            total.merge(snapshot)
        return total

    def run(self) -> Report:
        """Do it all.  An interruption ends in a report of what was done."""
        start = time.perf_counter()
        interrupted = False
        for sentence in corpus.damaged(self.options.directory, self.options.target):
            self._warn(sentence + "; it was passed over")
        with self._prober:
            for step in (self._campaign, self._explain):
                try:
                    step()
                except KeyboardInterrupt:
                    interrupted = True
        self._unexplained()
        return self._report(interrupted, time.perf_counter() - start)

    def _campaign(self) -> None:
        if self.options.isolation:
            self._prober.start()
            self._isolated()
        else:
            Campaign(self.options, Task(tuple(shards_of(self.options))), self.hear, kernel=self._kernel).run()

    def _isolated(self) -> None:
        def blame(line: str, how: str) -> str:
            if how.endswith("SIGKILL") and not self._killed_before:
                return NOBODY if self._killed_from_outside(line) else KERNEL
            if "did not return" not in how:
                return KERNEL if "memory" in how or self.confirmation.dies(line) else UNCLEAR
            if self.confirmation.hangs(line):
                return KERNEL
            self._warn(f"one call took too long, but not when it was tried again: {line}")
            return NOBODY

        try:
            supervisor = Supervisor(self.options, self.hear, blame, self._reference_that_dies)
            supervisor.run()
        except OSError as error:
            self.hear(Failed("internal", f"the run's temporary files cannot be written: {error.strerror or error}"))
            return
        if supervisor.printed > 1 << 20:
            self._warn(f"the kernel printed {supervisor.printed / 2**20:.0f} MiB, which were not shown")

    def _killed_from_outside(self, line: str) -> bool:
        """Return whether a case leaves a fresh process alive: then a person, or a system short of memory, has killed the first one."""
        self._killed_before = True
        self._prober.fresh()
        if self._prober.probe(line, properties=("completes",)).died:
            return False
        self._warn(f"the kernel's process was killed from outside (SIGKILL), and a new one went on behind this case: {line}")
        return True

    def _reference_that_dies(self, line: str) -> str:
        """Return the reference that dies of a case by itself; "" for none: then the kernel has done the process some harm before."""
        for name in self.options.references:
            with Prober(replace(self.options, target=name, data_format=None, accuracy=None, timeout=60.0)) as prober:
                if any(prober.probe(line, properties=("completes",)).died for _ in range(_REFERENCE_CALLS)):
                    return name
        return ""

    def _explain(self) -> None:
        """Confirm and shrink one case for each property refuted, the most telling first."""
        if not self.found:
            return
        self.listener(Phase("shrinking"))
        if not self.options.isolation:
            options = self.options
            kernel = self._kernel or find_kernel(options.target, data_format=options.data_format, accuracy=options.accuracy)
            self.confirmation = Confirmation(options, LocalProber(kernel))
            self.confirmation.keywords = tuple(kernel.keywords)
        ranks = [entry.name for entry in in_order()]
        chosen: dict[str, Found] = {}
        for found in sorted(self.found, key=lambda found: (ranks.index(found.property), found.number)):
            chosen.setdefault(_family(found), found)
        opinion = SecondOpinion(self.options)
        fleeting: list[Counterexample] = []
        try:
            for found in list(chosen.values())[:_EXPLAINED]:
                family = _family(found)
                same = [other.case for other in self.found if _family(other) == family]
                example = self.confirmation.explain(found, same, 5.0 if not self.counterexamples else 2.0)
                self._explained.add(family)
                if any((example.property, example.case) == (other.property, other.case) for other in self.counterexamples):
                    continue  # two properties met the same fault
                if not example.reproduced:
                    fleeting.append(example)
                    continue
                note = opinion.on(example) if not self.counterexamples else ""
                self.counterexamples.append(self._with_file(example, note))
                if len(self.counterexamples) == _REPORTED:
                    break
        finally:
            opinion.close()
            self._keep_fleeting(fleeting)

    def _keep_fleeting(self, fleeting: list[Counterexample]) -> None:
        """Report what was not seen again where there is nothing better; else mention it: the fault that was seen is likely its cause."""
        self.counterexamples.sort(key=lambda example: len(example.history))  # one that needs no history says more
        if self.counterexamples:
            for example in fleeting:
                self._warn(f"{example.property} was refuted once, and not again in a fresh process: {example.case}")
        else:
            self.counterexamples += [self._with_file(example, "") for example in fleeting[:_REPORTED]]

    def _with_file(self, example: Counterexample, note: str) -> Counterexample:
        """Put the shrunk case into the corpus in place of the one that was found."""
        file = self._files.get(example.original, "")
        try:
            path = corpus.save(
                self.options.directory, self.options.target, example.case, example.property, example.sentence, example.history
            )
            if file and file != str(path):
                corpus.remove(file)
            file = str(path)
        except OSError as error:
            self._warn(f"counterexamples cannot be kept in {str(self.options.directory)!r}: {error.strerror}")
        return replace(example, file=file, notes=(*example.notes, *([note] if note else [])))

    def _unexplained(self) -> None:
        """Report as they were found those that an interruption left no time to confirm."""
        done = set(self._explained)
        for found in self.found:
            if _family(found) not in done and len(done) < _REPORTED:
                done.add(_family(found))
                self.counterexamples.append(
                    Counterexample(found.case, found.property, found.sentence, found.case, file=self._files.get(found.case, ""))
                )

    def _report(self, interrupted: bool, seconds: float) -> Report:
        verdict, sentence = self._verdict(interrupted)
        return Report(
            verdict, self.options, self.statistics, tuple(self.counterexamples), tuple(self.reference_faults), self.started, sentence,
            seconds, tuple(self.warnings), self.reason, environment(),
        )  # fmt: skip

    def _verdict(self, interrupted: bool) -> tuple[str, str]:
        statistics = self.statistics
        if self.found:
            return (INTERRUPTED if interrupted else REFUTED), "a property is refuted"
        if interrupted:
            return INTERRUPTED, "interrupted: nothing was refuted so far"
        if self.failed is not None:
            return (USAGE if self.failed.kind == "usage" else INCONCLUSIVE), self.failed.sentence
        if not sum(
            statistics.judged[name] for name in ("exact_on_integers", "within_error_bound", "special_values", "matches_reference")
        ) and not (self.options.properties and sum(statistics.judged.values())):
            return INCONCLUSIVE, "nothing could be tested: the kernel supports none of the problems that were tried"
        return VERIFIED, ""


def _family(found: Found) -> str:
    return _FAMILIES.get(found.property, found.property)


def environment() -> dict[str, str]:
    """Return versions that matter for a report."""
    import platform

    found = {"python": platform.python_version(), "platform": platform.platform()}
    for name in ("convverify", "numpy", "tensorflow", "hypothesis", "numba", "ml_dtypes", "torch", "jax", "onnxruntime", "scipy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
