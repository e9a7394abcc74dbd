"""The diagnosis names faults that it knows, from outputs alone, and says nothing where nothing fits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import faulty_kernels as faulty
import numpy as np
import pytest

from convverify.campaign.diagnosing import Ask, diagnose
from convverify.kernels.fft import conv2d_fft
from convverify.kernels.winograd import conv2d_winograd_2x2, conv2d_winograd_4x4
from convverify.operands.case import Case
from convverify.operations.error_bounds import elementwise_bound
from convverify.operations.forward import convolve

PROBLEMS = (
    "x=1x5x6x2 w=2x3x2x3",
    "x=2x6x5x3 w=3x2x3x2 strides=2x1 padding=SAME",
    "x=1x7x7x4 w=3x3x2x4 padding=1,0,2,1",
    "x=2x4x5x1 w=1x2x1x2",
    "x=1x6x7x2 w=3x3x2x3 padding=SAME",
    "x=1x7x6x2 w=3x3x2x2 strides=1x2 padding=1,2,0,3",
    "x=2x8x7x1 w=2x2x1x3 dilations=2x1",
    "x=1x9x8x2 w=2x3x1x4 strides=2x3 dilations=1x2 padding=SAME",
    "x=1x9x9x6 w=2x2x2x3 strides=3x3 padding=SAME",
    "x=1x8x9x3 w=1x1x3x2 strides=3x2 padding=SAME",
    "x=1x4x6x2 w=3x1x2x5 padding=0,2,1,0",
    "x=1x3x2x2 w=4x3x2x2",
    "x=3x5x4x4 w=2x2x2x6",
    "x=1x6x6x2 w=2x2x2x2",
    "x=1x5x5x1 w=3x3x1x2 strides=2x2 padding=SAME",
    "x=1x4x7x1 w=3x4x1x2 strides=3x2 padding=SAME",
    "x=2x7x8x1 w=2x5x1x2 strides=1x3 padding=SAME",
    "x=1x6x9x2 w=4x1x2x2 padding=SAME",
    "x=1x4x8x1 w=2x4x1x1 strides=3x2 padding=SAME",
)
CASES = [Case.parse(f"{line} values=integers seed={number}") for number, line in enumerate(PROBLEMS)]
FEW = CASES[:4]


def right(case: Case, x: Any, w: Any) -> Any:
    return convolve(case.problem, x, w)


def outputs(fault: Callable[[Case, Any, Any], Any], cases: list[Case]) -> list[tuple[Case, Any]]:
    """What a kernel with a fault returns on some cases."""
    return [(case, np.asarray(fault(case, *(array.astype(np.float64) for array in case.values())))) for case in cases]


def asked(kernel: Callable[[faulty.Ask], Any]) -> Ask:
    """How the diagnosis asks a faulty kernel."""

    def ask(case: Case) -> Any:
        p = case.problem
        x, w = (array.astype(np.float64) for array in case.values())
        try:
            return kernel(faulty.Ask(x, w, p.strides, p.tf_padding, p.dilations, p.groups))
        except NotImplementedError:
            return None

    return ask


def failures(ask: Ask, cases: list[Case]) -> list[tuple[Case, Any]]:
    """The smallest cases on which a kernel fails, as a campaign finds them."""
    failing = []
    for case in sorted(cases, key=lambda case: case.problem.macs):
        y = ask(case)
        x, w = (array.astype(np.float64) for array in case.values())
        allowed = elementwise_bound(case.problem, right(case, abs(x), abs(w)), abs(x), abs(w)) if case.stage == "rounding" else 0.0
        if y is not None and (y.shape != case.problem.output_shape or (abs(y - right(case, x, w)) > allowed).any()):
            failing.append((case, y))
    return failing[:12]


def named(kernel: Callable[[faulty.Ask], Any], cases: list[Case] = CASES) -> tuple[str, ...]:
    """What the diagnosis says of a faulty kernel."""
    ask = asked(kernel)
    failing = failures(ask, cases)
    assert len(failing) > 1
    return diagnose(failing, seconds=60.0, ask=ask)


CROPPED = "full convolution cropped at its first corner (windows begin the kernel's extent too early)"


def test_the_kernel_of_these_tests_is_right_without_a_fault() -> None:
    assert failures(asked(faulty.convolution), CASES) == []


@pytest.mark.parametrize(
    ("kernel", "words"),
    [
        (faulty.strides_swapped, "vertical and horizontal strides swapped"),
        (faulty.strides_swapped_in_the_loops, "vertical and horizontal strides swapped, output of the right shape"),
        (faulty.one_stride, "vertical stride used for both axes"),
        (
            faulty.window_and_step_exchanged,
            "strides and dilations exchanged (steps of the window taken for those of its taps), output of the right shape",
        ),
        (
            faulty.window_and_step_exchanged_in_as_strided,
            "strides and dilations exchanged in as_strided (steps of the window taken for those of its taps)",
        ),
        (faulty.dilations_counted_from_zero, "dilations counted from 0 (one more than asked for)"),
        (faulty.one_image_size, "image height used for both axes"),
        (faulty.flipped_and_cropped, f"{CROPPED}, and kernel flipped (true convolution)"),
        (faulty.cropped, CROPPED),
        (faulty.last_row_and_column_missing, "last output row left out (zero), and last output column left out (zero)"),
        (faulty.rounded_up, "outputs rounded up (a last window that does not fit)"),
        (faulty.late, "windows begin at the last pixel of each stride"),
        (faulty.same_not_clamped, "SAME pads not clamped at zero: windows that leave pixels over are centred"),
        (faulty.same_of_the_height, "horizontal SAME pads computed with the vertical kernel"),
        (faulty.same_pads_of_the_height, "vertical SAME pads used for both axes"),
        (faulty.same_pad_of_the_height, "SAME pads of (k - 1) // 2 on all sides, k the kernel's height"),
        (faulty.same_keeps_the_size, "SAME keeps the extents, whatever the stride"),
        (faulty.same_k_minus_stride, "SAME pads of k - stride, whatever the extent, output of the right shape"),
        (faulty.one_pad, "the top pad used on all four sides"),
        (faulty.pads_of_the_height, "vertical pads used for both axes"),
        (faulty.pads_in_torch_order, "vertical and horizontal pads swapped"),
        (faulty.pads_before_all, "pads all before the image"),
        (faulty.valid_as_same, "VALID taken for SAME"),
        (faulty.row_clamped, "pads filled with the nearest pixel, below alone"),
        (faulty.edge_clamped, "pads filled with the nearest pixel"),
        (faulty.reflected, "pads filled with the mirrored image, its edge repeated"),
        (faulty.flat_memory, "pads left and right read from the neighbouring rows (memory is flat)"),
        (faulty.pads_of_sevens, "pads filled with 7"),
        (faulty.weights_reshaped, "weights read in O, I, H, W order (reshaped, not transposed)"),
        (faulty.patches_of_channels_last, "weights read in I, H, W, O order (reshaped, not transposed)"),
        (faulty.result_reshaped, "result computed in N, C, H, W order and reshaped, not transposed"),
        (faulty.filters_times_patches_reshaped, "result computed in C, N, H, W order and reshaped, not transposed"),
        (faulty.image_as_nchw, "image read as NCHW"),
        (faulty.columns_by_height, "patches written to the wrong column of im2col (kernel's height for its width)"),
        (faulty.taps_decoded_by_height, "im2col's column decoded with the kernel's height for its width"),
        (faulty.pitch_of_the_height, "rows of x addressed by its height instead of its width"),
        (faulty.quarter_turn, "kernel turned by a quarter, counterclockwise"),
        (faulty.groups_summed, "every group reads the sum of all groups' channels"),
        (faulty.groups_ignored, "every group reads the first group's channels"),
        (faulty.group_offset_of_the_outputs, "groups of input channels begin at multiples of the output channels of a group"),
        (faulty.images_not_begun_anew, "sums not begun anew between images"),
        (faulty.channels_not_summed, "each output channel reads one input channel alone (depthwise: nothing summed over channels)"),
        (faulty.weights_of_the_first_channel, "every input channel weighed with the first one's weights"),
        (faulty.averaged, "mean over the taps in place of the sum"),
        (faulty.strides_swapped_before_same, "vertical and horizontal strides swapped, for SAME's pads as well"),
        (faulty.tiles_of_four, "outputs behind the last whole tile of 4 x 4 left out (zero)"),
        (faulty.channels_in_fours, "input channels behind the last whole 4 ignored"),
        (faulty.same_rounded_down, "outputs of SAME rounded down (extent // stride)"),
        (faulty.channels_written_over, "only the last input channel counts (written over, not added)"),
        (faulty.taps_written_over, "only the kernel's last tap counts (written over, not added)"),
        (faulty.first_image_alone, "only the first image computed"),
        (faulty.image_in_bytes, "x kept in 8 bits (uint8)"),
        (faulty.one_filter_for_all, "every output channel computed with the first one's weights"),
        (faulty.shorts, "results kept in 16 bits (int16)"),
        (faulty.image_in_half_precision, "x cut to 11 bits (TensorFloat-32)"),
        (faulty.scaled, "every result multiplied by 1.5"),
        (faulty.biased, "-3 added to every result"),
        (faulty.flipped_with_one_stride, "vertical stride used for both axes, and kernel flipped (true convolution)"),
        (
            faulty.reshaped_with_one_stride,
            "vertical stride used for both axes, and weights read in O, I, H, W order (reshaped, not transposed)",
        ),
    ],
)
def test_a_fault_is_named_and_stands_alone(kernel: Callable[[faulty.Ask], Any], words: str) -> None:
    (sentence,) = named(kernel)
    matched, _, count = sentence.removeprefix(f"matches: {words} on ").removesuffix(" failing cases").partition(" of ")
    assert matched == count, sentence


LONG = [
    Case.parse(f"{line} seed={number}")
    for number, line in enumerate((
        "x=1x1x257x1 w=1x2x1x1", "x=1x260x1x1 w=2x1x1x1", "x=1x1x300x1 w=1x3x1x2", "x=2x1x270x1 w=1x1x1x1", "x=1x5x256x1 w=2x1x1x1",
        "x=1x4x4x1 w=1x1x1x1",
    ))
]  # fmt: skip


@pytest.mark.parametrize(
    ("kernel", "words"),
    [
        (faulty.extents_in_bytes, "output extents kept in 8 bits (uint8)"),
        (faulty.columns_in_bytes, "output columns numbered in 8 bits: those from 256 on written over the first"),
        (faulty.places_in_bytes, "outputs numbered in 8 bits: those beyond 256 written over the first"),
    ],
)
def test_extents_and_places_in_bytes_are_named(kernel: Callable[[faulty.Ask], Any], words: str) -> None:
    (sentence,) = named(kernel, LONG)
    assert sentence.startswith(f"matches: {words} on ")


def test_a_phantom_output_is_named() -> None:
    lines = ("x=1x2x3x1 w=3x2x1x1", "x=1x2x2x2 w=3x3x2x2", "x=2x1x4x1 w=2x5x1x3", "x=1x2x3x2 w=4x2x2x1 padding=1,0,0,1")
    (sentence,) = named(faulty.phantom, [Case.parse(line) for line in lines])
    assert sentence == "matches: at least one output, where the kernel does not fit on 4 of 4 failing cases"


def test_a_product_of_matrices_that_forgets_the_pads_is_named() -> None:
    lines = ("x=1x2x3x1 w=1x1x1x1 padding=1,0,0,0", "x=2x2x2x2 w=1x1x2x2 padding=0,0,1,2", "x=1x3x2x2 w=1x1x2x1 padding=0,2,1,0")
    (sentence,) = named(faulty.pointwise_from_memory, [Case.parse(line) for line in lines])
    words = "pads of a 1 x 1 kernel ignored, as many pixels read from memory as there are outputs"
    assert sentence.startswith(f"matches: {words} on ")


IN_DOUBLE = [Case.parse(f"x=1x5x{4 + seed}x2 w=2x3x2x2 dtype=float64 values=integers seed={seed}") for seed in range(5)]
REAL = [Case.parse(f"x=1x5x{4 + seed}x2 w=2x3x2x2 values=normal seed={seed}") for seed in range(5)]


def in_single(x: Any) -> Any:
    """Round, as a cast to float32 and back."""
    return x.astype(np.float32).astype(np.float64)


def summed_in_single(case: Case) -> Any:
    """Sums of float32, whose roundings no other order of summation repeats."""
    x, w = (array.astype(np.float32) for array in case.values())
    y = np.zeros(case.problem.output_shape, np.float32)
    for a, b, c in np.ndindex(*w.shape[:3]):
        y += x[:, a : a + y.shape[1], b : b + y.shape[2], c, None] * w[a, b, c]
    return y.astype(np.float64)


def test_sums_in_a_lower_precision_are_recognised_whatever_their_order() -> None:
    failing = [(case, summed_in_single(case)) for case in IN_DOUBLE]
    assert diagnose(failing, seconds=60.0) == (
        "computed in float32: every wrong result is a number of float32, and errs no more than sums in float32 do",
    )
    flipped = [(case, in_single(right(case, x, w[::-1, ::-1]))) for case in IN_DOUBLE for x, w in [case.values()]]
    assert "computed in" not in "".join(diagnose(flipped, seconds=60.0))


def test_results_clamped_to_the_largest_number_are_named() -> None:
    largest = float(np.finfo(np.float32).max)
    lines = [
        f"x=1x2x{n + 3}x1 w=1x2x1x1 values=given x[0,0,0,0]={v} x[0,1,1,0]=3 w[0,0,0,0]=2" for n, v in enumerate(("nan", "inf", "-inf"))
    ]
    failing = outputs(
        lambda case, x, w: np.nan_to_num(right(case, x, w), nan=largest, posinf=largest, neginf=-largest), list(map(Case.parse, lines))
    )
    assert diagnose(failing, seconds=60.0) == ("matches: results clamped to the largest finite numbers, NaN too on 3 of 3 failing cases",)


def test_dilation_by_zeros_is_named() -> None:
    def with_zeros(case: Case, x: Any, w: Any) -> Any:
        dilated = np.zeros((2 * w.shape[0] - 1, *w.shape[1:]))
        dilated[::2] = w
        y = np.zeros(case.problem.output_shape)
        with np.errstate(all="ignore"):
            for a, b in np.ndindex(*dilated.shape[:2]):
                y += x[:, a : a + y.shape[1], b : b + y.shape[2]] @ dilated[a, b]
        return y

    line = "x=1x8x{}x1 w=2x2x1x1 dilations=2x1 values=given x[0,2,1,0]={} x[0,5,0,0]=4 w[0,0,0,0]=2 w[1,1,0,0]=1"
    cases = [Case.parse(line.format(3 + number, value)) for number, value in enumerate(("nan", "inf", "-inf"))]
    words = "dilation by zeros between the kernel's taps, which make NaN of NaN and Inf"
    assert diagnose(outputs(with_zeros, cases), seconds=60.0) == (f"matches: {words} on 3 of 3 failing cases",)


def test_operands_cut_to_integers_are_named_from_real_numbers_alone() -> None:
    failing = [(case, right(case, np.trunc(x.astype(float)), w.astype(float))) for case in REAL for x, w in [case.values()]]
    assert diagnose(failing, seconds=60.0)[0] == "matches: x cut to integers on 5 of 5 failing cases"
    cut = [(case, np.trunc(right(case, x.astype(float), w.astype(float)))) for case in REAL for x, w in [case.values()]]
    assert diagnose(cut, seconds=60.0)[0] == "matches: results cut to integers on 5 of 5 failing cases"


@pytest.mark.parametrize("garbage", [6.3e28, np.nan, -np.inf])
def test_garbage_is_told_from_sums(garbage: float) -> None:
    def unwritten(case: Case, x: Any, w: Any) -> Any:
        y = right(case, x, w)
        y[:, -1, -1, -1:] = garbage
        return y

    def large(case: Case, x: Any, w: Any) -> Any:
        return right(case, x, w) ** 2 + np.arange(case.problem.output_shape[-1]) + 3.0

    words = "NaN, infinity or huge numbers from small integers: reads outside its operands, or uninitialised memory"
    assert diagnose(outputs(unwritten, CASES[:5]), seconds=60.0) == (f"{words} on 5 of 5 failing cases",)
    assert diagnose(outputs(large, CASES[:5]), seconds=60.0) == ()


def test_garbage_hides_no_fault_that_explains_the_rest() -> None:
    failing = outputs(lambda case, x, w: right(case, x, w[::-1, ::-1]), CASES[:4])
    others = outputs(lambda case, x, w: np.full(case.problem.output_shape, 6.3e28), CASES[4:10])
    first, second = diagnose([*failing, *others], seconds=60.0)
    assert first == "matches: kernel flipped (true convolution) on 4 of 4 failing cases"
    assert second.endswith("or uninitialised memory on 6 of 10 failing cases")


def test_what_does_not_explain_the_case_that_is_shown_says_so() -> None:
    failing = outputs(lambda case, x, w: right(case, x, w[::-1, ::-1]), CASES[:9])
    (other,) = outputs(lambda case, x, w: right(case, x, w) + np.arange(case.problem.output_shape[3]) ** 2 + 1.0, CASES[9:10])
    words = "matches: kernel flipped (true convolution) on 9 of 10 failing cases"
    assert diagnose([*failing, other], seconds=60.0, shown=CASES[0]) == (words,)
    assert diagnose([*failing, other], seconds=60.0, shown=CASES[9]) == (f"{words}, not on this one",)


def test_three_faults_are_named_where_shapes_say_two_of_them() -> None:
    (sentence,) = named(faulty.reshaped_with_one_stride_and_pad)
    assert "vertical stride used for both axes" in sentence
    assert "SAME pads of (k - 1) // 2 on all sides, k the kernel's height" in sentence
    assert "weights read in O, I, H, W order" in sentence


def test_a_shape_is_explained_where_values_are_not() -> None:
    (sentence,) = named(faulty.shaken_with_one_stride)
    assert sentence.startswith("the shape matches: vertical stride used for both axes on ")


def test_one_fault_here_and_another_there_are_both_named() -> None:
    first, second = named(faulty.flipped_or_unstrided)
    assert {first.split(" on ")[0], second.split(" on ")[0]} == {
        "matches: kernel flipped (true convolution)",
        "matches: strides ignored",
    }


# What failing cases alone leave open.

ODD_KERNELS = [
    Case.parse(f"{line} strides=2x2 padding=SAME seed=3")
    for line in ("x=1x2x2x1 w=3x3x1x1", "x=1x4x4x1 w=3x3x1x1", "x=1x6x4x2 w=3x3x2x1", "x=1x4x2x1 w=3x3x1x3", "x=1x8x8x1 w=3x3x1x1")
]


def padded_as_at_stride_one(ask: faulty.Ask) -> Any:
    """The kernel of the tutorial: at stride 2 and for odd kernels its pads are SAME's at the wrong end, or (k - 1) // 2 on both sides."""
    if ask.padding == "SAME":
        ask.pads = [((taps - 1) // 2, taps - 1 - (taps - 1) // 2) for taps in ask.taps]
        ask.shape = ask.counted()
    return ask.loops()


def test_a_kernel_that_is_asked_tells_the_true_cause_from_what_looks_like_it() -> None:
    assert named(padded_as_at_stride_one, ODD_KERNELS) == ("matches: SAME pads computed without the stride on 6 of 6 failing cases",)


def test_failures_of_same_alone_are_not_laid_on_what_would_fail_elsewhere() -> None:
    """Windows that begin one pixel too early explain them as well; but then the kernel would fail with VALID, too."""
    sentences = diagnose(failures(asked(padded_as_at_stride_one), ODD_KERNELS), seconds=60.0)
    assert 1 <= len(sentences) <= 2
    assert all(sentence.startswith("matches: SAME pads ") for sentence in sentences)


def test_what_explains_more_cases_stands_alone() -> None:
    """A kernel flipped along both axes and one flipped left to right are the same but for the last case."""
    cases = [Case.parse(line) for line in ("x=1x3x4x1 w=1x2x1x1", "x=1x2x5x1 w=1x3x1x2", "x=1x3x6x1 w=1x4x1x1", "x=1x4x4x1 w=2x2x1x1")]
    assert diagnose(outputs(lambda case, x, w: right(case, x, w[:, ::-1]), cases), seconds=60.0) == (
        "matches: kernel flipped left to right on 4 of 4 failing cases",
    )


def test_an_explanation_of_few_cases_has_to_foretell_others() -> None:
    """Two flipped results of a kernel that flips nothing else."""
    cases = FEW[:2]
    flipped = outputs(lambda case, x, w: right(case, x, w[::-1, ::-1]), cases)
    assert diagnose(flipped, seconds=20.0)
    assert diagnose(flipped, seconds=20.0, ask=asked(faulty.convolution)) == ()


def test_few_failures_become_more_by_asking() -> None:
    """A last row and column of zeros leave nothing to see on the smallest problems."""
    cases = [Case.parse(line) for line in ("x=1x1x1x1 w=1x1x1x1", "x=1x2x1x1 w=2x1x1x1", "x=1x2x2x1 w=2x2x1x1")]
    failing = failures(asked(faulty.last_row_and_column_missing), cases)
    assert diagnose(failing, seconds=60.0) == ()
    (sentence,) = diagnose(failing, seconds=60.0, ask=asked(faulty.last_row_and_column_missing))
    assert sentence.startswith("matches: last output row left out (zero), and last output column left out (zero) on ")


def test_a_kernel_that_answers_nothing_is_diagnosed_from_its_failures() -> None:
    flipped = outputs(lambda case, x, w: right(case, x, w[::-1, ::-1]), FEW)
    assert diagnose(flipped, seconds=20.0, ask=lambda case: None) == ("matches: kernel flipped (true convolution) on 4 of 4 failing cases",)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (lambda case, x, w: right(case, x, w[::-1, ::-1]), "kernel flipped (true convolution)"),
        (lambda case, x, w: right(case, x, w[:, ::-1]), "kernel flipped left to right"),
        (lambda case, x, w: 2.0 * right(case, x, w), "weights used twice"),
    ],
)
def test_a_known_fault_is_named_from_its_outputs(fault: Callable[[Case, Any, Any], Any], words: str) -> None:
    assert diagnose(outputs(fault, FEW), seconds=20.0) == (f"matches: {words} on 4 of 4 failing cases",)


