"""Score predictions of labelled videos: exact GAP@20, MAP, Hit@1 and PERR, in all and by parts, with 95 % intervals.

Parts are videos by their number of labels and labels by index, by training count (--index or --vocabulary) and by
vertical (--vocabulary). The intervals say how far a score would vary with other videos of the same kind. Also says how
far confidences mean what they say, and counts the videos whose top 20 misses a true label, beside those of the paper.
Writes metrics.json.
"""

import argparse
from typing import Any

from yt8m.evaluation.analysis.missed import PAPER
from yt8m.evaluation.evaluate import evaluate
from yt8m.evaluation.metrics import RARE_FROM
from yt8m.storage import join

EXAMPLE = "yt8m evaluate predictions.parquet --index train.parquet --vocabulary vocabulary.csv -o evaluation"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("predictions", metavar="PREDICTIONS", help="a predictions file, by `yt8m predict`")
    parser.add_argument("--index", help="index of the training videos, for the scores by training count")
    parser.add_argument("--vocabulary", help="vocabulary.csv of the dataset, for the scores by vertical")
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="the folder for metrics.json")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Score the predictions."""
    result = evaluate(args.predictions, args.output, index=args.index, vocabulary=args.vocabulary)
    return {**result, "output": join(args.output, "metrics.json")}


def render(result: dict[str, Any]) -> str:
    """The scores, the missed labels and the parts, as tables."""
    simulated = "; the frames are simulated" if result["simulated"] else ""
    unlabelled = f" ({result['unlabelled']:,} without labels)" if result["unlabelled"] else ""
    head = f"{' + '.join(result['models'])} on {result['videos']:,} videos{unlabelled}"
    blocks = [
        [f"{head} with {result['positives']:,} true labels{simulated}"],
        _scores(result),
        _calibration(result["calibration"]),
        _missed(result["missed"]),
        _parts("labels of a video", result["by_number_of_labels"], "videos", "missed"),
        _parts("label index", result["by_label"], "positives", "missed"),
        _parts("training videos", result["by_training_count"], "positives", "missed"),
        _parts("vertical", result["by_vertical"], "positives", "missed"),
        [f"wrote {result['output']}"],
    ]
    return "\n\n".join("\n".join(lines) for lines in blocks if lines)


_SCORES = (("GAP@20", "gap"), ("MAP", "map"), ("Hit@1", "hit_at_1"), ("PERR", "perr"))
_WHOLE = (*_SCORES[:2], (f"MAP from label {RARE_FROM}", "map_rare"), *_SCORES[2:])
_COUNTS = {"videos": "videos", "positives": "true labels", "missed": "missed"}


def _scores(result: dict[str, Any]) -> list[str]:
    rows = [["", "", "95 % interval"]]
    for name, key in _WHOLE:
        known = f"{key}_low" in result
        rows.append([name, f"{result[key]:.5f}", _interval(result, key) if known else ""])
    return _table(rows)


def _calibration(calibration: dict[str, Any]) -> list[str]:
    return [
        f"expected calibration error {calibration['expected_error']:.5f}: of the top 20 labels "
        f"{calibration['share_true']:.2%} are true, at a mean confidence of {calibration['mean_confidence']:.2%}"
    ]


def _missed(missed: dict[str, Any]) -> list[str]:
    def row(name: str, key: str, share: str, paper: int, of: int) -> list[str]:
        return [name, f"{missed[key]:,}", f"{missed[share]:.2%}", f"{paper:,}", f"{paper / of:.2%}"]

    wrong = PAPER["missed"]
    return _table([
        ["", "ours", "", "paper", ""],
        row("videos whose top 20 misses a label", "videos", "share", wrong, PAPER["videos"]),
        row("  of these, with exactly one label", "one_label", "one_label_share", PAPER["one_label"], wrong),
        row("  of these, with four labels or more", "four_or_more", "four_or_more_share", PAPER["four_or_more"], wrong),
    ])  # fmt: skip


def _parts(title: str, rows: list[dict[str, Any]], *counts: str) -> list[str]:
    if not rows:
        return []
    names = [name for name, _ in _SCORES]
    lines = [[title, names[0], "95 % interval", *names[1:], *(_COUNTS[key] for key in counts)]]
    for row in rows:
        scores = [f"{row[key]:.5f}" for _, key in _SCORES]
        lines.append([_name(row), scores[0], _interval(row, "gap"), *scores[1:], *(f"{row[key]:,}" for key in counts)])
    return _table(lines)


def _interval(row: dict[str, Any], key: str) -> str:
    return f"{row[f'{key}_low']:.5f} to {row[f'{key}_high']:.5f}"


def _name(row: dict[str, Any]) -> str:
    if "vertical" in row:
        return row["vertical"] or "unknown"
    return _range(row)


def _range(row: dict[str, Any]) -> str:
    if row["last"] is None:
        return f"{row['first']:,} and up"
    return f"{row['first']:,}" if row["first"] == row["last"] else f"{row['first']:,} to {row['last']:,}"


def _table(rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows]
