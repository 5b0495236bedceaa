"""How many videos a second a model takes on a card: measured rows of a table, or the roofline and a stated share of it.

A card that does F operations a second and moves B bytes a second needs at least `operations / F + bytes / B` for a
video; real programs reach a share of that. The table states the share as a range, so that a rate is one as well.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from yt8m.errors import InputError
from yt8m.presets.schema import Schema, Text, Whole, needs, read_as, read_yaml
from yt8m.storage import StrPath

TABLE = Path(__file__).resolve().parent.parent / "benchmarks" / "throughput.yaml"
FEATURES = 1152  # RGB and audio of a frame, a byte each as they are stored
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
PASSES = {"train": 3, "predict": 1}  # forward; in training also the gradients by inputs and by weights
TOUCHES = {"train": 6, "predict": 2}  # reads and writes of the frames' activations
WEIGHT_BYTES = 32  # a training step reads and writes weights, gradients and two moments of 4 bytes: 8 accesses

Interval = tuple[float, float]
Above = Annotated[float, Field(gt=0), needs("a number above 0")]
Range = Annotated[list[Above], Field(min_length=2, max_length=2), needs("a range, such as [0.2, 0.6],")]


@dataclass(frozen=True)
class Work:
    """What a step does with each video.

    Attributes:
        kind: train or predict.
        preset: its name.
        flops: multiplications and additions of a prediction.
        parameters: of the model.
        frames: of a video.
        batch_size: videos a step.
    """

    kind: str
    preset: str
    flops: int
    parameters: int
    frames: int
    batch_size: int


@dataclass(frozen=True)
class Rate:
    """Videos a second on one card, and where that comes from (measured or computed, and how)."""

    videos_per_second: Interval
    basis: str
    source: str


class Card(Schema):
    """A card's data sheet: TFLOP/s by precision, and GB/s of its memory."""

    tflops: dict[str, Above]
    gb_per_second: Above


class Row(Schema):
    """A rate of a preset on a card, and for which model it holds."""

    work: Literal["train", "predict"]
    preset: Text
    card: Text
    precision: Literal["float32", "bfloat16", "float16"]
    flops: Whole
    batch_size: Whole
    videos_per_second: Range
    basis: Literal["measured", "computed"]
    source: Text


class Throughput(Schema):
    """The table; see the file."""

    cards: dict[str, Card]
    utilisation: Range
    input_gb_per_second: Range
    index_videos_per_second: Range
    step_minutes: Range
    rows: list[Row]


def read_throughput(path: StrPath = TABLE) -> dict[str, Any]:
    """The table: `cards`, `utilisation`, `input_gb_per_second`, `index_videos_per_second`, `rows`.

    Raises:
        InputError: missing, not YAML, or something else.
    """
    return read_as(Throughput, read_yaml(path, "it comes with the project"), str(path)).model_dump()


def rate_of(work: Work, card: str, precision: str, table: dict[str, Any]) -> Rate:
    """The rate of a step on one card: a measured row, else a computed one, else computed now.

    A row holds for the model of its preset; a model that overrides have changed is computed anew.

    Raises:
        InputError: a card or precision that the table does not have.
    """
    rows = [row for row in table["rows"] if _holds(row, work, card, precision)]
    for row in sorted(rows, key=lambda row: row["basis"] != "measured"):
        low, high = row["videos_per_second"]
        return Rate((low, high), row["basis"], row["source"])
    return compute_rate(work, card, precision, table)


def compute_rate(work: Work, card: str, precision: str, table: dict[str, Any]) -> Rate:
    """The rate by the roofline of a card and the table's range of shares of it."""
    if card not in table["cards"]:
        raise InputError(f"benchmarks/throughput.yaml: there is no card {card}; there are {', '.join(table['cards'])}; "
                         "add its data sheet's figures under cards")  # fmt: skip
    figures = table["cards"][card]
    if precision not in figures["tflops"]:
        raise InputError(
            f"benchmarks/throughput.yaml: {card} has no {precision}; it has {', '.join(figures['tflops'])}"
        )
    flops, moved = PASSES[work.kind] * work.flops, bytes_of(work, precision)
    best = 1 / (flops / (figures["tflops"][precision] * 1e12) + moved / (figures["gb_per_second"] * 1e9))
    low, high = table["utilisation"]
    source = f"{flops / 1e9:.3g} GFLOP and {moved / 1e6:.3g} MB a video, {low:.0%} to {high:.0%} of the roofline"
    return Rate((_rounded(low * best), _rounded(high * best)), "computed", source)


def bytes_of(work: Work, precision: str) -> float:
    """Bytes that a step moves through the card's memory for a video: frames, activations, its share of the weights."""
    frames = work.frames * FEATURES * (1 + TOUCHES[work.kind] * BYTES[precision])
    weights = WEIGHT_BYTES if work.kind == "train" else BYTES[precision]
    return frames + work.parameters * weights / work.batch_size


def _holds(row: dict[str, Any], work: Work, card: str, precision: str) -> bool:
    same = (row["work"], row["preset"], row["card"], row["precision"]) == (work.kind, work.preset, card, precision)
    return same and row["flops"] == work.flops and row["batch_size"] == work.batch_size


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")
