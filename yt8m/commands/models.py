"""The models: parameters, size in float32 and float16, whether below the challenge's 1 GB, cost of one video.

First the presets that `yt8m train --preset` takes, then the sizes that publications report. A megabyte is 1e6 bytes,
the limit 2^30 bytes. A flop is a multiplication or an addition of the matrix products; the cost is that of one video
with the preset's number of frames.
"""

import argparse
from typing import Any

from yt8m.quiet import quiet_start
from yt8m.vocabulary import NUM_CLASSES

EXAMPLE = "yt8m models --classes 3862"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `yt8m models`."""
    parser.add_argument("--classes", type=int, default=NUM_CLASSES, metavar="N", help="labels (default: %(default)s)")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """The table's rows."""
    with quiet_start():
        from yt8m.models.table import model_table

    return model_table(args.classes)


def render(result: dict[str, Any]) -> str:
    """A table with one line a model."""
    header = ("name", "model", "parameters", "MB float32", "< 1 GB", "MB float16", "< 1 GB", "frames", "MFLOP/video")
    rows = [header, *(_cells(row) for row in result["models"])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    lines = [
        "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    presets = 1 + sum(row["preset"] for row in result["models"])
    rule = "  ".join("-" * width for width in widths)
    return "\n".join([lines[0], rule, *lines[1:presets], rule, *lines[presets:]])


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    sizes = [
        cell
        for dtype in ("float32", "float16")
        for cell in (f"{row['megabytes'][dtype]:,.1f}", "yes" if row["under_limit"][dtype] else "no")
    ]
    flops = f"{row['flops'] / 1e6:,.1f}"
    return (row["name"], row["architecture"], f"{row['parameters']:,}", *sizes, str(row["frames"]), flops)
