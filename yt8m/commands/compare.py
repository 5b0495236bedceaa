"""Say whether predictions B are better than predictions A of the same labelled videos, or whether it cannot be told.

Writes compare.html (one self-contained page, the verdict first) and compare.json: the difference in GAP@20 with a
paired 95 % interval, the same by parts of the data, and the labels that moved most. The order of the videos in the
files does not matter, but they must be the same. The verdict is about these two models, not about the recipes that made
them: where the seed of the training matters, compare several of each.
"""

import argparse
from typing import Any

from yt8m.storage import join

EXAMPLE = "yt8m compare old.parquet new.parquet --vocabulary vocabulary.csv -o comparison"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `yt8m compare`."""
    parser.add_argument("a", metavar="A", help="predictions to compare with, by `yt8m predict`")
    parser.add_argument("b", metavar="B", help="predictions that may be better")
    parser.add_argument("--index", help="index of the training videos, for the differences by training count")
    parser.add_argument("--vocabulary", help="vocabulary.csv of the dataset, for names and verticals")
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="the folder to write")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Compare, and return the findings with the folder they were written to."""
    from yt8m.evaluation.comparison.compare import compare

    result = compare(args.a, args.b, args.output, index=args.index, vocabulary=args.vocabulary)
    return {**result, "output": args.output}


def render(result: dict[str, Any]) -> str:
    """The verdict and the parts, and where the page lies."""
    from yt8m.evaluation.comparison.page import summarize

    simulated = ["The frames are simulated."] if result["simulated"] else []
    page = join(result["output"], "compare.html")
    lines = [*summarize(result), *simulated, f"{page}: the page; beside it compare.json"]
    return "\n".join(lines).replace("\N{NO-BREAK SPACE}", " ")
