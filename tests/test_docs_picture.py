"""The picture of a terminal in README.md: made of real output, in two schemes, and complete by itself."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from convverify.judging.properties import in_order

DOCS = Path(__file__).resolve().parents[1] / "docs"
PRINTED = """convverify 0.1.0: mine.py:conv2d against exact, seed 0
edge cases, 1 failed \x1b[35m━━\x1b[0m 4/? problems 0:00:03
\x1b[1;31mREFUTED\x1b[0m  mine.py:conv2d: 2 counterexamples

\x1b[1;31mshape\x1b[0m: the result has shape <1>
  smallest case: x=1x1x2x1

completes: the kernel raised
"""


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(DOCS))
    return importlib.import_module("make_picture")


def test_it_shows_the_command_and_all_but_progress(script: Any) -> None:
    lines = script.without_progress(PRINTED, "convverify check").plain.split("\n")
    assert lines[0] == "$ convverify check"
    assert lines[-1] == "completes: the kernel raised"
    assert not [line for line in lines if "problems" in line]


def test_each_scheme_has_its_own_colours(script: Any) -> None:
    text = script.without_progress(PRINTED, "convverify check")
    for colours in script.COLOURS.values():
        picture = ElementTree.fromstring(script.svg(text, colours))
        shown = {one.text: one.get("fill") for one in picture.iter("{http://www.w3.org/2000/svg}text")}
        assert shown["REFUTED"] == colours["red"]
        assert shown[": the result has shape <1>"] is None


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_picture_that_is_kept_is_whole_and_loads_nothing(scheme: str, script: Any) -> None:
    text = (DOCS / f"refuted-{scheme}.svg").read_text(encoding="utf-8")
    assert "".join(ElementTree.fromstring(text).itertext()).count("REFUTED") == 2  # the first line and the last
    assert re.findall(r"https?://[^\"]+", text) == ["http://www.w3.org/2000/svg"]
    assert "w.shape[0]" in script.kernel()


def test_the_page_of_findings_has_one_for_each_property(script: Any) -> None:
    gallery = importlib.import_module("make_gallery")
    text = (DOCS / "what-a-finding-looks-like.md").read_text(encoding="utf-8")
    shown = re.findall(r"^## (\w+)\n.*?^```text\n(\w+): .*?^  replay:\n    convverify replay (\w+) ", text, re.DOTALL | re.MULTILINE)
    assert [(name, refuted, kernel) for name, refuted, kernel in shown] == [
        (entry.name, entry.name, gallery.KERNELS[entry.name]) for entry in in_order() if entry.name in gallery.KERNELS
    ]
    assert {entry.name for entry in in_order()} - set(gallery.KERNELS) == {"matches_reference", "one_array"}
    assert str(Path.home()) not in text
    assert not re.search(r"^ +/", text, re.MULTILINE), "places of one machine"
