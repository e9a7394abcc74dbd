"""Whatever a file or a line holds, its reader returns a value or says in one sentence what is wrong, and takes no memory to speak of."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import history_results as results
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from convverify.api import read_case
from convverify.cli import check
from convverify.cli.configuration import defaults, find
from convverify.generation import corpus
from convverify.operands.case import Case
from convverify.problems.domain import Domain
from convverify.problems.problem import Problem
from convverify.problems.size import too_large
from convverify.problems.suites import load_suite
from convverify.pytest_plugin import expected
from convverify.reporting.history import changes, tables
from convverify.reporting.history.asv_files import ResultsError
from convverify.reporting.history.results import read_history

MOST = 64 << 20  # bytes: four times the largest file that is read
SHORT = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.fixture(autouse=True, scope="module")
def traced() -> Iterator[None]:
    """Let Python count what is allocated."""
    tracemalloc.start()
    yield
    tracemalloc.stop()


def value_or_sentence(read: Callable[[], Any], error: type[Exception] | tuple[type[Exception], ...] = ValueError) -> Any:
    """Return what is read, or None where the reader says in one sentence why not; anything else fails."""
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    try:
        value = read()
    except error as raised:
        told = raised.format_message() if isinstance(raised, click.ClickException) else str(raised)
        assert told
        value = None
    assert tracemalloc.get_traced_memory()[1] - before < MOST
    return value


# What does damage.

NUMBERS = ("0", "-1", "1", "1_0", "٣", "²", "1e30", "1e400", "nan", "inf", "9" * 15, "9" * 16, "1" + "0" * 400, "7" * 5000, "0x1", " ", "")
TEXTS = (
    *NUMBERS,
    "\0",
    "a\0b",
    "\ud800",
    "\x1b[31m",
    "##[add-mask]x",
    ":fire:",
    "x" * 5000,
    "a\nb",
    "é",
    "NHWC",
    "SAME",
    "x=1x1x1x1 w=1x1x1x1",
)
VALUES = (None, True, False, 0, -1, 2**64, 10**15, 10**400, 0.5, 1e30, -1e300, 5e-324, float("inf"), float("nan"))
ODD = st.one_of(st.sampled_from(VALUES), st.integers(), st.floats(), st.sampled_from(TEXTS), st.text(max_size=6))
ANYTHING = st.recursive(
    ODD, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3), max_leaves=5
)
DEEP = ("[" * 50_000, "[" * 50_000 + "]" * 50_000, '{"a":' * 50_000, "[" * 950 + "]" * 950)


def places_in(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the paths of all values in some data."""
    yield path
    for key, value in data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ():
        yield from places_in(value, (*path, key))


