"""One registry for everything that is plural."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from convverify.registry import Registry


@pytest.fixture
def fruits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """A registry in a package of two modules, none of them imported yet."""
    package = tmp_path / "orchard"
    package.mkdir()
    (package / "__init__.py").write_text("from convverify.registry import Registry\nfruits = Registry('fruit', __name__)\n")
    (package / "apples.py").write_text(
        "from orchard import fruits\n\n\n@fruits.register(sour=True)\ndef boskoop():\n    '''Keeps until spring.\n\n    More.\n    '''\n"
    )
    (package / "pears.py").write_text("from orchard import fruits\n\n\n@fruits.register('conference')\ndef long_pear(): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "orchard"]:
        monkeypatch.delitem(sys.modules, name)
    from orchard import fruits  # type: ignore[import-not-found]  # written a moment ago

    registry: Registry = fruits
    return registry


def test_a_function_in_a_new_module_of_the_package_is_an_entry(fruits: Registry) -> None:
    assert "orchard.apples" not in sys.modules
    assert fruits.names() == ("boskoop", "conference")
    assert "orchard.apples" in sys.modules
    assert len(fruits) == 2
    assert [entry.name for entry in fruits] == ["boskoop", "conference"]


def test_an_entry_has_a_summary_and_traits(fruits: Registry) -> None:
    entry = fruits["boskoop"]
    assert entry.summary == "Keeps until spring."
    assert entry.traits["sour"] is True
    assert entry.function.__name__ == "boskoop"
    assert fruits["conference"].summary == ""
    assert dict(fruits["conference"].traits) == {}


def test_an_unknown_name_is_refused_with_those_that_are_known(fruits: Registry) -> None:
    assert "conference" in fruits
    assert "durian" not in fruits
    with pytest.raises(ValueError, match="fruit 'durian' is unknown; known: boskoop, conference"):
        fruits["durian"]


def test_a_name_is_registered_once(fruits: Registry) -> None:
    assert len(fruits) == 2
    with pytest.raises(ValueError, match="fruit 'boskoop' is registered twice"):
        fruits.register("boskoop")(lambda: None)
