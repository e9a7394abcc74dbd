"""The command line, as a user meets it: through processes, in directories of their own."""

from __future__ import annotations

import contextlib
import json
import resource
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from click.shell_completion import get_completion_class
from command_line import COMMAND, KERNELS, ONE, PATIENCE, QUICK, run, start, surroundings, wait_for

from convverify import __version__
from convverify.cli import main
from convverify.generation.corpus import files
from convverify.operands.case import Case

CORPUS = Path(".convverify")


def one_sentence(done: subprocess.CompletedProcess[str]) -> str:
    """Assert that a run ended as wrong usage does, and return its sentence."""
    lines = done.stderr.splitlines()
    assert done.returncode == 2, done
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("convverify: ")
    assert "Traceback" not in done.stdout
    return lines[0]


# Verdicts.


def test_a_right_kernel_is_verified_against_tensorflow(tmp_path: Path) -> None:
    done = run("check", "matmul", "--max-examples", "20", "--max-macs", "2000", "--seed", "5", "--json", "report.json", cwd=tmp_path)
    assert done.returncode == 0, done
    assert done.stderr == ""
    assert "VERIFIED  matmul: 0 counterexamples in " in done.stdout
    assert done.stdout.startswith(f"convverify {__version__}: matmul against tensorflow, seed 5\n")
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["statistics"]["judged"]["matches_reference"] > 300
    assert report["statistics"]["problems"] > 300
    assert all(fault["reference"] == "tensorflow" for fault in report["reference_faults"])  # its empty results: not the kernel's fault


def test_a_flipped_kernel_is_refuted_shrunk_and_named(tmp_path: Path) -> None:
    done = run("check", "kernels.py:flipped", *QUICK, "--json", "report.json", cwd=tmp_path)
    assert done.returncode == 1, done
    assert done.stderr == ""
    assert "REFUTED  kernels.py:flipped: " in done.stdout
    assert "matches: kernel flipped (true convolution)" in done.stdout
    report = json.loads((tmp_path / "report.json").read_text())
    example = report["counterexamples"][0]
    assert (report["verdict"], example["property"]) == ("refuted", "exact_on_integers")
    problem = Case.parse(example["case"]).problem
    assert (problem.batch, problem.in_channels, problem.out_channels) == (1, 1, 1)
    assert sorted((problem.kernel_height, problem.kernel_width)) == [1, 2]
    assert example["case"] in done.stdout
    kept = [json.loads(path.read_text())["case"] for path in files(tmp_path / CORPUS, "kernels.py:flipped")]
    assert example["case"] in kept


def test_a_counterexample_is_tried_first_next_time(tmp_path: Path) -> None:
    line = "x=1x1x6x1 w=1x1x1x1 values=integers seed=0"
    run("check", "kernels.py:wrong_on_wide_images", "--reference", "exact", "--problem", "x=1x1x6x1 w=1x1x1x1", cwd=tmp_path)
    assert files(tmp_path / CORPUS, "kernels.py:wrong_on_wide_images")
    again = run("check", "kernels.py:wrong_on_wide_images", *ONE, "--json", "report.json", cwd=tmp_path)  # a problem that it passes
    assert again.returncode == 1
    assert Case.parse(json.loads((tmp_path / "report.json").read_text())["counterexamples"][0]["case"]).problem == Case.parse(line).problem


def test_a_kernel_that_supports_nothing_is_inconclusive(tmp_path: Path) -> None:
    done = run("check", "kernels.py:unsupported", *ONE, cwd=tmp_path)
    assert done.returncode == 3
    assert "INCONCLUSIVE  kernels.py:unsupported: nothing could be tested" in done.stdout


def test_several_targets_end_with_the_worst_status(tmp_path: Path) -> None:
    done = run("check", "kernels.py:right", "kernels.py:unsupported", *ONE, "--json", "report.json", cwd=tmp_path)
    assert done.returncode == 3
    assert [report["verdict"] for report in json.loads((tmp_path / "report.json").read_text())] == ["verified", "inconclusive"]


