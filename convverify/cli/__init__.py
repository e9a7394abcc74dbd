"""The command line.  Every command imports what it needs when it runs: `--help` and `list` load neither TensorFlow nor Hypothesis."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click
from click.shell_completion import CompletionItem

from convverify import __version__
from convverify.cli import interruption
from convverify.cli.configuration import Configured, told
from convverify.cli.numbers import Real, Whole, numbers, workers
from convverify.cli.streams import Streams


class _OneSentence(click.Group):
    """A group of commands that end with a status and one sentence on standard error, whatever happens."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run a command and exit."""
        with interruption.heard(), Streams() as streams:
            try:
                status = self._status(streams, *args, **(extra | {"standalone_mode": False}))
            except (click.Abort, KeyboardInterrupt):
                interruption.hold()
                streams.drop()
                _say("interrupted")
                status = 130
        sys.exit(status)

    def _status(self, streams: Streams, *args: Any, **extra: Any) -> int:
        try:
            status = super().main(*args, **extra)
        except click.ClickException as error:
            _say(error.format_message())
            return 2
        if trouble := streams.trouble():
            from convverify.campaign.report import WORSE

            _say(f"the report cannot be printed: {trouble.strerror}")
            return max(status or 0, 3, key=WORSE.index)
        return status if isinstance(status, int) else 0

    def invoke(self, context: click.Context) -> Any:
        """Run a command; report an unforeseen failure in one sentence."""
        try:
            return super().invoke(context)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except Exception as error:
            if interruption.came():  # code at work, an import for one, has made another exception of it
                raise KeyboardInterrupt from None
            from convverify.campaign.report import EXIT_STATUS
            from convverify.cli.failures import told_failure

            verdict, sentence = told_failure(error)
            _say(sentence)
            return EXIT_STATUS[verdict]


def _say(sentence: str) -> None:
    from convverify.reporting.plain import printable

    print(f"convverify: {printable(' '.join(sentence.split()))}", file=sys.stderr)


@click.group(cls=_OneSentence, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="convverify")
def main() -> None:
    """Is this 2-D convolution right, and how fast is it?

    A TARGET is package.module:function, path/to/file.py:function, or a name that `convverify list` shows.
    """


