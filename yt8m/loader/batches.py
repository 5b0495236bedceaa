"""Training sets and indexes -> batches, made ahead by threads."""

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from yt8m.data.rebalance.training_set import TrainingSet
from yt8m.data.records.features import WIDTHS
from yt8m.data.records.video_index import VideoIndex
from yt8m.errors import InputError
from yt8m.loader.known import STRIDES, KnownRecords
from yt8m.loader.order import FrameSampling, Order, frame_draws
from yt8m.loader.prefetch import Prefetch, default_threads
from yt8m.loader.reader import PADDING, Batch, RecordReader
from yt8m.loader.remote import RemoteShards
from yt8m.loader.shards import Shards
from yt8m.loader.staging import DEFAULT_STAGING, Stager, Staging
from yt8m.loader.window import IndexOrder, WindowedOrder, Windows
from yt8m.seeds import check_seed

HELD = 4
"""Batches beside those made ahead that are in use at once: two copied to the device, the one that is learned from, and
one whose memory is about to be given back."""
WINDOWS_AHEAD = 1
SHARDS_AHEAD = 16


class Batches(Prefetch[Batch]):
    """An iterator over batches (see `Prefetch` for how it ends).

    Args:
        maker: of the batches.
        start: the first step.
        stop: the step to end before; None goes on for ever.
        prefetch: batches made ahead.
        threads: that make them.
    """

    def __init__(self, maker: "_Maker", start: int, stop: int | None, *, prefetch: int, threads: int):
        super().__init__(maker.make, start, stop, ahead=prefetch, threads=threads)
        self._maker, self._reader, self._stager = maker, maker.reader, maker.stager

    @property
    def skipped(self) -> list[dict[str, Any]]:
        """The records left out so far (as `RecordReader.skipped`), by file and byte."""
        return sorted(self._reader.skipped, key=lambda entry: (entry["file"], entry["offset"]))

    @property
    def memory_bytes(self) -> int:
        """The most that batches take of this machine's memory, as long as the consumer holds no more than `HELD`."""
        return self._maker.batch_bytes * (self._ahead + HELD)

    @property
    def network_bytes(self) -> int:
        """Bytes of shards that came from gs:// so far."""
        return sum(self.network_bytes_by_epoch.values())

    @property
    def network_bytes_by_epoch(self) -> dict[int, int]:
        """The same, by the epoch (from 0) that first needed them; a prediction is epoch 0."""
        return dict(self._stager.network_bytes) if self._stager else {}

    def close(self) -> None:
        """Give up what is in the making, end the threads, and leave the scratch space."""
        if self._stager:
            self._stager.give_up()
        super().close()
        if self._stager:
            self._stager.close()


@dataclass(frozen=True)
class _Maker:
    """Makes any batch of an order.

    Attributes:
        reader: of the index.
        order: of its rows.
        stager: of the shards, when they are on gs://.
        batch_size: videos in a batch.
        sampling: which frames of each video.
        seed, phase: that the frames are drawn for.
    """

    reader: RecordReader
    order: Order | Windows
    stager: Stager | None
    batch_size: int
    sampling: FrameSampling
    seed: int
    phase: int = 0

    @property
    def batch_bytes(self) -> int:
        """Of one batch."""
        return self.batch_size * _video_bytes(self.reader.index, self.sampling, self.reader.num_classes)

    def make(self, step: int, given_up: threading.Event) -> Batch:
        """The batch of a step."""
        first, end = step * self.batch_size, (step + 1) * self.batch_size
        batch = self.reader.start(self.order.rows(first, end), self.sampling)
        draws = frame_draws(self.sampling, self.seed, self.phase, first, end)
        for low, high, shards in self._turns(first, end, batch):
            self.reader.fill(batch, np.arange(low - first, high - first), self.sampling, draws, given_up, shards)
        return batch

    def _turns(self, first: int, end: int, batch: Batch) -> Iterator[tuple[int, int, Shards | None]]:
        """The items of a batch in parts that are read from the same shards; None for the reader's own."""
        real = first + int(np.count_nonzero(batch.rows != PADDING))
        if self.stager:
            yield from self.stager.read(first, real)
            first = real
        yield first, end, None


