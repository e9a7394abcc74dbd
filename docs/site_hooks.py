"""Hooks of mkdocs for the site: files of the repository that pages link to become pages, and names of files become titles of blocks.

The pages in docs/ are read on a forge as well, where `../examples/mine.py` is a file.  In the site it is a page with its text.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files, InclusionLevel

ROOT = Path(__file__).resolve().parents[1]
_LANGUAGES = {".py": "python", ".c": "c", ".md": "", ".json": "json"}
_OUTSIDE = re.compile(r"\]\(\.\./([^)#]+)")
_FILE = re.compile(r"<!-- file: (\S+) -->\n+```(\w+)\n")


def on_files(files: Files, *, config: Any) -> Files:
    """Add a page for each file outside of docs/ that a page links to."""
    outside = {path for file in files.documentation_pages() for path in _OUTSIDE.findall(file.content_string)}
    for path in sorted(outside):
        text = (ROOT / path).read_text(encoding="utf-8")
        if not path.endswith(".md"):
            text = f"# {path}\n\n````{_LANGUAGES[Path(path).suffix]}\n{text}````\n"
        files.append(File.generated(config, _page(path), content=text, inclusion=InclusionLevel.NOT_IN_NAV))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Lead links out of docs/ to the pages made of these files, and show the names of files that examples are kept in."""
    markdown = _OUTSIDE.sub(lambda match: f"]({_page(match[1])}", markdown)
    return _FILE.sub(r'```\2 title="\1"' + "\n", markdown)


def _page(path: str) -> str:
    return f"files/{path.removesuffix('.md')}.md"
