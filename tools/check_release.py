"""Check what would be uploaded: `python tools/check_release.py dist` fails, in a sentence, where an archive is not as it should be.

- one source distribution and one wheel, of one version, which CHANGELOG.md has an entry for (or an entry "Unreleased");
- the wheel holds every file of the package, and the source distribution what builds and tests it;
- the wheel's command runs from the archive alone, outside of the checkout.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def faults(folder: Path) -> Iterator[str]:
    """Yield a sentence for each fault of the archives in a folder."""
    sources, wheels = sorted(folder.glob("*.tar.gz")), sorted(folder.glob("*.whl"))
    if len(sources) != 1 or len(wheels) != 1:
        yield f"{folder} must hold one source distribution and one wheel, not {len(sources)} and {len(wheels)}"
        return
    version = re.search(r'^__version__ = "(.+)"$', (ROOT / "convverify" / "__init__.py").read_text(), re.MULTILINE)
    assert version is not None
    for path in (sources[0], wheels[0]):
        if not re.fullmatch(rf"convverify-{re.escape(version[1])}(-py3-none-any\.whl|\.tar\.gz)", path.name):
            yield f"{path.name} is not of version {version[1]}"
    if not re.search(rf"^## ({re.escape(version[1])}|Unreleased)\b", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE):
        yield f"CHANGELOG.md has no entry for {version[1]}"
    files = {
        path.relative_to(ROOT).as_posix() for path in (ROOT / "convverify").rglob("*") if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheels[0]) as wheel:
        yield from (f"{wheels[0].name} lacks {name}" for name in sorted(files - set(wheel.namelist())))
    with tarfile.open(sources[0]) as source:
        held = {name.partition("/")[2] for name in source.getnames()}
    needed = files | {"pyproject.toml", "README.md", "LICENSE", "Makefile", "tests/test_house.py", "mkdocs.yml", "asv.conf.json"}
    yield from (f"{sources[0].name} lacks {name}" for name in sorted(needed - held))
    yield from _not_running(wheels[0])


def _not_running(wheel: Path) -> Iterator[str]:
    """Yield a sentence where the command does not run from a wheel alone."""
    with tempfile.TemporaryDirectory() as name:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(name)
        for words in (("--version",), ("list", "kernels")):
            done = subprocess.run(
                [sys.executable, "-m", "convverify", *words],
                cwd=name, env=os.environ | {"PYTHONPATH": name}, capture_output=True, text=True, check=False,
            )  # fmt: skip
            if done.returncode:
                yield f"convverify {' '.join(words)} fails from {wheel.name}: {done.stderr.strip()[-300:]}"


def main() -> int:
    """Check the folder that the command line names."""
    found = list(faults(Path(sys.argv[1])))
    for sentence in found:
        print(sentence, file=sys.stderr)
    if not found:
        print(f"{sys.argv[1]}: both archives are complete, and the wheel runs by itself")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
