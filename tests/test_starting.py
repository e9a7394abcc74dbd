"""`convverify init`: what is found in a repository, and that each file it writes works at once."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from command_line import ROOT, run, surroundings

from convverify.cli import main
from convverify.cli.configuration import defaults
from convverify.generation import corpus
from convverify.starting import origin as origins
from convverify.starting import texts
from convverify.starting.asking import Answer, ask
from convverify.starting.finding import find
from convverify.starting.project import PYTHONS, Project, pythons_within, read_project

KERNEL = """
import numpy as np


def conv2d(x, w):
    rows, columns = max(0, x.shape[1] - w.shape[0] + 1), max(0, x.shape[2] - w.shape[1] + 1)
    y = np.zeros((x.shape[0], rows, columns, w.shape[3]), x.dtype)
    for i in range(w.shape[0]):
        for j in range(w.shape[1]):
            y += x[:, i : i + rows, j : j + columns] @ w[i, j]
    return y
"""
CHANNELS_FIRST = """

def conv2d_nchw(x, w):
    return conv2d(x.transpose(0, 2, 3, 1), w.transpose(2, 3, 1, 0)).transpose(0, 3, 1, 2)
"""


def one_sentence(done: subprocess.CompletedProcess[str]) -> str:
    """Assert that a run ended as wrong usage does, and return its sentence."""
    assert done.returncode == 2, done
    (line,) = done.stderr.splitlines()
    return line


def found(folder: Path, source: str, name: str = "mine.py") -> list[str]:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(source)
    return [candidate.target for candidate in find(folder)]


# What is found.


@pytest.mark.parametrize(
    "line",
    [
        "def conv2d(x, w): ...", "def conv(image, kernel): ...", "def my_conv2d_im2col(x, w, *, strides, padding, dilations, groups): ...",
        "def apply(inputs, filters, stride=1, padding=0): ...", "def fastConv2d(img, k): ...", "def convolve(a, b, stride): ...",
        "@numba.njit(parallel=True)\ndef conv2d(x_padded, w, *rest): ...", "class Ops:\n    @staticmethod\n    def conv2d(x, w): ...",
    ],
)  # fmt: skip
def test_what_looks_like_a_kernel_is_found(line: str, tmp_path: Path) -> None:
    assert len(found(tmp_path, line)) == 1


@pytest.mark.parametrize(
    "line",
    [
        "def convert(x, w): ...", "def im2col(x, kernel, stride): ...", "def conv2d(x, kernel_size, stride=1): ...",
        "def conv2d(x, w: int, stride=1): ...",
        "def conv1d(x, w): ...", "def conv2d_backward(x, w): ...", "def conv_transpose2d(x, w, stride=1): ...",
        "def conv2d(x): ...", "def conv2d(x, w, bias): ...", "def maxpool(x, kernel, stride=1): ...", "def matmul(x, w): ...",
        "def conv_output_size(x, w, stride): ...", "def conv2d(self, x, w): ...", "def test_conv2d(x, w): ...", "def f(a, stride): ...",
        "class Layer:\n    def conv2d(self, x, w): ...",
        "@pytest.fixture\ndef conv2d(x, w): ...", "def conv2d(x, w: ...", "def _conv(x, w): ...",
    ],
)  # fmt: skip
def test_what_does_not_is_not(line: str, tmp_path: Path) -> None:
    assert found(tmp_path, line) == []


def test_files_that_are_not_the_projects_own_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv" / "pyvenv.cfg").touch()
    for name in ("venv/lib/a.py", ".hidden/a.py", "tests/a.py", "test_a.py", "build/a.py", "conftest.py"):
        assert found(tmp_path, KERNEL, name) == [], name
    (tmp_path / "nul.py").write_bytes(b"\0\xff")
    assert found(tmp_path, KERNEL, "src/package/a.py") == ["src/package/a.py:conv2d"]


# What a kernel says when it is called.


def test_a_kernel_tells_its_layout_and_whether_it_is_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(
        f"{KERNEL}{CHANNELS_FIRST}\n\ndef wrong(x, w):\n    return conv2d(x, w) + 1\n\n\nwrong.domain = 'kernel=5x5'\n"
    )
    right, first, wrong = (ask(f"mine.py:{name}") for name in ("conv2d", "conv2d_nchw", "wrong"))
    assert (right.wrong, right.data_format, right.declared, right.loads) == ("", "NHWC", True, True)
    assert (first.wrong, first.data_format, first.declared) == ("", "NCHW", False)
    assert "differ from the exact sum" in wrong.wrong
    assert "w=5x5" in wrong.timed
    missing = ask("mine.py:nothing")
    assert not missing.loads
    assert "'nothing'" in missing.wrong


# What is written works.


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A repository of two kernels, with everything that `init` writes."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "pyproject.toml").write_text("[tool.other]\nkey = 1")
    (tmp_path / "mine.py").write_text(KERNEL + CHANNELS_FIRST)
    done = run(
        "init", "mine.py:conv2d", "mine.py:conv2d_nchw", "--pytest", "--ci", "github", "--asv", "--domain", "--install", "vendor/it.whl",
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done
    return tmp_path


def test_each_file_that_is_written_works_at_once(written: Path) -> None:
    config = pytest.importorskip("asv.config", reason="asv comes with the extra `bench`")
    yaml = pytest.importorskip("yaml", reason="it comes with the extra `docs`")

    quick = ("--convverify-problem", "x=1x3x4x2 w=2x2x2x3", "--convverify-reference", "exact")
    chosen = ("-k", "shape or exact_on_integers", *quick, "-q", "-p", "no:cacheprovider")
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "tests/test_convolutions.py", *chosen],
        cwd=written, env=surroundings(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert tested.returncode == 0, tested.stdout
    assert "4 passed" in tested.stdout

    steps = yaml.safe_load((written / ".github/workflows/convolutions.yml").read_text())["jobs"]["verify"]
    assert steps["strategy"]["matrix"]["python"] == list(PYTHONS)
    commands = [step["run"] for step in steps["steps"] if "run" in step]
    assert commands == [
        "python -m pip install pytest vendor/it.whl numpy",
        "python -m pytest tests/test_convolutions.py --convverify-stats",
    ]

    asv = config.Config.load(str(written / "asv.conf.json"))
    assert {*json.loads(json.dumps(asv.__dict__))} <= {*vars(config.Config())}
    assert asv.build_command == []
    assert "'{conf_dir}/vendor/it.whl'" in asv.install_command[0]

    benchmarks = """
