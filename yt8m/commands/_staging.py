"""The options of commands that read shards from gs://."""

import argparse

from yt8m.loader import Staging

GB = 10**9


def add_staging_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare --scratch and --scratch-gb."""
    parser.add_argument(
        "--scratch",
        metavar="DIR",
        help="keep shards from gs:// there, also for the next run (default: a temporary folder)",
    )
    parser.add_argument(
        "--scratch-gb", type=float, metavar="N", help="the most GB of them (default: 64, or half of what is free)"
    )


def staging_of(args: argparse.Namespace) -> Staging:
    """What was asked for."""
    return Staging(args.scratch, None if args.scratch_gb is None else round(args.scratch_gb * GB))
