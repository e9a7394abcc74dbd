"""Counterexamples are kept, one file each, and nothing that happens to the files stops a run."""

from __future__ import annotations

import json
import os
import re
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from convverify.generation import corpus
from convverify.operands.case import Case

LINE = "x=1x1x2x1 w=1x2x1x1 values=given x[0,0,0,0]=1 w[0,1,0,0]=1"
OTHER = "x=1x2x2x1 w=1x1x1x1 values=integers seed=3"


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    path = corpus.save(tmp_path, "mine:kernel", LINE, "shape", "it is wrong")
    assert list(corpus.load(tmp_path, "mine:kernel")) == [Case.parse(LINE)]
    record = corpus.read(path)
    assert (record["target"], record["property"], record["sentence"]) == ("mine:kernel", "shape", "it is wrong")


def test_the_history_comes_before_the_case_that_needs_it(tmp_path: Path) -> None:
    corpus.save(tmp_path, "mine:kernel", LINE, "repeatable", "it is wrong", (OTHER,))
    assert list(corpus.load(tmp_path, "mine:kernel")) == [Case.parse(OTHER), Case.parse(LINE)]


def test_targets_do_not_share_counterexamples(tmp_path: Path) -> None:
    corpus.save(tmp_path, "one.py:kernel", LINE, "shape", "it is wrong")
    assert list(corpus.load(tmp_path, "two.py:kernel")) == []


@pytest.mark.parametrize("target", ["../../outside:f", "/etc/passwd:f", "a b\n:f", "..:..", "", "x" * 500 + ":f", "ä:λ"])
def test_a_target_names_a_folder_inside_the_corpus(tmp_path: Path, target: str) -> None:
    path = corpus.save(tmp_path / "kept", target, LINE, "shape", "it is wrong")
    assert path.resolve().is_relative_to((tmp_path / "kept").resolve())
    assert list(corpus.load(tmp_path / "kept", target)) == [Case.parse(LINE)]


def test_the_same_counterexample_is_kept_once(tmp_path: Path) -> None:
    paths = {corpus.save(tmp_path, "mine:kernel", LINE, "shape", f"it is wrong for the {n}. time") for n in range(3)}
    assert len(paths) == len(corpus.files(tmp_path, "mine:kernel")) == 1


def test_runs_side_by_side_leave_whole_files(tmp_path: Path) -> None:
    lines = [f"x=1x1x{width}x1 w=1x1x1x1 values=integers seed=0" for width in range(1, 9)] * 4
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda line: corpus.save(tmp_path, "mine:kernel", line, "shape", "it is wrong"), lines))
    assert len(list(corpus.load(tmp_path, "mine:kernel"))) == 8
    assert corpus.damaged(tmp_path, "mine:kernel") == []
    assert {path.suffix for path in corpus.folder(tmp_path, "mine:kernel").iterdir()} == {".json"}


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.json"
    corpus.write_whole(path, "old")

    def fails(source: str, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(corpus.os, "replace", fails)
    with pytest.raises(OSError, match="No space left"):
        corpus.write_whole(path, "new")
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["report.json"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("[]", "is not a replay file of convverify"),
        ("{}", "is not a replay file of convverify"),
        (json.dumps({"schema": 1, "case": 3}), "is not a replay file of convverify"),
        (json.dumps({"schema": 1, "case": LINE, "history": "x"}), "is not a replay file of convverify"),
        (json.dumps({"schema": 99, "case": LINE}), "has schema 99; this version reads schema 1"),
        (json.dumps({"case": LINE}), "has schema None"),
        (json.dumps({"schema": 1, "case": "x=1"}), "holds what is not a case: key 'w' is missing"),
        (json.dumps({"schema": 1, "case": LINE, "history": ["rubbish"]}), "rubbish"),
        (json.dumps({"schema": 1, "case": LINE, "history": [3]}), "is not a replay file of convverify"),
        ("[" * 200_000, "is nested too deep to be read"),
        ('{"case": "' + LINE + '", "schema": ' + "[" * 900 + "]" * 900 + "}", "has schema [[[...]]]; this version"),
        (json.dumps({"schema": 1, "case": "x=1x10000000x10000000x1 w=1x1x1x1"}), "holds a case that takes "),
        (
            json.dumps({"schema": 1, "case": LINE, "history": ["x=1x1x1x1 w=1x1x1x1 padding=0,900000000,0,900000000"]}),
            "holds a case that takes ",
        ),
        (json.dumps({"schema": 1, "case": "x=1x8000x8000x1 w=4000x4000x1x1"}), "holds calls of 2.6e+14 multiply-adds"),
        (json.dumps({"schema": 1, "case": "x=1x128x128x8 w=3x3x8x8 calls=100000"}), "holds calls of 9.4e+11 multiply-adds"),
        (json.dumps({"schema": 1, "case": f"{LINE} seed=1{'0' * 400}"}), "seed must be an integer"),
    ],
)
def test_a_file_that_is_not_a_counterexample_is_named_and_passed_over(tmp_path: Path, text: str, told: str) -> None:
    corpus.save(tmp_path, "mine:kernel", OTHER, "shape", "it is wrong")
    path = corpus.folder(tmp_path, "mine:kernel") / "damaged.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=re.escape(told)):
        corpus.read(path)
    assert list(corpus.load(tmp_path, "mine:kernel")) == [Case.parse(OTHER)]
    sentences = corpus.damaged(tmp_path, "mine:kernel")
    assert len(sentences) == 1
    assert "damaged.json" in sentences[0]


