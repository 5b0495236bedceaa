"""The video index: one row a video, what decides anything about 1.5 TB in 50 MB.

Columns of the file: `video_id` string, `shard` int32 (position in the shard list of the metadata), `offset` int64 (of
the record's frame in the shard, in bytes), `length` int32 (of its payload), `num_frames` int32, `labels` list<int32>,
`checksum` uint32 (the CRC32C that is stored behind the payload, as it is stored), `layout` int8 (in which order the
frames stand in the record, `features.LAYOUTS`; 0 for one that only a parser understands).
An index of labels alone (from a CSV) has shard -1, offset -1, length 0 and num_frames 0, and no checksums.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from yt8m.artifacts import (
    fingerprint_bytes,
    ids_from_arrow,
    ids_to_arrow,
    lists_from_arrow,
    lists_to_arrow,
    read_table,
    write_table,
)
from yt8m.progress import log
from yt8m.ragged import ragged_positions
from yt8m.storage import StrPath

KIND = "video_index"
EACH_ONCE = "index each shard once, and leave out a shard that repeats videos of another"
"""What to do about an index that holds a video twice."""


@dataclass(frozen=True)
class Shard:
    """A shard of an index: path relative to the source root, bytes, records, and the CRC32C over its records."""

    name: str
    size: int
    records: int
    fingerprint: str


@dataclass(frozen=True)
class VideoIndex:
    """An index in memory, as columns over n videos; the labels of video i are `labels[bounds[i]:bounds[i + 1]]`.

    Attributes:
        video_ids: bytes [n] (NumPy `S`).
        shard_numbers: int32 [n], position in `shards`; -1 in an index of labels alone.
        offsets: int64 [n], of the record's frame (its length field) in the shard.
        lengths: int32 [n], bytes of the payload.
        num_frames: int32 [n]; 1 for video-level records.
        labels: int32 [occurrences], bounds: int64 [n + 1].
        shards: in the order of their names.
        source_root: the folder that shard names are relative to.
        level: `frame`, `video`, or `labels` (an index of labels alone).
        simulated: whether frames were simulated.
        extra: what else the metadata of the file holds.
        checksums: uint32 [n], the CRC32C that is stored behind each payload, by which a record that changed since is
            noticed; None in an index of labels alone.
        layouts: int8 [n], by which frames are read from where they lie; None in an index of labels alone, or of an
            earlier version.
    """

    video_ids: np.ndarray
    shard_numbers: np.ndarray
    offsets: np.ndarray
    lengths: np.ndarray
    num_frames: np.ndarray
    labels: np.ndarray
    bounds: np.ndarray
    shards: tuple[Shard, ...] = ()
    source_root: str = ""
    level: str = "frame"
    simulated: bool = False
    extra: dict[str, Any] = field(default_factory=dict)
    checksums: np.ndarray | None = None
    layouts: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.video_ids)

    @property
    def labels_per_video(self) -> np.ndarray:
        """int64 [n]: how many labels each video has."""
        return np.diff(self.bounds)

    def labels_of(self, row: int) -> np.ndarray:
        """int32: the labels of one video."""
        return self.labels[self.bounds[row] : self.bounds[row + 1]]

    def fingerprint(self) -> str:
        """Of the content (ids, labels, positions, shard fingerprints), not of where the source lies."""
        shards = "\n".join(f"{s.name} {s.size} {s.fingerprint}" for s in self.shards)
        columns = (self.shard_numbers, self.offsets, self.lengths, self.num_frames, self.labels, self.bounds)
        return fingerprint_bytes(
            shards.encode(), self.level.encode(), np.ascontiguousarray(self.video_ids).view(np.uint8),
            *(np.ascontiguousarray(column).view(np.uint8) for column in columns),
        )  # fmt: skip

    def take(self, rows: np.ndarray) -> "VideoIndex":
        """The index of some rows (a boolean mask or positions), in that order; the shard list is kept whole."""
        rows = np.flatnonzero(rows) if rows.dtype == np.bool_ else np.asarray(rows)
        counts = self.labels_per_video[rows]
        bounds = np.concatenate(([0], np.cumsum(counts)))
        positions = ragged_positions(self.bounds[rows], counts)
        return VideoIndex(
            self.video_ids[rows], self.shard_numbers[rows], self.offsets[rows], self.lengths[rows],
            self.num_frames[rows], self.labels[positions], bounds, self.shards, self.source_root, self.level,
            self.simulated, self.extra, None if self.checksums is None else self.checksums[rows],
            None if self.layouts is None else self.layouts[rows],
        )  # fmt: skip

    def columns(self) -> dict[str, pa.Array]:
        """The columns of the file, as Arrow arrays."""
        columns = {
            "video_id": ids_to_arrow(self.video_ids),
            "shard": pa.array(self.shard_numbers.astype(np.int32)),
            "offset": pa.array(self.offsets.astype(np.int64)),
            "length": pa.array(self.lengths.astype(np.int32)),
            "num_frames": pa.array(self.num_frames.astype(np.int32)),
            "labels": lists_to_arrow(self.labels.astype(np.int32), self.bounds),
        }
        if self.checksums is not None:
            columns["checksum"] = pa.array(self.checksums.astype(np.uint32))
        if self.layouts is not None:
            columns["layout"] = pa.array(self.layouts.astype(np.int8))
        return columns

    def metadata(self) -> dict[str, Any]:
        """What the file's metadata holds beside the columns."""
        return {
            "fingerprint": self.fingerprint(),
            "level": self.level,
            "simulated": self.simulated,
            "source_root": self.source_root,
            "shards": [[s.name, s.size, s.records, s.fingerprint] for s in self.shards],
            **self.extra,
        }

    @classmethod
    def from_table(cls, table: pa.Table, metadata: dict[str, Any]) -> "VideoIndex":
        """The inverse of `columns` and `metadata`."""
        labels, bounds = lists_from_arrow(table["labels"])
        known = {"kind", "fingerprint", "level", "simulated", "source_root", "shards"}
        return cls(
            video_ids=ids_from_arrow(table["video_id"]),
            shard_numbers=table["shard"].to_numpy(),
            offsets=table["offset"].to_numpy(),
            lengths=table["length"].to_numpy(),
            num_frames=table["num_frames"].to_numpy(),
            labels=labels,
            bounds=bounds,
            shards=tuple(Shard(*shard) for shard in metadata["shards"]),
            source_root=metadata["source_root"],
            level=metadata["level"],
            simulated=metadata["simulated"],
            extra={key: value for key, value in metadata.items() if key not in known},
            checksums=table["checksum"].to_numpy() if "checksum" in table.column_names else None,
            layouts=table["layout"].to_numpy() if "layout" in table.column_names else None,
        )


def write_index(path: StrPath, index: VideoIndex) -> None:
    """Write an index file, atomically."""
    write_table(path, pa.table(index.columns()), KIND, index.metadata())


def read_index(path: StrPath) -> VideoIndex:
    """Read an index file; raises InputError when it is missing or something else."""
    return VideoIndex.from_table(*read_table(path, KIND))


def warn_of_shared(path: StrPath, video_ids: np.ndarray, training: StrPath, trained_on: np.ndarray) -> None:
    """Say on stderr how many videos to be judged are ones that the model learns from, if any are.

    Args:
        path: where the videos to be judged come from.
        video_ids: bytes [n] (NumPy `S`), of these.
        training: where the training videos come from.
        trained_on: bytes [m], of these.
    """
    shared = video_ids[np.asarray(pc.is_in(ids_to_arrow(video_ids), value_set=ids_to_arrow(trained_on)))]
    if len(shared):
        log(
            f"warning: {path}: {len(shared):,} of its {len(video_ids):,} videos are also among the training videos of "
            f"{training} (the first: {shared[0].decode()}); scores on them say little about new videos"
        )