def test_an_unknown_fault_has_no_name() -> None:
    def odd(case: Case, x: Any, w: Any) -> Any:
        return right(case, x, w) + np.arange(case.problem.output_shape[-1]) ** 2 + 1.0

    assert diagnose(outputs(odd, FEW), seconds=20.0) == ()


def test_results_that_are_zero_all_over_say_nothing() -> None:
    assert diagnose(outputs(lambda case, x, w: 0.0 * right(case, x, w), FEW), seconds=20.0) == ()


def test_one_case_is_not_enough() -> None:
    flipped = outputs(lambda case, x, w: right(case, x, w[::-1, ::-1]), FEW[:1])
    assert diagnose(flipped, seconds=20.0) == ()
    assert diagnose(flipped * 2, seconds=20.0)


def test_a_kernel_in_nchw_that_heeds_no_strides_is_named_by_its_own_memory() -> None:
    axes = ((0, 3, 1, 2), (3, 2, 0, 1))
    failing = []
    for number, layout in enumerate(("sliced", "transposed", "fortran", "sliced")):
        case = Case.parse(f"x=1x4x5x2 w=2x3x2x{number + 1} layouts={layout},contiguous seed={number}")
        x, w = case.operands(axes)
        dense = np.cumprod([1, *x.array.shape[:0:-1]])[::-1] * x.array.itemsize
        memory = np.lib.stride_tricks.as_strided(x.array, x.array.shape, dense)
        failing.append(
            (case, right(case, memory.transpose(0, 2, 3, 1).astype(np.float64), w.array.transpose(2, 3, 1, 0).astype(np.float64)))
        )
    # What lies between the elements of a slice is NaN, which is told apart: two cases are left to explain.
    cause, garbage = diagnose(failing, seconds=20.0, axes=axes)
    assert cause == "matches: strides of x not heeded: its memory read as if it were contiguous on 2 of 2 failing cases"
    assert "reads outside its operands" in garbage


