"""Verification: run the campaign, confirm and shrink what it finds, and make the report."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from convverify.campaign.assembling import LocatedKernel, host_of, kernel_in, references_of
from convverify.campaign.campaign import Campaign
from convverify.campaign.confirming import Confirmation
from convverify.campaign.events import Event, Failed, Finished, Found, Listener, Met, Phase, ReferenceWrong, Slow, Started, Warned
from convverify.campaign.floor import shortfall
from convverify.campaign.judges import Judges
from convverify.campaign.keeping import Keeper
from convverify.campaign.known import Known, around, fault_of
from convverify.campaign.known import read as read_known
from convverify.campaign.known import write as write_known
from convverify.campaign.options import Options
from convverify.campaign.plainly import CASES, Plainly, posed_plainly, run_plainly
from convverify.campaign.probing import Prober
from convverify.campaign.referring import References, opinion
from convverify.campaign.report import INCONCLUSIVE, INTERRUPTED, KNOWN, REFUTED, USAGE, VERIFIED, Counterexample, Report
from convverify.campaign.session import AGAIN, AnyHost, Session
from convverify.campaign.statistics import Statistics
from convverify.campaign.versions import environment
from convverify.generation import corpus
from convverify.host.limits import unreadable
from convverify.host.process import MEMORY, CannotLoad, Host
from convverify.judging.kernel import Kernel
from convverify.judging.properties import in_order
from convverify.judging.trial import Times
from convverify.operands.case import Case
from convverify.problems.domain import ConditionError
from convverify.problems.problem import degeneracy
from convverify.problems.reading import exists

_REPORTED = 3  # counterexamples to distinct properties that are shown
_EXPLAINED = 5  # that are shrunk at the most, some of which are not seen again
_OF_A_FAMILY = 2  # of properties that one fault shows in, as a rule
_ROUNDS = 12  # in which known faults are seen from another side, or new ones found
_SLOW_CASES = 3  # of a slow kernel, that a plain script calls it on
_FAMILIES = {"within_error_bound": "exact_on_integers", "matches_reference": "exact_on_integers"}  # one fault shows in all of them


Resolve: TypeAlias = Callable[[Options], tuple[LocatedKernel | Kernel, tuple[LocatedKernel, ...]]]


class Verification:
    """One run of `verify`: hears the campaign's events, passes them on, and keeps what the report needs."""

    def __init__(self, options: Options, listener: Listener, resolve: Resolve) -> None:
        """`resolve` says where the options' target and references are loaded from."""
        self.options, self.listener, self._resolve = options, listener, resolve
        self.statistics = Statistics()
        self.found: list[Found] = []
        self.reference_faults: list[ReferenceWrong] = []
        self.failed: Failed | None = None
        self.started: Started | None = None
        self.reason = ""
        self.warnings: list[str] = []
        self.counterexamples: list[Counterexample] = []
        self._keeper = Keeper(options, self._warn)
        self._explained: set[str] = set()  # families of properties
        self._known = Known()
        self._rounds = self._counted = 0
        self._left = options.max_time
        self._muted_more = False
        self._kernel: Kernel | None = None
        self._apart: dict[tuple[str, str], Found] = {}
        self._sample: list[str] = []
        self._edges = True
        self._needed = 0.0
        self._slow: Slow | None = None
        self._plain: Plainly | None = None
        self._unsaid = ""  # why the last phase says nothing
        self._references = References([], Times(), lambda fault: None)

    def hear(self, event: Event) -> None:
        """Take note of an event and pass it on."""
        if isinstance(event, Met):
            self._known.meet(event.fault)
            return
        if isinstance(event, Found) and event.apart:
            self._keep_apart(event)
        elif isinstance(event, Found):
            self.found.append(event)
            self._keeper.keep(event)
        elif isinstance(event, ReferenceWrong):
            self.reference_faults.append(event)
        elif isinstance(event, Failed):
            self.failed = self.failed or event
        elif isinstance(event, Started):
            self.started = self.started or event
        elif isinstance(event, Slow):
            self._slow = self._slow or event
            self._warn(event.sentence)
        elif isinstance(event, Warned):
            self._warn(event.sentence)
        elif isinstance(event, Finished):
            self.reason = event.reason if self.reason in ("", "done") else self.reason
            self._sample += event.sample
            self._edges = self._edges and event.edges
            self._needed = max(self._needed, event.needed)
        self.listener(event)

    def _keep_apart(self, found: Found) -> None:
        """Keep one finding on degenerate problems for each property and kind of problem."""
        key = found.property, degeneracy(Case.parse(found.case).problem)
        self._apart.setdefault(key, found)

    def _warn(self, sentence: str) -> None:
        if sentence not in self.warnings:
            self.warnings.append(sentence)

    def run(self) -> Report:
        """Do it all.  An interruption ends in a report of what was done."""
        start = time.perf_counter()
        interrupted = False
        for sentence in corpus.damaged(self.options.directory, self.options.target):
            self._warn(sentence + "; it was skipped")
        try:
            self._read_known()
            self._target, self._located_references = self._resolve(self.options)
        except ValueError as error:
            self.hear(Failed.of(error))
            return self._report(False, time.perf_counter() - start)
        host = host_of(self._target, self.options)
        try:
            with unreadable():
                while not interrupted:
                    self._rounds += 1
                    for step in (self._campaign, self._as_a_script, self._at_rest, self._explain):
                        try:
                            step(host)
                        except KeyboardInterrupt:
                            interrupted = True
                        except (CannotLoad, ConditionError) as error:
                            self.hear(Failed.of(error))
                    if interrupted or not self._goes_on(time.perf_counter() - start):
                        break
        finally:
            host.close()
            self._references.close()
        if self.failed is None:
            for death in host.load_deaths:
                self.hear(Warned.of_load(death))
        if host.printed > 1 << 20:
            self._warn(f"the kernel printed {host.printed / 2**20:.0f} MiB, which were not shown")
        self._unexplained()
        for number in self._gone():
            title = self._known.faults[number].title
            self._warn(f"the known fault {title} no longer occurs: take it out of {self.options.known}, or write the file anew")
        self._write_known()
        return self._report(interrupted, time.perf_counter() - start)

    # Known faults.

    def _read_known(self) -> None:
        """Read the faults that are to be muted.  Raises ValueError, in one sentence."""
        options = self.options
        if options.known is None or (options.known == options.write_known and not exists(Path(options.known))):
            return
        of_target = [fault for fault in read_known(Path(options.known)) if fault.target == options.target]
        self._known = Known(of_target, len(of_target))

    def _write_known(self) -> None:
        """Write the faults that are known: those of the file that still occur or may, and those found."""
        if self.options.write_known is None or self._kernel is None:
            return
        gone = self._gone()
        faults = [fault for number, fault in enumerate(self._known.faults) if number not in gone]
        try:
            write_known(Path(self.options.write_known), self.options.target, faults)
        except (OSError, ValueError) as error:
            self._warn(f"the known faults cannot be written: {error}")

    def _gone(self) -> list[int]:
        """Return the numbers of the faults of the file that no longer occur: their cases were tried, and are right."""
        if not self._edges or self._kernel is None or self.failed is not None:
            return []
        of_file = enumerate(self._known.faults[: self._known.from_file])
        return [
            number
            for number, fault in of_file
            if not self._known.met.get(number) and all(map(self._kernel.explores, (case.problem for case in fault.cases)))
        ]

    @property
    def _goes_on_at_all(self) -> bool:
        return self.options.known is not None or self.options.write_known is not None

    def _goes_on(self, seconds: float) -> bool:
        """Return whether to try once more, with what has been found muted, too: where it turned out to be known, or all is asked for."""
        self._left = self.options.max_time - seconds
        new = len(self.counterexamples) > self._counted
        more = self.options.write_known is not None if new else self._muted_more
        if not (self._goes_on_at_all and more) or self.failed or self._rounds == _ROUNDS or self._left < 1.0:
            return False
        self._counted = len(self.counterexamples)
        self.found.clear()
        self._keeper.forget()
        self._explained.clear()
        self._muted_more = False
        self._sample, self._edges, self.reason = [], True, ""
        self.statistics.reset()
        self._session.fresh()
        return True

    # The campaign.

    def _campaign(self, host: AnyHost) -> None:
        options = self.options
        if self._kernel is None:
            host.start()
            self._references = references_of(options, self._located_references, self.statistics.times, self.hear)
            self._kernel = kernel_in(host, self._target, options)
            self._session = Session(host, self._kernel, options.timeout)
        else:
            options = replace(options, max_time=self._left)
        if options.workers > 1 and not isinstance(self._target, Kernel):
            Judges(options, self._target, self._located_references, self.hear, self.statistics, self._known).run()
        else:
            Campaign(options, self._session, self._references, self.hear, self.statistics, known=self._known).run()

    def _as_a_script(self, host: AnyHost) -> None:
        """Run some cases in a plain script, where nothing has been refuted so far."""
        asked = self.options.asks("plain_script")
        if self.found or self.failed or not self._sample or not asked or isinstance(self._target, Kernel) or self._kernel is None:
            return
        if self._target.place.sandbox:
            self._warn("plain_script was not judged: a plain script is in no sandbox")
            return
        cases = [line for line in self._sample if self._known.which("plain_script", "", [posed_plainly(line)]) is None]
        cases = cases[: CASES if self._slow is None else _SLOW_CASES]
        if not cases:
            return
        seconds = CASES * self.options.timeout + (AGAIN * len(cases) * self._slow.first if self._slow else 0.0)
        came = run_plainly(self._target.place, self._kernel, cases, seconds, self.options.python or "")
        self.statistics.judged["plain_script"] += came.right
        self._unsaid = came.failure
        if came.finding is not None:
            self._plain = came
            self.hear(Found(came.case, came.finding.property, came.finding.sentence))

    def _at_rest(self, host: AnyHost) -> None:
        """Weigh what the kernel has left running when its last call is over: it may have begun to take memory after that."""
        if self.found or self.failed or not self._sample or not isinstance(host, Host):
            return
        if (mebibytes := host.mebibytes()) > host.memory_limit:
            told = f"what the kernel has started goes on after its last call, and takes {mebibytes:.0f} MiB of memory"
            self.hear(Found(self._sample[-1], "completes", told, death=MEMORY))

    # What was found.

    def _explain(self, host: AnyHost) -> None:
        """Confirm and shrink what was found, the most telling first, until there is one case for each fault."""
        if not self.found:
            return
        self.listener(Phase("shrinking"))
        self._session.fresh()  # answers that are still on the way are not needed
        confirmation = Confirmation(self.options, Prober(self._session))
        ranks = [entry.name for entry in in_order()]
        waiting = sorted(self.found, key=lambda found: (ranks.index(found.property), found.number))
        fleeting: list[Counterexample] = []
        tried: Counter[str] = Counter()
        most = 1 if self.options.exitfirst else _REPORTED
        try:
            for _ in range(_EXPLAINED):
                if not waiting or len(self.counterexamples) - self._counted == most:
                    break
                found, family = waiting[0], _family(waiting[0])
                same = [other.case for other in self.found if _family(other) == family]
                example = self._example(confirmation, found, same)
                tried[family] += 1 if example.reproduced and example.minimal else _OF_A_FAMILY
                self._explained.add(family)
                if example.reproduced:
                    self._is_found(found, example, confirmation)
                else:
                    fleeting.append(example)
                waiting = [other for other in waiting[1:] if tried[_family(other)] < _OF_A_FAMILY and self._fault_of(other) is None]
        finally:
            self._keep_fleeting(fleeting)

    def _is_found(self, found: Found, example: Counterexample, confirmation: Confirmation) -> None:
        """Report a counterexample that shows a new fault; mute its fault in either case."""
        fault = fault_of(self.options.target, example)
        if example.finding is not None and not example.history:
            others = dict.fromkeys(around(fault.cases[0], self._session.kernel.domain.dtypes))
            seen = (other for other in others if confirmation.shows(other, example.property))
            fault = replace(fault, cases=(*fault.cases, *seen))
        number = self._known.as_seen(fault)
        if number is not None:
            known = self._known.faults[number]
            self._known.faults[number] = known.joined(fault)
            self._known.meet(number)
            self._muted_more |= self._known.faults[number] != known
            if number < self._known.from_file:
                self.found = [other for other in self.found if other is not found and not self._is_of_file(other)]
        elif self._goes_on_at_all or not any(fault.resembles(other) for other in self._known.faults):
            note = "" if self.counterexamples else opinion(self._references, Case.parse(example.case), expected=example.finding is not None)
            self.counterexamples.append(self._with_file(example, note))
            self._known.add(fault)

    def _fault_of(self, found: Found) -> int | None:
        return self._known.which(found.property, found.sentence, [Case.parse(found.case)])

    def _is_of_file(self, found: Found) -> bool:
        number = self._fault_of(found)
        return number is not None and number < self._known.from_file

    def _example(self, confirmation: Confirmation, found: Found, same: list[str]) -> Counterexample:
        if self._plain is not None and found.property == "plain_script":
            note = "it is right when its host calls it: it depends on more than its operands"
            return Counterexample(found.case, found.property, found.sentence, found.case, self._plain.finding, notes=(note,))
        return confirmation.explain(found, same, 5.0 if not self.counterexamples else 2.0)

    def _keep_fleeting(self, fleeting: list[Counterexample]) -> None:
        """Report what was not seen again where there is nothing better; else mention it: the fault that was seen is likely its cause."""
        # One with a cause that is named says most; then one that needs no history.
        self.counterexamples.sort(key=lambda example: (not example.diagnosis, len(example.history)))
        if self.counterexamples:
            for example in fleeting:
                self._warn(f"{example.property} was refuted once, and did not recur in a fresh process: {example.case}")
        else:
            self.counterexamples += [self._with_file(example, "") for example in fleeting[:_REPORTED]]

    def _with_file(self, example: Counterexample, note: str) -> Counterexample:
        return replace(example, file=self._keeper.put(example), notes=(*example.notes, *([note] if note else [])))

    def _unexplained(self) -> None:
        """Report as they were found those that an interruption left no time to confirm."""
        done = set(self._explained)
        for found in self.found:
            if _family(found) not in done and len(done) < _REPORTED and self._fault_of(found) is None:
                done.add(_family(found))
                self.counterexamples.append(
                    Counterexample(found.case, found.property, found.sentence, found.case, file=self._keeper.file_of(found.case))
                )

    # The report.

    def _report(self, interrupted: bool, seconds: float) -> Report:
        verdict, sentence = self._verdict(interrupted)
        of_file = enumerate(self._known.faults[: self._known.from_file])
        muted = tuple((fault.title, self._known.met[number]) for number, fault in of_file if self._known.met.get(number))
        verdict = KNOWN if verdict == VERIFIED and muted else verdict
        return Report(
            verdict, self.options, self.statistics, tuple(self.counterexamples), tuple(self.reference_faults), self.started, sentence,
            seconds, tuple(self.warnings), self.reason, environment(), tuple(self._apart.values()), muted,
        )  # fmt: skip

    def _verdict(self, interrupted: bool) -> tuple[str, str]:
        statistics = self.statistics
        if self.found or self.counterexamples:
            return (INTERRUPTED if interrupted else REFUTED), "a property is refuted"
        if interrupted:
            return INTERRUPTED, "interrupted: nothing was refuted so far"
        if self.failed is not None:
            return (USAGE if self.failed.kind == "usage" else INCONCLUSIVE), self.failed.sentence
        if self._kernel is None:
            return INCONCLUSIVE, "the campaign did not begin"
        needed = 1.2 * (self._slow.seconds + 10 * self._slow.first) if self._slow else self._needed
        sentence = shortfall(self.options, self._kernel, statistics, finished=self._edges, needed=needed) or self._unsaid
        return (INCONCLUSIVE, sentence) if sentence else (VERIFIED, "")


def _family(found: Found) -> str:
    return _FAMILIES.get(found.property, found.property)