def training_batches(
    training_set: TrainingSet,
    phase: int,
    *,
    batch_size: int,
    sampling: FrameSampling,
    seed: int,
    start: int,
    stop: int | None,
    num_classes: int,
    source: str | None = None,
    prefetch: int | None = None,
    threads: int | None = None,
    staging: Staging = DEFAULT_STAGING,
    known: KnownRecords | None = None,
) -> Batches:
    """The batches of steps start to stop of a phase; a pure function of the training set, phase, seed and step.

    Shards on this machine are read in an exact global shuffle. Those on gs:// are staged and shuffled window by window
    (`plan.py`), which also depends on `staging.window_bytes`.

    Args:
        training_set: what to read how often.
        phase: its number, from 0.
        batch_size: videos in a batch; every batch is full.
        sampling: which frames of each video.
        seed: of the training, not negative.
        start: the first step, counted from the beginning of the phase.
        stop: the step to end before; None goes on for ever.
        num_classes: width of the labels.
        source: the folder or gs:// address of the shards; the index's own by default.
        prefetch: batches made ahead; two more than there are threads by default.
        threads: that read; by default as many as cores, at most 8.
        staging: how shards on gs:// are staged.
        known: of the records, by earlier phases.

    Raises:
        InputError: as `RecordReader`; the phase holds no video; the scratch space does not hold a window. Bad records
            raise RecordError at their batch.
    """
    threads = threads or default_threads()
    prefetch = prefetch or threads + 2
    _check_sizes(training_set.index, batch_size, seed, sampling, num_classes, prefetch)
    index, repeats, stager = training_set.index, training_set.repeats[phase], None
    order = Order(repeats, seed, phase)
    reader = RecordReader(index, source, num_classes=num_classes, keep_batches=prefetch + HELD, known=known)
    if isinstance(reader.shards, RemoteShards):
        order = WindowedOrder(index, repeats, seed, phase, staging.window_bytes)
        items = start * batch_size, None if stop is None else stop * batch_size
        stager = Stager(index, reader.shards, order, staging, items=items, ahead=WINDOWS_AHEAD, keep=True)
    maker = _Maker(reader, order, stager, batch_size, sampling, seed, phase)
    return Batches(maker, start, stop, prefetch=prefetch, threads=threads)


def prediction_batches(
    index: VideoIndex,
    *,
    batch_size: int,
    sampling: FrameSampling,
    num_classes: int | None = None,
    source: str | None = None,
    skip_bad_records: bool = False,
    seed: int = 0,
    start: int = 0,
    prefetch: int | None = None,
    threads: int | None = None,
    staging: Staging = DEFAULT_STAGING,
    known: KnownRecords | None = None,
) -> Batches:
    """All videos of an index in its order; the last batch is filled up with rows of -1.

    Args:
        index: of shards.
        batch_size: rows of a batch.
        sampling: which frames of each video.
        num_classes: width of the labels; without it batches have none.
        source: the folder or gs:// address of the shards; the index's own by default.
        skip_bad_records: list bad records in `skipped`, their rows becoming -1; by default they raise RecordError.
        seed: of the draws of a random sampling.
        start: the first batch, to go on with a prediction.
        prefetch: batches made ahead; two more than there are threads by default.
        threads: that read; by default as many as cores, at most 8.
        staging: how shards on gs:// are staged; without a folder for them each goes when it has been read.
        known: of the records, by earlier readings.

    Raises:
        InputError: as `RecordReader`; the scratch space does not hold a shard.
    """
    threads = threads or default_threads()
    prefetch = prefetch or threads + 2
    _check_sizes(index, batch_size, seed, sampling, num_classes, prefetch)
    reader = RecordReader(
        index, source, num_classes=num_classes, skip_bad_records=skip_bad_records, keep_batches=prefetch + HELD,
        known=known,
    )  # fmt: skip
    order, stager = IndexOrder(index), None
    if isinstance(reader.shards, RemoteShards):
        items = min(start * batch_size, len(index)), len(index)
        stager = Stager(index, reader.shards, order, staging, items=items, ahead=SHARDS_AHEAD, keep=False)
    maker = _Maker(reader, order, stager, batch_size, sampling, seed)
    return Batches(maker, start, -(-len(index) // batch_size), prefetch=prefetch, threads=threads)


def _check_sizes(
    index: VideoIndex, batch_size: int, seed: int, sampling: FrameSampling, num_classes: int | None, prefetch: int
) -> None:
    if batch_size < 1:
        raise InputError(f"a batch of {batch_size} videos; the batch size must be at least 1")
    check_seed(seed, "seed")
    video = _video_bytes(index, sampling, num_classes)
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if batch_size * video * (prefetch + HELD) > memory:
        raise InputError(
            f"a batch of {batch_size:,} videos takes {batch_size * video / 1e9:,.1f} GB, and {prefetch + HELD} are in "
            f"memory; this machine has {memory / 1e9:,.1f} GB of memory; choose a smaller batch size"
        )


def _video_bytes(index: VideoIndex, sampling: FrameSampling, num_classes: int | None) -> int:
    frames = sampling.count * sum(STRIDES.values()) if index.level == "frame" else 4 * sum(WIDTHS.values())
    return frames + (num_classes or 0)
