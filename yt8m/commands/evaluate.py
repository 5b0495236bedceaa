"""Score predictions of labelled videos: exact GAP@20, MAP, Hit@1 and PERR, in all, by number of labels and by label.

Writes metrics.json. Also counts the videos whose top 20 misses a true label, beside the counts of the paper.
"""

import argparse
from typing import Any

from yt8m.evaluation import evaluate
from yt8m.storage import join

EXAMPLE = "yt8m evaluate predictions.parquet -o evaluation"
PAPER = {"videos": 117_410, "share": 117_410 / 1_112_357, "one_label": 21_828, "four_or_more": 55_470}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("predictions", metavar="PREDICTIONS", help="a predictions file, by `yt8m predict`")
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="the folder for metrics.json")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Score the predictions."""
    return {**evaluate(args.predictions, args.output), "output": join(args.output, "metrics.json")}


def render(result: dict[str, Any]) -> str:
    """The scores, the missed labels and the buckets, as tables."""
    simulated = "; the frames are simulated" if result["simulated"] else ""
    unlabelled = f" ({result['unlabelled']:,} without labels)" if result["unlabelled"] else ""
    head = f"{' + '.join(result['models'])} on {result['videos']:,} videos{unlabelled}"
    return "\n".join([
        f"{head} with {result['positives']:,} true labels{simulated}",
        "",
        *_table([[name, f"{result[key]:.5f}"] for name, key in _SCORES]),
        "",
        *_missed(result["missed"]),
        "",
        *_table([
            ["labels of a video", "GAP@20", "Hit@1", "PERR", "videos"],
            *([_range(row), *_numbers(row, "gap", "hit_at_1", "perr"), f"{row['videos']:,}"]
              for row in result["by_number_of_labels"]),
        ]),
        "",
        *_table([
            ["label index", "GAP@20", "MAP", "in top 20", "true labels"],
            *([_range(row), *_numbers(row, "gap", "map"), f"{row['found']:.2%}", f"{row['positives']:,}"]
              for row in result["by_label"]),
        ]),
        "",
        f"wrote {result['output']}",
    ])  # fmt: skip


_SCORES = (("GAP@20", "gap"), ("MAP", "map"), ("Hit@1", "hit_at_1"), ("PERR", "perr"))


def _missed(missed: dict[str, Any]) -> list[str]:
    def row(name: str, key: str) -> list[str]:
        ours, paper = missed[key], PAPER[key]
        shares = [missed["share"], PAPER["share"]] if key == "videos" else [missed[f"{key}_share"], paper / 117_410]
        return [name, f"{ours:,}", f"{shares[0]:.2%}", f"{paper:,}", f"{shares[1]:.2%}"]

    return _table([
        ["", "ours", "", "paper", ""],
        row("videos whose top 20 misses a label", "videos"),
        row("  of these, with exactly one label", "one_label"),
        row("  of these, with four labels or more", "four_or_more"),
    ])  # fmt: skip


def _range(row: dict[str, Any]) -> str:
    if row["last"] is None:
        return f"{row['first']} and up"
    return str(row["first"]) if row["first"] == row["last"] else f"{row['first']} to {row['last']}"


def _numbers(row: dict[str, Any], *keys: str) -> list[str]:
    return [f"{row[key]:.5f}" for key in keys]


def _table(rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows]