def test_no_failure_has_no_diagnosis() -> None:
    assert diagnose([]) == ()


def test_no_time_is_no_diagnosis() -> None:
    assert diagnose(outputs(lambda case, x, w: right(case, x, w[::-1, ::-1]), FEW), seconds=0.0) == ()


def test_a_mutant_is_not_explained_by_itself() -> None:
    def odd_tap_lost(case: Case, x: Any, w: Any) -> Any:
        w = w.copy()
        w[-1, -1] = 0.0
        return right(case, x, w)

    cases = [Case.parse(line) for line in ("x=1x6x6x1 w=3x5x1x1", "x=1x7x8x2 w=5x3x2x1", "x=2x5x5x1 w=5x5x1x2", "x=1x4x12x1 w=1x11x1x1")]
    named = "\n".join(diagnose(outputs(odd_tap_lost, cases), seconds=20.0))
    assert "mutant odd_tap_beyond_nine" in named
    assert "mutant odd_tap_beyond_nine" not in "\n".join(
        diagnose(outputs(odd_tap_lost, cases), seconds=20.0, without="odd_tap_beyond_nine")
    )


# Kernels that are right by another rule.


def asked_by_contract(kernel: Callable[..., Any]) -> Ask:
    """How the diagnosis asks a kernel in the contract."""

    def ask(case: Case) -> Any:
        p = case.problem
        x, w = case.values()
        try:
            y = kernel(x, w, strides=p.strides, padding=p.tf_padding, dilations=p.dilations, groups=p.groups)
        except NotImplementedError:
            return None
        return y.astype(np.float64)

    return ask


