"""The pytest plugin, as its users meet it: small test files, run by a pytest inside this one."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from convverify.campaign.options import Options
from convverify.judging.properties import properties
from convverify.operands.fills import styles
from convverify.problems.suites import suites
from convverify.pytest_plugin import campaigns, collection, expected, fixtures, options, summary
from convverify.targets import SHIPPED

pytest_plugins = ["pytester"]

# The pytest inside forgets what it has imported when it ends; registries would be filled a second time by the next.
assert all(registry.names() for registry in (*SHIPPED, properties, styles, suites))
assert all((campaigns, collection, expected, fixtures, options, summary))

FAST = 'references="exact", problems="x=1x3x4x2 w=2x2x2x3"'
HERE = f"isolation=False, {FAST}"  # in the process of the test: faster
KERNELS = """
import warnings
from pathlib import Path

from convverify import conv2d_matmul_offsets

def right(x, w):
    return conv2d_matmul_offsets(x, w)

def flipped(x, w):
    return conv2d_matmul_offsets(x, w[::-1, ::-1])

def counted(x, w):
    with Path("calls").open("a") as file:
        file.write(".")
    return conv2d_matmul_offsets(x, w)

def warns(x, w):
    warnings.warn("slow path")
    return conv2d_matmul_offsets(x, w)

def unsupported(x, w):
    raise NotImplementedError
"""
HEAD = "import convverify\nfrom convverify.testing import verify_convolution\nfrom kernels import *\n"


def run(pytester: pytest.Pytester, tests: str, *arguments: str) -> pytest.RunResult:
    """Run some tests on the kernels, in this process; without pytest-xdist, whose workers need one of their own."""
    pytester.makepyfile(kernels=KERNELS, test_it=HEAD + tests)
    pytester.syspathinsert()
    return pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:xdist", *arguments)


def failure_of(result: pytest.RunResult) -> list[str]:
    """Return the lines from the first failure to the summary."""
    lines = result.outlines
    start = next(number for number, line in enumerate(lines) if "FAILURES" in line)
    return lines[start : next(number for number, line in enumerate(lines) if number > start and line.startswith("=="))]


# One line in a test.


def test_one_line_verifies_a_kernel(pytester: pytest.Pytester) -> None:
    run(pytester, f"def test_right():\n    verify_convolution(right, {HERE})\n").assert_outcomes(passed=1)


def test_a_failure_is_the_report_on_one_screen_and_its_replay_line_works(pytester: pytest.Pytester) -> None:
    result = run(pytester, f"def test_flipped():\n    verify_convolution(flipped, {FAST})\n")
    result.assert_outcomes(failed=1)
    failure = failure_of(result)
    text = "\n".join(failure)
    assert len(failure) <= 24, text
    assert "kernels:flipped is refuted\nexact_on_integers: 1 of 1 elements differ from the exact sum of the products\n" in text
    assert "smallest case: x=1x1x2x1 w=1x2x1x1 values=given x[0,0,1,0]=1 w[0,1,0,0]=1" in text
    assert "matches: kernel flipped (true convolution)" in text
    assert not any(word in text for word in ("Traceback", "def verify_convolution", "array("))
    result.stdout.fnmatch_lines(["FAILED test_it.py::test_flipped - convverify.NotVerified: kernels:flipped is *"])
    words = shlex.split(failure[failure.index("  replay:") + 1])
    assert words[:3] == ["convverify", "replay", "kernels:flipped"]
    done = subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.startswith("REFUTED  kernels:flipped: exact_on_integers does not hold")) == (1, True), done


def test_a_method_of_unittest_fails_with_the_same_text(pytester: pytest.Pytester) -> None:
    tests = f"""
import unittest
class Tests(unittest.TestCase):
    @convverify.kernel_test(flipped, {HERE})
    def test_decorated(self): ...
"""
    result = run(pytester, tests)
    result.assert_outcomes(failed=1)
    assert failure_of(result)[2] == "kernels:flipped is refuted"


# One test for each property.


def test_a_failure_names_the_property_and_the_rest_is_judged_for_itself(pytester: pytest.Pytester) -> None:
    result = run(pytester, f"@convverify.kernel_test(flipped, {HERE})\ndef test_flipped():\n    pass\n", "-v", "-rs")
    outcomes = result.parseoutcomes()
    assert sum(outcomes.values()) == len(properties)
    result.stdout.fnmatch_lines(["*test_flipped?completes? PASSED*", "*test_flipped?exact_on_integers? FAILED*"])
    result.stdout.fnmatch_lines(["SKIPPED [[]*[]] test_it.py:*: not judged on any of * cases, after which *exact_on_integers*"])
    assert "exact_on_integers: 1 of 1 elements differ" in "\n".join(failure_of(result))


def test_all_properties_share_one_campaign(pytester: pytest.Pytester) -> None:
    tests = f"@convverify.kernel_test(counted, {HERE})\ndef test_counted(): ...\n"
    run(pytester, tests, "-k", "shape").assert_outcomes(passed=1, deselected=len(properties) - 1)
    calls = len(Path("calls").read_text())
    run(pytester, tests)
    assert calls > 0
    assert len(Path("calls").read_text()) == 2 * calls


def test_the_body_runs_after_its_property_with_fixtures_and_parameters(pytester: pytest.Pytester) -> None:
    tests = f"""
