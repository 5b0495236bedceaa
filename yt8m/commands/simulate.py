"""Make frame-level records of real video-level ones: the same ids and labels, frames that come back to the real means.

Frame counts follow the real distribution. The new shards are called NAME-simulated.tfrecord, and everything that is
made of them says that its frames are simulated.
"""

import argparse
from typing import Any

from yt8m.commands._numbers import at_least
from yt8m.data.records.simulate import simulate

EXAMPLE = "yt8m simulate sample/train --max-frames 64 -o build/frames/train"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help="folder, glob or file of video-level shards")
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="folder of the new shards")
    parser.add_argument(
        "--max-frames", type=at_least(1), default=300, metavar="N", help="cut longer videos (default: 300)"
    )
    parser.add_argument(
        "--localized", action="store_true", help="put each label's evidence into 10 to 25 %% of the frames, same mean"
    )
    parser.add_argument(
        "--evidence", nargs="+", metavar="SOURCE",
        help="shards that say what a label's evidence looks like, with --localized (default: the sources; name the "
        "training shards when simulating validation shards)",
    )  # fmt: skip
    parser.add_argument("--seed", type=at_least(0), default=0, metavar="N", help="of all randomness (default: 0)")
    parser.add_argument("--workers", type=at_least(1), metavar="N", help="shards made at once (default: one a core)")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Simulate."""
    return simulate(
        args.sources,
        args.output,
        max_frames=args.max_frames,
        localized=args.localized,
        seed=args.seed,
        evidence=args.evidence,
        workers=args.workers,
    )


def render(result: dict[str, Any]) -> str:
    """The result in lines."""
    text = "{videos:,} videos with {frames:,} simulated frames in {shards:,} shards ({bytes:,} bytes): {output_dir}"
    lines = [text.format(**result)]
    if result["reused"]:
        lines.append("{reused:,} shards were there already".format(**result))
    return "\n".join(lines)
