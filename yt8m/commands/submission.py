"""Write predictions of the test partition in the challenge's format: a CSV line a video with its 20 best labels.

Several files are averaged (they need the top 100 or more; `yt8m predict` with several models is exact). With --index,
the submission holds each video of the index exactly once, or is not written. With --model (once for each model that
made the predictions) the models' weights must keep within the challenge's limit of 1 GiB.
"""

import argparse
from typing import Any

from yt8m.submission import write_submission
from yt8m.submission.checks import LIMIT, MIB

EXAMPLE = "yt8m submission predictions.parquet --index test.parquet --model runs/moe/model -o submission.csv"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("predictions", nargs="+", metavar="PREDICTIONS", help="predictions files, by `yt8m predict`")
    parser.add_argument("-o", "--output", required=True, metavar="F", help="the CSV to write")
    parser.add_argument("--index", metavar="F", help="index of the test videos: each must be there, and no other")
    parser.add_argument("--model", action="append", default=[], metavar="DIR",
                        help="a model that made the predictions: its size is checked; once for each")  # fmt: skip


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Write the submission."""
    made = write_submission(args.predictions, args.output, index=args.index, models=args.model)
    return {**made, "output": args.output}


def render(result: dict[str, Any]) -> str:
    """The result in lines."""
    models = " + ".join(result["models"])
    mean = f" (mean of {result['files']} files)" if result["files"] > 1 else ""
    checked = (
        "every video of the index exactly once" if result["complete"] else "not checked against an index (--index)"
    )
    size = result["model_bytes"]
    weights = "" if size is None else f"; {size / MIB:,.1f} of {LIMIT / MIB:,.0f} MiB of weights"
    simulated = "\nmade from simulated frames" if result["simulated"] else ""
    head = f"{result['videos']:,} videos with {result['pairs']} labels each by {models}{mean}"
    return f"{head}; {checked}{weights}{simulated}\nwrote {result['output']} ({result['bytes']:,} bytes)"