import pytest
@pytest.mark.parametrize("number", [1, 2])
@convverify.kernel_test(right, {HERE}, properties=["completes", "shape"])
def test_right(number, tmp_path):
    assert tmp_path.is_dir() and number == 1
"""
    result = run(pytester, tests, "-rf")
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(["FAILED test_it.py::test_right*2* - Assert*"])


def test_what_cannot_be_tested_does_not_pass(pytester: pytest.Pytester) -> None:
    tests = f'@convverify.kernel_test(unsupported, {HERE}, properties="completes,shape")\ndef test_unsupported(): ...\n'
    result = run(pytester, tests)
    result.assert_outcomes(failed=2)
    assert failure_of(result)[2].startswith("kernels:unsupported is not verified: inconclusive: nothing could be tested: ")


def test_a_kernel_is_not_blamed_for_warnings_that_pytest_takes_for_errors(pytester: pytest.Pytester) -> None:
    run(pytester, f"def test_warns():\n    verify_convolution(warns, {HERE})\n", "-W", "error").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("kernel", "told"),
    [
        ("right, max_example=3", "test_wrong: option 'max_example' is unknown; known: references"),
        ("lambda x: x", "test_wrong: kernel test_it:<lambda> must take two operands"),
        ("'lops'", "test_wrong: target 'lops' is unknown; did you mean 'loops'?"),
    ],
)
def test_wrong_use_is_told_when_tests_are_collected(pytester: pytest.Pytester, kernel: str, told: str) -> None:
    result = run(pytester, f"@convverify.kernel_test({kernel})\ndef test_wrong(): ...\n")
    result.assert_outcomes(errors=1)
    assert any(line.startswith(told) for line in result.outlines), result.outlines


def test_one_function_is_for_one_kernel(pytester: pytest.Pytester) -> None:
    result = run(pytester, "@convverify.kernel_test(right)\n@convverify.kernel_test(flipped)\ndef test_two(): ...\n")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*TypeError: test_two is a kernel_test already; write one test function for each kernel"])


def test_without_the_plugin_one_test_verifies_all(pytester: pytest.Pytester) -> None:
    tests = f"@convverify.kernel_test(right, {HERE})\ndef test_right(): ...\n"
    tests += f"@convverify.kernel_test(flipped, {HERE})\ndef test_flipped(): ...\n"
    run(pytester, tests, "-p", "no:convverify").assert_outcomes(passed=1, failed=1)


# Kernels without a test file.

ONE = ("--convverify-reference", "exact", "--convverify-problem", "x=1x3x4x2 w=2x2x2x3", "--convverify-no-isolation")


def test_a_kernel_needs_no_test_file_and_leaves_others_alone(pytester: pytest.Pytester) -> None:
    result = run(pytester, "def test_other(): ...\n", "--convverify", "kernels:right", *ONE, "-k", "kernels and (shape or dtype)", "-v")
    result.assert_outcomes(passed=2, deselected=len(properties) - 2)
    result.stdout.fnmatch_lines(["convverify::kernels:right[[]shape[]] PASSED*"])


def test_with_a_path_both_are_run(pytester: pytest.Pytester) -> None:
    result = run(pytester, "def test_other(): ...\n", "--convverify", "kernels:right", *ONE, "-k", "shape or other", "test_it.py")
    result.assert_outcomes(passed=2, deselected=len(properties) - 1)


def test_an_unknown_target_is_told(pytester: pytest.Pytester) -> None:
    result = run(pytester, "", "--convverify", "lops")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*target 'lops' is unknown; did you mean 'loops'?*"])


# Options.


def test_options_are_those_of_check_and_the_command_line_wins(pytester: pytest.Pytester) -> None:
    words = (
        "--convverify-max-examples=7",
        "--convverify-dtype=float16,float64",
        "--convverify-layout",
        "nchw",
        "--convverify-workers",
        "auto",
    )
    config = pytester.parseconfigure("--hypothesis-seed", "5", "--convverify-no-isolation", *words)
    made = campaigns.plan(config, "loops", {"max_examples": 3, "timeout": 9, "seed": 1}).options
    assert (made.max_examples, made.timeout, made.seed, made.isolation) == (7, 9.0, 5, False)
    assert (made.dtypes, made.data_format) == (("float16", "float64"), "NCHW")
    assert made.workers >= 1


def test_the_project_configures_what_neither_test_nor_command_line_says(pytester: pytest.Pytester) -> None:
    pytester.makepyprojecttoml('[tool.convverify]\nmax-examples = 11\ntimeout = 4\nseed = 12\ndtype = "float64"\nhtml = "report.html"\n')
    made = campaigns.plan(pytester.parseconfigure("--convverify-seed", "13"), "loops", {"max_examples": 3}).options
    assert (made.max_examples, made.timeout, made.seed, made.dtypes) == (3, 4.0, 13, ("float64",))


def test_a_seed_of_our_own_comes_before_that_of_hypothesis(pytester: pytest.Pytester) -> None:
    assert options.given(pytester.parseconfigure("--hypothesis-seed", "5", "--convverify-seed", "6"))["seed"] == 6
    assert (
        options.given(pytester.parseconfigure("--hypothesis-seed", "tuesday"))["seed"]
        == options.given(pytester.parseconfigure("--hypothesis-seed", "tuesday"))["seed"]
    )


def test_a_seed_of_hypothesis_of_any_length_is_one_of_ours(pytester: pytest.Pytester) -> None:
    seeds = [options.given(pytester.parseconfigure("--hypothesis-seed", text))["seed"] for text in ("1" + "0" * 400, "1_0", "٣", "-7")]
    assert all(0 <= seed < 2**64 for seed in seeds)
    assert (seeds[1] == 10, seeds[3]) == (False, 7)


def test_without_options_those_of_verify_hold(pytester: pytest.Pytester) -> None:
    assert campaigns.plan(pytester.parseconfigure(), "loops", {}).options == Options("loops")


def test_a_wrong_option_is_told(pytester: pytest.Pytester) -> None:
    result = run(pytester, "@convverify.kernel_test(right)\ndef test_right(): ...\n", "--convverify-max-examples", "many")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: Invalid value for '--max-examples': 'many' is not a valid integer*"])


def test_help_shows_the_options_of_check(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess("--help", "-p", "no:xdist")
    result.stdout.fnmatch_lines(["*--convverify-xfail=FILE*", "*--convverify-max-examples=INTEGER*", "*--convverify-no-isolation*"])


# Expected failures, statistics, fixtures.


def test_expected_failures_are_strict(pytester: pytest.Pytester) -> None:
    pytester.maketxtfile(known="# known\nkernels:flipped exact_on_integers  # flips\nkernels:flipped shape  # not at all\n")
    tests = f"@convverify.kernel_test(flipped, {HERE})\ndef test_flipped(): ...\n"
    result = run(pytester, tests, "--convverify-xfail", "known.txt", "-k", "exact_on_integers or shape or dtype", "-rx")
    result.assert_outcomes(xfailed=1, failed=1, passed=1, deselected=len(properties) - 3)
    result.stdout.fnmatch_lines(["*test_flipped?shape?*", "?XPASS(strict)? not at all", "XFAIL *test_flipped?exact_on_integers? - flips"])


def test_what_cannot_be_tested_is_not_an_expected_failure(pytester: pytest.Pytester) -> None:
    pytester.maketxtfile(known="kernels:unsupported completes  # not done\n")
    tests = f"@convverify.kernel_test(unsupported, {HERE}, properties='completes')\ndef test_it(): ...\n"
    run(pytester, tests, "--convverify-xfail", "known.txt").assert_outcomes(failed=1)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("shape  # why", "known.txt:1: a line must be `target property  # reason`, not 'shape  # why'"),
        ("loops speed  # why", "known.txt:1: property 'speed' is unknown; known: "),
        ("loops shape", "known.txt:1: give the reason after #"),
    ],
)
def test_a_wrong_line_of_expected_failures_is_told(pytester: pytest.Pytester, line: str, told: str) -> None:
    pytester.maketxtfile(known=line)
    with pytest.raises(pytest.UsageError) as caught:
        expected.read(Path("known.txt"))
    assert told in str(caught.value)


def test_a_missing_file_of_expected_failures_is_told(pytester: pytest.Pytester) -> None:
    result = run(pytester, "def test_other(): ...\n", "--convverify-xfail", "none.txt")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --convverify-xfail: file *none.txt* cannot be read: *"])


def test_a_pipe_is_no_list_of_expected_failures(pytester: pytest.Pytester) -> None:
    os.mkfifo(pytester.path / "known")
    result = run(pytester, "def test_other(): ...\n", "--convverify-xfail", "known")
    result.stderr.fnmatch_lines(["ERROR: --convverify-xfail: file '*known' is no regular file"])


# Names that are more than names elsewhere.


def test_what_reads_like_an_emoji_or_a_command_is_shown_as_typed(pytester: pytest.Pytester) -> None:
    (pytester.path / "a:key:b.py").write_text(KERNELS + "\ndef says(x, w):\n    raise KeyError('c:fire:d ##[add-mask]x')\n")
    tests = f"def test_says():\n    verify_convolution('a:key:b.py:says', {FAST})\n"
    text = run(pytester, tests, "--convverify-stats").stdout.str()
    assert "completes: the kernel raised KeyError: 'c:fire:d #\\x23[add-mask]x'" in text
    assert "REFUTED  a:key:b.py:says: " in text
    assert "🔑" not in text


ESCAPE = "\x1b[31mred.py"


def test_a_file_name_steers_no_terminal(pytester: pytest.Pytester) -> None:
    (pytester.path / ESCAPE).write_text(KERNELS)
    (pytester.path / "list\x1b[31m").write_text("kernels:right beauty  # no property\n")
    target = ("--convverify", f"{ESCAPE}:flipped", "--convverify-reference", "exact", "--convverify-problem", "x=1x3x4x2 w=2x2x2x3")
    named = run(pytester, "", *target, "-v", "--convverify-stats", "--color", "no")
    assert named.parseoutcomes()["failed"]
    wrong = [
        run(pytester, "", *target, "--convverify-xfail", "list\x1b[31m"),
        run(pytester, "", *target, "--convverify-layout", "\x1b[31m"),
        run(pytester, "", "--convverify", f"absent{ESCAPE}:flipped", "--color", "no"),
    ]
    assert all(result.ret for result in wrong)
    for result in (named, *wrong):
        assert "x1b[31m" in result.stdout.str() + result.stderr.str()
        assert "\x1b" not in result.stdout.str() + result.stderr.str()


def test_statistics_are_shown_once_for_each_kernel(pytester: pytest.Pytester) -> None:
    tests = f"""
