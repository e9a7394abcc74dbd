"""A new user's path, from a wrong kernel to tests, a workflow and benchmarks of a right one: tools/new_user.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "tools" / "new_user.py"


def test_a_new_user_arrives() -> None:
    pytest.importorskip("asv", reason="asv comes with the extra `bench`")
    done = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(done.stdout.splitlines()) == 10
