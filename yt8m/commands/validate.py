"""Check data before training: duplicate and leaked ids, unknown labels, and drift from an earlier train partition.

Writes validation.json, the page validation.html, and data_profile.json, with which later data can be compared
(--baseline). A breached threshold is one line and exit code 2. Drift is a breach when it is above its threshold and
beyond what chance brings at the sizes compared; with a threshold of 0, when it is beyond chance.
"""

import argparse
from typing import Any

from yt8m.checks.thresholds import DEFAULTS
from yt8m.checks.validate import PAGE, validate_data
from yt8m.errors import InputError
from yt8m.presets import parse_overrides
from yt8m.storage import join

EXAMPLE = (
    "yt8m validate train.parquet --validation validate.parquet --test test.parquet \\\n"
    "    --vocabulary vocabulary.csv --threshold label_drift=0.2 -o validation"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("index", help="index of the train partition, by `yt8m index`")
    parser.add_argument("--validation", metavar="INDEX", help="index of the validation partition")
    parser.add_argument("--test", metavar="INDEX", help="index of the test partition")
    parser.add_argument("--vocabulary", metavar="F", help="vocabulary.csv of the dataset")
    parser.add_argument("--baseline", metavar="F", help="data_profile.json of an earlier train partition")
    parser.add_argument(
        "--threshold", action="append", default=[], metavar="NAME=VALUE",
        help=f"change a threshold ({', '.join(f'{name}={value:g}' for name, value in DEFAULTS.items())})",
    )  # fmt: skip
    parser.add_argument("--source", metavar="DIR", help="where the train shards lie, if they were moved")
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="the folder to write to")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Check."""
    try:
        thresholds = parse_overrides(args.threshold)
    except InputError as error:
        raise InputError(str(error).replace("--set", "--threshold")) from error
    named = {"train": args.index, "validate": args.validation, "test": args.test}
    result = validate_data(
        {name: path for name, path in named.items() if path}, args.output, vocabulary=args.vocabulary,
        baseline=args.baseline, thresholds=thresholds, source=args.source,
    )  # fmt: skip
    return {**result, "output": args.output}


def render(result: dict[str, Any]) -> str:
    """Each check in a line, and where the page is."""
    lines = [f"{name}: {part['videos']:,} videos" for name, part in result["partitions"].items()]
    width = max(len(check["name"]) for check in result["checks"])
    for check in result["checks"]:
        value = "not checked (give --vocabulary)" if check["name"] == "unknown_labels" else "not compared"
        if check["value"] is not None:
            value = f"{check['value']:.4g} (at most {check['threshold']:g})"
            if check["passed"] and check["value"] > check["threshold"]:
                value += ", no more than chance brings"
        if check["value"] is None or check["name"] == "label_drift":
            value += "".join(f"; {detail}" for detail in check["details"])
        lines.append(f"{check['name']:<{width}}  {value}")
    return "\n".join([*lines, f"wrote {join(result['output'], PAGE)}"])
