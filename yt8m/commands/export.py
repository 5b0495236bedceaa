"""Write a training set as real shards, bytes unchanged, shuffled.

Training does not need it: `yt8m train` reads the source shards through the training set. Use it for other readers of
TFRecords. Interrupted, the same command goes on where it stopped.
"""

import argparse
from typing import Any

from yt8m.commands._numbers import at_least

EXAMPLE = "yt8m export build/training_set.parquet -o build/tripled --shards 16"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("training_set", help="made by `yt8m rebalance`")
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="a folder for this export alone")
    parser.add_argument("--shards", type=at_least(1), required=True, metavar="N", help="how many shards to write")
    parser.add_argument(
        "--phase", type=at_least(0), help="which phase of the training set, from 0 (needed when there are several)"
    )
    parser.add_argument("--seed", type=at_least(0), default=0, help="of the shuffle (default: 0)")
    parser.add_argument("--workers", type=at_least(1), help="processes (default: one a core)")
    parser.add_argument(
        "--source", metavar="DIR", help="where the source shards lie now, if not where they were indexed"
    )
    parser.add_argument("--prefix", default="train", help="of the shards' names (default: train)")
    parser.add_argument("--skip-bad-records", action="store_true", help="leave damaged records out, and list them")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Export."""
    from yt8m.loader.export import export

    return export(
        args.training_set, args.output, shards=args.shards, phase=args.phase, seed=args.seed, workers=args.workers,
        source=args.source, prefix=args.prefix, skip_bad_records=args.skip_bad_records,
    )  # fmt: skip


def render(result: dict[str, Any]) -> str:
    """One line, and one for each record left out."""
    lines = [
        f"{result['records']:,} records ({result['bytes'] / 1e6:,.1f} MB) in {result['shards']:,} shards of"
        f" {result['folder']}: {result['written']:,} written, {result['kept']:,} already there"
    ]
    lines += [
        f"left out: {entry['file']}: record {entry['record']} at byte {entry['offset']}: {entry['problem']}"
        for entry in result["skipped"]
    ]
    return "\n".join(lines)
