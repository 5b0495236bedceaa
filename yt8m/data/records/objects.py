"""An object on gs:// read at offsets: the few bytes that are asked for, or blocks where these lie close together."""

from collections import OrderedDict
from types import TracebackType

from yt8m.storage import read_range

BLOCK_BYTES = 4 << 20
BLOCKS_KEPT = 2
NEAR_BYTES = 1 << 14


class ObjectReader:
    """Reads an object; a context manager like `walk.FileReader`.

    Reads that follow each other within 16 KB (video-level records are 5 KB), and all reads with `everything`, are
    served from blocks of 4 MB, each fetched once; others are requests of their own (a frame-level record takes 250 KB,
    of which an index needs 1 KB).

    Args:
        address: of the object.
        size: of it in bytes.
        generation: of it, if no other will do.
        everything: whether all of it is going to be read.
    """

    def __init__(self, address: str, size: int, generation: int | None = None, *, everything: bool = False):
        self._address, self._size, self._generation, self._everything = address, size, generation, everything
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._reached = -NEAR_BYTES - 1

    def __call__(self, offset: int, count: int) -> bytes:
        """At most `count` bytes from `offset` on."""
        end = min(offset + count, self._size)
        near = abs(offset - self._reached) <= NEAR_BYTES
        self._reached = end
        if offset >= end:
            return b""
        first, last = offset // BLOCK_BYTES, (end - 1) // BLOCK_BYTES
        if self._everything or near or all(block in self._blocks for block in range(first, last + 1)):
            data = b"".join(self._block(block) for block in range(first, last + 1))
            return data[offset - first * BLOCK_BYTES : end - first * BLOCK_BYTES]
        return read_range(self._address, offset, end - offset, self._generation)

    def _block(self, block: int) -> bytes:
        if block not in self._blocks:
            start = block * BLOCK_BYTES
            size = min(BLOCK_BYTES, self._size - start)
            self._blocks[block] = read_range(self._address, start, size, self._generation)
            if len(self._blocks) > BLOCKS_KEPT:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(block)
        return self._blocks[block]

    def __enter__(self) -> "ObjectReader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing stays open."""
