"""Keeping: counterexamples in the corpus, each as soon as it is found, and the shrunk case in its place."""

from __future__ import annotations

from collections.abc import Callable

from convverify.campaign.events import Found
from convverify.campaign.options import Options
from convverify.campaign.report import Counterexample
from convverify.generation import corpus

_OF_EACH = 3  # findings that are kept in any case; behind them, the first of each property


class Keeper:
    """Keeps the counterexamples of one verification."""

    def __init__(self, options: Options, warn: Callable[[str], None]) -> None:
        """`warn` is told, in a sentence, where nothing can be kept."""
        self._options, self._warn = options, warn
        self._files: dict[str, str] = {}
        self._kept: list[str] = []  # properties of what was found

    def keep(self, found: Found) -> None:
        """Save a finding at once, before anything is tried with it."""
        known = found.property in self._kept
        self._kept.append(found.property)
        if len(self._kept) > _OF_EACH and known:
            return
        self._files[found.case] = self._saved(found.case, found.property, found.sentence) or self._files.get(found.case, "")

    def put(self, example: Counterexample) -> str:
        """Put a shrunk case into the corpus in place of the one that was found; return its file, or ""."""
        file = self.file_of(example.original)
        path = self._saved(example.case, example.property, example.sentence, example.history)
        if path and file and file != path:
            corpus.remove(file)
        return path or file

    def file_of(self, case: str) -> str:
        """Return where a finding on a case is kept, or ""."""
        return self._files.get(case, "")

    def forget(self) -> None:
        """Begin a new round: what is found there is kept in the same way."""
        self._kept.clear()

    def _saved(self, case: str, property_: str, sentence: str, history: tuple[str, ...] = ()) -> str:
        try:
            return str(corpus.save(self._options.directory, self._options.target, case, property_, sentence, history))
        except OSError as error:
            self._warn(f"counterexamples cannot be kept in {str(self._options.directory)!r}: {error.strerror}")
            return ""