def test_json_holds_what_a_program_needs(tmp_path: Path) -> None:
    done = run("check", "kernels.py:flipped", *QUICK, "--seed", "7", "--json", "report.json", cwd=tmp_path)
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["schema"], report["seed"], report["target"], report["options"]["references"]) == (1, 7, "kernels.py:flipped", ["exact"])
    assert {"cases", "problems", "judged", "crosses", "worst", "times", "seconds"} <= set(report["statistics"])
    assert report["counterexamples"][0]["worst"]["wrong"] > 0
    assert {"python", "numpy", "convverify"} <= set(report["environment"]) | {"convverify"}
    assert f"in {report['statistics']['cases']} cases" in done.stdout


def test_a_seed_gives_the_same_counterexample(tmp_path: Path) -> None:
    reports = []
    for name in ("first", "second"):
        run("check", "kernels.py:flipped", *QUICK, "--seed", "3", "--corpus", name, "--json", f"{name}.json", cwd=tmp_path)
        reports.append(json.loads((tmp_path / f"{name}.json").read_text()))
    assert reports[0]["counterexamples"][0]["case"] == reports[1]["counterexamples"][0]["case"]


def test_workers_share_the_work(tmp_path: Path) -> None:
    words = (
        "check",
        "kernels.py:right",
        "--reference",
        "exact",
        "--max-examples",
        "300",
        "--max-macs",
        "500",
        "--seed",
        "1",
        "--max-time",
        "1000",
    )
    for workers in ("1", "2"):
        run(*words, "--workers", workers, "--json", f"{workers}.json", cwd=tmp_path)
    one, two = (json.loads((tmp_path / f"{workers}.json").read_text())["statistics"] for workers in ("1", "2"))
    assert two["cases"] == one["cases"] + 1  # each worker judges the call that tells it the kernel's speed
    assert two["judged"]["exact_on_integers"] == one["judged"]["exact_on_integers"] + 1


def test_without_isolation_the_verdicts_are_the_same(tmp_path: Path) -> None:
    assert run("check", "kernels.py:right", *ONE, "--no-isolation", cwd=tmp_path).returncode == 0
    refuted = run("check", "kernels.py:flipped", *QUICK, "--no-isolation", cwd=tmp_path)
    assert refuted.returncode == 1
    assert "exact_on_integers" in refuted.stdout


def test_what_a_kernel_says_cannot_steer_the_terminal(tmp_path: Path) -> None:
    done = run("check", "kernels.py:escapes", *ONE, cwd=tmp_path)
    assert done.returncode == 1
    assert "\x1b" not in done.stdout
    assert "[bold]markup[/bold] second line" in done.stdout


# Replay.


def test_a_replayed_case_fails_or_passes(tmp_path: Path) -> None:
    line = "x=1x1x2x1 w=1x2x1x1 values=integers seed=3"
    assert run("replay", "kernels.py:flipped", line, cwd=tmp_path).returncode == 1
    passed = run("replay", "kernels.py:right", line, cwd=tmp_path)
    assert passed.returncode == 0
    assert "PASSES" in passed.stdout


def test_a_file_of_the_corpus_is_replayed(tmp_path: Path) -> None:
    run("check", "kernels.py:flipped", *QUICK, cwd=tmp_path)
    (file,) = files(tmp_path / CORPUS, "kernels.py:flipped")[:1]
    assert run("replay", "kernels.py:flipped", str(file), cwd=tmp_path).returncode == 1


def test_a_reference_can_be_asked_about_a_case(tmp_path: Path) -> None:
    done = run("replay", "kernels.py:flipped", "x=1x1x2x1 w=1x2x1x1", "--reference", "exact", cwd=tmp_path)
    assert "exact is right on this case" in done.stdout


# Wrong usage: status 2, and one sentence.


WRONG_TARGETS = {
    "nothing": "target 'nothing' is unknown",
    "absent.py:kernel": "there is no file 'absent.py'",
    "absent:kernel": "there is no module 'absent'",
    "broken.py:kernel": "file 'broken.py' failed to import: ZeroDivisionError",
    "kernels.py:absent": "kernels.py has no attribute 'absent'",
    "kernels.py:number": "kernels.py:number is not callable: it is of type int",
    "kernels.py:greedy": "requires the unknown parameter 'bias'",
}


@pytest.mark.parametrize("target", WRONG_TARGETS)
def test_a_wrong_target_is_one_sentence(tmp_path: Path, target: str) -> None:
    (tmp_path / "broken.py").write_text("1 / 0\n")
    assert WRONG_TARGETS[target] in one_sentence(run("check", target, *QUICK, cwd=tmp_path))


