"""An extension of griffe, which reads the docstrings for docs/api.md.

In this package a parameter's line is `name : what it is`; its type stands in the signature.  numpydoc, which griffe parses, has the type
in that place, and what it is below.  So the text moves to a line of its own.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

_SECTION = re.compile(r"(?<=^Parameters\n----------\n)(.*?)(?=\n\n\w+\n---|\Z)", re.DOTALL | re.MULTILINE)
_RETURNS = re.compile(r"(?<=^Returns\n-------\n)(.*?)(?=\n\n\w+\n---|\Z)", re.DOTALL | re.MULTILINE)
_PARAMETER = re.compile(r"^(\w[\w, ]*?) : ", re.MULTILINE)


class Docstrings(griffe.Extension):
    """Put the text of each parameter, and of what is returned, on a line of its own."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring of an object that has been loaded."""
        if obj.docstring:
            text = _SECTION.sub(lambda match: _PARAMETER.sub(r"\1\n    ", match[0]), obj.docstring.value)
            obj.docstring.value = _RETURNS.sub(lambda match: _PARAMETER.sub(r"\1\n    ", match[0]), text)