from benchmarks.convolutions import Convolution
for name in Convolution.params:
    one = Convolution()
    one.setup(name)
    one.time_call(name)
    print(name, 0 < one.track_largest_error(name) < 1e-4)
import mine
mine.conv2d = lambda x, w: -x[:, 2:, 2:, :1] * w[0, 0, 0]
try:
    Convolution().setup("mine:conv2d")
except AssertionError:
    print("wrong")
"""
    timed = subprocess.run([sys.executable, "-c", benchmarks], cwd=written, env=surroundings(), capture_output=True, text=True, check=False)
    assert timed.stdout.splitlines() == ["mine:conv2d True", "mine:conv2d_nchw True", "wrong"], timed.stderr

    table = tomllib.loads((written / "pyproject.toml").read_text())["tool"]
    assert table["other"] == {"key": 1}
    assert defaults(main.commands["check"], written / "pyproject.toml", table["convverify"])["domain"] == "dtypes=float32,float64"


def test_every_field_that_the_domain_offers_is_understood() -> None:
    offered = texts.DOMAIN.replace("\n# ", "\n")
    offered = offered[offered.index("dtypes =") :]
    table = {"domain": tomllib.loads(offered)}
    assert "strides=equal" in defaults(main.commands["check"], Path("pyproject.toml"), table)["domain"]


def test_nothing_is_overwritten_unless_it_is_forced(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(KERNEL)
    (tmp_path / "test_convolutions.py").write_text("mine")
    told = one_sentence(run("init", "mine.py:conv2d", "--pytest", "--domain", cwd=tmp_path))
    assert "test_convolutions.py is there already" in told
    assert (tmp_path / "test_convolutions.py").read_text() == "mine"
    assert not (tmp_path / "pyproject.toml").exists()
    assert run("init", "mine.py:conv2d", "--force", cwd=tmp_path).returncode == 0
    assert "conv2d" in (tmp_path / "test_convolutions.py").read_text()


def test_a_domain_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(KERNEL)
    (tmp_path / "pyproject.toml").write_text("[tool.convverify]\nseed = 1\n")
    told = one_sentence(run("init", "mine.py:conv2d", "--domain", "--force", cwd=tmp_path))
    assert "[tool.convverify]" in told


@pytest.mark.parametrize("target", ["nothing", "package.module:conv2d", "../mine.py:conv2d"])
def test_a_target_that_is_no_file_of_the_repository_is_wrong_usage(target: str, tmp_path: Path) -> None:
    assert repr(target) in one_sentence(run("init", target, cwd=tmp_path))


def test_a_repository_without_kernels_is_told_how_to_name_one(tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "convverify", "init"], cwd=tmp_path, env=surroundings(), capture_output=True, text=True, check=False
    )
    assert told.returncode == 2
    assert "convverify init path/to/file.py:function" in told.stderr


def test_tests_of_functions_of_one_name_have_names_of_their_own() -> None:
    text = texts.pytest_file([Answer("a/one.py:conv2d"), Answer("a/two.py:conv2d"), Answer("a/two.py:Ops.conv")], 0)
    compile(text, "test_convolutions.py", "exec")
    assert [line for line in text.splitlines() if line.startswith("def ")] == [
        "def test_a_one_conv2d():", "def test_a_two_conv2d():", "def test_Ops_conv():",
    ]  # fmt: skip


# The repository.


@pytest.mark.parametrize(
    ("specifier", "versions"),
    [
        ("", PYTHONS), (">=3.12", PYTHONS[1:]), (">=3.9,<3.13", PYTHONS[:2]), ("~=3.12.1", PYTHONS[1:]), ("==3.11.*", PYTHONS[:1]),
        (">3.11, !=3.12.*", PYTHONS[2:]), ("<4", PYTHONS), (">=3", PYTHONS), ("whatever", PYTHONS), ("<3.9", PYTHONS),
    ],
)  # fmt: skip
def test_the_versions_of_python_are_those_of_both(specifier: str, versions: tuple[str, ...]) -> None:
    assert pythons_within(specifier) == versions


def test_convverify_itself_runs_on_the_versions_that_are_offered() -> None:
    own = tomllib.loads((Path(ROOT) / "pyproject.toml").read_text())["project"]["requires-python"]
    assert pythons_within(own) == PYTHONS
    assert own == f">={PYTHONS[0]},<3.{int(PYTHONS[-1].split('.')[1]) + 1}"


def test_a_package_below_src_is_installed_and_imported_by_its_name(tmp_path: Path) -> None:
    package = tmp_path / "src" / "package"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "ops.py").write_text(KERNEL)
    (tmp_path / "pyproject.toml").write_text('[build-system]\nrequires = []\n[project]\nname = "theirs"\nrequires-python = ">=3.12"\n')
    project = read_project(tmp_path)
    assert (project.name, project.installable, project.pythons) == ("theirs", True, PYTHONS[1:])
    assert project.importable("src/package/ops.py") == ("src", "package.ops")
    assert project.needs(["src/package/ops.py"]) == ("numpy",)
    conf = texts.asv_configuration(project, [Answer("src/package/ops.py:conv2d")], "convverify")
    assert '"in-dir={env_dir} python -m pip install {wheel_file}"' in conf
    assert '"package.ops:conv2d": ' in texts.asv_benchmarks(project, [Answer("src/package/ops.py:conv2d")])


def test_without_a_test_file_the_workflow_checks_each_kernel(tmp_path: Path) -> None:
    project = Project(tmp_path, "theirs", False, "requirements.txt", PYTHONS)
    text = texts.workflow(project, [Answer("mine.py:conv2d", "NCHW", declared=False)], "convverify==1", "")
    assert "run: convverify check 'mine.py:conv2d' --seed 0 --html report.html --layout NCHW\n" in text
    assert 'pip install pytest "convverify==1" -r requirements.txt\n' in text


# Where convverify comes from.


class _Installed:
    version = "1.2"

    def __init__(self, told: dict[str, Any] | None) -> None:
        self.told = told

    def read_text(self, name: str) -> str | None:
        return None if self.told is None else json.dumps(self.told)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (None, "convverify==1.2"),
        ({"url": "file:///a/checkout", "dir_info": {"editable": True}}, "vendor/convverify-1.2-py3-none-any.whl"),
        ({"url": "file:///a/it.whl", "archive_info": {}}, "vendor/convverify-1.2-py3-none-any.whl"),
        ({"url": "https://a.b/it.whl", "archive_info": {}}, "convverify @ https://a.b/it.whl"),
        ({"url": "https://a.b/c.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}}, "convverify @ git+https://a.b/c.git@abc"),
    ],
)
def test_it_is_installed_from_where_it_came(told: Any, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(origins, "distribution", lambda name: _Installed(told))
    assert origins.origin() == expected


def test_the_wheel_holds_the_package_and_a_true_record() -> None:
    packed = origins.pack()
    assert packed == origins.pack()
    with zipfile.ZipFile(io.BytesIO(packed)) as wheel:
        names = set(wheel.namelist())
        (record,) = (name for name in names if name.endswith(".dist-info/RECORD"))
        folder = record.rpartition("/")[0]
        assert {
            "convverify/__init__.py",
            "convverify/py.typed",
            f"{folder}/METADATA",
            f"{folder}/WHEEL",
            f"{folder}/entry_points.txt",
        } <= names
        assert not any("__pycache__" in name or name.endswith("direct_url.json") for name in names)
        for line in wheel.read(record).decode().splitlines():
            name, digest, _ = line.rsplit(",", 2)
            names.remove(name)
            if digest:
                assert base64.urlsafe_b64encode(hashlib.sha256(wheel.read(name)).digest()).rstrip(b"=").decode() == digest[7:]
        assert names == set()


# The folder of counterexamples.


def test_git_is_told_to_leave_the_folder_alone_that_nobody_has_named(tmp_path: Path) -> None:
    for name in (".convverify", "kept"):
        corpus.save(tmp_path / name, "mine.py:conv2d", "x=1x1x1x1 w=1x1x1x1", "shape", "wrong")
    assert (tmp_path / ".convverify" / ".gitignore").read_text().endswith("\n*\n")
    assert not (tmp_path / "kept" / ".gitignore").exists()