def test_a_wrong_target_of_a_replay_is_one_sentence(tmp_path: Path) -> None:
    assert "there is no file 'absent.py'" in one_sentence(run("replay", "absent.py:kernel", "x=1x1x1x1 w=1x1x1x1", cwd=tmp_path))


WRONG_PROBLEMS = {
    "x=1x3x3x1 w=1x1x1x1 strides=0x1": "strides must be at least 1, not 0",
    "x=1x3x3x1 w=1x1x1x1 padding=0,-1,0,0": "padding (bottom) must be at least 0, not -1",
    "x=1x3x3x3 w=1x1x2x2": "x has 3 channels, which are not a multiple of w's 2",
    "x=1x3x3x4 w=1x1x2x3": "out_channels must be a multiple of groups=2, not 3",
    "x=1x3x3x1": "key 'w' is missing",
    "ic3ih8oc4kh3sh0": "key 'sh' must be at least 1, not 0",
    "rubbish": "cannot be read at 'rubbish'",
}


@pytest.mark.parametrize("line", WRONG_PROBLEMS)
def test_an_impossible_problem_is_one_sentence(tmp_path: Path, line: str) -> None:
    assert WRONG_PROBLEMS[line] in one_sentence(run("check", "loops", "--problem", line, cwd=tmp_path))


def test_a_kernel_larger_than_the_padded_image_is_legal_and_no_evidence(tmp_path: Path) -> None:
    done = run("check", "matmul", "--reference", "exact", "--problem", "x=1x3x3x1 w=5x5x1x1", cwd=tmp_path)
    assert done.returncode == 3, done
    assert "nothing could be tested: no result with elements was judged" in done.stdout
    both = run(
        "check", "matmul", "--reference", "exact", "--problem", "x=1x3x3x1 w=5x5x1x1", "--problem", "x=1x5x5x1 w=5x5x1x1", cwd=tmp_path
    )
    assert both.returncode == 0, both


MORE = ("--reference", "exact", "--max-examples", "500", "--max-macs", "500")  # three shards

WRONG_OPTIONS = {
    ("check", "loops", "--max-examples", "-1"): "max_examples must be at least 0",
    ("check", "loops", "--max-examples", "many"): "'many' is not a valid integer",
    ("check", "loops", "--max-examples", "1_0"): "'1_0' is not a valid integer",
    ("check", "loops", "--workers", "²"): "workers must be a number from 1, or auto, not '²'",
    ("check", "loops", "--batch", "²"): "'²' is not a valid integer",
    ("check", "loops", "--seed", "1" + "0" * 400): "is not a valid integer, of up to 20 digits",
    ("check", "loops", "--max-time", "nan"): "max_time must be more than 0 seconds, not nan",
    ("check", "loops", "--json", "a/../loop/report.json"): "json must be a file in a directory that exists",
    ("compare", "loops", "--batch", "²"): "batch must be numbers from 1, not '²'",
    ("mutants", "kernel_flipped", "--jobs", "0"): "0 is not from 1 to 1024",
    ("report", "--factor", "nan"): "nan is not more than 1",
    ("replay", "loops", "deep.json"): "file 'deep.json' is nested too deep to be read",
    ("replay", "loops", "zeros.json"): "file 'zeros.json' has more than 16 MiB",
    ("replay", "loops", "x" * 300): "cannot be read at 'xxx",
    ("check", "loops", "--max-time", "0"): "max_time must be more than 0 seconds",
    ("check", "loops", "--seed", "-1"): "seed must be at least 0",
    ("check", "loops", "--dtype", "int8"): "dtype must be one of float16, bfloat16, float32, float64, not 'int8'",
    ("check", "loops", "--layout", "HWC"): "'HWC' is not one of ",
    ("check", "loops", "--accuracy", "good"): "'good' is not one of 'elementwise', 'normwise'",
    ("check", "loops", "--properties", "beauty"): "property 'beauty' is unknown; known: ",
    ("check", "loops", "--timeout", "0"): "timeout must be more than 0 seconds",
    ("check", "loops", "--memory-limit", "1"): "memory_limit must be at least 64",
    ("check", "loops", "--workers", "0"): "workers must be a number from 1, or auto, not '0'",
    ("check", "loops", "--suite", "nothing"): "'nothing'",
    ("check", "loops", "--reference", "nothing"): "reference: target 'nothing' is unknown",
    ("check", "loops", "--json", "absent/report.json"): "json must be a file in a directory that exists",
    ("check", "loops", "--colour"): "No such option",
    ("check",): "Missing argument",
    ("verify", "loops"): "No such command 'verify'",
    ("list", "everything"): "'everything' is not one of",
    ("mutants", "nothing"): "'nothing' is neither a mutant nor a class of them",
    ("replay", "loops", "x=1"): "key 'w' is missing",
    ("replay", "loops", "absent.json"): "file 'absent.json' cannot be read: No such file or directory",
    ("replay", "loops", "kernels.py"): "file 'kernels.py' is not JSON",
    ("replay", "loops", "foreign.json"): "file 'foreign.json' is not a replay file of convverify",
    ("replay", "loops", "later.json"): "file 'later.json' has schema 99; this version reads schema 1",
    ("replay", "loops", "folder.json"): "file 'folder.json' cannot be read: Is a directory",
}


