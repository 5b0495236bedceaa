"""Explain the errors of predictions: which labels are missed, why, and what curing each cause would gain.

Writes report.html (one self-contained page), errors.parquet (a row for each missed label, with its cause), labels.csv
(a row for each label) and analysis.json. The predictions must be of a labelled set.
"""

import argparse
from typing import Any

from yt8m import storage

EXAMPLE = "yt8m analyze predictions.parquet --index train.parquet --vocabulary vocabulary.csv -o analysis"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `yt8m analyze`."""
    parser.add_argument("predictions", help="predictions of a labelled set, made by `yt8m predict`")
    parser.add_argument("--index", help="index of the training videos: how often labels come there, and which together")
    parser.add_argument("--vocabulary", help="vocabulary.csv of the dataset, for the names of the labels")
    parser.add_argument(
        "--before", metavar="F", help="other predictions of the same videos: what these missed and is found"
    )
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="folder for the report and the tables")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Analyse, and return the findings with the folder they were written to."""
    from yt8m.evaluation.analysis.analyze import analyze

    findings = analyze(args.predictions, args.output, index=args.index, vocabulary=args.vocabulary, before=args.before)
    return {"output": args.output, **findings}


def render(result: dict[str, Any]) -> str:
    """The summary of the report, and where it lies."""
    from yt8m.evaluation.analysis.summary import summarize

    report = storage.join(result["output"], "report.html")
    return "\n".join(
        [
            *summarize(result),
            *_cured(result),
            f"{report}: the report; beside it errors.parquet, labels.csv, analysis.json",
        ]
    )


def _cured(result: dict[str, Any]) -> list[str]:
    """What became of the labels that the predictions before missed."""
    if not result["cured"]:
        return []
    parts = [f"{row['name'].lower()} {row['cured']:,} of {row['missed_before']:,} (newly {row['newly_missed']:,})"
             for row in result["cured"]["rows"] if row["missed_before"] or row["newly_missed"]]  # fmt: skip
    return [f"Of the labels missed before are found now, by the cause: {', '.join(parts) or 'none'}."]
