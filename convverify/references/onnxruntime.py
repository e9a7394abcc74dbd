"""`onnxruntime`: ONNX's operator Conv in ONNX Runtime, on its CPU provider.

The weights are a constant of the model, as they are in the models that people run: ONNX Runtime then brings them into an order of its
own when a session is made.  `onnxruntime_inputs` gives them as an input instead, which is computed by other code.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt

from convverify.problems.posing import problem_of
from convverify.problems.problem import Problem
from convverify.references import references
from convverify.references._packages import load_package, to_nchw, to_nhwc

_SESSIONS = 64  # that are kept; each holds a copy of its weights
_THREADS = 2  # of a session: its own, so that many sessions on many processors would be too many threads
_OPSET, _IR = 11, 8  # Conv has not changed since for the dtypes in question


@functools.cache
def load() -> Any:
    """Import ONNX Runtime, and onnx to make models with, once."""
    load_package("onnx", "onnxruntime")
    return load_package("onnxruntime", "onnxruntime")


@references.register("onnxruntime", packages=("onnxruntime", "onnx"), extra="onnxruntime", load=load)
def conv2d(
    x: npt.NDArray[Any], w: npt.NDArray[Any], *, strides: Any = (1, 1), padding: Any = "VALID", dilations: Any = (1, 1), groups: int = 1
) -> npt.NDArray[Any]:
    """ONNX Runtime's Conv on the CPU, the weights a constant of the model (extra: onnxruntime).

    Parameters and errors are those of `conv2d_loops`; NotImplementedError where ONNX Runtime refuses the problem, ImportError where it, or
    the package onnx, is not installed.
    """
    problem = problem_of(x, w, strides, padding, dilations, groups)
    image, filters = _operands(problem, x, w)
    return to_nhwc(_session(problem, filters.tobytes()).run(None, {"x": image})[0])


@references.register("onnxruntime_inputs", packages=("onnxruntime", "onnx"), extra="onnxruntime", load=load)
def conv2d_inputs(
    x: npt.NDArray[Any], w: npt.NDArray[Any], *, strides: Any = (1, 1), padding: Any = "VALID", dilations: Any = (1, 1), groups: int = 1
) -> npt.NDArray[Any]:
    """ONNX Runtime's Conv on the CPU, the weights an input of the model (extra: onnxruntime).

    Parameters and errors are those of `conv2d`.
    """
    problem = problem_of(x, w, strides, padding, dilations, groups)
    image, filters = _operands(problem, x, w)
    return to_nhwc(_session(problem, None).run(None, {"x": image, "w": filters})[0])


def _operands(problem: Problem, x: npt.NDArray[Any], w: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    if reason := refusal(problem):
        raise NotImplementedError(reason)
    return to_nchw(x, w)


def refusal(problem: Problem) -> str:
    """Return why ONNX Runtime's CPU provider refuses the problem with an error, or ""."""
    if problem.dtype in ("float64", "bfloat16"):
        return f"ONNX Runtime has no Conv for {problem.dtype} on the CPU"
    if 0 in problem.output_shape[1:3]:
        return "ONNX Runtime refuses a kernel that exceeds the padded image"
    return ""


@functools.lru_cache(_SESSIONS)
def _session(problem: Problem, weights: bytes | None) -> Any:
    """Return a session for a problem, and for the bytes of its weights (OIHW) where these are a constant."""
    runtime = load()
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = _THREADS, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4  # what fails is raised as well
    return runtime.InferenceSession(_model(problem, weights), options, providers=["CPUExecutionProvider"])


def _model(problem: Problem, weights: bytes | None) -> bytes:
    """Return the ONNX model of one Conv, serialised."""
    onnx = load_package("onnx", "onnxruntime")
    kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(problem.dtype))
    rows, columns, inputs, outputs = problem.w_shape
    (top, bottom), (left, right) = problem.pads
    node = onnx.helper.make_node(
        "Conv", ["x", "w"], ["y"], kernel_shape=[rows, columns], strides=problem.strides, pads=[top, left, bottom, right],
        dilations=problem.dilations, group=problem.groups,
    )  # fmt: skip
    shapes = {"x": [problem.batch, problem.in_channels, problem.height, problem.width], "w": [outputs, inputs, rows, columns]}
    operands = [onnx.helper.make_tensor_value_info(name, kind, shape) for name, shape in shapes.items()]
    result = onnx.helper.make_tensor_value_info("y", kind, None)
    constants = [] if weights is None else [onnx.helper.make_tensor("w", kind, shapes["w"], weights, raw=True)]
    graph = onnx.helper.make_graph([node], "conv", operands[: 2 - len(constants)], [result], constants)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", _OPSET)], ir_version=_IR)
    serialised: bytes = model.SerializeToString()
    return serialised
