"""Every mutant is wrong on the case that it names, and right where its fault does not strike."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kernel_calls import PLAIN, call, reference, small_integers, takes, with_margins

from convverify.mutants import mutants
from convverify.operands.case import Case
from convverify.problems.dtypes import FORMATS
from convverify.problems.problem import Problem
from convverify.registry import Entry, Registry

AS_IT_IS = (0, 1, 2, 3), (0, 1, 2, 3)
ALWAYS_WRONG = {"returns_a_list", "returns_channels_first"}


def fault_of(case: Case, y: Any, x: Any, w: Any) -> str:
    """What is wrong with the result of a case, judged by shape, dtype and values; "" for nothing."""
    problem = case.problem
    if not isinstance(y, np.ndarray) or y.shape != problem.output_shape:
        return "shape"
    if y.dtype.name not in FORMATS or FORMATS[y.dtype.name].precision < FORMATS[problem.dtype].precision:
        return "dtype"
    y, expected = y.astype(np.float64), reference(problem, x, w)
    with np.errstate(all="ignore"):
        if case.stage == "exact":
            return "" if np.array_equal(y, expected) else "values"
        finite = np.isfinite(expected)
        if not np.array_equal(finite, np.isfinite(y)) or (np.isinf(expected) & np.isinf(y) & (y != expected)).any():
            return "special values"
        form = FORMATS[problem.dtype]
        relative = reference(problem, (x != 0).astype(x.dtype), (w != 0).astype(w.dtype)) * form.unit_roundoff
        bound = relative / (1 - relative) * reference(problem, abs(x), abs(w)) + problem.terms * form.smallest_normal
        return "" if (abs(y - expected) <= bound)[finite].all() else "rounding"


def fault_in_calls(entry: Entry, case: Case) -> str:
    """What a case shows, with the calls that lead to it: each call with other weights, the last three in the same memory."""
    kernel = entry.function
    for line in entry.traits.get("before", ()):
        earlier = Case.parse(line)
        with contextlib.suppress(NotImplementedError):
            call(kernel, earlier.problem, *earlier.values())
    x, w = case.operands(AS_IT_IS)
    fault = ""
    for number in range(case.calls):
        if number:
            for operand, values in zip((x, w), case.with_(seed=number).values(), strict=True):
                operand.overwrite(values)
        y = call(kernel, case.problem, x.array, w.array)
        fault = fault or x.written() or w.written() or fault_of(case, y, x.values, w.values)
    if fault:
        return fault
    if x.overlaps(y) or w.overlaps(y):
        return "alias"
    kept = y.tobytes()
    for _ in range(entry.traits.get("calls_behind", 1)):
        call(kernel, case.problem, *case.with_(seed=101).values())
    end = time.monotonic() + entry.traits.get("seconds_behind", 0.0)
    while y.tobytes() == kept and time.monotonic() < end:
        time.sleep(0.01)
    return "" if y.tobytes() == kept else "earlier result"


def fault_in_threads(entry: Entry, case: Case) -> str:
    """What several threads see that call the kernel at once on operands of their own; they stop at the first fault."""
    problem, faults = case.problem, list[str]()

    def work(seed: int) -> None:
        x, w = small_integers(problem, seed)
        expected = reference(problem, x, w)
        for _ in range(300):
            if faults:
                return
            try:
                if not np.array_equal(call(entry.function, problem, x, w), expected):
                    faults.append("values")
            except Exception as error:
                faults.append(repr(error))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return "".join(faults[:1])


def is_dangerous(entry: Entry) -> bool:
    """Whether the witness ends the process, or needs one that has not called the mutant before."""
    return entry.name == "first_call_unprepared" or entry.traits["fault_class"] == "process" or "guarded" in entry.traits["witness"]


HARMLESS = [pytest.param(entry, id=entry.name) for entry in mutants if not is_dangerous(entry)]
DANGEROUS = [entry for entry in mutants if is_dangerous(entry)]


def fault_in(entry: Entry, case: Case) -> str:
    """The fault that a case shows, an exception included."""
    judge = fault_in_threads if entry.traits["fault_class"] == "threads" else fault_in_calls
    try:
        return judge(entry, case)
    except NotImplementedError:
        return ""
    except Exception as error:
        return repr(error)


def anew(entry: Entry, monkeypatch: pytest.MonkeyPatch) -> Entry:
    """The mutant out of a module loaded afresh: what other tests have called it with must not matter."""
    registry = Registry("mutant", "convverify.mutants._blocks")
    monkeypatch.setattr("convverify.mutants.mutants", registry)
    spec = importlib.util.find_spec(entry.function.__module__)
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    return registry[entry.name]


@pytest.mark.parametrize("entry", HARMLESS)
def test_a_mutant_is_wrong_on_its_witness(entry: Entry, monkeypatch: pytest.MonkeyPatch) -> None:
    assert fault_in(anew(entry, monkeypatch), Case.parse(entry.traits["witness"]))


@pytest.mark.parametrize("entry", HARMLESS)
def test_a_mutant_is_right_where_its_fault_does_not_strike(entry: Entry) -> None:
    right = 0
    for seed, problem in enumerate(map(Problem.parse, PLAIN)):
        if takes(entry.function, problem):
            x, w = small_integers(problem, seed)
            try:
                y = call(entry.function, problem, with_margins(x), with_margins(w))
            except Exception:
                continue
            right += not fault_of(Case(problem), y, x, w)
    assert right >= 5 or entry.name in ALWAYS_WRONG


RIGHT_AT_ITS_FIRST_CALL = "every_seventh_call"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that fork")
def test_dangerous_mutants_never_return_the_right_result() -> None:
    script = Path(__file__).with_name("forked_calls.py")
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(script.parents[1]), *sys.path])}
    command = [sys.executable, str(script), *(entry.name for entry in DANGEROUS), RIGHT_AT_ITS_FIRST_CALL]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=60, env=environment, check=True)
    assert done.stdout.split() == [RIGHT_AT_ITS_FIRST_CALL]


def test_names_and_summaries_fit_a_list() -> None:
    for entry in mutants:
        assert len(entry.name) <= 50
        assert entry.summary.endswith(".")
        assert len(entry.summary) <= 140
