"""A real browser for tests of pages: Debian's Chromium, headless, driven by Selenium, with all that it logs and requests.

    def test_a_page(tmp_path):
        with chromium.browser(tmp_path) as driver:
            driver.get(page.as_uri())
            assert chromium.console_errors(driver) == []
            assert chromium.requested(driver) == [page.as_uri()]

Without Chromium a test that asks for it is skipped, and says why; where the environment says CI=true it fails.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_BROWSERS, _DRIVERS = ("chromium", "chromium-browser", "google-chrome"), ("chromedriver", "chromium.chromedriver")
_QUIET = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars",
)  # fmt: skip


def _found(names: tuple[str, ...]) -> str:
    return next((path for name in names if (path := shutil.which(name))), "")


def missing() -> str:
    """Return what is missing for tests in a browser, in a sentence; "" for nothing."""
    if not _found(_BROWSERS) or not _found(_DRIVERS):
        return "tests in a browser need Chromium and its driver: apt-get install chromium chromium-driver"
    if importlib.util.find_spec("selenium") is None:
        return "tests in a browser need selenium: pip install 'convverify[test]'"
    return ""


def required() -> None:
    """Skip the test where there is no browser; fail it in CI, where there has to be one."""
    if reason := missing():
        if os.environ.get("CI", "").lower() in ("true", "1"):
            pytest.fail(reason)
        pytest.skip(reason)


@contextlib.contextmanager
def browser(profile: Path, *, width: int = 1280, height: int = 900) -> Iterator[Any]:
    """Yield a Selenium driver of a fresh Chromium, whose profile lies below a directory; its page is `width` CSS pixels wide.

    `resize` and `colours` change what the page sees later; starting another browser costs a second.
    """
    required()
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = _found(_BROWSERS)
    for flag in (*_QUIET, f"--user-data-dir={profile / 'chromium'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(_found(_DRIVERS)))
    try:
        resize(driver, width, height)
        yield driver
    finally:
        driver.quit()


def resize(driver: Any, width: int, height: int = 900) -> None:
    """Give the page a viewport of `width` x `height` CSS pixels, narrower than a window can be, too."""
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    )


def colours(driver: Any, scheme: str, media: str = "screen") -> None:
    """Let the page see prefers-color-scheme "light" or "dark", and the medium "screen" or "print"."""
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": [{"name": "prefers-color-scheme", "value": scheme}]})


def console_errors(driver: Any) -> list[str]:
    """Return what the console has shown since the last call, of the levels warning and severe."""
    return [entry["message"] for entry in driver.get_log("browser") if entry["level"] in ("WARNING", "SEVERE")]


def requested(driver: Any) -> list[str]:
    """Return the addresses that pages have requested since the last call, in order: the page itself is the first.

    What the browser's own pages request (chrome://) is left out.
    """
    messages = (json.loads(entry["message"])["message"] for entry in driver.get_log("performance"))
    sent = [message["params"] for message in messages if message["method"] == "Network.requestWillBeSent"]
    return [request["request"]["url"] for request in sent if not request["documentURL"].startswith("chrome:")]


def screenshot(driver: Any, file: Path) -> None:
    """Write the whole page, not the visible part alone, as PNG."""
    import base64

    data = driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "format": "png"})["data"]
    file.write_bytes(base64.b64decode(data))
