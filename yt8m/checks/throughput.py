"""How many videos a second a model takes on a card: measured rows of a table, or the roofline and a stated share of it.

A card that does F operations a second and moves B bytes a second needs at least `operations / F + bytes / B` for a
video; real programs reach a share of that. The table states the share as a range, so that a rate is one as well, and so
are the hours that follow from it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from yt8m import presets
from yt8m.errors import InputError
from yt8m.presets.schema import Schema, Text, Whole, needs, read_as, read_yaml
from yt8m.quiet import quiet_start
from yt8m.storage import StrPath
from yt8m.vocabulary import NUM_CLASSES

TABLE = Path(presets.__file__).parent / "throughput.yaml"
FRAME_LEVEL_BYTES = 251_000  # of a video: 1.53 TB over 6.1 million videos of the published dataset
FEATURES = 1152  # RGB and audio of a frame, a byte each as they are stored
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
SIXTEEN_BITS = ("bfloat16", "float16")
PASSES = {"train": 3, "predict": 1}  # forward; in training also the gradients by inputs and by weights
TOUCHES = {"train": 6, "predict": 2}  # reads and writes of the frames' activations
WEIGHT_BYTES = 32  # a training step reads and writes weights, gradients and two moments of 4 bytes: 8 accesses
SCALING = (0.85, 1.0)  # of each further card of a step
HOUR = 3600.0

Interval = np.ndarray
"""float [2]: the least and the most."""
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

    @property
    def operations(self) -> int:
        """Multiplications and additions of all passes."""
        return PASSES[self.kind] * self.flops

    def bytes(self, precision: str) -> float:
        """Moved through the card's memory: frames, activations, a video's share of the weights."""
        frames = self.frames * FEATURES * (1 + TOUCHES[self.kind] * BYTES[precision])
        weights = WEIGHT_BYTES if self.kind == "train" else BYTES[precision]
        return frames + self.parameters * weights / self.batch_size


def work_of(kind: str, preset: dict[str, Any]) -> Work:
    """What training or prediction by a preset does with a video."""
    with quiet_start():
        from yt8m.models.size import measure

    settings = dict(preset["model"])
    frames = 1 if preset["level"] == "video" else int(preset["frames"][kind]["count"])
    size = measure(settings.pop("name"), NUM_CLASSES, frames, level=preset["level"], **settings)
    return Work(kind, preset["name"], size.flops, size.parameters, frames, int(preset["batch_size"]))


@dataclass(frozen=True)
class Rate:
    """Videos a second, and where that comes from (measured or computed, and how)."""

    videos_per_second: Interval
    basis: str
    source: str

    def hours(self, videos: float | Interval) -> Interval:
        """That so many videos take."""
        return videos / self.videos_per_second[::-1] / HOUR


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

    @property
    def rate(self) -> Rate:
        """The row as a rate."""
        return Rate(np.array(self.videos_per_second), self.basis, self.source)

    def holds(self, work: Work, card: str, precision: str) -> bool:
        """Whether it is of this work on this card: a model that overrides have changed is another."""
        same = (self.work, self.preset, self.card, self.precision) == (work.kind, work.preset, card, precision)
        return same and (self.flops, self.batch_size) == (work.flops, work.batch_size)


class Throughput(Schema):
    """The table; see the file."""

    cards: dict[str, Card]
    utilisation: Range
    input_gb_per_second: Range
    index_videos_per_second: Range
    step_minutes: Range
    rows: list[Row]

    def rate(self, work: Work, card: str, precision: str, video_bytes: float, count: int = 1) -> Rate:
        """The rate of a step on so many cards, and no more than its machine can read.

        Of one card it is a measured row, else a computed one, else computed now. Older cards have the other of the
        precisions of 16 bits.

        Raises:
            InputError: a card or precision that the table does not have.
        """
        known = self.cards[card].tflops if card in self.cards else {}
        if precision in SIXTEEN_BITS and precision not in known:
            precision = next((each for each in SIXTEEN_BITS if each in known), precision)
        rows = sorted(
            (row for row in self.rows if row.holds(work, card, precision)), key=lambda row: row.basis, reverse=True
        )
        one = rows[0].rate if rows else self.computed(work, card, precision)
        ready = one.videos_per_second * (1 + (count - 1) * np.array(SCALING))
        read = 1e9 * np.array(self.input_gb_per_second) / video_bytes
        limited = " (bounded by reading)" if (read < ready).any() else ""
        return Rate(np.minimum(read, ready), one.basis, one.source + limited)

    def computed(self, work: Work, card: str, precision: str) -> Rate:
        """The rate by the roofline of one card and the range of shares of it."""
        if card not in self.cards:
            raise InputError(f"{TABLE.name}: there is no card {card}; there are {', '.join(self.cards)}; "
                             "add its data sheet's figures under cards")  # fmt: skip
        figures = self.cards[card]
        if precision not in figures.tflops:
            raise InputError(f"{TABLE.name}: {card} has no {precision}; it has {', '.join(figures.tflops)}")
        moved = work.bytes(precision)
        seconds = work.operations / (figures.tflops[precision] * 1e12) + moved / (figures.gb_per_second * 1e9)
        low, high = self.utilisation
        source = (f"{work.operations / 1e9:.3g} GFLOP and {moved / 1e6:.3g} MB a video, {low:.0%} to {high:.0%} of the "
                  "roofline")  # fmt: skip
        return Rate(np.array([float(f"{share / seconds:.3g}") for share in (low, high)]), "computed", source)


def read_throughput(path: StrPath = TABLE) -> Throughput:
    """The table of a file.

    Raises:
        InputError: missing, not YAML, or something else.
    """
    return read_as(Throughput, read_yaml(path, "it comes with the project"), str(path))


def in_words(interval: Interval) -> str:
    """A range of hours, or of a price."""
    low, high = (f"{value:,.0f}" if value >= 100 else f"{value:.2g}" for value in interval)
    return low if low == high else f"{low} to {high}"
