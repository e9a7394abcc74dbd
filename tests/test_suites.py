"""Suites: the networks' totals as their papers and implementations give them, and files of problem lines."""

from __future__ import annotations

import pytest

from convverify import conv2d_matmul, verify
from convverify.problems.problem import Problem
from convverify.problems.suites import find_suite, load_suite, suites


def total(name: str) -> float:
    return sum(layer.count * layer.problem.macs for layer in find_suite(name))


@pytest.mark.parametrize(
    ("name", "layers", "macs"),
    [
        # torchvision states 4.09 and 15.47 GFLOPS (multiply-adds) with the dense layers of 2.05e6 and 1.236e8.
        ("resnet50", 53, 4.09e9 - 2.05e6),
        ("vgg16", 13, 15.47e9 - 1.236e8),
        # Sandler et al. 2018, table 4: 300 million with the dense layer of 1.28e6.
        ("mobilenet_v2", 52, 300e6 - 1.28e6),
        # torchvision states 5.71 GFLOPS for the same network.
        ("inception_v3", 94, 5.71e9),
        # Sze, Chen, Yang, Emer 2017 (Proceedings of the IEEE 105), table II: 666 million, and 15.3e9 for vgg16.
        ("alexnet", 5, 666e6),
    ],
)
def test_layers_and_multiply_adds_are_those_of_the_network(name, layers, macs):
    assert sum(layer.count for layer in find_suite(name)) == layers
    assert total(name) == pytest.approx(macs, rel=0.005)


def test_unet_ends_in_the_388_pixels_of_its_paper():
    layers = {layer.name: layer.problem for layer in find_suite("unet")}
    assert layers["segmentation"].output_shape == (1, 388, 388, 2)
    assert layers["down5_2"].output_shape == (1, 28, 28, 1024)
    assert sum(layer.count for layer in find_suite("unet")) == 19


def test_the_forms_that_a_suite_is_there_for_occur():
    assert {(p.kernel_height, p.kernel_width) for p in problems("inception_v3")} >= {(1, 7), (7, 1), (1, 3), (3, 1), (5, 5)}
    assert any(p.groups == p.in_channels == 960 for p in problems("mobilenet_v2"))
    assert {p.groups for p in problems("alexnet")} == {1, 2}
    assert Problem.parse("x=1x224x224x3 w=7x7x3x64 strides=2x2 padding=3,3,3,3") in problems("resnet50")
    assert {str(p) for p in problems("article")} >= {"x=15x32x32x3 w=3x3x3x16", "x=100x32x32x3 w=3x3x3x16", "x=15x32x32x3 w=1x1x3x16"}
    tails = problems("tails")
    assert any(p.dilations != (1, 1) for p in tails)
    assert any(p.groups > 1 for p in tails)
    assert any(p.strides[0] != p.strides[1] for p in tails)


def problems(name: str) -> list[Problem]:
    return [layer.problem for layer in find_suite(name)]


@pytest.mark.parametrize("name", suites.names())
def test_problems_are_distinct_named_sourced_and_not_empty(name):
    layers = find_suite(name)
    assert len({layer.problem for layer in layers}) == len({layer.name for layer in layers}) == len(layers)
    for layer in layers:
        assert layer.source
        assert layer.count >= 1
        assert layer.problem.macs > 0


@pytest.mark.parametrize("name", [name for name in suites.names() if name != "article"])
def test_the_batch_is_that_which_was_asked_for(name):
    assert {layer.problem.batch for layer in find_suite(name)} == {1}
    assert {layer.problem.batch for layer in find_suite(name, batch=8)} == {8}


def test_the_article_has_batches_of_its_own():
    assert find_suite("article", batch=8) == find_suite("article")


def test_an_unknown_suite_is_an_error_that_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"resnet5.*neither a file nor one of: .*resnet50"):
        find_suite("resnet5")


def test_a_file_of_problem_lines_is_a_suite(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text(
        "# layers of ours\nx=2x9x9x3 w=3x3x3x4 padding=SAME  # first\n\n"
        'mb50ic64ih56oc256oh56kh1ph0n"resnet_50:res2a*4"\nic3ih8oc4kh3ph1_n"named"\n'
    )
    layers = load_suite(path)
    assert [(layer.name, layer.count, layer.source) for layer in layers] == [
        ("mine.txt:2", 1, "mine.txt:2"), ("resnet_50:res2a", 4, "mine.txt:4"), ("named", 1, "mine.txt:5"),
    ]  # fmt: skip
    assert [layer.problem.batch for layer in layers] == [2, 50, 2]
    assert layers[1].problem == Problem.parse("x=50x56x56x64 w=1x1x64x256")
    assert [layer.problem.batch for layer in find_suite(str(path), batch=3)] == [3, 3, 3]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("x=1x5x5x3 w=3x3x3x4 paddings=SAME", r"mine\.txt, line 2: key 'paddings' is unknown"),
        ("x=1x5x5x3", r"mine\.txt, line 2: key 'w' is missing"),
        ("ic3ih8oc4kh3zz1", r"mine\.txt, line 2: key 'zz' is unknown"),
        ("ic3ih8oc4", r"mine\.txt, line 2: key 'kh' is missing"),
        ("x=1x5x5x3 w=3x3x3x4 groups=2", r"mine\.txt, line 2: .*groups"),
    ],
)
def test_an_error_in_a_file_names_file_line_and_key(tmp_path, line, message):
    path = tmp_path / "mine.txt"
    path.write_text(f"x=1x5x5x3 w=3x3x3x4\n{line}\n")
    with pytest.raises(ValueError, match=message):
        load_suite(path)


def test_a_file_without_problems_or_without_text_is_an_error(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("# nothing\n")
    with pytest.raises(ValueError, match="no problem in the file"):
        load_suite(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="UTF-8"):
        load_suite(path)


@pytest.mark.parametrize("name", ["absent", "x" * 300, "a\0b", "ic1" * 2000])
def test_what_cannot_be_the_name_of_a_file_is_no_suite(name):
    with pytest.raises(ValueError, match="is neither a file nor one of"):
        find_suite(name)


def test_every_problem_is_tried_once_before_any_is_tried_again():
    lines = ["x=1x5x5x1 w=3x3x1x1", "x=1x6x6x1 w=3x3x1x1", "x=1x7x7x1 w=3x3x1x1"]
    tried = []

    def kernel(x, w):
        if x.shape[1] < 8:  # others are tried to learn how fast it is
            tried.append((x.shape[1], x.dtype.name))
        return conv2d_matmul(x, w)

    verify(kernel, references=[], problems=lines, properties=["exact_on_integers"])
    once = [(extent, dtype) for extent in (5, 6, 7) for dtype in ("float32", "float64")]
    assert tried[:12] == once + once