def with_value(data: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Return data with another value in one place; without that place where the value is `...`."""
    if not path:
        return None if value is ... else value
    copy = data.copy()
    changed = with_value(data[path[0]], path[1:], value)
    if len(path) == 1 and value is ...:
        copy.pop(path[0])
    else:
        copy[path[0]] = changed
    return copy


@st.composite
def damaged(draw: st.DrawFn, whole: Any) -> bytes:
    """Draw the bytes of a file of JSON of which something was changed, taken away or cut off."""
    for _ in range(draw(st.integers(1, 2))):
        path = draw(st.sampled_from(list(places_in(whole))))
        whole = with_value(whole, path, draw(st.one_of(ANYTHING, st.just(...))))
    return damaged_bytes(draw, json.dumps(whole).encode())


def damaged_bytes(draw: st.DrawFn, data: bytes) -> bytes:
    """Return bytes as they are, cut, with some others in their middle, or something deep."""
    kind = draw(st.sampled_from(("whole", "whole", "whole", "cut", "changed", "deep")))
    if kind == "deep":
        return draw(st.sampled_from(DEEP)).encode()
    if kind == "whole" or not data:
        return data
    place = draw(st.integers(0, len(data) - 1))
    return data[:place] + (b"" if kind == "cut" else draw(st.binary(max_size=4)) + data[place + 1 :])


# Lines.

KEYS = (
    "x=", "w=", "strides=", "padding=", "dilations=", "groups=", "dtype=", "values=", "layouts=", "seed=", "calls=", "x[0,0,0,0]=", "w[",
    "]=", "1x1x1x1", "1x5x5x3 ", "3x3x3x2 ", "2x2", "given", "contiguous,", "float64", "mb", "ic", "ih", "oc", "kh", "oh", "ph", "sh", "g",
    'n"', "dh",
)  # fmt: skip
LINES = st.lists(st.sampled_from((*KEYS, *TEXTS, " ", ",", "x", "-", "_", "*")), max_size=12).map("".join)
WHOLE_LINES = st.tuples(
    *(st.sampled_from(NUMBERS[:14]) for _ in range(8)), st.sampled_from(("", " seed=3", " padding=1,9,9999999999,1", " calls=9"))
).map(lambda p: f"x={p[0]}x{p[1]}x{p[2]}x{p[3]} w={p[4]}x{p[5]}x{p[6]}x{p[7]}{p[8]}")


@given(line=st.one_of(LINES, WHOLE_LINES))
def test_a_line_is_a_case_or_a_sentence(line: str) -> None:
    problem = value_or_sentence(lambda: Problem.parse(line))
    if problem is not None:
        assert Problem.parse(str(problem)) == problem
        assert isinstance(too_large(problem), str)
    case = value_or_sentence(lambda: Case.parse(line))
    if case is not None and not any(value != value for _, value in (*case.x_elements, *case.w_elements)):
        assert Case.parse(str(case)) == case


FIELDS = ("strides=", "kernel=", "channels=", "dtypes=", "padding=", "pads=", "image=", "batch=", "groups=", "degenerate=", "where=")
MEANT = ("equal", "square", "8n", "8n+3", "1..", "..7", "8n:8..64", "3x3", "any", "odd", "depthwise", "SAME", "yes", "apart", ",", " ", "x")
DOMAINS = st.lists(st.sampled_from((*FIELDS, *MEANT, *TEXTS)), max_size=8).map("".join)


@given(line=DOMAINS)
def test_a_line_is_a_domain_or_a_sentence(line: str) -> None:
    domain = value_or_sentence(lambda: Domain.of(line), (TypeError, ValueError))
    if domain is not None:
        assert Domain.of(str(domain)) == domain
        restricted = domain.restrict(Problem(2, 9, 7, 4, 3, 2, 8, strides=(2, 1), groups=2))
        assert restricted is None or isinstance(domain.admits(restricted), bool)


@SHORT
@given(lines=st.lists(st.one_of(LINES, WHOLE_LINES, st.just('ic3ih8oc4kh3n"a*3"')), max_size=4).map("\n".join))
def test_a_file_of_lines_is_a_suite_or_a_sentence(lines: str, tmp_path: Path) -> None:
    (tmp_path / "suite.txt").write_bytes(lines.encode(errors="surrogatepass"))
    value_or_sentence(lambda: load_suite(tmp_path / "suite.txt"))


# The corpus.

RECORD = {
    "schema": 1, "target": "mine.py:conv", "case": "x=1x1x2x1 w=1x2x1x1 values=given x[0,0,1,0]=1 w[0,1,0,0]=1", "property": "shape",
    "sentence": "it is wrong", "history": ["x=1x2x2x1 w=1x1x1x1 values=integers seed=3"],
}  # fmt: skip


@given(data=damaged(RECORD))
def test_a_replay_file_is_a_case_or_a_sentence(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "record.json"
    file.write_bytes(data)
    record = value_or_sentence(lambda: corpus.read(file))
    case = value_or_sentence(lambda: read_case(str(file)))
    assert (record is None) == (case is None)


@given(lines=st.lists(st.one_of(LINES, WHOLE_LINES), min_size=1, max_size=3))
def test_a_replay_file_of_any_lines_holds_nothing_too_large(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    file = tmp_path_factory.getbasetemp() / "record.json"
    file.write_text(json.dumps(RECORD | {"case": lines[0], "history": lines[1:]}))
    if (record := value_or_sentence(lambda: corpus.read(file))) is not None:
        assert not any(too_large(Case.parse(line).problem) for line in (record["case"], *record["history"]))


# The configuration.

OPTIONS = [name.lstrip("-") for option in check.params for name in option.opts if name.startswith("--")]
LITERALS = (
    "1", "-1", "0", "1.5", "inf", "nan", "-inf", "1e400", "true", "[]", "{}", '["a"]', '[["a"]]', "[1]", '"exact"', '"a\\u0000b"', '"auto"',
    '["a\\u0000b"]', '"NCHW"', "1979-05-27", "[" * 400 + "]" * 400, "[" * 50_000, "9" * 400, "9" * 5000, '"1"', '"٣"',
    "0x10", "'x' # y", '"channels=8n"', "{ channels = [8, 16], strides = 'equal' }", "{ channels = 1e400 }", "{ kernel = [[[]]] }", "",
)  # fmt: skip


@SHORT
@given(
    lines=st.lists(st.tuples(st.sampled_from((*OPTIONS, "colour", "a.b", "")), st.sampled_from(LITERALS)), max_size=3),
    tail=st.text(max_size=3),
)
@example(lines=[("max-time", "9" * 400)], tail="")
def test_a_configuration_is_options_or_a_sentence(tmp_path: Path, lines: list[tuple[str, str]], tail: str) -> None:
    text = "\n".join(["[tool.convverify]", *(f"{name} = {value}" for name, value in lines)]) + tail
    (tmp_path / "pyproject.toml").write_bytes(text.encode(errors="surrogatepass"))

    def read() -> Any:
        found = find(tmp_path)
        values = defaults(check, *found) if found else {}
        context = click.Context(check)
        return [option.process_value(context, values[option.name]) for option in check.params if option.name in values]

    value_or_sentence(read, click.ClickException)


# The results of asv.

TIME, RATIO = "speed.Matmul.time_call", "ratio.Matmul.track_ratio"
COMMITS: list[dict[str, results.Values]] = [
    {TIME: [1.0, 2.0], RATIO: [1.1, 0.5], "cost.Matmul.track_nanoseconds": [0.1, 0.2], "accuracy.Matmul.track_roundoffs": [1.0, 2.0]},
    {TIME: [1.0, None], RATIO: [1.5, 0.5], "machine.Roof.track_peak": [40.0], "machine.Roof.track_bandwidth": [8.0]},
    {TIME: [3.0, 2.0]},
]  # fmt: skip


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory of whole results."""
    return results.write(tmp_path_factory.mktemp("results"), COMMITS)


PLACES = ("box/0000*.json", "box/0101*.json", "benchmarks.json", "box/machine.json")


@pytest.mark.parametrize("place", PLACES)
@SHORT
@given(data=st.data())
def test_results_are_a_history_or_a_sentence(measured: Path, place: str, data: st.DataObject) -> None:
    file = next(measured.glob(place))
    whole = file.read_bytes()
    file.write_bytes(data.draw(damaged(json.loads(whole))))
    try:
        history = value_or_sentence(lambda: read_history(measured), ResultsError)
    finally:
        file.write_bytes(whole)
    if history is not None:
        found = changes.regressions(history)
        assert all(one.factor > 0 for one in found)
        tables.grouped(history, found)
        tables.failing(history)
        tables.heat_map(history)
        assert all(dot.x > 0 and dot.y > 0 for dot in (*tables.roofline(history), *tables.accuracy_against_speed(history)))


# The list of expected failures.


@SHORT
@given(text=st.one_of(LINES, st.just("mine.py:conv shape  # known"), st.text(max_size=20)))
def test_a_list_of_expected_failures_is_one_or_a_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "list.txt").write_bytes(text.encode(errors="surrogatepass"))
    value_or_sentence(lambda: expected.read(tmp_path / "list.txt"), pytest.UsageError)