INTEGERS = [
    Case.parse(f"{line} values={values} seed={seed}")
    for seed, (line, values) in enumerate((
        ("x=1x8x8x1 w=3x3x1x1", "integers"), ("x=1x7x9x2 w=3x3x2x3", "integers"), ("x=2x6x8x2 w=3x3x2x2 padding=SAME", "long_integers"),
        ("x=1x9x9x4 w=3x3x4x1 padding=SAME", "cancelling_integers"), ("x=1x6x6x1 w=3x3x1x2 dtype=float64", "integers"),
    ))
]  # fmt: skip
REALS = [
    Case.parse(f"{line} values={values} seed={seed}")
    for line in ("x=1x8x8x1 w=3x3x1x1", "x=1x7x9x2 w=3x3x2x3", "x=1x9x9x4 w=3x3x4x2 dtype=float64")
    for seed, values in enumerate(("normal", "mixed", "mixed", "cancelling"))
]
IMPULSES = [Case.parse(f"x=1x9x9x1 w=3x3x1x{channels} values=impulse seed={channels}") for channels in range(1, 7)]


@pytest.mark.parametrize("kernel", [conv2d_winograd_2x2, conv2d_winograd_4x4, conv2d_fft])
def test_winograd_and_fourier_are_recognised_by_asking(kernel: Callable[..., Any]) -> None:
    ask = asked_by_contract(kernel)
    (sentence,) = diagnose(failures(ask, INTEGERS + REALS), seconds=20.0, ask=ask)
    assert "errs by the norm" in sentence
    assert "--accuracy normwise" in sentence


