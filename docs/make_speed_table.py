"""Print the tables of docs/speed.md from what `convverify compare ... --json FILE` has written.

    PYTHONPATH=. python docs/make_speed_table.py FILE... > tables.md

A comparison may be made in pieces: the rows of all files are taken together.  Printed are the geometric means of the ratios to the
reference, and for each kernel the problems that are worst, its grouped layers, the share of the peak on layers with many channels, and the
largest peak memory.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from convverify.compare.summary import geometric_mean
from convverify.problems.problem import Problem

MANY = 128  # channels
WORST = 5  # problems that are named
Pair = tuple[dict[str, Any], dict[str, Any]]  # a row, and a measurement of it


def main() -> None:
    """Read the files and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    read = []
    for file in parser.parse_args().files:
        data = json.loads(file.read_text(encoding="utf-8"))
        if data["schema"] != 1:
            parser.error(f"{file} has schema {data['schema']}; this script reads schema 1")
        read.append(data)
    if len({data["options"]["against"] for data in read}) != 1:
        parser.error("the files have different references")
    for line in tables(read):
        print(line)


def tables(read: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the lines of the tables of one comparison, which may have been made in pieces."""
    for data in read:
        machine = data["machine"]
        if machine is None:  # interrupted before anything was measured
            continue
        peaks = ", ".join(f"{dtype} products {peak / 1e9:.0f} GFLOP/s" for dtype, peak in machine["peaks"].items())
        yield f"{machine['processor']}, {machine['threads']} threads: {peaks}, copies {machine['bandwidth'] / 1e9:.0f} GB/s."
    against = read[0]["options"]["against"]
    rows = [row for data in read for row in data["rows"]]
    names = dict.fromkeys(one["kernel"] for row in rows for one in row["measurements"] if one["kernel"] != against)
    yield f"\n| kernel | problems | number | geometric mean of the ratios to {against} | weighted | worst | where |"
    yield "|---|---|--:|--:|--:|--:|---|"
    for name in names:
        pairs = [(row, one) for row in rows for one in row["measurements"] if one["kernel"] == name and one["ratio"]]
        groups = list(dict.fromkeys(row["group"] for row, _ in pairs))
        for group in groups:
            yield mean(name, group, [pair for pair in pairs if pair[0]["group"] == group])
        if len(groups) > 1:
            yield mean(name, "all", pairs)
    for name in names:
        yield from notes(name, [(row, one) for row in rows for one in row["measurements"] if one["kernel"] == name])
    for exponent in (exponent for data in read for exponent in data["exponents"]):
        large = f", and of {exponent['large']:.2f} from {exponent['large_macs'][0]:.2g} on" if exponent["large"] else ""
        low, high = exponent["macs"]
        yield f"- `{short(exponent['name'])}` grows as multiply-adds to the power of {exponent['all']:.2f}, {low:.2g} to {high:.2g}{large}."


def mean(name: str, group: str, pairs: list[Pair]) -> str:
    """Return the line of the table for one kernel on one group of problems."""
    ratios = [one["ratio"]["median"] for _, one in pairs]
    counts = [row["count"] for row, _ in pairs]
    worst = int(np.argmax(ratios))
    extrapolated = sum(one["extrapolated"] for _, one in pairs)
    number = f"{len(pairs)}" + (f" ({extrapolated} extrapolated)" if extrapolated else "")
    figures = f"{geometric_mean(ratios):.3g} | {geometric_mean(ratios, counts):.3g} | {ratios[worst]:.3g}"
    return f"| `{short(name)}` | {group} | {number} | {figures} | {pairs[worst][0]['layer']} |"


def notes(name: str, pairs: list[Pair]) -> Iterator[str]:
    """Yield the list for one kernel: worst problems, share of the peak, memory."""
    yield f"\n`{short(name)}`:\n"
    worst = sorted((pair for pair in pairs if pair[1]["ratio"]), key=lambda pair: -pair[1]["ratio"]["median"])[:WORST]
    yield "- worst: " + "; ".join(f"{one['ratio']['median']:.2f} {row['group']} {row['layer']}" for row, one in worst)
    depthwise = [(row, one) for row, one in pairs if one["ratio"] and Problem.parse(row["problem"]).groups > 1]
    if depthwise:
        ratios = [one["ratio"]["median"] for _, one in depthwise]
        worst_row = depthwise[int(np.argmax(ratios))][0]
        where = f"{worst_row['group']} {worst_row['layer']}"
        yield f"- {len(ratios)} layers of several groups: geometric mean {geometric_mean(ratios):.2f}, worst {max(ratios):.2f} ({where})"
    shares = sorted(
        (one["share_of_peak"], f"{row['group']} {row['layer']}") for row, one in pairs if is_wide(row) and not one["extrapolated"]
    )
    if shares:
        values = [share for share, _ in shares]
        yield (
            f"- share of the peak on {len(values)} layers with {MANY} or more input and output channels: "
            f"median {np.median(values):.0%}, {sum(value >= 0.8 for value in values)} of them at 80% or more, "
            f"least {values[0]:.0%} ({shares[0][1]})"
        )
    memory = [(one["peak_extra_memory"], f"{row['group']} {row['layer']}") for row, one in pairs if one["peak_extra_memory"] is not None]
    if memory:
        most, where = max(memory)
        yield f"- peak memory of a call besides operands and result: {most / 2**20:.1f} MiB at most ({where})"


def is_wide(row: dict[str, Any]) -> bool:
    """Return whether a group of the row's problem has many channels on both sides."""
    problem = Problem.parse(row["problem"])
    return min(problem.in_channels, problem.out_channels) // problem.groups >= MANY


def short(name: str) -> str:
    """Return a kernel's name without the folder it comes from."""
    path, colon, function = name.rpartition(":")
    return f"{Path(path).name}{colon}{function}"


if __name__ == "__main__":
    main()
