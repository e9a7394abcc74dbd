"""The prober: judges single cases in fresh processes, to confirm and to shrink what a campaign has found.

Started as `python -m convverify.campaign.isolation.prober`.
It loads the kernel but never calls it; it forks a child that does, and that serves
requests until it is told to quit, or dies.  A fresh child costs milliseconds, and has a kernel that has never been called.
Requests and answers are lines of JSON on the standard streams.
"""

from __future__ import annotations

import base64
import contextlib
import gc
import json
import os
import signal
import sys
import time
from typing import Any

import numpy as np
import numpy.typing as npt

from convverify.campaign.isolation.processes import die_with_parent
from convverify.judging.kernel import Kernel, make_kernel
from convverify.judging.properties import judge
from convverify.judging.trial import Finding, Trial, is_float
from convverify.operands.case import Case
from convverify.operands.placing import Array
from convverify.references import exact
from convverify.targets import TargetError, find_kernel


def encode(array: npt.NDArray[Any] | None) -> dict[str, Any] | None:
    """Return an array as plain data (bool or float64)."""
    if array is None:
        return None
    plain = np.ascontiguousarray(array if array.dtype == np.bool_ else array.astype(np.float64))
    return {"dtype": plain.dtype.str, "shape": list(plain.shape), "data": base64.b64encode(plain.tobytes()).decode()}


def decode(data: dict[str, Any] | None) -> Array | None:
    """Return the array that `encode` packed."""
    if data is None:
        return None
    return np.frombuffer(base64.b64decode(data["data"]), np.dtype(data["dtype"])).reshape(data["shape"])


def answer(kernel: Kernel, request: dict[str, Any]) -> dict[str, Any]:
    """Judge the request's case after its history, and return the verdict as plain data."""
    names = tuple(request["properties"]) if request.get("properties") else None
    for line in request.get("history", ()):
        judge(Trial(kernel, Case.parse(line), thorough=False))
    case = Case.parse(request["case"])
    trial = Trial(kernel, case)
    judged, finding = judge(trial, names)
    result: dict[str, Any] = {
        "judged": judged,
        "mentions": trial.mentions,
        "kernel": {"spellings": dict(kernel.keywords), "data_format": kernel.data_format, "accuracy": kernel.accuracy},
    }
    if finding is not None:
        result["finding"] = _plain(finding, bool(request.get("arrays")))
    return result


def has_numbers(trial: Trial) -> bool:
    """Return whether the first call returned floating-point numbers, of whatever shape."""
    return trial.first_values is not None and is_float(trial.first_values)


def _plain(finding: Finding, arrays: bool) -> dict[str, Any]:
    plain: dict[str, Any] = {"property": finding.property, "sentence": finding.sentence}
    if arrays:
        for name in ("expected", "actual", "wrong", "bound"):
            plain[name] = encode(getattr(finding, name))
    return plain


def repeat_until_wrong(kernel: Kernel, line: str, calls: int, seconds: float) -> int:
    """Return the number of the first of `calls` calls on a case whose result is not right, or 0."""
    trial = Trial(kernel, Case.parse(line))
    deadline = time.monotonic() + seconds
    for number in range(1, calls + 1):
        call = trial.call(trial.x.array, trial.w.array)
        if call.unsupported:
            return 0
        if call.result is None or call.result.shape != trial.problem.output_shape or trial.wrong_elements(call.result).any():
            return number
        if time.monotonic() > deadline:
            break
    return 0


def diagnosis(kernel: Kernel, request: dict[str, Any]) -> list[str]:
    """Hold the kernel's outputs on failing cases against known faults."""
    from convverify.campaign.diagnosing import diagnose

    failures = []
    for line in request["diagnose"]:
        trial = Trial(kernel, Case.parse(line))
        if has_numbers(trial) and trial.first_values is not None and not (trial.answered and trial.value_fault is None):
            failures.append((trial.case, trial.first_values.astype(np.float64)))
    return list(diagnose(failures, without=request["without"]))


def main(target: str, data_format: str, accuracy: str) -> None:
    """Serve requests until the standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    die_with_parent()
    reader, writer = os.dup(0), os.dup(1)
    silence = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(silence, stream)
    try:
        kernel = find_kernel(target, data_format=data_format or None, accuracy=accuracy or None)
    except TargetError as error:
        _say(writer, {"failed": str(error)})
        return
    for layout in ("contiguous", "guarded"):  # load now what every child would load anew, with a kernel that is not under test
        answer(make_kernel(exact.conv2d), {"case": f"x=1x3x3x2 w=2x2x2x2 values=integers layouts={layout},contiguous"})
    gc.collect()
    gc.freeze()  # a collection in a child would copy every page that a fork shares
    _say(writer, {"ready": os.getpid()})
    while line := _line(reader):
        child = os.fork()
        if child == 0:
            die_with_parent()
            _serve(kernel, line, reader, writer)
        _say(writer, {"child": child})
        _, status = os.waitpid(child, 0)
        _say(writer, {"exit": os.waitstatus_to_exitcode(status)})


def _serve(kernel: Kernel, line: bytes, reader: int, writer: int) -> None:
    """Answer requests in the child; never returns."""
    code = 0
    with contextlib.suppress(BaseException):
        while line:
            request = json.loads(line)
            if request.get("quit"):
                break
            if "calls" in request:
                _say(writer, {"number": repeat_until_wrong(kernel, request["case"], request["calls"], request["seconds"])})
            elif "diagnose" in request:
                _say(writer, {"diagnosis": diagnosis(kernel, request)})
            else:
                _say(writer, answer(kernel, request))
            line = _line(reader)
        os._exit(0)
    code = 70
    os._exit(code)


def _say(writer: int, data: dict[str, Any]) -> None:
    text = (json.dumps(data) + "\n").encode()
    while text:
        text = text[os.write(writer, text) :]


def _line(reader: int) -> bytes:
    """Read one request; the other side sends the next only when this one has been answered."""
    line = b""
    while not line.endswith(b"\n"):
        data = os.read(reader, 65536)
        if not data:
            return b""
        line += data
    return line


if __name__ == "__main__":
    sys.path[0] = os.getcwd()
    main(sys.argv[1], sys.argv[2], sys.argv[3])
