"""Files of others are read within bounds, whatever their name names; digits are those that a keyboard has."""

from __future__ import annotations

import os
import threading
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convverify.problems.reading import MOST_BYTES, brief, exists, is_file, parse_json, parse_whole, read_text


def test_text_is_read_with_or_without_a_byte_order_mark(tmp_path: Path) -> None:
    for start in (b"", b"\xef\xbb\xbf"):
        (tmp_path / "file").write_bytes(start + "größer\r\n".encode())
        assert read_text(tmp_path / "file") == "größer\r\n"


def test_a_pipe_without_a_writer_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="is no regular file"):
        read_text(tmp_path / "pipe")


def test_a_pipe_that_somebody_names_is_read_to_its_end(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_text, args=("text",))
    writer.start()
    assert read_text(tmp_path / "pipe", pipes=True) == "text"
    writer.join()


@pytest.mark.parametrize("pipes", [True, False])
def test_a_device_without_end_costs_no_more_than_the_bound(tmp_path: Path, pipes: bool) -> None:
    (tmp_path / "zeros").symlink_to("/dev/zero")
    tracemalloc.start()
    with pytest.raises(ValueError, match="has more than 16 MiB" if pipes else "is no regular file"):
        read_text(tmp_path / "zeros", pipes=pipes)
    assert tracemalloc.get_traced_memory()[1] < 3 * MOST_BYTES
    tracemalloc.stop()


def test_what_cannot_be_read_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    told = {
        "absent": "cannot be read: No such file or directory",
        "": "cannot be read: Is a directory",
        "a\0b": "has a NUL character in its name",
        "x" * 300: "cannot be read: File name too long",
        "loop": "cannot be read: Too many levels",
        "bytes": "is not text in UTF-8",
    }
    for name, words in told.items():
        with pytest.raises(ValueError, match=words):
            read_text(tmp_path / name)


def test_names_that_cannot_be_of_a_file_are_of_none(tmp_path: Path) -> None:
    assert not any(is_file(tmp_path / name) or exists(tmp_path / name) for name in ("absent", "a\0b", "x" * 300))
    assert exists(tmp_path)
    assert not is_file(tmp_path)


@pytest.mark.parametrize(("text", "told"), [("[" * 200_000, "nested too deep"), ("", "is not JSON"), ("9" * 5000, "is not JSON")])
def test_what_is_no_json_is_told_in_words(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        parse_json(text)


def test_a_value_is_quoted_briefly_however_deep_or_long_it_is() -> None:
    deep: list[object] = []
    for _ in range(10_000):
        deep = [deep]
    for value in (deep, "x" * 10_000, {str(n): n for n in range(1000)}, 10**5000):
        assert len(brief(value)) < 250
    assert brief({"schema": [1, None]}) == "{'schema': [1, None]}"


@given(number=st.integers(-(10**20) + 1, 10**20 - 1))
def test_an_integer_is_read_back_from_its_digits(number: int) -> None:
    assert parse_whole(str(number)) == number


@pytest.mark.parametrize("text", ["", "-", "²", "٣", "1_0", " 1", "1\n", "0x1", "1" * 21, "1" * 5000, "1.0", "nan"])
def test_other_text_is_no_integer(text: str) -> None:
    assert parse_whole(text) is None