def _names(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    """Let an option be given several times, or once with commas."""
    return tuple(name.strip() for part in value for name in part.split(",") if name.strip())


def _complete(*kinds: str) -> Any:
    """Return a completion of registered names of some kinds, the last of a list with commas; of files where none fits."""

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from convverify.reporting.plain import names_of

        done, comma, begun = incomplete.rpartition(",")
        for kind in kinds:
            if found := [name for name in names_of(kind) if name.startswith(begun)]:
                return [CompletionItem(done + comma + name) for name in found]
        return [CompletionItem(incomplete, type="file")]

    return complete


_complete_target = _complete("kernels", "references", "mutants", "unusual", "cheats")


_SANDBOX = click.option(
    "--sandbox",
    is_flag=True,
    help="Run the kernel without network, without access to other processes, with write access to temporary files only.",
)


def _names_option(flag: str, help_: str, **more: Any) -> Callable[[Any], Any]:
    """Return an option that takes names: given several times, or once with commas."""
    return click.option(flag, multiple=True, callback=_names, metavar="NAMES", help=help_, **more)


_SHARED = [
    _names_option("--refuses", 'Exceptions that mean "not supported" (ValueError, ...).'),
    click.option("--python", metavar="FILE", help="Run the kernel with this Python interpreter, which needs only NumPy."),
    click.option(
        "--layout",
        "data_format",
        type=click.Choice(["NHWC", "NCHW"], case_sensitive=False),
        help="Data format of the kernel's operands (NCHW: w is OIHW).",
    ),
    click.option(
        "--accuracy",
        type=click.Choice(["elementwise", "normwise"]),
        help="Error bound for the kernel's algorithm (normwise: FFT, Winograd).",
    ),
    click.option(
        "--accumulator",
        type=click.Choice(["float32", "float64"]),
        help="Hold narrower dtypes to the errors of sums in this format, rounded once.",
    ),
    _names_option("--properties", "Judge only these properties.", shell_complete=_complete("properties")),
    _names_option("--without", "Do not judge these properties; the verdict says so.", shell_complete=_complete("properties")),
    click.option("--timeout", type=Real(), default=3.0, show_default=True, help="Seconds that one call may take."),
    _SANDBOX,
    click.option(
        "--memory-limit",
        type=Whole(),
        default=2048,
        show_default=True,
        metavar="MIB",
        help="Resident memory that the kernel's process may use.",
    ),
]


def _shared(command: Any) -> Any:
    for option in reversed(_SHARED):
        command = option(command)
    return command


@main.command(cls=Configured)
@click.argument("targets", nargs=-1, required=True, shell_complete=_complete_target, metavar="TARGET...")
@click.option(
    "--reference",
    "references",
    multiple=True,
    callback=_names,
    default=("tensorflow",),
    show_default=True,
    shell_complete=_complete("references", "kernels"),
    help="Compare the kernel with this, besides exact arithmetic.",
)
@click.option(
    "--max-examples", type=Whole(), default=2000, show_default=True, help="Random problems to try, in addition to the edge cases."
)
@click.option("--max-time", type=Real(), default=60.0, show_default=True, help="Seconds for the campaign of one target.")
@click.option("--large-time", type=Real(), default=10.0, show_default=True, help="Seconds of --max-time for large problems (0: none).")
@click.option("--seed", type=Whole(), help="Random seed (default: a new one, shown in the header).")
@click.option(
    "--suite",
    shell_complete=_complete("suites"),
    help="Verify on the problems of a suite, or of a file of problem lines, instead of random ones.",
)
@click.option("--batch", type=Whole(), default=1, show_default=True, help="Batch of a suite's problems.")
@click.option("--problem", "problems", multiple=True, metavar="LINE", help="Verify on this problem only (repeatable).")
@click.option(
    "--dtype",
    "dtypes",
    multiple=True,
    callback=_names,
    shell_complete=_complete("dtypes"),
    help="float16, bfloat16, float32, float64 (default: float32,float64).",
)
@click.option(
    "--domain",
    default="",
    metavar="LINE",
    help="Which problems the kernel is for, as in 'strides=equal kernel=square channels=8n'; within what it declares.",
)
@click.option(
    "--degenerate/--no-degenerate",
    default=None,
    help="Let degenerate problems (an extent of 0, w larger than the padded image) refute, or skip them (default: report them apart).",
)
@click.option("--max-macs", type=Whole(), default=0, help="Largest number of multiply-adds of a problem (default: by the kernel's speed).")
@click.option("--workers", default="1", callback=workers, show_default=True, metavar="N|auto", help="Processes that share the work.")
@click.option("--isolation/--no-isolation", default=True, help="Run the kernel in its own processes (no: in this one, for a debugger).")
@click.option(
    "--corpus",
    default=".convverify",
    show_default=True,
    metavar="DIR",
    help="Where to keep counterexamples, which are tried first next time.",
)
@click.option("--known", metavar="FILE", help="Mute the faults listed in this file, and look for others.")
@click.option(
    "--write-known", metavar="FILE", help="Write known and new faults to this file, and continue after each until no more are found."
)
@click.option("--html", type=click.Path(dir_okay=False), help="Write the report as one HTML page.")
@click.option("--junit", type=click.Path(dir_okay=False), help="Write the report as JUnit XML.")
@click.option("--json", type=click.Path(dir_okay=False), help="Write the report as JSON.")
@click.option("-x", "--exitfirst", is_flag=True, help="Stop at the first finding.")
@click.option("-v", "--verbose", is_flag=True, help="Print everything: each property, snippets, counts.")
@click.option("-q", "--quiet", is_flag=True, help="Print one line for each target.")
@_shared
def check(targets: tuple[str, ...], seed: int | None, verbose: bool, quiet: bool, **values: Any) -> int:
    """Verify kernels: 0 verified, 1 refuted, 2 wrong usage, 3 inconclusive, 4 convverify itself failed, 130 interrupted.

    Defaults come from [tool.convverify] in pyproject.toml, if there is one.
    """
    interruption.hold()  # `run` heeds signals where they cost no report
    if verbose and quiet:
        raise click.UsageError("--verbose and --quiet exclude each other")
    from convverify.host import early

    with early.started(
        targets[0] if values["isolation"] else "", values["python"] or "", values["memory_limit"], sandbox=values["sandbox"]
    ):
        from convverify.cli import running as run
        from convverify.reporting.terminal import Detail

        if seed is None:
            import secrets

            seed = secrets.randbelow(2**32)
        written = {form: values.pop(form) for form in ("html", "junit", "json")}
        detail = Detail.FULL if verbose else Detail.QUIET if quiet else Detail.SHORT
        return run.check(targets, values | {"seed": seed}, written, told(click.get_current_context()), detail)


@main.command()
@click.argument("kernels", nargs=-1, required=True, shell_complete=_complete_target, metavar="KERNEL...")
@click.option("--against", default="tensorflow", show_default=True, metavar="TARGET", help="The kernel that times are divided by.")
@click.option(
    "--suite",
    "suites",
    multiple=True,
    callback=_names,
    shell_complete=_complete("suites"),
    metavar="NAMES",
    help="Suites or files of problems (default: article).",
)
@click.option("--problem", "problems", multiple=True, metavar="LINE", help="Time this problem (repeatable).")
@click.option(
    "--batch", "batches", multiple=True, callback=numbers, metavar="NUMBERS", help="Batches of the problems (default: their own)."
)
@click.option("--dtype", "dtypes", multiple=True, callback=_names, help="float16, bfloat16, float32, float64 (default: the problems').")
@click.option("--threads", type=Whole(), default=0, help="Threads for every kernel (default: one for each processor).")
@click.option("--rounds", type=Whole(), default=15, show_default=True, help="Rounds in which all kernels are timed.")
@click.option("--max-time", type=Real(), help="Seconds for the timing of one problem (default: 5), or for a search (default: 60).")
@click.option("--search", is_flag=True, help="Search for the problem on which KERNEL is slowest beside the reference.")
@click.option(
    "--check-examples", type=Whole(), default=100, show_default=True, help="Random problems of the short check before timing (0: no check)."
)
@click.option("--seed", type=Whole(), default=0, show_default=True, help="Seed of the operands and of the campaign.")
@_SANDBOX
@click.option("--plot", "plot_file", type=click.Path(dir_okay=False), help="Draw the figures, as PNG or SVG by the file's ending.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False), help="Write everything as JSON.")
def compare(kernels: tuple[str, ...], plot_file: str | None, json_file: str | None, **values: Any) -> int:
    """Verify kernels on some problems, then time them: 0, or 1 where one of them is wrong and not timed."""
    from convverify.cli import comparing

    return comparing.compare(kernels, values, plot_file, json_file)


@main.command()
@click.argument("target", shell_complete=_complete_target)
@click.argument("case", shell_complete=_complete(), metavar="CASE|FILE")
@click.option(
    "--reference",
    "references",
    multiple=True,
    callback=_names,
    default=(),
    shell_complete=_complete("references", "kernels"),
    help="Also ask this reference about the case.",
)
@_shared
def replay(target: str, case: str, **values: Any) -> int:
    """Judge one case again: a line as the report prints it, or a file of the corpus."""
    from convverify.cli import running as run

    return run.replay(target, case, values)


@main.command()
@click.argument("names", nargs=-1, shell_complete=_complete("mutants", "unusual"), metavar="[NAME|CLASS]...")
@click.option("--seeds", type=Whole(1, 10_000), default=1, show_default=True, help="Run each with this many seeds.")
@click.option("--seed", type=Whole(0, 2**63), default=0, show_default=True, help="The first seed.")
@click.option("--max-examples", type=Whole(0, 10**8), default=2000, show_default=True, help="Random problems for each.")
@click.option("--jobs", type=Whole(1, 1024), default=1, show_default=True, help="Kernels verified at a time.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False), help="Write the matrix as JSON.")
@click.option("--markdown", "markdown_file", type=click.Path(dir_okay=False), help="Write the matrix as a table for the docs.")
def mutants(names: tuple[str, ...], **values: Any) -> int:
    """Verify the verifier: refute every mutant, and no unusual kernel (0: all as they should be)."""
    from convverify.cli import running as run

    return run.mutants(names, **values)


@main.command()
@click.option(
    "--results",
    default="benchmarks/results",
    show_default=True,
    metavar="DIR",
    help="Where asv keeps results (`results_dir` in asv.conf.json).",
)
@click.option("--machine", default="", help="Show this machine's results (default: the one with the most).")
@click.option(
    "--factor",
    type=Real(above=1.0),
    help="What counts as a change (default: what the results themselves say is noise).",
)
@click.option("--output", "-o", default="performance.html", show_default=True, type=click.Path(dir_okay=False), help="The page to write.")
def report(results: str, machine: str, factor: float | None, output: str) -> None:
    """Write a page about performance across commits, from asv's results."""
    from pathlib import Path

    from convverify.reporting.history.asv_files import ResultsError
    from convverify.reporting.history.page import write_page
    from convverify.reporting.history.results import read_history
    from convverify.reporting.plain import one_line

    try:
        history = read_history(Path(results), machine)
    except ResultsError as error:
        raise click.UsageError(str(error)) from None
    try:
        write_page(history, Path(output), factor)
    except ModuleNotFoundError as error:
        raise click.UsageError(f"the page needs {error.name}, which is not installed: pip install 'convverify[plot]'") from None
    for sentence in history.damaged:
        print(f"note  {one_line(sentence)}; it was skipped")
    print(f"{one_line(output)}: {len(history.commits)} commits, {len(history.series)} figures at each")


@main.command()
@click.argument("targets", nargs=-1, shell_complete=_complete(), metavar="[FILE:FUNCTION]...")
@click.option("--pytest", is_flag=True, help="A test file, tests/test_convolutions.py (the default).")
@click.option("--ci", type=click.Choice(["github"]), help="A workflow that verifies on each version of Python.")
@click.option("--asv", is_flag=True, help="Benchmarks, and an asv.conf.json.")
@click.option("--domain", is_flag=True, help="A table [tool.convverify] at the end of pyproject.toml, to say what the kernels are for.")
@click.option(
    "--install",
    metavar="SPEC",
    help="What pip installs convverify from (default: where this one came from, as a wheel if that is a local folder).",
)
@click.option("--force", is_flag=True, help="Overwrite existing files.")
def init(targets: tuple[str, ...], **values: Any) -> int:
    """Write tests, a workflow, benchmarks or a domain for the kernels of this repository.

    Kernels are recognized by their names and parameters.  Name those that are not found.
    """
    from convverify.cli import starting

    return starting.init(targets, values)


@main.command("list")
@click.argument(
    "what",
    required=False,
    type=click.Choice(["kernels", "references", "properties", "values", "layouts", "mutants", "unusual", "cheats", "suites"]),
)
def list_(what: str | None) -> None:
    """Show what can be named: kernels, references, properties, values, layouts, suites, mutants, unusual kernels, cheats."""
    from convverify.reporting.plain import show_registries

    show_registries(what)


if __name__ == "__main__":
    main()
