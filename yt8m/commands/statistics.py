"""Statistics of an index: label imbalance, labels and frames a video, verticals, co-occurrence.

Writes statistics.json and the page statistics.html. With a vocabulary, labels have names and verticals, and the
counts of the full train partition stand beside those of the index.
"""

import argparse
from typing import Any

from yt8m.data.rebalance.statistics import build_statistics

EXAMPLE = "yt8m statistics train.parquet --vocabulary vocabulary.csv -o statistics"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `yt8m statistics`."""
    parser.add_argument("index", help="an index, by `yt8m index`")
    parser.add_argument("--vocabulary", metavar="FILE", help="the dataset's vocabulary.csv")
    parser.add_argument("-o", "--output", metavar="DIR", required=True, help="the folder to write to")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Write the statistics; what statistics.json holds, and the folder."""
    return {**build_statistics(args.index, args.output, vocabulary=args.vocabulary), "output": args.output}


def render(result: dict[str, Any]) -> str:
    """The main numbers as lines, and where the page is."""
    vocabulary, frames = result["vocabulary"], result["frames_per_video"]
    lines = [
        ("videos", f"{result['videos']:,}" + (" (frames simulated)" if result["simulated"] else "")),
        ("label occurrences", f"{result['label_occurrences']:,} of {result['distinct_labels']:,} labels"),
        ("labels a video", f"{result['labels_per_video']:.2f}"),
        ("videos with one label", f"{result['share_videos_with_one_label']:.2%}"),
        ("videos with four or more", f"{result['share_videos_with_four_or_more']:.2%}"),
        ("hard videos (either)", f"{result['share_videos_hard']:.2%}"),
        ("videos with a rare label", f"{result['share_videos_with_rare_label']:.2%} (index > {result['rare_above']})"),
        *_below(result["share_below_index"], ""),
        ("Gini of label occurrences", f"{result['imbalance']['gini']:.4f}"),
    ]
    if frames is not None:
        lines.append(("frames a video", f"{frames['min']} to {frames['max']}, median {frames['median']:g}"))
    if vocabulary is not None:
        lines.append(("in the vocabulary", f"{vocabulary['label_occurrences']:,} occurrences"))
        lines += _below(vocabulary["share_below_index"], "vocabulary, ")
    width = max(len(name) for name, _ in lines)
    return "\n".join([*(f"{name:<{width}}  {value}" for name, value in lines), f"wrote {result['output']}"])


def _below(shares: dict[str, float | None], prefix: str) -> list[tuple[str, str]]:
    return [
        (f"{prefix}index below {cut}", "-" if share is None else f"{share:.2%} of the occurrences")
        for cut, share in shares.items()
    ]
