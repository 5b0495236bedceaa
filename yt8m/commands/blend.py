"""Fit the weights of models in an average to labelled videos that none of them has learned from.

Takes predictions by each model, those of `yt8m crossfit` or of a part of the validation partition that judges nothing.
Writes JSON that `yt8m predict --blend` takes; a model that gains nothing beside the others gets the weight 0.
"""

import argparse
from typing import Any

EXAMPLE = (
    "yt8m blend crossfit-mlp.parquet crossfit-labels.parquet --training-set training_set.parquet -o blend.json\n"
    "  yt8m predict runs/mlp runs/labels validate.parquet --blend blend.json -o blended.parquet"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("predictions", nargs="+", help="predictions of the same videos, each by another model")
    parser.add_argument("--training-set", required=True, metavar="F", help="the training set that they learned from")
    parser.add_argument("-o", "--output", required=True, metavar="F", help="the weights to write (JSON)")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Fit."""
    from yt8m.second_stage.blend import fit_blend

    return {**fit_blend(args.predictions, args.training_set, args.output), "output": args.output}


def render(result: dict[str, Any]) -> str:
    """The weights in lines."""
    lines = [f"{model['weight']:.4f}  {model['name']}" for model in result["models"]]
    loss = f"log loss of a pair {result['log_loss']:.5f}, with equal weights {result['equal_log_loss']:.5f}"
    return "\n".join([*lines, f"{loss}, on {result['videos']:,} videos", f"wrote {result['output']}"])