@pytest.mark.parametrize("words", WRONG_OPTIONS, ids=lambda words: " ".join(words)[:60])
def test_wrong_usage_is_one_sentence(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "foreign.json").write_text('{"name": "something else"}')
    (tmp_path / "later.json").write_text('{"schema": 99, "case": "x=1x1x1x1 w=1x1x1x1"}')
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "deep.json").write_text("[" * 200_000)
    (tmp_path / "zeros.json").symlink_to("/dev/zero")
    (tmp_path / "loop").symlink_to("loop")
    assert WRONG_OPTIONS[words] in one_sentence(run(*words, cwd=tmp_path))


# Light commands.


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["list"], ["check", "--help"]])
def test_light_commands_load_nothing_heavy(words: list[str]) -> None:
    script = f"""
import sys
from convverify.cli import main
sys.argv = ["convverify", *{words!r}]
try:
    main()
finally:
    print("LOADED", sorted({{"tensorflow", "hypothesis", "numba", "rich", "keras"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], env=surroundings(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("LOADED []\n")


def test_importing_the_package_loads_nothing_heavy() -> None:
    script = "import convverify, sys; print(sorted({'tensorflow', 'hypothesis', 'numba', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], env=surroundings(), capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_list_names_what_can_be_named(tmp_path: Path) -> None:
    done = run("list", cwd=tmp_path)
    assert done.returncode == 0
    for word in (
        "kernels:",
        "matmul",
        "references:",
        "tensorflow",
        "properties:",
        "exact_on_integers",
        "values:",
        "layouts:",
        "suites:",
        "resnet50",
    ):
        assert word in done.stdout
    assert "kernel_flipped" in run("list", "mutants", cwd=tmp_path).stdout
    assert "kills_the_judge" in run("list", "cheats", cwd=tmp_path).stdout


# Interruption and sudden ends.


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_run_reports_what_was_done(tmp_path: Path, number: signal.Signals) -> None:
    process = start(
        "check", "matmul", "--max-examples", "100000", "--max-macs", "500", "--reference", "exact", "--max-time", "1000", cwd=tmp_path
    )
    wait_for(process, "random problems:")
    process.send_signal(number)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "INTERRUPTED  matmul: 0 counterexamples in " in out
    assert "exact_on_integers" in out
    assert err == ""


def test_many_signals_lose_no_file(tmp_path: Path) -> None:
    process = start("check", "kernels.py:slow", *QUICK, "--json", "report.json", "--junit", "report.xml", cwd=tmp_path)
    for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        if process.poll() is None:
            process.send_signal(number)
            time.sleep(0.02)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert json.loads((tmp_path / "report.json").read_text())["verdict"] == "interrupted"
    assert (tmp_path / "report.xml").exists()
    assert "Traceback" not in out + err


def test_a_signal_that_is_ignored_from_the_start_is_ignored(tmp_path: Path) -> None:
    process = start("check", "kernels.py:slow", *QUICK, cwd=tmp_path, ignored=(signal.SIGINT, signal.SIGHUP))
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGHUP)
    assert process.stdout is not None
    assert process.stdout.readline()  # it goes on
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "INTERRUPTED" in out


def test_an_interrupted_run_shows_the_counterexample_that_it_had(tmp_path: Path) -> None:
    process = start("check", "kernels.py:wrong_on_wide_images", *QUICK, cwd=tmp_path)
    wait_for(process, " failed")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "exact_on_integers" in out
    assert "replay:" in out
    assert "Traceback" not in out + err


def processes_of(process: subprocess.Popen[str], word: str) -> list[psutil.Process]:
    """The processes that a run has started, of those that have a word in their command line."""
    found = []
    for child in psutil.Process(process.pid).children(recursive=True):
        with contextlib.suppress(psutil.Error, FileNotFoundError):  # it has ended meanwhile
            if word in " ".join(child.cmdline()):
                found.append(child)
    return found


@pytest.mark.parametrize(
    ("killed", "words", "told"),
    [
        ("kernel_host", ("kernels.py:right", *MORE), "the kernel's process ended once (the process was ended by SIGKILL), and not again"),
        ("campaign.judges", ("kernels.py:right", *MORE, "--workers", "2"), "a process of the campaign was ended from outside"),
    ],
)
def test_a_process_that_is_killed_is_replaced_and_nobody_blamed(tmp_path: Path, killed: str, words: tuple[str, ...], told: str) -> None:
    process = start("check", *words, cwd=tmp_path)
    victims = processes_of(process, killed)
    victims = [victim for victim in victims if "kernels.py" in " ".join(victim.cmdline()) and not victim.children()] or victims[:1]
    for victim in victims:
        victim.kill()
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, out
    assert told in out
    assert "Traceback" not in out + err


DIES = """
import fcntl
import os

