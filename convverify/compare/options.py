"""What to compare, checked once: kernels, problems, and the effort."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from convverify.kernels.shared.threads import processors
from convverify.problems.dtypes import FORMATS
from convverify.problems.problem import Problem
from convverify.problems.size import too_large
from convverify.problems.suites import Layer, find_suite

LEAST_ROUNDS = 3
_RANGES = (("threads", 0, 1024), ("rounds", LEAST_ROUNDS, 10**6), ("check_examples", 0, 10**8), ("seed", 0, (1 << 64) - 1))


@dataclass(frozen=True)
class Item:
    """One problem to time: the layer that it is, and the suite that has it ("" for a problem that was given by itself)."""

    suite: str
    layer: Layer

    @property
    def problem(self) -> Problem:
        return self.layer.problem

    @property
    def group(self) -> str:
        """What the item is averaged with: a suite at a batch and in a dtype."""
        if not self.suite:
            return "problems"
        batch = "" if self.suite == "article" else f" batch {self.problem.batch}"
        return f"{self.suite}{batch}" + ("" if self.problem.dtype == "float32" else f" {self.problem.dtype}")

    def __str__(self) -> str:
        return f"{self.group} {self.layer.name}" if self.suite else str(self.problem)


@dataclass(frozen=True)
class CompareOptions:
    """What to compare, and with which effort.

    `kernels` and `against` are targets; `suites` are names or files, each at every one of `batches`; `problems` are lines; `dtypes`
    replace those of the problems.  `threads` 0 means one for each processor.  A problem is timed in up to `rounds` rounds, as many as
    fit into `max_time` seconds.  `check_examples` is the number of problems of the short campaign that goes before (0: none).
    `sandbox` is for the kernels, not for what they are held against.
    Raises ValueError naming the option.
    """

    kernels: tuple[str, ...]
    against: str = "tensorflow"
    suites: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    batches: tuple[int, ...] = ()
    dtypes: tuple[str, ...] = ()
    threads: int = 0
    rounds: int = 15
    max_time: float = 5.0
    check_examples: int = 100
    seed: int = 0
    sandbox: bool = False

    def __post_init__(self) -> None:
        if not self.kernels:
            raise ValueError("kernels must be one target at least, not none")
        for name, least, most in _RANGES:
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, not {getattr(self, name)}")
            if getattr(self, name) > most:
                raise ValueError(f"{name} must be at most {most}, not {getattr(self, name)}")
        if not self.max_time > 0:
            raise ValueError(f"max_time must be more than 0 seconds, not {self.max_time}")
        for batch in self.batches:
            if batch < 1:
                raise ValueError(f"batch must be at least 1, not {batch}")
        for dtype in self.dtypes:
            if dtype not in FORMATS:
                raise ValueError(f"dtype must be one of {', '.join(FORMATS)}, not {dtype!r}")

    @property
    def thread_count(self) -> int:
        """The number of threads for every kernel."""
        return self.threads or processors()


def items_of(options: CompareOptions) -> tuple[Item, ...]:
    """Return the problems to time, each once; the suite `article` where none is named.

    Raises ValueError naming the suite, file or problem that cannot be read, and for a problem without output, which cannot be timed.
    """
    unique: dict[tuple[str, Problem], Item] = {}
    for item in _items(options):
        for dtype in options.dtypes or (item.problem.dtype,):
            problem = item.problem.with_(dtype=dtype)
            if not problem.macs:
                raise ValueError(f"problem {str(problem)!r} has no multiply-adds to time")
            if told := too_large(problem):
                raise ValueError(f"problem {str(problem)!r} {told}")
            unique.setdefault((item.suite, problem), replace(item, layer=replace(item.layer, problem=problem)))
    return tuple(unique.values())


def _items(options: CompareOptions) -> Iterator[Item]:
    suites = options.suites or (() if options.problems else ("article",))
    for batch in options.batches or (None,):
        for suite in suites:
            for layer in find_suite(suite, batch):
                yield Item(suite, layer)
    for line in options.problems:
        problem = Problem.parse(line)
        for batch in options.batches or (problem.batch,):
            yield Item("", Layer(line, problem.with_(batch=batch), 1, "given"))
