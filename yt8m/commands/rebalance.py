"""Make a training set of an index by a recipe: which videos are read how often, in which phases.

Nothing is copied: a training set is index rows with repeat counts. `--list` shows the built-in recipes; a YAML file
of your own serves as well.
"""

import argparse
from typing import Any

from yt8m.commands._numbers import at_least
from yt8m.data.rebalance.build import build_training_set
from yt8m.data.rebalance.recipe import recipe_names
from yt8m.errors import InputError

EXAMPLE = "yt8m rebalance train.parquet --recipe hard-x3 --exclude validation.parquet -o training_set.parquet"
NUMBERS = (
    ("videos", "videos", "{:,}"),
    ("share_of_videos", "share of the videos", "{:.2%}"),
    ("examples", "examples an epoch", "{:,}"),
    ("examples_per_video", "times the videos", "{:.3f}"),
    ("label_occurrences", "label occurrences", "{:,}"),
    ("share_of_rare_labels", "share of rare labels", "{:.2%}"),
    ("gini", "Gini of label occurrences", "{:.4f}"),
    ("head_tail_ratio", "head/tail ratio", "{:,.1f}"),
    ("steps_an_epoch", "steps an epoch", "{:,}"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `yt8m rebalance`."""
    parser.add_argument("index", nargs="?", help="index of the training videos, by `yt8m index`")
    parser.add_argument("--recipe", metavar="NAME_OR_FILE", help="a built-in recipe or a YAML file")
    parser.add_argument("-o", "--output", metavar="FILE", help="the training set to write")
    parser.add_argument(
        "--exclude", nargs="+", action="extend", default=[], metavar="INDEX",
        help="drop the videos whose ids occur in these indexes (validation, test)",
    )  # fmt: skip
    parser.add_argument(
        "--batch-size", type=at_least(1), default=160, metavar="N", help="for the reported steps an epoch (%(default)s)"
    )
    parser.add_argument(
        "--seed", type=at_least(0), default=0, metavar="N", help="of the recipe's random choices (%(default)s)"
    )
    parser.add_argument("--list", action="store_true", help="show the built-in recipes and do nothing else")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Write the training set; its sizes. Or, with `--list`, the recipes."""
    if args.list:
        return {"recipes": recipe_names()}
    for name, value in (("an index", args.index), ("--recipe", args.recipe), ("-o", args.output)):
        if value is None:
            raise InputError(f"{name} is missing; see `yt8m rebalance --help`, and `yt8m rebalance --list` for recipes")
    result = build_training_set(
        args.index, args.recipe, args.output, exclude=args.exclude, batch_size=args.batch_size, seed=args.seed
    )
    return {**result, "output": args.output}


def render(result: dict[str, Any]) -> str:
    """A table: one column before, one for each phase."""
    if "recipes" in result:
        width = max(map(len, result["recipes"]))
        return "\n".join(f"{name:<{width}}  {description}" for name, description in result["recipes"].items())
    columns = [("before", result["before"]), *((phase["name"], phase) for phase in result["phases"])]
    rows = [["", *(name for name, _ in columns)]]
    rows += [[title, *(_text(numbers[key], form) for _, numbers in columns)] for key, title, form in NUMBERS]
    rows.append(["until", "", *(_until(phase["until"]) for phase in result["phases"])])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows]
    excluded = f", {result['excluded']:,} excluded" if result["excluded"] else ""
    simulated = ", frames simulated" if result["simulated"] else ""
    head = f"recipe {result['recipe']}: {result['videos']:,} videos{excluded}{simulated}, batch {result['batch_size']}"
    return "\n".join([head, *lines, f"wrote {result['output']}"])


def _text(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def _until(until: dict[str, Any]) -> str:
    if until["epochs"] is not None:
        return f"{until['epochs']:g} epochs"
    if until["training_gap"] is None:
        return "as preset"
    return f"GAP {until['training_gap']}, <= {until['max_epochs']:g} epochs"
