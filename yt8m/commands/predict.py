"""Predict the most confident labels of each video of an index, by one model or the average of several.

A prediction that was stopped goes on where it was when the same command is run again.
The predictions file also says how each true label fared: its rank among all classes, and its confidence.
"""

import argparse
from typing import Any

from yt8m.commands._staging import add_staging_arguments, staging_of
from yt8m.errors import InputError
from yt8m.quiet import quiet_start

EXAMPLE = "yt8m predict runs/netvlad/model runs/netfv/model validate.parquet -o predictions.parquet"
SHOWN = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("models", nargs="+", metavar="MODEL", help="folder of a trained model; several are averaged")
    parser.add_argument("index", help="index of the videos to predict")
    parser.add_argument("-o", "--output", required=True, metavar="F", help="the predictions to write (Parquet)")
    parser.add_argument("--top", type=int, default=20, metavar="K", help="labels a video (default: 20)")
    parser.add_argument("--batch-size", type=int, default=256, metavar="N", help="videos at a time (default: 256)")
    parser.add_argument(
        "--weights", metavar="W,W,...", help="of the models in the average, such as 2,1 (default: equal ones)"
    )
    parser.add_argument("--blend", metavar="F", help="weights that `yt8m blend` fitted, for just these models")
    parser.add_argument("--source", metavar="DIR", help="where the shards lie, if they were moved")
    parser.add_argument("--skip-bad-records", action="store_true", help="list bad records instead of stopping")
    add_staging_arguments(parser)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Predict."""
    weights = parse_weights(args.weights)
    if args.blend is not None:
        if weights is not None:
            raise InputError("--weights and --blend are given; choose one of them")
        from yt8m.second_stage.blend import blend_weights

        weights = blend_weights(args.blend, args.models)
    with quiet_start():
        from yt8m.prediction.predict import predict

    return predict(
        args.models,
        args.index,
        args.output,
        top=args.top,
        batch_size=args.batch_size,
        weights=weights,
        source=args.source,
        skip_bad_records=args.skip_bad_records,
        staging=staging_of(args),
    )


def parse_weights(text: str | None) -> list[float] | None:
    """`2,1` -> [2.0, 1.0].

    Raises:
        InputError: something else than numbers.
    """
    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"--weights {text}: numbers with commas between them are needed, such as 2,1") from None


def render(result: dict[str, Any]) -> str:
    """The result in lines."""
    names = ", ".join(result["models"])
    lines = [f"{result['videos']:,} videos, top {result['top']} of {result['num_classes']:,} labels each, by {names}"]
    lines += ["frames are simulated"] if result["simulated"] else []
    skipped = result["skipped"]
    if skipped:
        lines.append(f"{len(skipped):,} bad records left out:")
        lines += ["  {file}: record {record} at byte {offset}: {problem}".format(**entry) for entry in skipped[:SHOWN]]
        lines += [f"  and {len(skipped) - SHOWN:,} more (--json lists all)"] if len(skipped) > SHOWN else []
    return "\n".join(lines)
