"""Options from [tool.convverify] in pyproject.toml: checked, shown, and below the command line."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from command_line import run

from convverify.cli import check, main
from convverify.cli import running as commands
from convverify.cli.configuration import defaults, find

ALL = """
[tool.convverify]
reference = ["exact", "tensorflow"]
max-examples = 7
max_time = 30
seed = 11
suite = "article"
batch = 2
problem = "x=1x1x1x1 w=1x1x1x1"
dtype = "float16,float64"
max-macs = 100
workers = 2
isolation = false
refuses = "ValueError"
without = "threads"
python = "bin/python"
domain = { strides = "equal", kernel = ["square", "odd"], channels = "8n", batch = 1 }
degenerate = false
corpus = "kept"
html = "out/report.html"
junit = "junit.xml"
json = "report.json"
layout = "nchw"
accuracy = "normwise"
accumulator = "float32"
properties = ["shape", "dtype"]
timeout = 1.5
large-time = 5
known = "known"
write-known = "met"
sandbox = false
exitfirst = true
verbose = true
quiet = false
memory-limit = 512
"""


@pytest.fixture
def chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that runs `check` in a directory, and returns what it would have verified with."""
    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr(commands, "check", lambda *given: calls.append(given) or 0)
    monkeypatch.chdir(tmp_path)

    def with_words(*words: str) -> tuple[dict[str, Any], dict[str, Any], str]:
        done = CliRunner().invoke(main, ["check", "matmul", *words])
        assert done.exit_code == 0, done.output
        return calls[-1][1:4]

    return with_words


def test_every_option_of_check_can_be_configured(tmp_path: Path, chosen: Any) -> None:
    (tmp_path / "pyproject.toml").write_text(ALL)
    values, files, source = chosen()
    assert values == {
        "references": ("exact", "tensorflow"), "max_examples": 7, "max_time": 30.0, "seed": 11, "suite": "article", "batch": 2,
        "problems": ("x=1x1x1x1 w=1x1x1x1",), "dtypes": ("float16", "float64"), "max_macs": 100, "workers": 2, "isolation": False,
        "corpus": "kept", "data_format": "NCHW", "accuracy": "normwise", "accumulator": "float32",
        "properties": ("shape", "dtype"), "timeout": 1.5,
        "memory_limit": 512, "domain": "strides=equal kernel=equal,odd batch=1 channels=8n", "degenerate": False,
        "refuses": ("ValueError",), "without": ("threads",), "python": "bin/python",
        "large_time": 5.0, "sandbox": False, "known": "known", "write_known": "met", "exitfirst": True,
    }  # fmt: skip
    assert files == {"html": "out/report.html", "junit": "junit.xml", "json": "report.json"}
    options = {option.opts[-1].lstrip("-") for option in check.params if isinstance(option, click.Option)}
    assert source == f"pyproject.toml ({', '.join(name for name in told_names(source))})"
    assert set(told_names(source)) == options


def told_names(source: str) -> list[str]:
    return source.partition("(")[2].rstrip(")").split(", ")


def test_the_command_line_wins(tmp_path: Path, chosen: Any) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.convverify]\nseed = 1\nmax-examples = 7\ndtype = ["float16"]\nisolation = false\n')
    values, _, source = chosen("--seed", "2", "--dtype", "float64", "--isolation")
    assert (values["seed"], values["max_examples"], values["dtypes"], values["isolation"]) == (2, 7, ("float64",), True)
    assert source == "pyproject.toml (max-examples)"


