"""Descriptors of oneDNN's benchdnn are read as oneDNN reads them."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convverify.problems.benchdnn import parse_descriptor
from convverify.problems.problem import Problem


@pytest.mark.parametrize(
    ("descriptor", "line"),
    [
        # The first layer of ResNet-50: the trailing pad follows from the output, and is one less than the leading one.
        ('mb2ic3ih224oc64oh112kh7sh2ph3n"resnet_50:conv1"', "x=2x224x224x3 w=7x7x3x64 strides=2x2 padding=3,2,3,2"),
        ("ic4ih6oc8kh1", "x=2x6x6x4 w=1x1x4x8"),  # mb=2, s=1, d=0, p=0, w as h
        ("mb1ic4ih6iw9oc8kh3kw2", "x=1x6x9x4 w=3x2x4x8"),
        ("g2mb1ic4ih6oc8kh3", "x=1x6x6x4 w=3x3x2x8"),  # ic and oc are totals
        ("mb1ic1ih9oc1kh3dh0", "x=1x9x9x1 w=3x3x1x1"),  # d=0: no dilation
        ("mb1ic1ih9oc1kh3dh1", "x=1x9x9x1 w=3x3x1x1 dilations=2x2"),
        ("mb1ic1ih9oc1kh3ph1", "x=1x9x9x1 w=3x3x1x1 padding=1,1,1,1"),  # no output: symmetric
        ("mb1ic1ih9oc1oh9kh3", "x=1x9x9x1 w=3x3x1x1 padding=1,1,1,1"),  # output, no pad: p = ((o-1)s - i + E) // 2
        ("mb1ic1ih8oc1oh8kh2", "x=1x8x8x1 w=2x2x1x1 padding=0,1,0,1"),
        ("mb1ic1ih8oc1oh4kh2sh2ph0", "x=1x8x8x1 w=2x2x1x1 strides=2x2"),
        ("mb1ic1ih8oc1oh3kh3sh2ph0", "x=1x8x8x1 w=3x3x1x1 strides=2x2"),  # trailing pad -1: one unused pixel, as everywhere
        ("mb1ic1ih8oc1oh2kh2sh2ph0", "x=1x4x4x1 w=2x2x1x1 strides=2x2"),  # trailing pad -4: two windows fewer than fit
        ("mb1ic1ih5iw7oc1oh5ow3kh3kw3sh1sw2ph1pw0", "x=1x5x7x1 w=3x3x1x1 strides=1x2 padding=1,1,0,0"),
        ("mb1_ic1_ih5_oc1_kh3_ncalled_so", "x=1x5x5x1 w=3x3x1x1"),
    ],
)
def test_a_descriptor_is_read_as_the_problem_that_onednn_makes_of_it(descriptor: str, line: str) -> None:
    assert Problem.parse(descriptor) == Problem.parse(line)


def test_the_name_is_what_stands_in_quotes_behind_n() -> None:
    assert parse_descriptor('ic3ih8oc4kh3n"resnet_50:conv1"')[1] == "resnet_50:conv1"
    assert parse_descriptor("ic3ih8oc4kh3nplain")[1] == "plain"
    assert parse_descriptor("ic3ih8oc4kh3")[1] == ""


@given(order=st.randoms(use_true_random=False))
def test_keys_come_in_any_order(order: random.Random) -> None:
    keys = ["g2", "mb3", "ic4", "ih9", "iw8", "oc6", "oh5", "ow6", "kh3", "kw2", "sh2", "sw1", "ph1", "pw0", "dh0", "dw1"]
    shuffled = order.sample(keys, len(keys))
    assert Problem.parse("".join(shuffled)) == Problem.parse("".join(keys))


def parsed_or_told(text: str) -> Problem | str:
    """The problem, or the sentence that refuses it."""
    try:
        return Problem.parse(text)
    except ValueError as error:
        return str(error)


AXIS = st.tuples(st.integers(1, 12), st.integers(1, 4), st.integers(1, 3), st.integers(0, 2), st.integers(0, 3), st.integers(1, 6))


@given(rows=AXIS, columns=AXIS)
def test_the_output_has_the_extents_that_the_descriptor_gives(rows: tuple[int, ...], columns: tuple[int, ...]) -> None:
    words = ["mb1ic2oc3"]
    for (extent, kernel, stride, dilation, pad, outputs), axis in ((rows, "h"), (columns, "w")):
        words.append(f"i{axis}{extent}k{axis}{kernel}s{axis}{stride}d{axis}{dilation}p{axis}{pad}o{axis}{outputs}")
    problem = parsed_or_told("".join(words))
    if isinstance(problem, str):
        assert "puts all" in problem  # windows in the pad alone
        return
    assert problem.output_shape == (1, rows[5], columns[5], 3)
    assert (problem.pads[0][0], problem.pads[1][0]) == (rows[4], columns[4])


@pytest.mark.parametrize(
    ("descriptor", "told"),
    [
        ("ic3ih8oc4", "key 'kh' is missing"),
        ("ih8oc4kh3", "key 'ic' is missing"),
        ("ic3ih8iw8oc4kh3", "key 'kw' is missing"),
        ("ic3ih8oc4kh3zz2", "key 'zz' is unknown"),
        ("ic3ih8oc4kh3kh3", "key 'kh' is given twice"),
        ("ic3ih8oc4kh0", "key 'kh' must be at least 1, not 0"),
        ("ic3ih8oc4kh3sh0", "key 'sh' must be at least 1, not 0"),
        ("ic3ih8oc4kh3ph-1", "key 'ph' must be at least 0, not -1"),
        ("ic3ih8oc4kh3oh0", "key 'oh' must be at least 1, not 0"),
        ("g2ic3ih8oc4kh3", "key 'ic' must be a multiple of g=2, not 3"),
        ("g2ic4ih8oc3kh3", "key 'oc' must be a multiple of g=2, not 3"),
        ("ic3ih8oc4kh3 rest", "cannot be read at ' rest'"),
        ("3ic", "cannot be read at '3ic'"),
        ("ic٣ih8oc4kh3", "cannot be read at 'ic٣ih8oc4kh3'"),
        (f"ic1{'0' * 400}ih8oc4kh3", "it is made of keys with integers of up to 15 digits"),
        (f"ic{'1' * 5000}ih8oc4kh3", "it is made of keys with integers of up to 15 digits"),
        ("ic1ih1oc1oh999999999999999kh3sh9", "must be at most 999999999999999"),
        ("ic1ih9oc1oh2kh1", "key 'oh' = 2 leaves pixels unused before the first window; give 'ph'"),
    ],
)
def test_what_cannot_be_is_refused_by_the_name_of_its_key(descriptor: str, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        Problem.parse(descriptor)


@given(
    text=st.lists(st.sampled_from(("mb", "ic", "ih", "oc", "kh", "ow", "g", "n", '"', "_", "0", "1", "12", "-3", "é")), max_size=16).map(
        "".join
    )
)
def test_any_text_is_a_problem_or_a_value_error(text: str) -> None:
    assert "\n" not in str(parsed_or_told(text))