from convverify import conv2d_matmul

with open("deaths", "r+") as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    first, *others = file.read().split() or [""]
    file.seek(0)
    file.truncate()
    file.write(" ".join(others))
if first:
    os.kill(os.getpid(), int(first))


def right(x, w):
    return conv2d_matmul(x, w)
"""


@pytest.mark.parametrize(
    "words",
    [
        ("check", "dies.py:right", *ONE),
        ("check", "dies.py:right", "--workers", "2", *ONE),
        ("replay", "dies.py:right", "x=1x1x1x1 w=1x1x1x1 values=integers seed=1"),
        ("compare", "dies.py:right", "--against", "matmul", "--check-examples", "0", "--problem", "x=1x8x8x2 w=3x3x2x2"),
    ],
)
def test_a_kernel_whose_process_is_ended_from_outside_while_it_loads_is_inconclusive(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "dies.py").write_text(DIES)
    (tmp_path / "deaths").write_text("9 15 1 24 14 10")  # several hosts may load it
    done = run(*words, cwd=tmp_path)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "dies.py:right ended 3 times, not always in the same way: it was ended by SIG" in " ".join((done.stdout + done.stderr).split())
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_kernel_that_is_loaded_at_the_second_try_is_verified_and_that_is_told(tmp_path: Path, workers: str) -> None:
    (tmp_path / "dies.py").write_text(DIES)
    (tmp_path / "deaths").write_text("9")
    done = run("check", "dies.py:right", "--workers", workers, *QUICK, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    told = "the kernel's process ended once while loading (the process was ended by SIGKILL), and not when it was started again"
    assert told in " ".join(done.stdout.split())


def test_a_killed_run_leaves_no_processes_and_keeps_its_counterexample(tmp_path: Path) -> None:
    process = start("check", "kernels.py:wrong_on_wide_images", *QUICK, cwd=tmp_path)
    wait_for(process, " failed")
    children = processes_of(process, "convverify")
    assert children
    process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(children, timeout=PATIENCE)
    assert alive == []
    cases = [json.loads(path.read_text())["case"] for path in files(tmp_path / CORPUS, "kernels.py:wrong_on_wide_images")]
    assert any(Case.parse(case).problem.width > 5 for case in cases)


# Files that are in the way, and disks that are full.


def test_two_runs_in_one_directory_do_not_disturb_each_other(tmp_path: Path) -> None:
    (tmp_path / "kernels.py").write_text(KERNELS)
    command = [*COMMAND, "check", "kernels.py:flipped", *QUICK]
    pair = [
        subprocess.Popen(command, cwd=tmp_path, env=surroundings(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    outcomes = [process.communicate(timeout=PATIENCE) for process in pair]
    assert [process.returncode for process in pair] == [1, 1]
    assert [err for _, err in outcomes] == ["", ""]
    for path in files(tmp_path / CORPUS, "kernels.py:flipped"):
        Case.parse(json.loads(path.read_text())["case"])


@pytest.mark.parametrize("corpus", ["kernels.py", "kernels.py/below", "/dev/full"])
def test_a_corpus_that_cannot_be_written_costs_a_note_and_no_counterexample(tmp_path: Path, corpus: str) -> None:
    done = run("check", "kernels.py:flipped", *QUICK, "--corpus", corpus, cwd=tmp_path)
    assert done.returncode == 1
    assert "exact_on_integers" in done.stdout
    assert "replay:" in done.stdout
    assert f"counterexamples cannot be kept in '{corpus}': Not a directory" in done.stdout
    assert done.stderr == ""


def test_a_corrupt_file_of_the_corpus_is_named_and_passed_over(tmp_path: Path) -> None:
    folder = tmp_path / CORPUS / "corpus" / "kernels.py-right"
    folder.mkdir(parents=True)
    (folder / "bad.json").write_text('{"schema": 1, "case"')
    done = run("check", "kernels.py:right", *ONE, cwd=tmp_path)
    assert done.returncode == 0
    assert "bad.json' is not JSON; it was skipped" in done.stdout
    assert done.stderr == ""


def limited_to(size: int) -> object:
    """A hook for a new process, whose files, shared memory among them, may then not grow beyond `size` bytes."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


