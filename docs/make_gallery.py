"""Write docs/what-a-finding-looks-like.md: one real finding for each property, as a terminal shows it.

    python docs/make_gallery.py

Each is made by a run of a kernel that ships and is wrong, a mutant or a cheat, judged by that property alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from convverify.cheats import cheats
from convverify.judging.properties import in_order
from convverify.mutants import mutants

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "what-a-finding-looks-like.md"
KERNELS = {
    "completes": "even_kernel_refused",
    "shape": "pads_left_in_the_result",
    "dtype": "doubles_returned_as_singles",
    "inputs_unchanged": "image_scaled_and_restored",
    "in_bounds": "writes_behind_image",
    "memory_layout": "negative_strides_of_x",
    "exact_on_integers": "one_column_shifted",
    "within_error_bound": "small_results_flushed",
    "special_values": "infinity_as_thousand",
    "fresh_output": "output_buffer_reused",
    "repeatable": "sums_not_cleared",
    "current_operands": "weights_cached_by_address",
    "order_of_calls": "weights_cached_by_shape",
    "sequence": "plan_of_the_call_before",
    "threads": "sums_shared",
    "plain_script": "right_without_a_terminal",
}
HEAD = """# What a finding looks like

One finding for each [property](properties.md), as `convverify check` prints it. The kernels ship with convverify: they are
[mutants](mutants.md), right but for one fault, and a [cheat](cheats.md). `python docs/make_gallery.py` makes this page.

"""
READ = """How to read them:

- the first line names the property and says what is wrong;
- the smallest case is one line that holds the whole problem: shapes, parameters and values; every extent is as small as possible;
- `expected` and `actual` show the neighbourhood of the worst element, with a star at each wrong one;
- the map shows the output's rows and columns: `#` is wrong, `.` is right, `+` is wrong in some images or channels;
- `matches` names a known fault that gives exactly the same wrong results: [How a fault is named](diagnosis.md).

"""


def finding(kernel: str, name: str) -> str:
    """Return what a run prints of its first counterexample to one property; "" if it finds none."""
    words = ["check", kernel, "--reference", "exact", "--seed", "0", "--max-examples", "300", "--properties", name]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    environment.pop("GITHUB_ACTIONS", None)
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "convverify", *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
    lines = done.stdout.replace(f"{ROOT}/", "").splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith(f"{name}: ")]
    if not starts:
        return ""
    ends = [number for number, line in enumerate(lines) if number > starts[0] and line.startswith("  replay:")]
    return "\n".join([*lines[starts[0] : ends[0] + 2]]) if ends else ""


def main() -> None:
    """Make all findings, and write the page."""
    text = [HEAD, READ]
    for entry in in_order():
        kernel = KERNELS.get(entry.name)
        if kernel is None:
            continue
        shown = finding(kernel, entry.name)
        print(f"{entry.name}: {'ok' if shown else 'nothing found'}", flush=True)
        if shown:
            fault = (mutants if kernel in mutants else cheats)[kernel].summary
            text.append(f"## {entry.name}\n\n{entry.summary}\n\nThe kernel `{kernel}`: {fault}\n\n```text\n{shown}\n```\n\n")
    PAGE.write_text("".join(text).rstrip("\n") + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
