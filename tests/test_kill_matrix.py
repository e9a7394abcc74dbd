"""The kill matrix says what became of each kernel, and does not call a matrix good that has a hole."""

from __future__ import annotations

import dataclasses
import json

import pytest

from convverify.kill_matrix import Row, choose, summary, to_json, to_markdown

FLIPPED = Row(
    "kernel_flipped", "indexing", "refuted", "refuted", killed_by="exact_on_integers", cases=3, seconds=0.5, case="x=1x1x2x1 w=1x2x1x1",
    minimal=True, diagnosis="matches: kernel flipped",
)  # fmt: skip
SURVIVOR = Row("image_cleared", "memory", "refuted", "verified")
SPARED = Row("by_einsum", "correct", "verified", "verified")


def test_a_mutant_that_survives_and_a_right_kernel_that_is_blamed_are_not_as_they_should_be() -> None:
    assert FLIPPED.ok
    assert SPARED.ok
    assert not SURVIVOR.ok
    assert not dataclasses.replace(SPARED, verdict="refuted").ok


def test_the_summary_counts_what_was_refuted_shrunk_and_named() -> None:
    text = summary([FLIPPED, SURVIVOR, SPARED])
    assert "1 of 2 mutants refuted, in 0.50 s in the median and 0.5 s at the most, 1 shrunk" in text
    assert "1 diagnosed, 1 of 1 unusual kernels verified" in text


def test_the_page_crosses_classes_with_properties_and_has_a_line_for_each_kernel() -> None:
    later = dataclasses.replace(FLIPPED, seed=1, seconds=1.5, cases=5, killed_by="completes")
    page = to_markdown([FLIPPED, later, SURVIVOR])
    assert "| class | completes | exact_on_integers |" in page
    assert "| indexing | 1 | 1 |" in page
    (line,) = (line for line in page.splitlines() if line.startswith("| kernel_flipped |"))
    assert line.endswith("| exact_on_integers, completes | 4 | 1.00 | `x=1x1x2x1 w=1x2x1x1` |")
    assert "| image_cleared | memory |" in page
    assert "| verified | 0 | 0.00 |" in page


def test_the_json_holds_every_row() -> None:
    data = json.loads(to_json([FLIPPED, SURVIVOR]))
    assert [(row["name"], row["ok"]) for row in data["rows"]] == [("kernel_flipped", True), ("image_cleared", False)]


def test_a_word_chooses_a_kernel_or_a_class() -> None:
    assert choose(["kernel_flipped"]) == ["kernel_flipped"]
    assert {"kernel_flipped", "kernel_upside_down"} <= set(choose(["indexing"]))
    with pytest.raises(ValueError, match="neither a mutant nor a class"):
        choose(["nonsense"])
