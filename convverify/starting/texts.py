"""The files that are written: each short, commented, and meant to be changed."""

from __future__ import annotations

import json
from collections.abc import Sequence

from convverify.starting.asking import Answer
from convverify.starting.origin import FOLDER
from convverify.starting.project import Project


def pytest_file(answers: Sequence[Answer], depth: int) -> str:
    """Return a test file for some kernels; `depth` is how many folders below the repository's root it lies."""
    root = f"Path(__file__).resolve().parents[{depth}]"
    names = _test_names([answer.target for answer in answers])
    tests = "".join(
        f"""

@convverify.kernel_test(f"{{ROOT}}/{answer.target}", max_examples=300, max_time=300{_options(answer)})
def {name}():
    \"""What else must hold of it can stand here: this runs after each property.\"""
"""
        for name, answer in zip(names, answers, strict=True)
    )
    return f'''"""The convolutions of this repository against exact arithmetic and TensorFlow: one test for each property.

`pytest --convverify-stats` shows what was tried; counterexamples are kept in .convverify/ and tried first next time.
"""

from pathlib import Path

import convverify

ROOT = {root}
{tests}'''


def _test_names(targets: Sequence[str]) -> list[str]:
    short = ["test_" + target.rpartition(":")[2].replace(".", "_").strip("_") for target in targets]
    long = ["test_" + target.removesuffix(".py").replace(".py:", "_").replace("/", "_").replace(".", "_") for target in targets]
    return [one if short.count(one) == 1 else other for one, other in zip(short, long, strict=True)]


def _options(answer: Answer) -> str:
    return "" if answer.declared or answer.data_format == "NHWC" else f', data_format="{answer.data_format}"'


def workflow(project: Project, answers: Sequence[Answer], install: str, test_file: str) -> str:
    """Return a workflow of GitHub Actions: the test file on each Python, or the command where there is none."""
    pythons = ", ".join(f'"{version}"' for version in project.pythons)
    needed = "." if project.installable else f"-r {project.requirements}" if project.requirements else ""
    needed = needed or " ".join(project.needs(answer.target.rpartition(":")[0] for answer in answers))
    if test_file:
        judged = f"      - run: python -m pytest {test_file} --convverify-stats\n"
    else:
        judged = "".join(
            f"      - run: convverify check '{answer.target}' --seed 0 --html report.html{_layout(answer)}\n" for answer in answers
        )
    return f"""# Are the convolutions of this repository right?  On each version of Python, at every push.
name: convolutions
on:
  push:
  pull_request:
permissions:
  contents: read
jobs:
  verify:
    runs-on: ubuntu-latest
    timeout-minutes: 20
    strategy:
      fail-fast: false
      matrix:
        python: [{pythons}]
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: ${{{{ matrix.python }}}}
          cache: pip
          cache-dependency-path: .github/workflows/convolutions.yml
      # {_said(install)}
      - run: python -m pip install pytest {_quoted(install)}{f" {needed}" if needed else ""}
{judged}      # Counterexamples, each with a line that replays it.
      - uses: actions/upload-artifact@v4
        if: failure()
        with:
          name: counterexamples-${{{{ matrix.python }}}}
          path: |
            .convverify/
            report.html
          include-hidden-files: true
"""


def _layout(answer: Answer) -> str:
    return "" if answer.declared or answer.data_format == "NHWC" else f" --layout {answer.data_format}"


def _said(install: str) -> str:
    return "convverify comes from a wheel in this repository." if install.startswith(f"{FOLDER}/") else "What is tested, and with what."


def _quoted(install: str) -> str:
    return install if install.replace("/", "").replace("-", "").replace(".", "").replace("_", "").isalnum() else f'"{install}"'


