"""Have a second look at the most confident labels of each video, together: fit a re-ranker, or apply one.

`fit` takes predictions of labelled videos that no model has learned from (those of `yt8m crossfit`, or of a part of the
validation partition that judges nothing) and the models' training set, and writes a folder. `apply` takes predictions
of other videos by the same models, and writes predictions like any other. No label comes in that was not among the
most confident ones; the confidences are probabilities.
"""

import argparse
from typing import Any

from yt8m.commands._numbers import at_least
from yt8m.errors import InputError

EXAMPLE = (
    "yt8m rerank fit crossfit-mlp.parquet crossfit-labels.parquet --training-set training_set.parquet -o reranker\n"
    "  yt8m rerank apply mlp.parquet labels.parquet --reranker reranker -o reranked.parquet"
)
SHOWN = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("verb", choices=("fit", "apply"), help="what to do")
    parser.add_argument("predictions", nargs="+", help="predictions of the same videos, each by another model")
    parser.add_argument("--training-set", metavar="F", help="fit: the training set that the models learned from")
    parser.add_argument("--reranker", metavar="DIR", help="apply: the folder that `fit` made")
    parser.add_argument("-o", "--output", required=True, metavar="F", help="the folder (fit) or file (apply) to write")
    parser.add_argument(
        "--candidates", type=at_least(2), default=30, metavar="N", help="fit: labels of a video (default: 30)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="fit: of everything random (default: 0)")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Fit or apply."""
    needed, other = ("training_set", "reranker") if args.verb == "fit" else ("reranker", "training_set")
    for name, wanted in ((needed, True), (other, False)):
        if (getattr(args, name) is None) == wanted:
            option = f"--{name.replace('_', '-')}"
            raise InputError(f"{option} is {'missing' if wanted else 'for another verb'}; see `yt8m rerank --help`")
    from yt8m.second_stage.rerank import apply_reranker, fit_reranker

    if args.verb == "fit":
        made = fit_reranker(
            args.predictions, args.training_set, args.output, candidates=args.candidates, seed=args.seed
        )
    else:
        made = apply_reranker(args.reranker, args.predictions, args.output)
    return {**made, "verb": args.verb, "output": args.output}


def render(result: dict[str, Any]) -> str:
    """The result in lines."""
    if result["verb"] == "fit":
        names = ", ".join(model["name"] for model in result["models"])
        line = f"fitted to {result['pairs']:,} pairs of {result['videos']:,} videos by {names}"
        weights = ", ".join(f"{name} {share:.0%}" for name, share in list(result["gains"].items())[:SHOWN])
        return f"{line}\nwhat decided most: {weights}\nwrote {result['output']}"
    line = (
        f"{result['videos']:,} videos, top {result['top']} of {result['num_classes']:,} labels each, by "
        f"{', '.join(result['models'])}, re-ranked"
    )
    return "\n".join([line, "frames are simulated"] if result["simulated"] else [line])
