"""Predict a model's own training videos, each by a model of the same preset that has not seen it.

The training set is cut into folds by the videos' ids; for each fold a model is trained on the others. What is fitted to
these predictions (`yt8m rerank fit`, `yt8m blend`) is honest, and is applied to predictions of the model itself.
Stopped, it goes on where it was when the same command is run again.
"""

import argparse
from typing import Any

from yt8m.commands._numbers import at_least
from yt8m.commands._staging import add_staging_arguments, staging_of

EXAMPLE = "yt8m crossfit runs/mlp training_set.parquet --folds 5 -o crossfit.parquet"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("model", help="folder of a trained model")
    parser.add_argument("training_set", help="the training set that it was trained on")
    parser.add_argument("-o", "--output", required=True, metavar="F", help="the predictions to write (Parquet)")
    parser.add_argument("--folds", type=at_least(2), default=5, metavar="N", help="trainings (default: 5)")
    parser.add_argument("--top", type=at_least(1), default=100, metavar="K", help="labels a video (default: 100)")
    parser.add_argument("--source", metavar="DIR", help="where the shards lie, if they were moved")
    add_staging_arguments(parser)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Train and predict, fold by fold."""
    from yt8m.second_stage.crossfit import crossfit

    return crossfit(args.model, args.training_set, args.output, folds=args.folds, top=args.top, source=args.source,
                    staging=staging_of(args))  # fmt: skip


def render(result: dict[str, Any]) -> str:
    """The result in lines."""
    line = (
        f"{result['videos']:,} videos, top {result['top']} of {result['num_classes']:,} labels each, by "
        f"{result['folds']} models like {result['models'][0]}, of which each had not seen them"
    )
    return "\n".join([line, "frames are simulated"] if result["simulated"] else [line])