def asv_benchmarks(project: Project, answers: Sequence[Answer]) -> str:
    """Return a file of benchmarks for some kernels."""
    rows = "".join(
        f'    "{project.importable(file)[1]}:{name}": ("{answer.timed}", "{answer.data_format}"),\n'
        for answer in answers
        for file, _, name in [answer.target.rpartition(":")]
    )
    return f'''"""How long the convolutions of this repository take, and how large their errors are, from commit to commit.

`asv run` measures, `asv publish` makes pages of it.  A kernel that is wrong at a commit has no time there.
"""

from functools import partial
from importlib import import_module
from operator import attrgetter

import numpy as np

import convverify
from convverify.references.exact import conv2d as exact

# What is timed: x is batch x height x width x channels, w is height x width x input x output channels; and the order of the kernel's axes.
KERNELS = {{
{rows}}}


class Convolution:
    """One call of each kernel."""

    params = list(KERNELS)
    param_names = ["kernel"]

    def setup(self, name):
        line, data_format = KERNELS[name]
        module, _, function = name.partition(":")
        kernel = convverify.make_kernel(attrgetter(function)(import_module(module)), data_format=data_format)
        problem = convverify.Problem.parse(line)
        self.call = partial(kernel.function, **kernel.arguments(problem))
        # On integers every sum is exact: a kernel that is right is right to the last bit.
        self.prepare(kernel, problem, "integers")
        if kernel.accuracy == "elementwise":
            np.testing.assert_array_equal(self.result(), self.expected)
        self.prepare(kernel, problem, "normal")

    def prepare(self, kernel, problem, values):
        """Make operands in the kernel's own order, and the exact result."""
        operands = convverify.Case.parse(f"{{problem}} values={{values}} seed=0").values()
        self.x, self.w = (np.ascontiguousarray(array.transpose(axes)) for array, axes in zip(operands, kernel.axes))
        self.expected = exact(
            *operands, strides=problem.strides, padding=problem.tf_padding, dilations=problem.dilations, groups=problem.groups
        )
        self.axes = kernel.result_axes

    def result(self):
        return np.asarray(self.call(self.x, self.w)).transpose(self.axes)

    def time_call(self, name):
        self.call(self.x, self.w)

    def track_largest_error(self, name):
        return float(np.abs(self.result() - self.expected).max())

    track_largest_error.unit = "absolute"
'''


def asv_configuration(project: Project, answers: Sequence[Answer], install: str) -> str:
    """Return asv.conf.json, whose commands install the commit that is measured and convverify, without TensorFlow."""
    files = [answer.target.rpartition(":")[0] for answer in answers]
    place = f"{{conf_dir}}/{install}" if install.startswith(f"{FOLDER}/") else install
    pip = "in-dir={env_dir} python -m pip install"
    commands = [f"{pip} --no-deps '{place}'"]
    needed = {"numpy": [""], "ml_dtypes": [""]}
    if project.installable:
        build = ["python -m pip wheel --no-deps -w {build_cache_dir} {build_dir}"]
        commands.insert(0, f"{pip} {{wheel_file}}")
    else:
        build = []
        folders = "".join(f"{{build_dir}}/{folder}\\n" for folder in sorted({project.importable(file)[0] for file in files}))
        commands.append(
            'in-dir={env_dir} python -c "import pathlib, sysconfig; '
            f"pathlib.Path(sysconfig.get_path('purelib'), 'checkout.pth').write_text('{folders}')\""
        )
        if project.requirements:
            commands.insert(0, f"{pip} -r {{build_dir}}/{project.requirements}")
        needed |= {name: [""] for name in project.needs(files) if name not in ("numpy", "ml_dtypes")}
    return f"""// The speed of this repository's convolutions across commits: asv.readthedocs.io explains the keys.
// Try it: asv machine --yes && asv run 'HEAD^!' --quick --dry-run --show-stderr
{{
    "version": 1,
    "project": {json.dumps(project.name)},
    "repo": ".",
    "branches": ["HEAD"],
    "environment_type": "virtualenv",
    "benchmark_dir": "benchmarks",
    "env_dir": ".asv/env",
    "results_dir": ".asv/results",
    "html_dir": ".asv/html",
    // {"A wheel of the commit that is measured." if project.installable else "Nothing is built: its files are imported as they are."}
    "build_command": {json.dumps(build)},
    // convverify comes by itself: nothing here needs TensorFlow.
    "install_command": {json.dumps(commands)},
    "matrix": {{
        "req": {json.dumps(needed)},
        // One thread is disturbed less than several by what else runs on the machine.
        "env_nobuild": {{"OMP_NUM_THREADS": ["1"], "OPENBLAS_NUM_THREADS": ["1"], "MKL_NUM_THREADS": ["1"]}}
    }}
}}
"""


DOMAIN = """
# Options of `convverify check` and of its pytest plugin, for all kernels of this repository.
[tool.convverify]
seed = 0  # the same cases each time; leave it out to try others

# What the kernels are for: no other problems are tried.  Uncomment what they are limited to; convverify's docs/domain.md lists all fields.
[tool.convverify.domain]
dtypes = "float32,float64"
# padding = "VALID,SAME"     # no explicit pads
# strides = "equal"          # one stride for both axes
# dilations = 1              # none
# kernel = "square,odd"      # or "3x3,5x5"
# channels = "8n"            # multiples of 8
# groups = "1,depthwise"
# batch = 1
"""
