"""What a window needs of the shards on gs://, and the pieces in scratch space that serve it."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from yt8m.data.records.tfrecord import OVERHEAD
from yt8m.data.records.video_index import VideoIndex
from yt8m.loader.extents import Extents, to_fetch
from yt8m.loader.remote import RemoteShards
from yt8m.loader.scratch import Piece, Scratch
from yt8m.loader.window import Window
from yt8m.storage import FileInfo


class Need(NamedTuple):
    """What a window needs of a shard: its records there, and what to fetch if scratch space has nothing of them."""

    shard: int
    records: Extents
    fresh: Extents


class StagedWindow:
    """The shards of a window, in scratch space; `Shards` for whoever reads its items.

    Attributes:
        window: whose items it serves.
        pieces: by the number of their shard.
        is_complete: whether all that it needs is decided on.
        missing: pieces that have not come yet.
        left: items that have not been read yet.
        error: what went wrong with one of its pieces.
        paths: as of `Shards`.
    """

    def __init__(self, window: Window, left: int, remote: RemoteShards, scratch: Scratch):
        self.window, self.left, self.paths = window, left, remote.paths
        self.pieces: dict[int, list[Piece]] = {}
        self.is_complete, self.missing = False, set[Piece]()
        self.error: BaseException | None = None
        self._remote, self._files = remote, scratch.files

    def pin(self, piece: Piece) -> None:
        """Keep a piece until the window has been read."""
        piece.pins += 1
        self.pieces.setdefault(piece.shard, []).append(piece)
        if not piece.is_there:
            self.missing.add(piece)

    def unpin(self) -> Iterator[Piece]:
        """Give its pieces back."""
        for pieces in self.pieces.values():
            for piece in pieces:
                piece.pins -= 1
                yield piece

    def read_into(self, number: int, offset: int, memory: np.ndarray) -> int:
        """As `Shards.read_into`; what is not staged (the headers of other records) comes from the object."""
        for piece in self.pieces.get(number, []):
            position = piece.position(offset, len(memory))
            if position is not None:
                return self._files.read_into(piece.path, position, memory)
        return self._remote.read_into(number, offset, memory)

    def announce(self, number: int, offset: int, length: int) -> None:
        """As `Shards.announce`."""
        for piece in self.pieces.get(number, []):
            position = piece.position(offset, length)
            if position is not None:
                self._files.announce(piece.path, position, length)
                return


def needs_of(index: VideoIndex, objects: list[FileInfo], rows: np.ndarray) -> list[Need]:
    """What some rows need of each shard that they lie in."""
    rows = rows[np.lexsort((index.offsets[rows], index.shard_numbers[rows]))]
    shards, starts = index.shard_numbers[rows], index.offsets[rows].astype(np.int64)
    ends, needs = starts + index.lengths[rows] + OVERHEAD, []
    for part in np.split(np.arange(len(rows)), np.flatnonzero(np.diff(shards)) + 1):
        shard, records = int(shards[part[0]]), Extents(starts[part], ends[part])
        needs.append(Need(shard, records, to_fetch(records, objects[shard].size)))
    return needs


def serve(pieces: list[Piece], need: Need, size: int) -> tuple[list[Piece], Extents]:
    """Which pieces of a shard serve a need, the largest first, and what remains to be fetched."""
    chosen, missing = [], need.records
    for piece in sorted(pieces, key=lambda piece: -piece.size):
        covered = piece.covers(missing)
        if covered.any():
            chosen.append(piece)
            missing = Extents(missing.starts[~covered], missing.ends[~covered])
    fetch = to_fetch(missing, size)
    return ([], fetch) if fetch.size == size else (chosen, fetch)