def test_bytes_that_are_no_text_and_a_missing_file_are_named(tmp_path: Path) -> None:
    path = tmp_path / "bytes.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"bytes\.json' is not text in UTF-8"):
        corpus.read(path)
    with pytest.raises(ValueError, match="cannot be read: No such file or directory"):
        corpus.read(tmp_path / "absent.json")


def test_what_is_no_file_of_the_corpus_is_named_and_passed_over(tmp_path: Path) -> None:
    folder = corpus.save(tmp_path, "mine:kernel", OTHER, "shape", "it is wrong").parent
    os.mkfifo(folder / "pipe.json")
    (folder / "zeros.json").symlink_to("/dev/zero")
    (folder / "loop.json").symlink_to("loop.json")
    (folder / "folder.json").mkdir()
    with (folder / "big.json").open("wb") as file:
        file.truncate(1 << 40)
    assert list(corpus.load(tmp_path, "mine:kernel")) == [Case.parse(OTHER)]
    assert [sentence.split("'")[1].split("/")[-1] for sentence in corpus.damaged(tmp_path, "mine:kernel")] == [
        "big.json", "folder.json", "loop.json", "pipe.json", "zeros.json",
    ]  # fmt: skip


def test_an_absurd_case_is_refused_before_anything_is_allocated(tmp_path: Path) -> None:
    path = tmp_path / "absurd.json"
    path.write_text(json.dumps({"schema": 1, "case": "x=1x40000x40000x1000 w=1x1x1000x1"}))
    tracemalloc.start()
    with pytest.raises(ValueError, match="takes "):
        corpus.read(path)
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()


def test_a_sentence_of_megabytes_is_kept_in_part_and_read_back(tmp_path: Path) -> None:
    path = corpus.save(tmp_path, "mine:kernel", LINE, "completes", "X" * 30_000_000)
    assert 1000 < len(corpus.read(path)["sentence"]) < 10_000


def test_removing_what_is_gone_is_no_error(tmp_path: Path) -> None:
    path = corpus.save(tmp_path, "mine:kernel", LINE, "shape", "it is wrong")
    corpus.remove(str(path))
    corpus.remove(str(path))
    assert list(corpus.load(tmp_path, "mine:kernel")) == []


def test_a_file_may_be_read_by_whoever_may_read_new_files(tmp_path: Path) -> None:
    (tmp_path / "ordinary").write_text("")
    corpus.write_whole(tmp_path / "whole", b"bytes")
    assert (tmp_path / "whole").read_bytes() == b"bytes"
    assert (tmp_path / "whole").stat().st_mode == (tmp_path / "ordinary").stat().st_mode