def test_the_nearest_file_with_the_table_counts(tmp_path: Path, chosen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text('[tool.convverify]\nseed = 1\ncorpus = "kept"\n')
    (tmp_path / "a" / "pyproject.toml").write_text("[tool.other]\nseed = 2\n")
    monkeypatch.chdir(below)
    values, _, source = chosen()
    assert (values["seed"], values["corpus"]) == (1, "../../kept")
    assert source == "../../pyproject.toml (seed, corpus)"


def test_without_a_table_nothing_is_said(tmp_path: Path, chosen: Any) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert chosen()[2] == ""


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_files_of_windows_are_read(tmp_path: Path, chosen: Any, start: bytes) -> None:
    lines = ["# größer", "[tool.convverify]", "seed = 3", 'reference = ["exact",', '  "tensorflow"]', ""]
    (tmp_path / "pyproject.toml").write_bytes(start + "\r\n".join(lines).encode())
    values, _, _ = chosen()
    assert (values["seed"], values["references"]) == (3, ("exact", "tensorflow"))


WRONG = {
    "colour = 1": "[tool.convverify] has the unknown key 'colour'; allowed: accumulator, accuracy, batch, corpus, degenerate, domain, ",
    'max-examples = "many"': "max-examples in [tool.convverify] must be an integer, not 'many'",
    "max_examples = 1.5": "max_examples in [tool.convverify] must be an integer, not 1.5",
    "seed = true": "seed in [tool.convverify] must be an integer, not True",
    'max-time = "1 h"': "max-time in [tool.convverify] must be a number, not '1 h'",
    "isolation = 0": "isolation in [tool.convverify] must be true or false, not 0",
    'layout = "HWC"': "layout in [tool.convverify] must be one of NHWC, NCHW, not 'HWC'",
    "workers = 0": 'workers in [tool.convverify] must be a number from 1, or "auto", not 0',
    "dtype = 32": "dtype in [tool.convverify] must be a string or an array of strings, not 32",
    "properties = [1]": "properties in [tool.convverify] must be a string or an array of strings, not [1]",
    "html = true": "html in [tool.convverify] must be a string, not True",
    "max-examples = -1": "[tool.convverify]: max_examples must be at least 0, not -1",
    'dtype = "int8"': "[tool.convverify]: dtype must be one of float16, bfloat16, float32, float64, not 'int8'",
    'properties = "beauty"': "[tool.convverify]: property 'beauty' is unknown; known: ",
    'domain = {stride = "round"}': "domain in [tool.convverify] must be a domain (strides must be of any, equal, square, odd, even, ",
    'domain = {colour = "blue"}': "domain in [tool.convverify] must be a domain (a domain has no field 'colour'; known: ",
    'domain = "batch=many"': "[tool.convverify]: domain: batch must be a number (3), a list (1,3,5), multiples (8n), ",
    "domain = 3": "domain in [tool.convverify] must be a line of text or a table, not 3",
    "seed = ": "is not a valid file of TOML: ",
    f"seed = {'[' * 20_000}": "is not a valid file of TOML: ",
    'html = "a\\u0000b"': r"html in [tool.convverify] must be text without NUL characters, not 'a\x00b'",
    'dtype = ["a\\u0000b"]': r"dtype in [tool.convverify] must be text without NUL characters, not ['a\x00b']",
    "seed = 99999999999999999999999": "[tool.convverify]: seed must be at most 18446744073709551615, not 99999999999999999999999",
    f"seed = {'[' * 90}1{']' * 90}": "seed in [tool.convverify] must be an integer, not [[[...]]]",
}


@pytest.mark.parametrize("line", WRONG, ids=lambda line: line[:40])
def test_what_is_wrong_is_one_sentence_that_names_the_file(tmp_path: Path, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyproject.toml").write_text(f"[tool.convverify]\n{line}\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(click.ClickException) as raised:
        defaults(check, *(find(tmp_path) or ()))
    assert raised.value.message.startswith(f"pyproject.toml: {WRONG[line]}")


def test_a_table_has_to_be_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text("[tool]\nconvverify = 1\n")
    with pytest.raises(click.ClickException, match=r"tool\.convverify must be a table, not 1"):
        find(tmp_path)
    (tmp_path / "pyproject.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(click.ClickException, match="is not text in UTF-8"):
        find(tmp_path)


def test_a_time_beyond_all_numbers_is_endless(tmp_path: Path, chosen: Any) -> None:
    (tmp_path / "pyproject.toml").write_text(f"[tool.convverify]\nmax-time = 1{'0' * 400}\ntimeout = inf\n")
    values, _, _ = chosen()
    assert (values["max_time"], values["timeout"]) == (math.inf, math.inf)


def test_help_is_there_to_mend_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.convverify]\ncolour = 1\n")
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(main, ["check", "--help"]).exit_code == 0


def test_a_run_says_which_file_has_decided(tmp_path: Path) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_bytes(b'[tool.convverify]\r\nreference = "exact"\r\nproblem = "x=1x3x4x2 w=2x2x2x3"\r\njson = "report.json"\r\n')
    done = run("check", "kernels.py:right", "--seed", "1", cwd=tmp_path)
    assert done.returncode == 0, done
    assert done.stdout.splitlines()[0].endswith("against exact, seed 1, options from pyproject.toml (reference, problem, json)")
    assert '"options from": "pyproject.toml (reference, problem, json)"' in (tmp_path / "report.json").read_text()


def test_a_wrong_file_ends_in_status_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.convverify]\nseed = 'x'\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["check", "matmul"])
    assert ended.value.code == 2
    assert capsys.readouterr().err == "convverify: pyproject.toml: seed in [tool.convverify] must be an integer, not 'x'\n"
