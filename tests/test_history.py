"""The page of performance across commits: what is read, which changes are told, and what the page is made of."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import chromium
import history_results as results
import pytest
from command_line import run
from hypothesis import given
from hypothesis import strategies as st

from convverify.reporting.history import changes, tables
from convverify.reporting.history.asv_files import ResultsError
from convverify.reporting.history.model import Point, Series
from convverify.reporting.history.page import page_of
from convverify.reporting.history.results import read_history

TIME, RATIO, WRONG, PEAK = "speed.Matmul.time_call", "ratio.Matmul.track_ratio", "correctness.Matmul.track_wrong", "machine.Roof.track_peak"


def series(values: Sequence[float | None], unit: str = "seconds", spread: float = 0.0) -> Series:
    """A series of one value for each commit; None failed."""
    points = [Point(i, v, (v or 0.0) * (1 - spread), (v or 0.0) * (1 + spread)) for i, v in enumerate(values)]
    return Series("speed.Matmul.time_call", "matmul: time of a call", unit, ("suite/layer",), tuple(points))


def found(values: Sequence[float | None], unit: str = "seconds", spread: float = 0.0) -> list[tuple[int, int | None]]:
    """(first bad commit, commit that resolved it) of each regression at a factor of 1.2."""
    return [(one.first_bad, one.resolved) for one in changes.regressions_of(series(values, unit, spread), 1.2)]


# Which changes are told.


def test_a_kernel_that_became_slower_is_a_regression_from_the_first_slow_commit_on() -> None:
    (one,) = changes.regressions_of(series([1.0, 1.02, 0.99, 2.0, 2.1]), 1.2)
    assert (one.first_bad, one.last_good, one.resolved, one.factor) == (3, 2, None, 2.1)


def test_a_regression_that_was_fixed_is_told_with_the_commit_that_fixed_it() -> None:
    assert found([1.0, 1.0, 2.0, 1.05, 1.0]) == [(2, 3)]
    assert found([1.0, 2.0, 1.9, 2.0, 1.0, 1.0, 1.5]) == [(1, 4), (6, None)]


def test_an_improvement_becomes_the_level_that_later_commits_are_held_against() -> None:
    assert found([4.0, 4.0, 1.0, 1.0]) == []
    assert found([4.0, 4.0, 1.0, 2.0]) == [(3, None)]


def test_more_gigaflops_are_no_regression_and_fewer_are() -> None:
    assert found([40.0, 80.0], "GFLOP/s") == []
    assert found([80.0, 40.0], "GFLOP/s") == [(1, None)]


def test_a_step_within_the_quartiles_is_no_regression() -> None:
    assert found([1.0, 1.0, 1.3, 1.0], spread=0.3) == []
    assert found([1.0, 1.0, 1.3, 1.0], spread=0.01) == [(2, 3)]


def test_a_benchmark_that_fails_where_it_did_not_is_a_regression() -> None:
    (one,) = changes.regressions_of(series([1.0, None, 1.0]), 1.2)
    assert (one.first_bad, one.resolved, one.worst, one.factor) == (1, 2, None, math.inf)


def test_the_first_wrong_element_is_a_regression() -> None:
    assert found([0.0, 0.0, 3.0, 0.0], "elements") == [(2, 3)]


@given(st.lists(st.floats(0.95, 1.05), min_size=1, max_size=30))
def test_noise_below_the_factor_is_never_told(values: list[float]) -> None:
    assert found(values) == []


@given(st.lists(st.one_of(st.none(), st.floats(1e-9, 1e9)), max_size=12))
def test_regressions_follow_each_other_and_end_after_they_begin(values: list[float | None]) -> None:
    told = found(values)
    for (_, end), (begin, _) in pairwise(told):
        assert end is not None
        assert end < begin
    assert all(end is None or end > begin for begin, end in told)


def test_the_factor_follows_the_noise_of_a_topic_and_not_its_jumps(tmp_path: Path) -> None:
    quiet = [{TIME: [1.0 + 0.001 * (n % 2), 1.0]} for n in range(10)]
    noisy = [{TIME: [1.0 + 0.05 * (n % 2), 1.0 + 0.05 * (n % 2)]} for n in range(10)]
    jump = [{TIME: [value * (3 if n > 5 else 1) for value in (1.0, 1.0)]} for n in range(10)]
    factors = [changes.factors(read_history(results.write(tmp_path / str(i), c)))["speed"] for i, c in enumerate((quiet, noisy, jump))]
    assert factors[0] == factors[2] == changes.LEAST_FACTOR
    assert factors[1] == pytest.approx(1.05 ** (4 / 0.3186))


# What is read.


def test_commits_before_a_kernel_existed_have_no_point(tmp_path: Path) -> None:
    history = read_history(results.write(tmp_path, [{TIME: [results.ABSENT, 1.0]}, {TIME: [2.0, 1.0]}]))
    assert [[point.commit for point in one.points] for one in history.of("speed")] == [[0, 1], [1]]
    assert [one.problem for one in history.of("speed")] == ["article/timing_3x3", "resnet50/conv2_1_3x3"]


def test_a_benchmark_that_now_measures_something_else_begins_anew(tmp_path: Path) -> None:
    results.write(tmp_path, [{TIME: [1.0, 1.0]}, {TIME: [9.0, 9.0]}])
    file = next(tmp_path.glob("box/0000*.json"))
    file.write_text(file.read_text().replace('"1", [', '"0", ['))
    assert [[point.commit for point in one.points] for one in read_history(tmp_path).of("speed")] == [[1], [1]]


def test_the_machine_with_the_most_results_is_shown_and_others_are_mentioned(tmp_path: Path) -> None:
    results.write(tmp_path, [{TIME: [1.0, 1.0]}], machine="small")
    history = read_history(results.write(tmp_path, [{TIME: [1.0, 1.0]}] * 2))
    assert (history.machine, history.others) == ("box", ("1 results of machine small",))
    assert read_history(tmp_path, "small").machine == "small"


@pytest.mark.parametrize(
    ("harm", "sentence"),
    [
        (lambda d: (d / "benchmarks.json").unlink(), "no benchmarks.json there"),
        (lambda d: [f.unlink() for f in d.glob("box/*-env.json")], "no machine has results"),
        (lambda d: next(d.glob("box/*-env.json")).write_text('{"results'), "is not JSON"),
        (lambda d: next(d.glob("box/*-env.json")).write_text('{"version": 7}'), "has version 7 of asv's format"),
    ],
)
def test_results_that_cannot_be_read_are_named_in_a_sentence(tmp_path: Path, harm: object, sentence: str) -> None:
    results.write(tmp_path, [{TIME: [1.0, 1.0]}])
    harm(tmp_path)  # type: ignore[operator]  # one of the functions above
    with pytest.raises(ResultsError, match=re.escape(sentence)):
        read_history(tmp_path)


def test_a_damaged_file_is_passed_over_with_a_note_where_others_are_whole(tmp_path: Path) -> None:
    results.write(tmp_path / "results", [{TIME: [1.0, 1.0]}] * 3)
    file = tmp_path / "results" / "box" / "00000000-env.json"
    file.write_text("[" * 200_000)
    os.mkfifo(tmp_path / "results" / "box" / "pipe.json")
    history = read_history(tmp_path / "results")
    assert [commit.hash for commit in history.commits] == [results.hash_of(1), results.hash_of(2)]
    told = (f"{file} is nested too deep to be read", f"{tmp_path}/results/box/pipe.json is no regular file")
    assert history.damaged == told
    done = run("report", "--results", "results", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "note  results/box/00000000-env.json is nested too deep to be read; it was skipped\n" in done.stdout
    assert "is nested too deep to be read" in (tmp_path / "performance.html").read_text()


DAMAGE = {
    "list": ([], "no object of JSON"),
    "null": (None, "no object of JSON"),
    "no date": ({"date": ...}, "date is None"),
    "date x": ({"date": "x"}, "date is 'x'"),
    "date 1e29": ({"date": 1e29}, "date is 1e+29"),
    "date 1e400": ({"date": 10**400}, "date holds 1000"),
    "no commit": ({"commit_hash": ...}, "commit_hash is None"),
    "no results": ({"results": ...}, "results is None"),
    "no columns": ({"result_columns": ...}, "result_columns is None"),
    "row of text": ({"results": {TIME: "abc"}}, "results of 'speed.Matmul.time_call' are 'abc'"),
    "infinite": ({"results": {TIME: [[math.inf, 1.0], [["a", "b"]], "1"]}}, "result holds inf"),
    "text": ({"results": {TIME: [["x", 1.0], [["a", "b"]], "1"]}}, "result holds 'x'"),
    "short": ({"results": {TIME: [[1.0], [["a", "b"]], "1"]}}, "result has 1 values for 2 choices of parameters"),
    "quartiles": ({"results": {TIME: [[1.0, 2.0], [["a", "b"]], "1", [1.0]]}}, "stats_q_25 has 1 values for 2"),
    "absurd": (
        {"results": {TIME: [None, [[str(n) for n in range(1000)]] * 10, "1"]}},
        "params has 1000000000000000000000000000000 choices",
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_what_asv_does_not_write_is_told_by_its_field(tmp_path: Path, name: str) -> None:
    results.write(tmp_path, [{TIME: [1.0, 1.0]}])
    file = next(tmp_path.glob("box/0000*.json"))
    changed, told = DAMAGE[name]
    whole = json.loads(file.read_text())
    data = {key: value for key, value in (whole | changed).items() if value is not ...} if isinstance(changed, dict) else changed
    file.write_text(json.dumps(data))
    with pytest.raises(ResultsError, match=re.escape(told)) as caught:
        read_history(tmp_path)
    assert str(caught.value).startswith(f"{file} ")


@pytest.mark.parametrize("values", [[0.0, -1.0], [1e30, 1e-30], [None, None], [math.nan, -1e30]])
def test_a_page_is_made_of_whatever_was_measured(tmp_path: Path, values: list[float | None]) -> None:
    cost, error = "cost.Matmul.track_nanoseconds", "accuracy.Matmul.track_roundoffs"
    odd = {TIME: values, RATIO: values, cost: values, error: values, WRONG: values}
    whole: dict[str, results.Values] = {TIME: [1.0, 2.0], RATIO: [1.0, 2.0], PEAK: [4.0], "machine.Roof.track_bandwidth": [8.0]}
    assert "</html>" in page_of(read_history(results.write(tmp_path, [whole, whole | odd])))


def test_a_name_of_a_machine_steers_nobodys_terminal(tmp_path: Path) -> None:
    page = page_of(read_history(results.write(tmp_path, [{TIME: [1.0, 1.0]}], machine="box\x1b[31m")))
    assert "\x1b" not in page
    assert "box\\x1b[31m" in page


# What the page says.


def commits_with_a_fault() -> list[dict[str, results.Values]]:
    """Four commits: at the third, matmul is wrong on one problem and slow on the other."""
    right: dict[str, results.Values] = {
        TIME: [0.004, 0.0025], RATIO: [1.1, 3.2], WRONG: [0, 0], PEAK: [47.0], "machine.Roof.track_bandwidth": [8.2],
        "cost.Matmul.track_nanoseconds": [0.07, 0.13], "accuracy.Matmul.track_roundoffs": [1.2, 0.8],
    }  # fmt: skip
    wrong = right | {TIME: [None, 0.005], RATIO: [None, 6.4], WRONG: [12, 0]}
    return [right, right, wrong, right]


def test_a_wrong_kernel_has_no_time_and_the_page_says_why(tmp_path: Path) -> None:
    history = read_history(results.write(tmp_path, commits_with_a_fault()[:3]))
    page = page_of(history)
    assert "matmul: time of a call, resnet50/conv2_1_3x3" in page
    assert page.count("wrong: 12 elements of its result differ from float64") >= 3
    assert dict(tables.failing(history))["matmul: time of a call, resnet50/conv2_1_3x3"].startswith("wrong: 12 elements")
    _, rows = tables.heat_map(history)
    assert [(row.problem, row.cells[0].text) for row in rows] == [("article/timing_3x3", "6.40"), ("resnet50/conv2_1_3x3", "failed")]


def test_benchmarks_of_any_project_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        results,
        "BENCHMARKS",
        {"sorting.Suite.time_sort": results.benchmark("sorting.Suite.time_sort", "seconds", problems=list("abcdefghij"))},
    )
    page = page_of(read_history(results.write(tmp_path, [{"sorting.Suite.time_sort": [1.0] * 10}] * 2)))
    assert re.findall("<h3>(.*?)</h3>", page) == [
        "sorting: Suite.time_sort (seconds), 1 to 8 of 10", "sorting: Suite.time_sort (seconds), 9 to 10 of 10"
    ]  # fmt: skip
    assert "relative to TensorFlow" not in page
    assert "was not measured" not in page.partition("<h2>History")[0]


def test_a_marker_says_its_value(tmp_path: Path) -> None:
    page = page_of(read_history(results.write(tmp_path, commits_with_a_fault())))
    assert f"<title>article/timing_3x3, {results.hash_of(2)[:8]}: 5 ms</title>" in page
    assert f"<title>resnet50/conv2_1_3x3, {results.hash_of(3)[:8]}: 1.1 times TensorFlow</title>" in page


def test_merges_are_left_out_of_the_list(tmp_path: Path) -> None:
    history = read_history(results.write(tmp_path, commits_with_a_fault()))
    subjects = ["first", "Merge branch 'x' of /home/someone/place", "third", "fourth"]
    commits = tuple(replace(commit, subject=subject) for commit, subject in zip(history.commits, subjects, strict=True))
    page = page_of(replace(history, commits=commits))
    assert "someone" not in page
    assert "third" in page


def test_what_was_fixed_is_shown_as_resolved(tmp_path: Path) -> None:
    history = read_history(results.write(tmp_path, commits_with_a_fault()))
    (group,) = tables.grouped(history, changes.regressions(history))
    assert (group.state, group.bad.hash, group.resolved and group.resolved.hash) == ("resolved", results.hash_of(2), results.hash_of(3))
    assert not tables.failing(history)


def test_the_roofline_counts_bytes_of_operands_and_result_once(tmp_path: Path) -> None:
    dots = tables.roofline(read_history(results.write(tmp_path, commits_with_a_fault())))
    dot = next(dot for dot in dots if dot.problem == "resnet50/conv2_1_3x3")
    moved = 4 * (2 * 56 * 56 * 64 + 3 * 3 * 64 * 64)
    assert (dot.kernel, dot.x, dot.y) == ("matmul", 2 * 56 * 56 * 64 * 64 * 9 / moved, 2 / 0.07)


def test_the_page_loads_nothing_and_escapes_what_it_was_given(tmp_path: Path) -> None:
    page = page_of(read_history(results.write(tmp_path, commits_with_a_fault())))
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", page)
    assert "<script" not in page
    assert "a &lt;fast&gt; one" in page


def test_the_page_opens_in_a_browser_without_a_request_or_an_error(tmp_path: Path) -> None:
    chromium.required()
    done = run("report", "--results", str(results.write(tmp_path / "results", commits_with_a_fault())), cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    page = tmp_path / "performance.html"
    with chromium.browser(tmp_path) as driver:
        driver.get(page.as_uri())
        assert chromium.requested(driver) == [page.as_uri()]
        for width in (1280, 375):
            chromium.resize(driver, width)
            assert driver.execute_script("return document.documentElement.scrollWidth") == width
        assert driver.execute_script("return document.querySelectorAll('figure svg').length") == 6
        colours = set()
        for scheme in ("light", "dark"):
            chromium.colours(driver, scheme)
            colours.add(driver.execute_script("return getComputedStyle(document.querySelector('figure svg text')).fill"))
        assert len(colours) == 2
        assert chromium.console_errors(driver) == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--results", "nowhere"], "no benchmarks.json there"),
        (["--results", "results", "--machine", "other"], "machine 'other' has no results"),
        (["--results", "results", "--factor", "1"], "factor"),
    ],
)
def test_wrong_usage_ends_in_one_sentence(tmp_path: Path, options: list[str], sentence: str) -> None:
    results.write(tmp_path / "results", [{TIME: [1.0, 1.0]}])
    done = run("report", *options, cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert sentence in done.stderr
    assert not (tmp_path / "performance.html").exists()


def test_the_history_in_this_repository_has_fifteen_commits_and_none_before_a_kernel_existed() -> None:
    history = read_history(Path(__file__).resolve().parents[1] / "benchmarks" / "results")
    assert len(history.commits) >= 15
    firsts = {one.kernel: min(point.commit for point in one.points) for one in history.of("speed")}
    assert 0 < firsts["matmul"] < firsts["winograd_4x4"]
