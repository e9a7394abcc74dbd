"""The report as data: JSON that its published schema accepts, for every verdict."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from reports import report

import convverify
from convverify.campaign.report import EXIT_STATUS, INTERRUPTED, REFUTED, VERIFIED
from convverify.reporting.files import to_json

SCHEMA = json.loads((Path(convverify.__file__).parent / "reporting" / "report.schema.json").read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)


def read(text: str) -> Any:
    """Read JSON strictly: without the NaN and Infinity that Python allows."""
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("verdict", EXIT_STATUS)
def test_json_of_every_verdict_is_accepted(verdict: str) -> None:
    data = read(report(verdict).to_json())
    assert [error.message for error in VALIDATOR.iter_errors(data)] == []
    assert data["verdict"] == verdict


def test_json_of_several_targets_is_an_array() -> None:
    several = [report(verdict) for verdict in (VERIFIED, REFUTED, INTERRUPTED)]
    VALIDATOR.validate(read(to_json(several)))
    assert read(to_json(several[:1])) == read(several[0].to_json())


@pytest.mark.parametrize(
    ("field", "value"), [("schema", 2), ("verdict", "fine"), ("statistics", {}), ("counterexamples", [{}]), ("seed", -1), ("seconds", "1")]
)
def test_other_data_is_not_accepted(field: str, value: Any) -> None:
    assert not VALIDATOR.is_valid(read(report(VERIFIED).to_json()) | {field: value})


def test_a_verdict_and_its_counterexamples_go_together() -> None:
    refuted = read(report(REFUTED).to_json())
    assert not VALIDATOR.is_valid(refuted | {"counterexamples": []})
    assert not VALIDATOR.is_valid(refuted | {"verdict": "verified"})


def undescribed(data: Any, schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """Yield the places of fields that the schema does not name."""
    while "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    for option in schema.get("oneOf", []):
        if Draft202012Validator(option | {"$defs": SCHEMA["$defs"]}).is_valid(data):
            yield from undescribed(data, option, path)
    if isinstance(data, dict) and "additionalProperties" not in schema and "oneOf" not in schema:
        for key, value in data.items():
            if key not in schema.get("properties", {}):
                yield f"{path}.{key}"
            else:
                yield from undescribed(value, schema["properties"][key], f"{path}.{key}")
    if isinstance(data, list) and isinstance(schema.get("items"), dict):
        for value in data:
            yield from undescribed(value, schema["items"], f"{path}[]")


@pytest.mark.parametrize("verdict", EXIT_STATUS)
def test_the_schema_describes_every_field(verdict: str) -> None:
    assert list(undescribed(read(report(verdict).to_json()), SCHEMA)) == []
    assert list(undescribed(read(report(verdict).to_json()) | {"colour": 1}, SCHEMA)) == [".colour"]


def test_numbers_that_json_has_not_are_null() -> None:
    endless = replace(report(VERIFIED), options=replace(report(VERIFIED).options, max_time=math.inf))
    data = read(endless.to_json())
    assert data["options"]["max_time"] is None
    VALIDATOR.validate(data)


def test_a_counterexample_says_how_to_see_it_again() -> None:
    for example in read(report(REFUTED).to_json())["counterexamples"]:
        assert example["replay"].startswith("convverify replay ")
        assert "kernel(x, w" in example["snippet"]


def test_a_notebook_shows_a_few_lines_and_the_rest_to_unfold() -> None:
    shown = report(REFUTED)._repr_html_()
    assert re.findall("<(/?[a-z]+)", shown) == ["pre", "/pre", "details", "summary", "/summary", "pre", "/pre", "/details"]
    above, _, unfolded = shown.partition("<details>")
    assert above.count("\n") < 26
    assert "smallest case: " in above
    assert "pairwise coverage: " in unfolded
    assert len(shown) < 20_000
