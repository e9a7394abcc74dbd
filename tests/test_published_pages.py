"""asv's pages, published from the results in this repository and opened in a browser, from disk and from a server."""

from __future__ import annotations

import contextlib
import functools
import http.server
import importlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import chromium
import pytest

ROOT = Path(__file__).resolve().parents[1]
DRAWN = {  # the part of the address behind #, and what then has to be on the page
    "/": "document.querySelectorAll('#summarygrid-display canvas').length > 10",
    "/summarylist": "document.querySelectorAll('#summarylist-body tbody tr').length > 50",
    "/regressions": "document.querySelector('#regressions-body').childElementCount > 0",
    "speed.Matmul.time_call": "document.querySelector('#main-graph canvas') && /\\^!|\\.\\./.test(document.querySelector('#range').value)",
}


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages; the libraries that they load have to be here already, so that no test fetches anything."""
    chromium.required()
    pytest.importorskip("asv", reason="asv comes with the extra `bench`")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "tools"))
        publish: Any = importlib.import_module("bench_publish")
        if not publish.fetched() or not (ROOT / ".git").exists():
            pytest.skip("needs a git checkout, and what `make bench-publish` fetches from npm")
        directory = tmp_path_factory.mktemp("published") / "html"
        assert publish.publish(directory) == 0
    return directory


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing of requests."""


@contextlib.contextmanager
def served(directory: Path) -> Iterator[str]:
    """Serve a directory on this machine."""
    handler = functools.partial(_Quiet, directory=str(directory))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()


def wait_for(driver: Any, condition: str) -> None:
    """Wait until the page has drawn itself; a page that never does is the failure."""
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(driver, 20).until(lambda page: page.execute_script(f"return {condition}"), f"never: {condition}")


@pytest.mark.parametrize("place", ["disk", "server"])
def test_grid_list_regressions_and_graphs_are_drawn_without_a_network(html: Path, place: str, tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        base = html.as_uri() + "/" if place == "disk" else stack.enter_context(served(html))
        driver = stack.enter_context(chromium.browser(tmp_path))
        for width in (1280, 375):
            chromium.resize(driver, width)
            for fragment, drawn in DRAWN.items():
                driver.get("about:blank")
                driver.get(f"{base}index.html#{fragment}")
                wait_for(driver, drawn)
                assert driver.execute_script("return document.documentElement.scrollWidth") <= width, fragment
                assert chromium.console_errors(driver) == [], fragment
        assert all(address.startswith((base, "about:", "data:")) for address in chromium.requested(driver))
