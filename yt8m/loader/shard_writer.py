"""One shard of an export: the framed bytes of rows of an index, checked and copied unchanged."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path
from typing import Any

import numpy as np

from yt8m.data.records import tfrecord
from yt8m.data.records.features import FeatureError
from yt8m.data.records.video_index import VideoIndex
from yt8m.errors import RecordError
from yt8m.loader.remote import open_shards
from yt8m.loader.shards import check_unchanged, record_number
from yt8m.storage import PARTIAL, atomic_file, write_json

ARENA_BYTES = 1 << 20
WINDOW = 256  # records announced to the disk ahead of their reading
Skipped = list[dict[str, Any]]


@dataclass(frozen=True)
class ShardJob:
    """One shard to write: which rows of the index, and where to."""

    name: str
    rows: np.ndarray


class ShardWriter:
    """Writes shards from the source of an index.

    Args:
        index: of the source.
        source: the folder of the source shards, when it is not where they were indexed.

    Raises:
        InputError: a shard is missing or was changed.
    """

    def __init__(self, index: VideoIndex, source: str | None):
        self._index, self._shards = index, open_shards(index, source)

    def write(self, folder: Path, job: ShardJob, skip: bool) -> Skipped:
        """Write a shard, whole or not at all; what was left out, `{file, record, offset, problem}` each.

        Raises:
            RecordError: a damaged record, unless `skip`.
            InputError: the source was changed, or cannot be read.
        """
        skipped: Skipped = []
        with atomic_file(folder / job.name) as path:
            with open(path, "wb", buffering=0) as file:
                for framed in self._framed_records(job.rows, skip, skipped):
                    _write_whole(file, framed)
            write_json(skip_list(folder, job.name), skipped)  # before the shard appears: it is not written again
        return skipped

    def _framed_records(self, rows: np.ndarray, skip: bool, skipped: Skipped) -> Iterator[memoryview]:
        """The framed bytes of rows in order, as many at a time as the arena holds.

        A view is valid until the next one is asked for. The arena is small enough to stay in the processor's cache, so
        that a record is fetched from memory once for the checksum and for its copy.
        """
        index, shards = self._index, self._shards
        largest = int(index.lengths[rows].max(initial=0)) + tfrecord.OVERHEAD
        arena, used = np.empty(max(ARENA_BYTES, largest), np.uint8), 0
        for place, row in enumerate(rows):
            if place % WINDOW == 0:
                for ahead in rows[place : place + WINDOW]:
                    shards.announce(*_place(index, ahead))
            number, offset, size = _place(index, row)
            if used + size > len(arena):
                yield arena[:used].data
                used = 0
            framed = arena[used : used + size]
            read = shards.read_into(number, offset, framed)
            problem = _problem_of(index, row, framed[:read].data, shards.paths[number])
            if problem is None:
                used += size
                continue
            record = record_number(shards, number, offset, index.shards[number].size)
            if not skip:
                raise RecordError(shards.paths[number], record, offset, problem)
            skipped.append({"file": shards.paths[number], "record": record, "offset": offset, "problem": problem})
        yield arena[:used].data


_process: dict[str, ShardWriter] = {}


def start_worker(index: VideoIndex, source: str | None) -> None:
    """Prepare a process for `write_shard`; it leaves Ctrl-C to the exporting process, and ends when that does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _process["writer"] = ShardWriter(index, source)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def write_shard(folder: Path, job: ShardJob, skip: bool) -> Skipped:
    """`ShardWriter.write` in a process that `start_worker` has prepared."""
    return _process["writer"].write(folder, job, skip)


def skip_list(folder: Path, name: str) -> Path:
    """Where it stands what was left out of a shard, until the export is done."""
    return folder / f"{PARTIAL}{name}.skipped.json"


def _write_whole(file: RawIOBase, data: memoryview) -> None:
    while data:
        data = data[file.write(data) or 0 :]


def _place(index: VideoIndex, row: int) -> tuple[int, int, int]:
    return int(index.shard_numbers[row]), int(index.offsets[row]), int(index.lengths[row]) + tfrecord.OVERHEAD


def _problem_of(index: VideoIndex, row: int, framed: memoryview, path: str) -> str | None:
    try:
        tfrecord.read_payload(framed, 0, int(index.lengths[row]))
        check_unchanged(index, row, framed, path)
    except (tfrecord.FramingError, FeatureError) as error:
        return str(error)
    return None
