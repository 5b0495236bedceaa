"""Run the paper's experiments again and write one page with ours beside the paper's.

DIR gets paper.html, paper.json and what was trained. Run the same command again after a kill: what is finished is not
repeated. An experiment that cannot be run is reported in its place, and the others go on. The scales are `sample` (the
shards of this repository), `simulated` (frames simulated from your video-level shards) and `full` (the real 1.53 TB;
look at --estimate first).
"""

import argparse
from typing import Any

from yt8m.commands._numbers import at_least
from yt8m.storage import join

EXAMPLE = (
    "yt8m reproduce --scale sample -o build/paper\n"
    "  yt8m reproduce --scale simulated --train 'shards/validate00[0-4]?.tfrecord' \\\n"
    "      --validation 'shards/validate005?.tfrecord' --vocabulary vocabulary.csv -o build/paper-simulated"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--scale", required=True, metavar="sample|simulated|full", help="how large the experiments are")
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="the folder to write and to go on in")
    parser.add_argument(
        "--train", nargs="+", metavar="SOURCE",
        help="folder, glob or files of the training shards (default: the scale's): video-level ones where frames are "
        "simulated, frame-level ones at scale full",
    )  # fmt: skip
    parser.add_argument("--validation", nargs="+", metavar="SOURCE", help="the same for the validation shards")
    parser.add_argument("--vocabulary", metavar="F", help="vocabulary.csv of the dataset (default: the scale's)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="run these experiments alone, e.g. figure-3 figure-4")
    parser.add_argument("--seeds", type=at_least(1), metavar="N", help="trainings a run (default: the scale's, 3)")
    parser.add_argument("--plan", metavar="F", help="experiments and scales of your own, a file like paper.yaml")
    parser.add_argument(
        "--estimate", action="store_true", help="only say how much there is to train, and write nothing"
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Reproduce, or estimate."""
    if args.estimate:
        from yt8m.paper.reproduce import count_videos, estimate

        videos = count_videos(args.scale, args.train, args.validation, args.plan)
        return {"estimate": estimate(args.scale, videos=videos, plan=args.plan, seeds=args.seeds, only=args.only)}
    from yt8m.paper.reproduce import reproduce

    return reproduce(
        args.scale, args.output, train=args.train, validation=args.validation, vocabulary=args.vocabulary,
        only=args.only, seeds=args.seeds, plan=args.plan,
    ) | {"output": args.output}  # fmt: skip


def render(result: dict[str, Any]) -> str:
    """The verdicts in lines, or the estimate."""
    if "estimate" in result:
        from yt8m.paper.reproduce import render_estimate

        return render_estimate(result["estimate"])
    output = result.pop("output")
    width = max(len(name) for name in result)
    lines = [f"{name:<{width}}  {_verdict(row)}" for name, row in result.items()]
    return "\n".join([*lines, f"{join(output, 'paper.html')}: the page; beside it paper.json"])


def _verdict(row: dict[str, Any]) -> str:
    if "cause" in row:
        return f"not run: {row['cause']}"
    return f"the paper's statement {row['agrees']}"
