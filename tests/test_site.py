"""The documentation site holds every page, loads nothing from elsewhere, and its generated and copied parts are up to date."""

from __future__ import annotations

import importlib.util
import re
import runpy
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import chromium
import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCS, EXAMPLES = ROOT / "docs", ROOT / "examples"
SHOWN = [
    (page, name, text)
    for page in sorted(DOCS.glob("how-to-*.md"))
    for name, text in re.findall(r"<!-- file: (\S+) -->\n+```\w+\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)
    if (EXAMPLES / name).exists() and name != "mine.py"
]


class Loaded(HTMLParser):
    """Collects what a page loads by itself: scripts, style sheets, images, frames; links are followed by readers alone."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name == "src" or (tag == "link" and name == "href")]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if importlib.util.find_spec("material") is None:
        pytest.skip("mkdocs-material is not installed: the extra docs has it")
    directory = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--quiet",
        "--strict",
        "--config-file",
        ROOT / "mkdocs.yml",
        "--site-dir",
        directory,
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return directory


def test_every_page_is_in_the_site_and_loads_only_its_own_files(site: Path) -> None:
    assert {page.stem for page in DOCS.glob("*.md")} <= {page.stem for page in site.glob("*.html")}
    for page in site.rglob("*.html"):
        parser = Loaded()
        parser.feed(page.read_text(encoding="utf-8"))
        assert parser.addresses
        assert not [address for address in parser.addresses if re.match(r"(\w+:)?//", address)], page.name
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//|@import", sheet.read_text(encoding="utf-8")), sheet.name


def test_search_and_copying_work_in_pages_that_are_opened_from_disk(site: Path, tmp_path: Path) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.wait import WebDriverWait

    with chromium.browser(tmp_path) as driver:
        driver.get((site / "cli.html").as_uri())
        wait = WebDriverWait(driver, 60)
        driver.execute_script("document.querySelector('#__search').click()")
        field = wait.until(lambda page: page.find_element(By.CSS_SELECTOR, "input.md-search__input"))
        driver.execute_script("arguments[0].focus()", field)
        field.send_keys("dilations")
        results = wait.until(lambda page: page.find_elements(By.CSS_SELECTOR, ".md-search-result__item a"))
        assert any(".html" in result.get_attribute("href") for result in results)
        driver.execute_script("document.querySelector('#__search').click()")
        copied = "document.querySelector('button.md-code__button').click(); return true"
        driver.execute_script("window.copied = null; document.addEventListener('copy', event => window.copied = String(getSelection()))")
        assert driver.execute_script(copied)
        wait.until(lambda page: page.execute_script("return window.copied"))


def test_files_that_pages_link_to_are_pages_of_the_site(site: Path) -> None:
    assert "test_integers_are_convolved_exactly" in (site / "files" / "tests" / "test_convolutions.py.html").read_text(encoding="utf-8")
    assert 'href="files/tests/test_convolutions.py.html"' in (site / "python.html").read_text(encoding="utf-8")


def test_the_reference_has_every_public_name(site: Path) -> None:
    import convverify

    text = (site / "api.html").read_text(encoding="utf-8")
    assert not [name for name in convverify.__all__ if name not in text and not name.startswith("__")]


def test_the_page_of_mutants_is_that_of_the_registry() -> None:
    assert runpy.run_path(str(DOCS / "make_mutant_table.py"))["page"]() == (DOCS / "mutants.md").read_text(encoding="utf-8"), (
        "run: PYTHONPATH=. python docs/make_mutant_table.py"
    )


def test_the_page_of_cheats_is_that_of_the_registry() -> None:
    assert runpy.run_path(str(DOCS / "make_cheat_table.py"))["page"]() == (DOCS / "cheats.md").read_text(encoding="utf-8"), (
        "run: PYTHONPATH=. python docs/make_cheat_table.py"
    )


@pytest.mark.parametrize(("page", "name", "text"), SHOWN, ids=[name for _, name, _ in SHOWN])
def test_a_guide_shows_the_example_as_it_is(page: Path, name: str, text: str) -> None:
    assert text in (EXAMPLES / name).read_text(encoding="utf-8"), f"{page.name} shows another {name} than examples/ has"
