"""The options of a verification, checked once, and passed around as one frozen value."""

from __future__ import annotations

import dataclasses
import difflib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convverify.judging.kernel import ACCURACIES, DATA_FORMATS, checked_accumulator
from convverify.problems.domain import APART, Domain
from convverify.problems.dtypes import DEFAULT_DTYPES, FORMATS
from convverify.problems.problem import MOST

DEFAULT_BUDGET = 1 << 18
_RANGES = (
    ("max_examples", 0, 10**8),  # shards of them are listed
    ("seed", 0, (1 << 64) - 1),
    ("memory_limit", 64, 1 << 30),
    ("workers", 1, 1024),
    ("max_macs", 0, MOST),
    ("batch", 1, MOST),
)


@dataclass(frozen=True)
class Options:
    """What to verify, against what, and for how long.

    max_examples counts problems drawn at random; max_time and timeout are in seconds, memory_limit in MiB; max_macs limits the
    multiply-adds of one problem (0: found by timing the kernel); large_time is what large problems, one for each 25 of max_examples, may
    take of max_time, in seconds (0: none are tried); domain narrows, in one line, what the kernel declares; refuses names exceptions by
    which the kernel refuses problems; properties are the only ones judged (None: all), without those that are left out; degenerate says
    whether problems with an extent of 0, or a kernel larger than the padded image, may refute (True), are left out (False), or are tried
    and reported apart (None); sandbox lets the kernel reach no network, no process, and no file but temporary ones; known is a file of
    faults that are muted, write_known one to which all that are found are written; exitfirst ends the
    campaign at the first finding.  Raises ValueError naming the option.
    """

    target: str
    references: tuple[str, ...] = ("tensorflow",)
    max_examples: int = 2000
    max_time: float = 60.0
    seed: int = 0
    dtypes: tuple[str, ...] = DEFAULT_DTYPES
    data_format: str | None = None
    accuracy: str | None = None
    accumulator: str | None = None
    properties: tuple[str, ...] | None = None
    without: tuple[str, ...] = ()
    suite: str | None = None
    batch: int = 1
    problems: tuple[str, ...] = ()
    large_time: float = 10.0
    timeout: float = 3.0
    memory_limit: int = 2048
    workers: int = 1
    max_macs: int = 0
    isolation: bool = True
    corpus: str = ".convverify"
    python: str | None = None
    domain: str = ""
    refuses: tuple[str, ...] = ()
    degenerate: bool | None = None
    sandbox: bool = False
    known: str | None = None
    write_known: str | None = None
    exitfirst: bool = False

    def __post_init__(self) -> None:
        for name, least, most in _RANGES:
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, not {getattr(self, name)}")
            if getattr(self, name) > most:
                raise ValueError(f"{name} must be at most {most}, not {getattr(self, name)}")
        for name in ("max_time", "timeout"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be more than 0 seconds, not {getattr(self, name)}")
        if not self.large_time >= 0:
            raise ValueError(f"large_time must be at least 0 seconds, not {self.large_time}")
        if self.sandbox and not self.isolation:
            raise ValueError("sandbox needs isolation: a kernel that is called in this process is in no sandbox")
        for name in ("target", "suite", "corpus", "known", "write_known"):
            if "\0" in (getattr(self, name) or ""):
                raise ValueError(f"{name} must be text without NUL characters, not {getattr(self, name)!r}")
        for dtype in self.dtypes:
            if dtype not in FORMATS:
                close = difflib.get_close_matches(dtype, FORMATS, 1)
                hint = f"; did you mean {close[0]!r}?" if close else ""
                raise ValueError(f"dtype must be one of {', '.join(FORMATS)}, not {dtype!r}{hint}")
        try:
            Domain.of(self.domain)
        except (TypeError, ValueError) as error:
            raise ValueError(f"domain: {error}") from None
        if self.data_format is not None and self.data_format not in DATA_FORMATS:
            raise ValueError(f"layout must be NHWC or NCHW, not {self.data_format!r}")
        if self.accuracy is not None and self.accuracy not in ACCURACIES:
            raise ValueError(f"accuracy must be elementwise or normwise, not {self.accuracy!r}")
        checked_accumulator(self.accumulator)
        if self.properties is not None or self.without:
            from convverify.judging.properties import properties

            for name in (*(self.properties or ()), *self.without):
                _ = properties[name]
            if not any(map(self.asks, self.properties or properties.names())):
                raise ValueError(f"without must leave a property to judge, not {', '.join(self.without)}")

    def asks(self, name: str) -> bool:
        """Return whether a property is to be judged."""
        return (self.properties is None or name in self.properties) and name not in self.without

    def to_json(self) -> str:
        """Return the options as JSON text."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Options:
        """Return the options that `to_json` wrote."""
        values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in json.loads(text).items()}
        return cls(**values)

    def explored(self, declared: Domain) -> Domain:
        """Return what of a kernel's domain these options let a campaign explore, dtypes included.

        A domain that names its dtypes is explored in all of them, unless dtypes other than the usual two are asked for.  Raises
        ValueError, naming the field, where nothing is left.
        """
        narrowed = declared.intersect(Domain.of(self.domain))
        named = set(narrowed.dtypes) < set(FORMATS) and self.dtypes == DEFAULT_DTYPES
        return narrowed.intersect(
            Domain(dtypes=narrowed.dtypes if named else self.dtypes, degenerate=APART if self.degenerate is None else self.degenerate)
        )

    @property
    def directory(self) -> Path:
        """Where counterexamples and journals are kept."""
        return Path(self.corpus)