@pytest.mark.parametrize("kernel", [conv2d_winograd_4x4, conv2d_fft])
def test_winograd_and_fourier_are_recognised_by_what_they_return_where_there_is_nothing_to_sum(kernel: Callable[..., Any]) -> None:
    (sentence,) = diagnose(failures(asked_by_contract(kernel), IMPULSES), seconds=20.0)
    assert "--accuracy normwise" in sentence


def rounded_to(bits: int) -> Callable[..., Any]:
    """A direct summation whose operands lose digits."""

    def kernel(x: Any, w: Any, **parameters: Any) -> Any:
        mantissa, exponent = np.frexp(x.astype(np.float64))
        x = np.ldexp(np.rint(np.ldexp(mantissa, bits)), exponent - bits)
        return faulty.Ask(x, w.astype(np.float64), *parameters.values()).loops()

    return kernel


def last_bits_spoilt(x: Any, w: Any, **parameters: Any) -> Any:
    y = faulty.Ask(x.astype(np.float64), w.astype(np.float64), *parameters.values()).loops()
    return np.nextafter(y, np.inf) if x.dtype == np.float64 else np.nextafter(y.astype(np.float32), np.float32(np.inf))


@pytest.mark.parametrize("kernel", [rounded_to(8), rounded_to(13), rounded_to(20), last_bits_spoilt])
def test_a_direct_summation_of_low_precision_is_not_taken_for_winograds(kernel: Callable[..., Any]) -> None:
    ask = asked_by_contract(kernel)
    failing = failures(ask, INTEGERS + IMPULSES + REALS)
    assert len(failing) > 1
    assert "normwise" not in "".join(diagnose(failing, seconds=20.0, ask=ask))


def test_a_wrong_winograd_is_not_excused() -> None:
    def kernel(x: Any, w: Any, **parameters: Any) -> Any:
        return conv2d_winograd_4x4(x, w[::-1], **parameters)

    ask = asked_by_contract(kernel)
    assert "normwise" not in "".join(diagnose(failures(ask, INTEGERS), seconds=20.0, ask=ask))
