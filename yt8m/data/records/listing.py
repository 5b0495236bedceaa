"""What lies at a source: in one short text, which changes with its shards, and of which level its records are."""

from concurrent.futures import ThreadPoolExecutor

from google_crc32c import Checksum

from yt8m.artifacts import fingerprint
from yt8m.data.records.features import FeatureError, Level, level_of
from yt8m.data.records.tfrecord import iterate
from yt8m.errors import RecordError
from yt8m.storage import FileInfo, list_files, read_range

WHOLE = 16 << 20
BLOCK = 16 << 10
BLOCKS = 16


def fingerprint_source(source: str, *, threads: int = 8) -> str:
    """Fingerprint of the shards of a source by their names, sizes and content.

    The content of an object is the CRC32C that the service stores. Of a local file up to 16 MiB it is the CRC32C of
    all bytes; of a larger one, of 16 blocks of 16 KiB spread evenly from its first byte to its last (a partition of
    3,844 shards is then 1 GB of reading). Times of change do not count, so a copy of the data is the same source.

    Args:
        source: a folder of shards, a glob, a file, or a gs:// address.
        threads: how many files are read at a time.

    Raises:
        InputError: nothing is there.
    """
    files = list_files(source)
    with ThreadPoolExecutor(threads) as pool:
        contents = list(pool.map(_content, files))
    names = [file.path.rsplit("/", 1)[-1] for file in files]
    return fingerprint([[n, f.size, c] for n, f, c in zip(names, files, contents, strict=True)])


def level_at(source: str) -> Level | None:
    """The level of the first record of a source on this machine; None where that is no good record.

    Raises:
        InputError: nothing is there.
    """
    try:
        _, payload = next(iterate(list_files(source)[0].path))
        return level_of(payload)
    except (RecordError, FeatureError, StopIteration):
        return None


def _content(file: FileInfo) -> str:
    if file.crc32c:
        return file.crc32c
    if file.size <= WHOLE:
        offsets, length = [0], file.size
    else:
        offsets, length = [(file.size - BLOCK) * block // (BLOCKS - 1) for block in range(BLOCKS)], BLOCK
    checksum = Checksum()
    for offset in offsets:
        checksum.update(read_range(file.path, offset, length))
    return checksum.hexdigest().decode()
