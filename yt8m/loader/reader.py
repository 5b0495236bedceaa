"""Rows of an index -> a batch of frames, uint8 all the way, as they lie in the records.

A regular record is read by one call straight into the batch (`known.py`): its frames keep the nine bytes that the
record has before each, which are cut off on the device of the model (`models/frame_heads.py`). An irregular record is
parsed and laid out in the same way. Labels come from the index.
"""

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np

from yt8m.data.records.features import WIDTHS, FeatureError, video_features
from yt8m.data.records.tfrecord import OVERHEAD, FramingError, read_payload
from yt8m.data.records.video_index import VideoIndex
from yt8m.errors import InputError, RecordError
from yt8m.loader.buffers import BufferPool
from yt8m.loader.known import STRIDES, KnownRecords
from yt8m.loader.order import FrameSampling
from yt8m.loader.prefetch import Stopped
from yt8m.loader.remote import open_shards
from yt8m.loader.shards import Shards, check_unchanged, record_number
from yt8m.ragged import ragged_positions

PADDING = -1


@dataclass(frozen=True)
class Batch:
    """B videos with T frames each. Its arrays are valid for as long as anybody holds them.

    Attributes:
        features: `rgb` and `audio` as they lie in the records: uint8 [B, T, 9 + 1024] and [B, T, 9 + 128], nine bytes
            of anything before each frame; of video-level records float32 [B, 1, 1024] and [B, 1, 128].
        num_frames: int32 [B], the valid ones of the T; the others are zero.
        labels: uint8 [B, classes], 1 where the video has the label; None when no number of classes was given.
        rows: int64 [B], of the index; -1 fills up a last short batch and stands for a record that was left out. Such
            a row has one frame of zeros (so that no model divides by zero) and no label.
    """

    features: dict[str, np.ndarray]
    num_frames: np.ndarray
    labels: np.ndarray | None
    rows: np.ndarray

    @property
    def rgb(self) -> np.ndarray:
        """Uint8 [B, T, 1024], a view; of video-level records float32 [B, 1, 1024]."""
        return self.features["rgb"][..., -WIDTHS["rgb"] :]

    @property
    def audio(self) -> np.ndarray:
        """Uint8 [B, T, 128], a view; of video-level records float32 [B, 1, 128]."""
        return self.features["audio"][..., -WIDTHS["audio"] :]

    def inputs(self) -> dict[str, np.ndarray]:
        """What a model takes; frames as views, for use on the host."""
        return {"rgb": self.rgb, "audio": self.audio, "num_frames": self.num_frames}

    def as_read(self) -> dict[str, np.ndarray]:
        """The same in whole arrays, for a device: of the frames, `models/frame_heads.py` cuts the heads off there."""
        return {**self.features, "num_frames": self.num_frames}