@convverify.kernel_test(flipped, {HERE})
def test_flipped(): ...
def test_right():
    verify_convolution(right, {HERE})
"""
    text = run(pytester, tests, "--convverify-stats").stdout.str()
    assert text.count("\nREFUTED  kernels:flipped: ") == 1
    assert text.count("\nVERIFIED  kernels:right: ") == 1
    assert "\nexact_on_integers" in text
    assert "VERIFIED" not in run(pytester, tests).stdout.str()


def test_fixtures_give_operands_and_references(pytester: pytest.Pytester) -> None:
    tests = """
import numpy as np
def test_it(convverify_operands, convverify_reference):
    x, w = convverify_operands("x=1x3x4x2 w=2x2x2x3 strides=2x1 layouts=fortran,contiguous")
    assert x.shape == (1, 3, 4, 2) and x.flags.f_contiguous and w.shape == (2, 2, 2, 3)
    exact, loops = convverify_reference(), convverify_reference("loops")
    np.testing.assert_array_equal(exact(x, w, strides=(2, 1)), loops(x, w, strides=(2, 1)))
"""
    run(pytester, tests).assert_outcomes(passed=1)


# Processes.


def test_processes_of_xdist_share_one_campaign(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(kernels=KERNELS, test_it=HEAD + f"@convverify.kernel_test(counted, {FAST})\ndef test_counted(): ...\n")
    words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--convverify-stats"]
    done = subprocess.run([*words, "-n", "2"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("VERIFIED  kernels:counted: ") == 1
    calls = len(Path("calls").read_text())
    run(pytester, f"def test_counted():\n    verify_convolution(counted, {FAST})\n").assert_outcomes(passed=1)
    assert len(Path("calls").read_text()) == 2 * calls


INERT = """
import sys, pytest

class Look:
    def pytest_unconfigure(self):
        print("loaded:", *sorted({"tensorflow", "hypothesis", "numba", "numpy", "click", "convverify.campaign.options"} & set(sys.modules)))

pytest.main(["-q", "-p", "no:hypothesispytest", "-p", "no:cacheprovider", "--strict-markers", "-W", "error"], plugins=[Look()])
print(*sorted(name for name in sys.modules if name.startswith("convverify")))
"""


def test_the_plugin_loads_nothing_where_it_is_not_used(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_other(): ...\n")
    done = subprocess.run([sys.executable, "-c", INERT], capture_output=True, text=True, timeout=120)
    assert "1 passed" in done.stdout
    assert "\nloaded:\nconvverify convverify._aliases convverify.pytest_plugin convverify.testing\n" in done.stdout, done.stdout
