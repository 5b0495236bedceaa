"""List the videos of shards in a table: id, position, frames and labels of each, read without the frames.

Sources are folders, globs (quoted) and files of TFRecord shards of one level, or one CSV of VideoId,Labels.
"""

import argparse
from typing import Any

from yt8m.commands._numbers import at_least
from yt8m.data.records.build import build_index, left_out

EXAMPLE = "yt8m index /data/yt8m/frame/train -o index.parquet"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "sources", nargs="+", metavar="SOURCE", help="folder, glob, file or gs:// address of shards; or a label list"
    )
    parser.add_argument("-o", "--output", required=True, metavar="F", help="the index to write (Parquet)")
    parser.add_argument("--source-root", metavar="DIR", help="name shards relative to DIR (default: common folder)")
    parser.add_argument("--verify", action="store_true", help="read every record whole and check its CRC32C")
    parser.add_argument(
        "--threads", type=at_least(1), metavar="N", help="shards read at once (default: by where they are: 1 to 32)"
    )
    parser.add_argument(
        "--skip-bad-records", action="store_true",
        help="leave bad records out and list them, instead of stopping; reads every record whole to find them all",
    )  # fmt: skip


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Build the index."""
    return build_index(
        args.sources,
        args.output,
        source_root=args.source_root,
        verify=args.verify,
        threads=args.threads,
        skip_bad_records=args.skip_bad_records,
        announce=False,
    )


def render(result: dict[str, Any]) -> str:
    """The result in lines."""
    lines = ["{videos:,} videos with {labels:,} labels in {shards:,} shards ({bytes:,} bytes)".format(**result)]
    level = {"frame": "frame level", "video": "video level", "labels": "labels alone"}[result["level"]]
    lines.append(level + (", frames simulated" if result["simulated"] else ""))
    return "\n".join([*lines, *left_out(result)])
