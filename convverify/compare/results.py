"""What a comparison came to: frozen, and plain data for JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from convverify.compare.machine import Machine
from convverify.compare.options import CompareOptions, Item
from convverify.compare.timing import Samples, Spread
from convverify.compare.verified import Licence
from convverify.problems.problem import Problem

SCHEMA = 1


@dataclass(frozen=True)
class Measurement:
    """One kernel on one item.

    `problem` is what was timed; where it is not the item's, seconds were extrapolated by multiply-adds.  `samples` are seconds of the
    item's problem, without those of an empty call; `ratio` is the spread of the ratios to the reference in the same rounds; `empty` is the
    spread of the empty call that was taken off.  None stands for what was not measured.
    """

    name: str
    problem: Problem
    samples: Samples
    seconds: Spread
    ratio: Spread | None = None
    error: float = 0.0
    fraction: float | None = None
    difference: float | None = None
    norm: float | None = None
    memory: int | None = None
    empty: Spread | None = None
    remarks: tuple[str, ...] = ()
    accuracy: str = "elementwise"

    @property
    def is_rough(self) -> bool:
        """Whether more was taken off than is left, or than its own spread: then the time is known roughly."""
        return self.empty is not None and self.seconds.median <= max(self.empty.median, self.empty.high - self.empty.low)

    def is_extrapolated(self, item: Item) -> bool:
        """Return whether a smaller problem was timed."""
        return self.problem != item.problem


@dataclass(frozen=True)
class Row:
    """One item: what was measured, why the others were not, and whose time was refused, and why."""

    item: Item
    measurements: tuple[Measurement, ...]
    unsupported: Mapping[str, str]
    refused: Mapping[str, str] = field(default_factory=dict)

    @property
    def operations(self) -> int:
        """Floating-point operations of the definition, pads counted: two for each multiply-add."""
        return 2 * self.item.problem.macs

    @property
    def intensity(self) -> float:
        """Operations for each byte of operands and result, each moved once."""
        problem = self.item.problem
        itemsize = {"float64": 8, "float32": 4}.get(problem.dtype, 2)
        elements = sum(_product(shape) for shape in (problem.x_shape, problem.w_shape, problem.output_shape))
        return self.operations / (elements * itemsize)

    def measurement(self, name: str) -> Measurement | None:
        """Return what was measured of one kernel, or None."""
        return next((one for one in self.measurements if one.name == name), None)


def _product(extents: tuple[int, ...]) -> int:
    product = 1
    for extent in extents:
        product *= extent
    return product


@dataclass(frozen=True)
class Comparison:
    """All that a comparison came to.  `names` are those that take part, in the order of the tables; `reference` is the first of them."""

    options: CompareOptions
    names: tuple[str, ...]
    licences: tuple[Licence, ...]
    rows: tuple[Row, ...] = ()
    machine: Machine | None = None
    interrupted: bool = False
    warnings: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def reference(self) -> str:
        return self.options.against

    @property
    def exit_status(self) -> int:
        """0: all kernels are right on all problems; 1: one is not; 3: the reference is not, a time is refused, or nothing was timed; 130:
        interrupted."""
        refuted = [licence.name for licence in self.licences if licence.refutation is not None]
        if self.interrupted:
            return 130
        if any(name != self.reference for name in refuted):
            return 1
        timed = any(one.name in self.options.kernels for row in self.rows for one in row.measurements)
        return 3 if refuted or not timed or any(row.refused for row in self.rows) else 0

    def to_json(self) -> str:
        """Return everything as JSON text; its `schema` number changes when a field changes its meaning.  Seconds, bytes, operations."""
        from convverify.compare.summary import exponents, means

        data: dict[str, Any] = {
            "schema": SCHEMA,
            "options": dataclasses.asdict(self.options),
            "interrupted": self.interrupted,
            "environment": dict(self.environment),
            "machine": dataclasses.asdict(self.machine) if self.machine else None,
            "kernels": [_licence(licence) for licence in self.licences],
            "rows": [self._row(row) for row in self.rows],
            "means": [dataclasses.asdict(mean) for mean in means(self)],
            "exponents": [dataclasses.asdict(exponent) for exponent in exponents(self)],
            "warnings": list(self.warnings),
        }
        return json.dumps(data, indent=1)

    def _row(self, row: Row) -> dict[str, Any]:
        layer = row.item.layer
        return {
            "suite": row.item.suite, "group": row.item.group, "layer": layer.name, "count": layer.count, "source": layer.source,
            "problem": str(layer.problem), "operations": row.operations, "operations_per_byte": row.intensity,
            "measurements": [self._measurement(row, one) for one in row.measurements], "unsupported": dict(row.unsupported),
            "refused": dict(row.refused),
        }  # fmt: skip

    def _measurement(self, row: Row, one: Measurement) -> dict[str, Any]:
        speed = row.operations / one.seconds.median
        return {
            "kernel": one.name, "timed_problem": str(one.problem), "extrapolated": one.is_extrapolated(row.item),
            "seconds": dataclasses.asdict(one.seconds), "samples": list(one.samples.seconds), "calls_per_sample": one.samples.calls,
            "ratio": dataclasses.asdict(one.ratio) if one.ratio else None, "operations_per_second": speed,
            "share_of_peak": speed / self.machine.peak(row.item.problem.dtype) if self.machine else None,
            "processors_used": one.samples.processors,
            "relative_error": one.error, "error_fraction": one.fraction, "difference_norm": one.difference,
            "reference_norm": one.norm, "peak_extra_memory": one.memory,
            "empty_call": dataclasses.asdict(one.empty) if one.empty else None, "share_before_the_clock": one.samples.before,
            "is_rough": one.is_rough, "remarks": list(one.remarks),
        }  # fmt: skip


def _licence(licence: Licence) -> dict[str, Any]:
    elsewhere = licence.elsewhere
    return {
        "kernel": licence.name,
        "refutation": dataclasses.asdict(licence.refutation) if licence.refutation else None,
        "campaign": dataclasses.asdict(elsewhere) if elsewhere else None,
    }
