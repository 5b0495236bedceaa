"""Download shards of YouTube-8M (2018 edition) from the official mirror.

Each shard is verified by its published MD5. Interrupt it at any time: the same command goes on where it stopped.
The frame-level train partition is 1.1 TB in 3,844 shards; `--shards 0-37` is about a hundredth.
"""

import argparse
from typing import Any

from yt8m.commands._numbers import at_least
from yt8m.data.records import download as mirror

EXAMPLE = "yt8m download --partition validate --level video --shards 0-9 -o data/video/validate"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--partition", required=True, choices=mirror.PARTITIONS)
    parser.add_argument("--level", required=True, choices=mirror.LEVELS, help="frame features, or their means")
    parser.add_argument("--shards", default="0-", metavar="A-B", help="numbers of the shards (default: all 3,844)")
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="the folder for the shards")
    parser.add_argument("--mirror", default="us", choices=mirror.MIRRORS, help="the nearest (default: us)")
    parser.add_argument("--workers", type=at_least(1), default=8, help="shards at a time (default: 8)")
    parser.add_argument("--verify", action="store_true", help="also recompute the MD5 of shards already there")
    parser.add_argument("--plan-url", help="another plan than the official one")
    parser.add_argument("--shard-url", help="another place of the shards, with {name} in it")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Download."""
    official = mirror.Source.official(args.partition, args.level, args.mirror)
    source = mirror.Source(args.plan_url or official.plan, args.shard_url or official.shard)
    first, last = mirror.numbers(args.shards)
    return mirror.download(source, args.output, first=first, last=last, workers=args.workers, verify=args.verify)


def render(result: dict[str, Any]) -> str:
    """One line."""
    return (
        f"{result['shards']:,} shards in {result['folder']}: {result['downloaded']:,} downloaded"
        f" ({result['bytes'] / 1e6:,.1f} MB in {result['seconds']:.0f} s), {result['kept']:,} already there"
    )
