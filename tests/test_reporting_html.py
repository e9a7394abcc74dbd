"""The HTML report, as a browser shows it: nothing is loaded, nothing that a kernel says runs, and it fits on a phone and on paper."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import chromium
import pytest
from click.testing import CliRunner
from reports import HOSTILE, LARGE, report

from convverify.campaign.options import Options
from convverify.campaign.report import EXIT_STATUS, REFUTED, VERIFIED
from convverify.cli import main, running
from convverify.reporting.html import to_html
from convverify.reporting.plain import printable
from convverify.reporting.snippet import check_line

DRAWINGS = {
    REFUTED: ["Image 0 of x", "Kernel w", "Map of wrong output elements", "Pairwise coverage"],
    VERIFIED: ["Histogram of error over bound", "Sizes of the problems that were tried", "Where time went", "Pairwise coverage"],
}


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium.browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def opened(driver: Any, tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    """Return a function that opens reports in the browser; in the end, the page has logged no error, and requested nothing but itself.

    With CONVVERIFY_SCREENSHOTS=DIR each test leaves a picture of the page in that directory, for people to look at.
    """
    chromium.colours(driver, "light")
    chromium.resize(driver, 1280)
    file = tmp_path / "report.html"

    def open_reports(*verdicts: str) -> Any:
        file.write_text(to_html([report(verdict) for verdict in verdicts]), encoding="utf-8")
        chromium.requested(driver)
        driver.get(file.as_uri())
        return driver

    yield open_reports
    if folder := os.environ.get("CONVVERIFY_SCREENSHOTS"):
        chromium.screenshot(driver, Path(folder) / f"{request.node.name}.png")
    assert chromium.console_errors(driver) == []
    assert chromium.requested(driver) == [file.as_uri()]


def texts(driver: Any, selector: str) -> list[str]:
    script = "return [...document.querySelectorAll(arguments[0])].map(element => element.textContent)"
    found: list[str] = driver.execute_script(script, selector)
    return found


@pytest.mark.parametrize("verdict", EXIT_STATUS)
def test_every_verdict_comes_first(opened: Any, verdict: str) -> None:
    page = opened(verdict)
    assert page.find_element("tag name", "main").text.splitlines()[0] == verdict.upper()
    assert texts(page, "h1") == [printable(report(verdict).options.target)]
    assert len(texts(page, "section.counterexample")) == len(report(verdict).counterexamples)


def test_several_targets_are_on_one_page(opened: Any) -> None:
    page = opened(VERIFIED, REFUTED)
    assert texts(page, "header .word") == ["VERIFIED", "REFUTED"]
    assert [link.split()[0] for link in texts(page, "nav a")] == ["VERIFIED", "REFUTED"]


def test_what_outsiders_say_is_shown_as_text(opened: Any) -> None:
    page = opened(REFUTED)
    shown = printable(HOSTILE)
    assert "\\x1b[31mred" in shown
    assert "\\u202e" in shown
    sentences = texts(page, ".sentence")
    assert any(shown in sentence for sentence in sentences)
    for selector in ("h1", ".note", ".diagnosis", "section p"):
        assert any(shown in text for text in texts(page, selector)), selector
    assert page.title.startswith("convverify: ")
    assert len(texts(page, "script")) == 1


def test_a_script_that_slipped_in_would_not_run(opened: Any, driver: Any) -> None:
    page = opened(VERIFIED)
    page.execute_script("const s = document.createElement('script'); s.textContent = 'document.title = 1'; document.body.append(s)")
    assert page.title.startswith("convverify: ")
    (message,) = chromium.console_errors(driver)
    assert "Content Security Policy" in message


def test_buttons_copy_what_is_beside_them(opened: Any) -> None:
    page = opened(REFUTED)
    page.execute_cdp_cmd("Browser.grantPermissions", {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]})
    buttons, sources = page.find_elements("css selector", ".copied button"), texts(page, ".copied pre")
    assert len(buttons) == len(sources) == 2 * len(report(REFUTED).counterexamples) + 1  # the command that runs it again
    for button, source in zip(buttons[:2], sources[:2], strict=True):
        button.click()
        read = "navigator.clipboard.readText().then(arguments[0])"
        assert page.execute_async_script(read) == source
        assert button.text == "Copied"
    assert sources[0].startswith("convverify replay ")


def test_buttons_copy_without_the_clipboard_of_scripts_too(opened: Any) -> None:
    page = opened(REFUTED)
    page.execute_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    button, source = page.find_element("css selector", ".copied button"), texts(page, ".copied pre")[0]
    button.click()
    assert button.text == "Copied"
    assert page.execute_script("return String(getSelection())") == source


@pytest.mark.parametrize("verdict", DRAWINGS)
def test_everything_is_drawn(opened: Any, verdict: str) -> None:
    titles = texts(opened(verdict), "svg > title")
    for name in DRAWINGS[verdict]:
        assert any(title.startswith(name) for title in titles), name


@pytest.mark.parametrize("verdict", [REFUTED, VERIFIED])
@pytest.mark.parametrize("width", [375, 1280])
def test_the_page_is_never_wider_than_the_screen(opened: Any, verdict: str, width: int) -> None:
    page = opened(verdict)
    chromium.resize(page, width)
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
    script = "return [...document.querySelectorAll(arguments[0])].map(element => element.getBoundingClientRect().right)"
    assert max(page.execute_script(script, "h1, h2, p, li, td, figcaption, button")) <= width


def contrast(first: str, second: str) -> float:
    """Return the contrast of two colours (WCAG 2.2, "contrast ratio")."""
    shades = []
    for colour in (first, second):
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        shades.append(0.2126 * red + 0.7152 * green + 0.0722 * blue)
    return (max(shades) + 0.05) / (min(shades) + 0.05)


@pytest.mark.parametrize(("scheme", "medium", "dark"), [("light", "screen", False), ("dark", "screen", True), ("dark", "print", False)])
def test_it_is_read_by_day_by_night_and_on_paper(opened: Any, scheme: str, medium: str, dark: bool) -> None:
    page = opened(REFUTED)
    chromium.colours(page, scheme, medium)
    style = "return [...document.querySelectorAll(arguments[0])].map(e => getComputedStyle(e)[arguments[1]])"
    (ground,) = page.execute_script(style, "body", "backgroundColor")
    assert (contrast(ground, "rgb(255, 255, 255)") > 10) is dark
    for selector, kind in (("p, h1, h2, h3, li, td, pre, .quiet, .word", "color"), ("svg text", "fill")):
        colours = set(page.execute_script(style, selector, kind))
        assert colours
        assert all(contrast(colour, ground) >= 4.5 for colour in colours), (selector, colours)  # WCAG's level AA
    if medium == "print":
        assert set(page.execute_script(style, "button", "display")) == {"none"}


def test_what_a_notebook_shows_is_text(driver: Any, tmp_path: Path) -> None:
    file = tmp_path / "notebook.html"
    file.write_text(f"<!DOCTYPE html><meta charset='utf-8'><title>Notebook</title>{report(REFUTED)._repr_html_()}", encoding="utf-8")
    chromium.requested(driver)
    driver.get(file.as_uri())
    assert texts(driver, "pre")[0].startswith("REFUTED  kernels/<script>")
    assert driver.title == "Notebook"
    assert chromium.console_errors(driver) == []
    assert chromium.requested(driver) == [file.as_uri()]


def test_the_contents_lead_to_every_part(opened: Any) -> None:
    page = opened(REFUTED)
    links = [link.get_attribute("href").partition("#")[2] for link in page.find_elements("css selector", ".contents a")]
    assert links == ["target-1-1", "target-1-2", "target-1-3", "target-1-reference", "target-1-tried", "target-1-run"]
    assert [page.find_element("id", link).tag_name for link in links] == ["section"] * 6


def test_pairs_that_a_run_did_not_draw_do_not_look_like_failures(opened: Any) -> None:
    page = opened(VERIFIED)
    style = "return getComputedStyle(document.querySelector(arguments[0])).stroke"
    red = page.execute_script("return getComputedStyle(document.documentElement).getPropertyValue('--bad')").strip()
    assert red.startswith("#")
    shown = page.execute_script(style, "svg .heat-0")
    assert re.findall(r"\d+", shown)[:3] != [str(int(red[i : i + 2], 16)) for i in (1, 3, 5)]


@pytest.mark.parametrize(("width", "hinted"), [(375, True), (1280, False)])
def test_a_chart_that_does_not_fit_says_that_it_scrolls(opened: Any, width: int, hinted: bool) -> None:
    page = opened(VERIFIED)
    chromium.resize(page, width)
    style = "return getComputedStyle(document.querySelector('.scroll:has(svg.broad)'), '::before').display"
    assert (page.execute_script(style) == "block") is hinted


# Without a browser.


def test_the_page_shows_where_an_exception_was_raised_and_how_to_run_it_again() -> None:
    page = to_html([report(REFUTED)])
    assert "<h3>Raised here</h3>" in page
    assert "in raises" in page
    named = replace(report(REFUTED), options=replace(report(REFUTED).options, target="test_reporting_html:test_x"))
    page = to_html([named])
    assert re.search(r"source: \S*test_reporting_html.py", page)
    assert "convverify check test_reporting_html:test_x --reference exact --max-examples 0 --seed 1 " in page


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "--seed 0"),
        ({"dtypes": ("float16", "float64"), "data_format": "NCHW"}, "--seed 0 --dtype float16,float64 --layout NCHW"),
        ({"problems": ("x=1x1x1x1 w=1x1x1x1",), "max_time": 1.5}, "--max-time 1.5 --seed 0 --problem 'x=1x1x1x1 w=1x1x1x1'"),
        ({"degenerate": False, "isolation": False}, "--seed 0 --no-isolation --no-degenerate"),
        ({"degenerate": True, "sandbox": True, "exitfirst": True}, "--seed 0 --degenerate --sandbox --exitfirst"),
    ],
)
def test_the_line_that_makes_a_run_again_makes_the_same_run(options: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Options("matmul", **options)
    line = check_line(replace(report(VERIFIED), options=made))
    assert line == f"convverify check matmul {words}"
    seen: list[Options] = []
    monkeypatch.setattr(running, "_verified", lambda chosen, *_: seen.append(chosen) or report(VERIFIED))
    assert CliRunner().invoke(main, shlex.split(line)[1:]).exit_code == 0
    assert seen == [made]


def test_the_legend_names_what_is_drawn() -> None:
    page = to_html([report(REFUTED)])
    image = page[page.index("<title>Image ", page.index(LARGE)) :].partition("</figure>")[0]
    drawing, legend = image.split("</svg>", 1)
    for kind in ("image", "image tap", "pad", "pad tap", "beyond tap"):
        assert (f'class="{kind}"' in drawing) == (f'class="{kind}"/>' in legend), kind
    assert "padding" in legend


def test_the_geometry_marks_the_places_that_the_wrong_element_reads() -> None:
    page = to_html([report(REFUTED)])
    image = page[page.index("<title>Image ", page.index(LARGE)) :].partition("</svg>")[0]
    assert len(re.findall(r'class="\w+ tap"', image)) == 6
    assert "dilations 1 x 3, pads 1 above, 0 below, 2 left, 1 right, 2 groups" in page


def test_a_page_is_small_and_names_no_other_address() -> None:
    page = to_html([report(VERIFIED)])
    assert len(page) < 400_000
    assert set(re.findall(r"https?://[^\"' <]+", page)) == {"http://www.w3.org/2000/svg"}