@pytest.mark.parametrize("size", [0, 80_000])
def test_where_no_memory_can_be_shared_that_is_not_the_kernels_fault(tmp_path: Path, size: int) -> None:
    done = run("check", "kernels.py:right", "--reference", "exact", "--max-examples", "300", cwd=tmp_path, preexec_fn=limited_to(size))
    assert done.returncode == 3, done.stdout
    assert "INCONCLUSIVE  kernels.py:right: no memory can be shared with the kernel's process (see ulimit -f and ulimit -v)" in done.stdout
    assert done.stderr == ""


FILES = ("--json", "report.json", "--html", "report.html", "--junit", "report.xml")


def printed_to(place: str, target: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Check a target with the three files, its standard output redirected by a shell; the status is the tool's."""
    (cwd / "kernels.py").write_text(KERNELS)
    command = f"{shlex.join([*COMMAND, 'check', target, *ONE, *FILES])} {place}; exit ${{PIPESTATUS[0]}}"
    return subprocess.run(
        ["bash", "-c", command], cwd=cwd, env=surroundings() | environment, capture_output=True, timeout=PATIENCE, check=False, text=True
    )


@pytest.mark.parametrize(("target", "status"), [("kernels.py:right", 0), ("kernels.py:flipped", 1)])
def test_a_reader_that_leaves_early_loses_no_file_and_no_status(tmp_path: Path, target: str, status: int) -> None:
    done = printed_to("| head -1", target, tmp_path)
    assert done.stdout.startswith("convverify ")
    assert (done.returncode, done.stderr) == (status, "")
    assert {path.name for path in tmp_path.glob("report.*")} == set(FILES[1::2])


@pytest.mark.parametrize(("target", "status"), [("kernels.py:right", 3), ("kernels.py:flipped", 1)])
def test_a_report_that_cannot_be_printed_is_one_sentence_and_loses_no_file(tmp_path: Path, target: str, status: int) -> None:
    done = printed_to("> /dev/full", target, tmp_path)
    assert done.returncode == status
    assert done.stderr == "convverify: the report cannot be printed: No space left on device\n"
    assert {path.name for path in tmp_path.glob("report.*")} == set(FILES[1::2])


ENCODINGS = {
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "cp1252": {"PYTHONIOENCODING": "cp1252"},
    "posix": {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
}


@pytest.mark.parametrize("environment", ENCODINGS.values(), ids=ENCODINGS)
def test_what_a_terminal_cannot_show_is_an_escape(tmp_path: Path, environment: dict[str, str]) -> None:
    done = printed_to("| iconv -f latin1 -t utf8", "kernels.py:says", tmp_path, **environment)
    assert done.returncode == 1, done
    assert "\\u2603 a:key:b" in done.stdout
    assert done.stderr == ""
    assert "größe ☃" in (tmp_path / "report.xml").read_text(encoding="utf-8")


def test_names_and_texts_are_no_emoji_and_no_commands_of_github(tmp_path: Path) -> None:
    done = printed_to("", "kernels.py:key", tmp_path, GITHUB_ACTIONS="true")
    for text in (done.stdout, *((tmp_path / name).read_text(encoding="utf-8") for name in ("report.xml", "report.html"))):
        assert "☃ a:key:b #\\x23[add-mask]x" in text
        assert "##[" not in text
        assert "🔑" not in text
    assert "kernels.py:key: " in done.stdout


def test_a_json_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    done = run("check", "kernels.py:right", *ONE, "--json", "/dev/full", cwd=tmp_path)
    assert "VERIFIED" in done.stdout
    assert "json file '/dev/full' cannot be written: No space left on device" in one_sentence(done)
    assert Path("/dev/full").is_char_device()  # it was not taken for a file, and replaced


def test_nothing_is_left_in_the_temporary_directory(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    (tmp_path / "kernels.py").write_text(KERNELS)
    subprocess.run(
        [*COMMAND, "check", "kernels.py:flipped", *ONE],
        cwd=tmp_path,
        env=surroundings() | {"TMPDIR": str(scratch)},
        capture_output=True,
        check=False,
    )
    assert list(scratch.iterdir()) == []


# Completion.


def completed(*words: str, cwd: Path) -> list[str]:
    """Return what bash is offered for the last of some words: type and value, with a comma."""
    asked = surroundings() | {"_CONVVERIFY_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    command = [sys.executable, "-c", "import sys; sys.argv[0] = 'convverify'; from convverify.cli import main; main()"]
    return subprocess.run(command, cwd=cwd, env=asked, capture_output=True, text=True, timeout=PATIENCE, check=False).stdout.split()


def test_the_shell_completes_names_and_falls_back_to_files(tmp_path: Path) -> None:
    assert completed("convverify", "check", "matm", cwd=tmp_path) == ["plain,matmul", "plain,matmul_offsets"]
    assert completed("convverify", "check", "mine", cwd=tmp_path) == ["file,mine"]
    assert completed("convverify", "check", "matmul", "--properties", "shape,comp", cwd=tmp_path) == ["plain,shape,completes"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_is_told_how_to_complete(shell: str) -> None:
    complete = get_completion_class(shell)
    assert complete is not None
    assert "_CONVVERIFY_COMPLETE" in complete(main, {}, "convverify", "_CONVVERIFY_COMPLETE").source()


def test_a_replay_line_names_the_interpreter_and_the_refusals_that_it_takes(tmp_path: Path) -> None:
    ended = run("check", "kernels.py:flipped", *ONE, "--python", sys.executable, "--refuses", "ValueError", cwd=tmp_path)
    line = next(line.strip() for line in ended.stdout.splitlines() if line.strip().startswith("convverify replay "))
    assert line.endswith(f" --refuses ValueError --python {sys.executable}")
    assert run(*shlex.split(line)[1:], cwd=tmp_path).returncode == 1


def test_a_quiet_run_prints_a_line_and_an_impatient_one_finds_one_thing(tmp_path: Path) -> None:
    quiet = run("check", "kernels.py:flipped", "kernels.py:right", *ONE, "-q", cwd=tmp_path)
    assert [line.split()[:2] for line in quiet.stdout.splitlines()] == [
        ["REFUTED", "kernels.py:flipped:"],
        ["VERIFIED", "kernels.py:right:"],
    ]
    done = run("check", "kernels.py:flipped", *ONE, "-x", "--json", "report.json", cwd=tmp_path)
    assert done.stdout.splitlines()[-2] == "wrote report.json"
    assert len(json.loads((tmp_path / "report.json").read_text())["counterexamples"]) == 1
    both = run("check", "kernels.py:flipped", "-q", "-v", cwd=tmp_path)
    assert (both.returncode, both.stderr) == (2, "convverify: --verbose and --quiet exclude each other\n")
