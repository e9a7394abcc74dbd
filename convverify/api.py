"""The Python API: `verify` runs a campaign, `replay` judges one case; both do what the commands do, and return the report."""

from __future__ import annotations

import contextlib
import operator
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from convverify.campaign.events import Listener
from convverify.campaign.options import Options
from convverify.campaign.report import Report
from convverify.generation import corpus
from convverify.judging.kernel import DATA_FORMATS, make_kernel
from convverify.naming import is_nameable, target_of
from convverify.operands.case import Case
from convverify.problems.domain import Domain
from convverify.problems.problem import Problem
from convverify.problems.reading import exists
from convverify.targets import TargetError, locate, resolve, stop_if_loading

if TYPE_CHECKING:
    from convverify.campaign.verification import Resolve

Target: TypeAlias = str | Callable[..., Any]

_SEQUENCES = ("tuple[str, ...]", "tuple[str, ...] | None")


def verify(target: Target, *, listener: Listener | None = None, check: bool = False, **options: Any) -> Report:
    """Verify a kernel, as `convverify check` does.

    Parameters
    ----------
    target : a name as on the command line, or a function f(x, w, ...) in the contract of a kernel.  A function that no other process
        can import (a local one, one typed at a prompt) is verified in this process, without isolation.
    listener : called with each event while the campaign runs; without one, a notebook shows a bar
    check : raise NotVerified unless the kernel is verified
    options : fields of `convverify.Options`: references, max_examples, max_time, seed, dtypes, data_format, accuracy, ...

    Returns
    -------
    Report : frozen and printable; `.ok`, `.counterexamples`, `.to_json()`

    Raises
    ------
    TypeError, ValueError
        Naming the argument that is wrong.
    NotVerified
        With `check`, if the verdict is neither verified nor known: an AssertionError whose `report` is the report.
    """
    stop_if_loading()
    from convverify.campaign.verification import Verification

    chosen, resolve = prepare(target, options)
    with _shown_in_notebooks(chosen) if listener is None else contextlib.nullcontext(listener) as heard:
        report = Verification(chosen, heard, resolve).run()
    if check and not report.ok:
        from convverify.reporting.outcomes import failure_text
        from convverify.testing import NotVerified

        raise NotVerified(failure_text(report), report)
    return report


@contextlib.contextmanager
def _shown_in_notebooks(options: Options) -> Iterator[Listener]:
    """Yield a listener that shows progress in a notebook, and nothing elsewhere."""
    if "ipykernel" not in sys.modules:
        yield lambda event: None
        return
    from rich.console import Console

    from convverify.reporting.progress import TerminalProgress

    progress = TerminalProgress(Console(highlight=False, emoji=False), options)
    try:
        yield progress
    finally:
        progress.close()


def replay(target: Target, case: str | Case | Path, **options: Any) -> Report:
    """Judge one case again, as `convverify replay` does: by all properties, in a fresh process where the target can be named.

    Parameters
    ----------
    target : as for `verify`
    case : a line as reports print it, a Case, or a file of the corpus
    options : fields of `convverify.Options`: properties, data_format, accuracy, timeout, memory_limit

    Returns
    -------
    Report : refuted, verified on this case, or inconclusive where the kernel does not support it

    Raises
    ------
    TypeError, ValueError
        Naming the argument that is wrong.
    """
    stop_if_loading()
    from convverify.campaign.replaying import judge_once

    chosen, resolve = prepare(target, options)
    parsed, history = read_case(str(case))
    return judge_once(chosen, resolve, parsed, history)


def prepare(target: Target, options: Mapping[str, Any]) -> tuple[Options, Resolve]:
    """Return the options for a target, and what says where it is loaded from: this process, where no other can have it."""
    if isinstance(target, str):
        return make_options(target, options), resolve
    if not callable(target):
        raise TypeError(f"target must be a name or a function, not {target!r}")
    name = target_of(target)
    chosen = make_options(name, options)
    kernel = make_kernel(target, name, data_format=chosen.data_format, accuracy=chosen.accuracy)
    if is_nameable(name):
        return chosen, resolve
    references = tuple(locate(reference) for reference in chosen.references)
    return make_options(name, dict(options) | {"isolation": False}), lambda _: (kernel, references)


def make_options(target: str, values: Mapping[str, Any]) -> Options:
    """Return the options, with each value checked.

    A sequence may be given as a string with commas, problems as lines or as `Problem`s, references as names or functions.

    Raises TypeError or ValueError, naming the option.
    """
    kinds = {item.name: str(item.type) for item in fields(Options) if item.name != "target"}
    unknown = sorted(set(values) - set(kinds))
    if unknown:
        raise TypeError(f"option {unknown[0]!r} is unknown; known: {', '.join(kinds)}")
    options = Options(target, **{name: _value(name, kinds[name], value) for name, value in values.items()})
    for line in options.problems:
        Problem.parse(line)
    if options.suite:
        from convverify.problems.suites import find_suite

        find_suite(options.suite, options.batch)
    for name in options.references:
        try:
            locate(name)
        except TargetError as error:
            raise ValueError(f"reference: {error}") from None
    return options


def _value(name: str, kind: str, value: Any) -> Any:
    """Return a value as the options keep it; `kind` is what the field's annotation says."""
    if value is None and kind.endswith("| None"):
        return None
    if kind in _SEQUENCES:
        return tuple(_member(name, item) for item in _members(name, value))
    if kind == "int":
        try:
            return operator.index(value)
        except TypeError:
            raise TypeError(f"{name} must be an integer, not {value!r}") from None
    if kind == "float":
        if isinstance(value, str) or not hasattr(value, "__float__"):
            raise TypeError(f"{name} must be a number, not {value!r}")
        return float(value)
    if kind.startswith("bool"):
        if not isinstance(value, bool):
            raise TypeError(f"{name} must be True or False, not {value!r}")
        return value
    if name == "domain" and not isinstance(value, str):
        declared = Domain.of(value)
        if declared.where is not None:
            raise ValueError("domain: where must be declared on the function, as @convverify.domain(where=...) does")
        return str(declared)
    if not isinstance(value, str | Path):
        raise TypeError(f"{name} must be a string, not {value!r}")
    if name == "data_format":
        if str(value).upper() not in DATA_FORMATS:
            raise ValueError(f"data_format must be {' or '.join(DATA_FORMATS)}, not {value!r}")
        return str(value).upper()
    return str(value)


def _members(name: str, value: Any) -> Sequence[Any]:
    if isinstance(value, str):
        return [value] if name == "problems" else [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(value, Problem) or callable(value):
        return [value]
    try:
        return list(value)
    except TypeError:
        raise TypeError(f"{name} must be a sequence of strings, not {value!r}") from None


def _member(name: str, item: Any) -> str:
    if name == "references" and callable(item):
        target = target_of(item)
        if not is_nameable(target):
            raise ValueError(f"references must be functions that other processes can import, not {target}")
        return target
    if not isinstance(item, str | Problem):
        raise TypeError(f"{name} must be a sequence of strings, not of {type(item).__name__}")
    return str(item)


def read_case(text: str) -> tuple[Case, tuple[str, ...]]:
    """Return the case of a line or of a file of the corpus, and the calls that must come before; ValueError where there is none."""
    history: tuple[str, ...] = ()
    if Path(text).suffix == ".json" or ("=" not in text and exists(Path(text))):
        record = corpus.read(Path(text), pipes=True)
        text, history = record["case"], tuple(record.get("history", ()))
    return Case.parse(text), history
