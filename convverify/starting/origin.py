"""Where pip can install convverify from, in a workflow or an environment of asv's, where no package index has it.

An installation from a repository's address is repeated from there, at the same commit.  One from a folder or a wheel, which another machine
does not have, is packed into a wheel: it is written into the user's repository.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zipfile
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import convverify

FOLDER = "vendor"
_LEFT_OUT = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}  # of the installation, not of the wheel


class OriginError(ValueError):
    """It cannot be told where convverify comes from; the message is one sentence."""


def origin() -> str:
    """Return what pip is to be given: an address, a version in an index, or the wheel in `FOLDER` that `pack` makes.

    Raises OriginError where convverify runs without having been installed.
    """
    found = _distribution()
    told: dict[str, Any] = json.loads(found.read_text("direct_url.json") or "{}")
    url = str(told.get("url", ""))
    if "vcs_info" in told:
        return f"convverify @ {told['vcs_info']['vcs']}+{url}@{told['vcs_info']['commit_id']}"
    if url.startswith("file:"):
        return f"{FOLDER}/{_tag(found)}-py3-none-any.whl"
    return f"convverify @ {url}" if url else f"convverify=={found.version}"


def pack() -> bytes:
    """Return the installed convverify as a wheel; the same bytes for the same files."""
    found = _distribution()
    root = Path(convverify.__file__).parent
    members = {f"convverify/{path.relative_to(root).as_posix()}": path for path in root.rglob("*") if path.is_file()}
    members = {name: path for name, path in members.items() if "__pycache__" not in name}
    metadata = f"{_tag(found)}.dist-info"
    for file in found.files or ():
        if file.parts[0].endswith(".dist-info") and file.name not in _LEFT_OUT and "__pycache__" not in file.parts:
            members["/".join((metadata, *file.parts[1:]))] = Path(str(found.locate_file(file)))
    packed, record = io.BytesIO(), []
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, path in sorted(members.items()):
            data = path.read_bytes()
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            record.append(f"{name},sha256={digest},{len(data)}")
            wheel.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
        record.append(f"{metadata}/RECORD,,")
        wheel.writestr(zipfile.ZipInfo(f"{metadata}/RECORD", (1980, 1, 1, 0, 0, 0)), "\n".join(record) + "\n", zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _distribution() -> Distribution:
    try:
        return distribution("convverify")
    except PackageNotFoundError:
        raise OriginError("convverify is not installed here, so say where pip finds it: --install SPEC") from None


def _tag(found: Distribution) -> str:
    return f"convverify-{found.version}"