class RecordReader:
    """Reads the videos of an index; safe to use from several threads.

    Args:
        index: of shards, frame level or video level.
        source: the folder or gs:// address that the shards' names are relative to; the index's own by default.
        num_classes: width of the labels; without it batches have none.
        skip_bad_records: leave bad records out and list them in `skipped`, where the default raises.
        keep_batches: how many batches' memory is kept for reuse.
        known: of the records, by other readers of the same index; by default nothing but what the index says.

    Attributes:
        num_classes: as given.
        shards: where it reads.
        skipped: `{file, record, offset, bytes, problem, video_id}` of each record that was left out, as it was met.

    Raises:
        InputError: the index has labels alone; a shard is missing or changed; a label is not below `num_classes`.
    """

    def __init__(
        self,
        index: VideoIndex,
        source: str | None = None,
        *,
        num_classes: int | None = None,
        skip_bad_records: bool = False,
        keep_batches: int = 8,
        known: KnownRecords | None = None,
    ):
        self.index, self.skipped = index, list[dict[str, Any]]()
        self.num_classes, self._skip, self._keep = num_classes, skip_bad_records, keep_batches
        self.shards = open_shards(index, source)
        if num_classes is not None:
            _check_labels(index, num_classes)
        self._known = known or KnownRecords(index)
        self._largest = int(index.lengths.max(initial=0)) + OVERHEAD
        self._thread = threading.local()
        self._pools: dict[tuple[int, ...], BufferPool] = {}
        self._lock = threading.Lock()

    def read(
        self,
        rows: np.ndarray,
        sampling: FrameSampling,
        draws: np.ndarray | None = None,
        given_up: threading.Event | None = None,
    ) -> Batch:
        """The videos of some rows.

        Args:
            rows: int64 [B]; -1 for padding.
            sampling: which frames; of no effect on video-level records.
            draws: float64 [B, sampling.draws] in [0, 1), for the samplings that draw.
            given_up: raises `Stopped` soon after it is set.

        Raises:
            RecordError: a record is bad, with its shard, number and byte.
        """
        batch = self.start(rows, sampling)
        self.fill(batch, np.arange(len(batch.rows)), sampling, draws, given_up)
        return batch

    def fill(
        self,
        batch: Batch,
        positions: np.ndarray,
        sampling: FrameSampling,
        draws: np.ndarray | None = None,
        given_up: threading.Event | None = None,
        shards: Shards | None = None,
    ) -> None:
        """Read the videos at some positions of a batch that was started; arguments and errors as of `read`.

        Args:
            shards: where the records are read; the reader's own by default.
        """
        shards = shards or self.shards
        draws = np.empty((len(batch.rows), 0)) if draws is None else draws
        for position in self._reading_order(batch.rows, positions, shards):
            if given_up is not None and given_up.is_set():
                raise Stopped
            self._fill(batch, position, sampling, draws[position], shards)

    def start(self, rows: np.ndarray, sampling: FrameSampling) -> Batch:
        """A batch of some rows whose frames hold anything, and whose labels are right."""
        rows = np.array(rows, np.int64)
        if self.index.level == "frame":
            features = {name: self._take((len(rows), sampling.count, size), np.uint8) for name, size in STRIDES.items()}
        else:
            features = {name: self._take((len(rows), 1, width), np.float32) for name, width in WIDTHS.items()}
        return Batch(features, np.ones(len(rows), np.int32), self._labels(rows), rows)

    def _take(self, shape: tuple[int, ...], dtype: type) -> np.ndarray:
        with self._lock:
            if shape not in self._pools:
                self._pools[shape] = BufferPool(shape, dtype, self._keep)
        return self._pools[shape].take()

    def _labels(self, rows: np.ndarray) -> np.ndarray | None:
        if self.num_classes is None:
            return None
        labels = np.zeros((len(rows), self.num_classes), np.uint8)
        real = np.flatnonzero(rows != PADDING)
        starts = self.index.bounds[rows[real]]
        counts = self.index.bounds[rows[real] + 1] - starts
        labels[np.repeat(real, counts), self.index.labels[ragged_positions(starts, counts)]] = 1
        return labels

    def _reading_order(self, rows: np.ndarray, positions: np.ndarray, shards: Shards) -> list[int]:
        """Positions in the order of the shards; the disk hears of all of them before the first is read."""
        numbers, offsets = self.index.shard_numbers[rows[positions]], self.index.offsets[rows[positions]]
        order = positions[np.lexsort((offsets, numbers))]
        real = rows[order][rows[order] != PADDING]
        places = (
            column[real].tolist() for column in (self.index.shard_numbers, self.index.offsets, self.index.lengths)
        )
        for number, offset, length in zip(*places, strict=True):
            shards.announce(number, offset, length + OVERHEAD)
        return order.tolist()

    def _fill(self, batch: Batch, position: int, sampling: FrameSampling, draws: np.ndarray, shards: Shards) -> None:
        row = int(batch.rows[position])
        if row != PADDING:
            try:
                batch.num_frames[position] = self._copy(batch, position, row, sampling, draws, shards)
                return
            except (FeatureError, FramingError) as error:
                self._refuse(row, str(error), shards, getattr(error, "remedy", None))
        batch.rows[position], batch.num_frames[position] = PADDING, 1
        for target in batch.features.values():
            target[position] = 0
        if batch.labels is not None:
            batch.labels[position] = 0

    def _copy(
        self, batch: Batch, position: int, row: int, sampling: FrameSampling, draws: np.ndarray, shards: Shards
    ) -> int:
        """Bring a record's features to their place; returns the number of frames that are valid there."""
        if self.index.level == "video":
            for target, mean in zip(batch.features.values(), video_features(self._payload(row, shards)), strict=True):
                target[position, 0] = mean
            return 1
        targets = {name: target[position] for name, target in batch.features.items()}
        chosen = sampling.choose(int(self.index.num_frames[row]), draws)
        read = isinstance(chosen, slice) and self._known.read_frames(row, chosen, targets, self._memory(), shards)
        if not read:
            found = self._known.frames(row, self._payload(row, shards))
            chosen = sampling.choose(len(found.rgb), draws)
        count = chosen.stop - chosen.start if isinstance(chosen, slice) else len(chosen)
        for name, target in targets.items():
            if not read:
                target[:count, -WIDTHS[name] :] = getattr(found, name)[chosen]
            target[count:] = 0
        return count

    def _payload(self, row: int, shards: Shards) -> memoryview:
        """The record of a row in this thread's memory, checked: framing, checksum, and that it is the one indexed.

        Raises:
            FramingError: it is damaged or cut.
            InputError: it is another record than the one that was indexed.
        """
        number, offset, length = self._position(row)
        memory = self._memory()[: length + OVERHEAD]
        done = shards.read_into(number, offset, memory)
        payload = read_payload(memory[:done].data, 0, length, verify=self._known.verifies(row))
        check_unchanged(self.index, row, memory[:done].data, shards.paths[number])
        return payload

    def _position(self, row: int) -> tuple[int, int, int]:
        index = self.index
        return int(index.shard_numbers[row]), int(index.offsets[row]), int(index.lengths[row])

    def _memory(self) -> np.ndarray:
        if not hasattr(self._thread, "memory"):
            self._thread.memory = np.empty(self._largest, np.uint8)
        memory: np.ndarray = self._thread.memory
        return memory

    def _refuse(self, row: int, problem: str, shards: Shards, remedy: str | None) -> None:
        """Raise for a bad record, or list it."""
        number, offset, length = self._position(row)
        path = shards.paths[number]
        record = record_number(shards, number, offset, self.index.shards[number].size)
        if not self._skip:
            raise RecordError(path, record, offset, problem, remedy)
        self.skipped.append({
            "file": path, "record": record, "offset": offset, "bytes": length + OVERHEAD, "problem": problem,
            "video_id": self.index.video_ids[row].decode(),
        })  # fmt: skip


def _check_labels(index: VideoIndex, num_classes: int) -> None:
    bad = np.flatnonzero((index.labels >= num_classes) | (index.labels < 0))
    if len(bad):
        row = int(np.searchsorted(index.bounds, bad[0], side="right")) - 1
        raise InputError(f"video {index.video_ids[row].decode()} (row {row}): label {index.labels[bad[0]]} is not one "
                         f"of the {num_classes} classes; use the vocabulary that the labels belong to, or leave such "
                         "videos out of the training set")  # fmt: skip
