"""Draw what a terminal and a browser show of a refuted kernel, from a real run: docs/refuted-light.svg and -dark.svg, docs/report.png.

    python docs/make_picture.py

The kernel is the one of README.md, taken from there.  The run is that of README.md without TensorFlow.
The browser is Chromium; without one its picture is left as it is.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from html import escape
from pathlib import Path

from rich.style import Style
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
COMMAND = ("check", "mine.py:conv2d", "--reference", "exact", "--seed", "0")
COLUMNS = 100
PAGE = 900, 760  # pixels of the browser's window
_WIDTH, _HEIGHT = 8.4, 19.0  # of a character, in pixels
_FONT = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace"
_NAMES = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")  # by their numbers
# Paper, ink and the terminal's colours by their names; all have a contrast of 4.5 to 1 or more.
COLOURS = {
    "light": {
        "paper": "#ffffff", "ink": "#24292f", "edge": "#d0d7de", "red": "#b3261e", "green": "#116329", "yellow": "#7d4e00",
        "cyan": "#0b5563", "blue": "#0a4ea3", "magenta": "#7a3e9d",
    },
    "dark": {
        "paper": "#0d1117", "ink": "#e6edf3", "edge": "#30363d", "red": "#ff8f87", "green": "#7ee787", "yellow": "#e3b341",
        "cyan": "#76d9e6", "blue": "#79c0ff", "magenta": "#d2a8ff",
    },
}  # fmt: skip


def kernel() -> str:
    """Return the kernel that README.md shows."""
    found = re.search(r"<!-- file: mine.py -->\n```python\n(.*?)^```$", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1]


def output(page: Path) -> str:
    """Return what a terminal with colours is given by the run, which writes its report to `page`."""
    environment = {**os.environ, "FORCE_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "PYTHONPATH": str(ROOT)}
    environment.pop("NO_COLOR", None)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "mine.py").write_text(kernel())
        words = [sys.executable, "-m", "convverify", *COMMAND, "--html", str(page)]
        done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.stdout


def without_progress(printed: str, command: str) -> Text:
    """Return what stays on a terminal when a command has ended, below its line."""
    raw = [line.rpartition("\r")[2] for line in printed.replace("\r\n", "\n").rstrip().split("\n")]
    shown = [(line, Text.from_ansi(line)) for line in raw]
    lines = [text for line, text in shown if not re.search(r"\d+/[\d?]+ problems", text.plain) and (text.plain or not line)]
    return Text("\n").join([Text(f"$ {command}", "bold"), *lines])


def svg(text: Text, colours: dict[str, str]) -> str:
    """Return a terminal's text as a picture that needs no other file."""
    lines = text.split("\n")
    width, height = COLUMNS * _WIDTH + 32, len(lines) * _HEIGHT + 32
    rows = "\n".join(_row(line, 16 + (number + 0.75) * _HEIGHT, colours) for number, line in enumerate(lines) if line.plain.strip())
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" role="img">\n'
        f"<title>{escape(lines[0].plain)}</title>\n"
        f'<rect x="0.5" y="0.5" width="{width - 1:.0f}" height="{height - 1:.0f}" rx="8"'
        f' fill="{colours["paper"]}" stroke="{colours["edge"]}"/>\n'
        f'<g font-family="{_FONT}" font-size="14" fill="{colours["ink"]}" xml:space="preserve">\n{rows}\n</g>\n</svg>\n'
    )


def _row(line: Text, baseline: float, colours: dict[str, str]) -> str:
    """Return one line: each run of characters of one style has a place and a length, so that columns are straight in any font."""
    styles = [
        sum((Style.parse(str(span.style)) for span in line.spans if span.start <= i < span.end), Style()) for i in range(len(line.plain))
    ]
    parts, start = [], 0
    for i in range(1, len(styles) + 1):
        if i < len(styles) and styles[i] == styles[start]:
            continue
        run = line.plain[start:i]
        if run.strip():
            lead = len(run) - len(run.lstrip())
            shown = run.strip()
            parts.append(
                f'<text x="{16 + (start + lead) * _WIDTH:.1f}" y="{baseline:.1f}" textLength="{len(shown) * _WIDTH:.1f}"'
                f"{_attributes(styles[start], colours)}>{escape(shown)}</text>"
            )
        start = i
    return "".join(parts)


def _attributes(style: Style, colours: dict[str, str]) -> str:
    named = "" if style.color is None or style.color.number is None else _NAMES[style.color.number % 8]
    fill = f' fill="{colours[named]}"' if named in colours else ""
    return fill + (' font-weight="bold"' if style.bold else "") + (' opacity="0.75"' if style.dim else "")


def main() -> None:
    """Run the kernel, and draw what is printed in both schemes."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "report.html")
        printed = "".join(line for line in output(page).splitlines(keepends=True) if not line.startswith("wrote "))
        if browser := shutil.which("chromium"):
            show = (f"--window-size={PAGE[0]},{PAGE[1]}", f"--screenshot={ROOT / 'docs' / 'report.png'}", page.as_uri())
            quiet = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars")
            subprocess.run([browser, *quiet, *show], capture_output=True, check=True)
    text = without_progress(printed, f"convverify {' '.join(COMMAND)}")
    for scheme, colours in COLOURS.items():
        (ROOT / "docs" / f"refuted-{scheme}.svg").write_text(svg(text, colours), encoding="utf-8")


if __name__ == "__main__":
    main()
