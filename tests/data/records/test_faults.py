"""Damaged shards: every record is read back equal or refused by file, record and byte; intact ones are never lost.

Mutations of the first records of a real shard; `long_faults.py` tries many more, on all of it.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.data.records.made import VIDEO_SHARDS
from yt8m.data.records.scan import scan_shard
from yt8m.data.records.simulate import simulate
from yt8m.data.records.tfrecord import OVERHEAD, FramingError, RecordWriter, iterate, read_payload
from yt8m.errors import RecordError

MUTATIONS = 40  # of a kind
LEVELS = ("video", "frame")
Random = np.random.Generator
Kind = Callable[[Random, bytearray, list[int]], None]
Shard = tuple[bytes, list[int]]


def flip_bits(random: Random, shard: bytearray, starts: list[int]) -> None:
    for position in random.integers(len(shard), size=random.integers(1, 5)):
        shard[position] ^= 1 << int(random.integers(8))


def flip_in_a_header(random: Random, shard: bytearray, starts: list[int]) -> None:
    shard[random.choice(starts) + random.integers(12)] ^= 1 << int(random.integers(8))


def cut_out(random: Random, shard: bytearray, starts: list[int]) -> None:
    start = int(random.integers(len(shard)))
    del shard[start : start + int(random.integers(1, 20_000))]


def cut_off(random: Random, shard: bytearray, starts: list[int]) -> None:
    del shard[int(random.integers(len(shard))) :]


def insert(random: Random, shard: bytearray, starts: list[int]) -> None:
    position = int(random.integers(len(shard) + 1))
    shard[position:position] = random.bytes(int(random.integers(1, 300)))


def repeat(random: Random, shard: bytearray, starts: list[int]) -> None:
    start = int(random.integers(len(shard)))
    shard[start:start] = shard[start : start + int(random.integers(1, 9000))]


def swap_lengths(random: Random, shard: bytearray, starts: list[int]) -> None:
    one, other = (int(start) for start in random.choice(starts, 2, replace=False))
    size = int(random.choice([4, 8, 12]))
    shard[one : one + size], shard[other : other + size] = shard[other : other + size], shard[one : one + size]


def blank(random: Random, shard: bytearray, starts: list[int]) -> None:
    start = int(random.integers(len(shard)))
    stop = min(start + int(random.integers(1, 20_000)), len(shard))
    shard[start:stop] = bytes([random.choice([0, 255])]) * (stop - start)


KINDS = (flip_bits, flip_in_a_header, cut_out, cut_off, insert, repeat, swap_lengths, blank)


@pytest.fixture(scope="module", params=LEVELS)
def shard(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Shard:
    return real_shard(tmp_path_factory.mktemp("shard"), request.param, records=30)


def real_shard(folder: Path, level: str, records: int | None = None) -> Shard:
    """The first records of a real shard, or all, or frames of them, and the bytes where its records start."""
    with RecordWriter(folder / "real.tfrecord") as writer:
        for _, payload in list(iterate(VIDEO_SHARDS[1]))[:records]:
            writer.write(bytes(payload))
    path = folder / "real.tfrecord"
    if level == "frame":
        simulate([str(path)], folder / "frames", max_frames=8)
        path = folder / "frames" / "real-simulated.tfrecord"
    return path.read_bytes(), [offset for offset, _ in iterate(path)]


def intact(data: bytes, original: bytes, starts: list[int]) -> set[bytes]:
    """The original records whose framed bytes still stand somewhere in the data."""
    records = [original[start:stop] for start, stop in zip(starts, [*starts[1:], len(original)], strict=True)]
    return {record[12:-4] for record in records if record in data}


def read_back(data: bytes, path: Path, verify: bool) -> tuple[list[bytes], int]:
    """The payloads that can be read by an index of the good records, and the bytes that are accounted for."""
    found = scan_shard(str(path), len(data), verify=verify, skip_bad_records=True)
    accounted = int(found.lengths.sum()) + OVERHEAD * len(found.lengths)
    accounted += sum(entry["bytes"] for entry in found.skipped)
    for entry in found.skipped:
        assert entry["file"] == str(path)
        assert 0 <= entry["offset"] < len(data)
        assert entry["problem"]
    payloads = []
    for offset, length in zip(found.offsets.tolist(), found.lengths.tolist(), strict=True):
        try:
            payloads.append(bytes(read_payload(data, offset, length)))
        except FramingError:
            assert not verify, "a record that was verified can be read"
    return payloads, accounted


def check(data: bytes, path: Path, original: bytes, starts: list[int]) -> None:
    path.write_bytes(data)
    whole = {original[start + 12 : stop - 4] for start, stop in zip(starts, [*starts[1:], len(original)], strict=True)}
    remaining = intact(data, original, starts)
    for verify in (True, False):
        payloads, accounted = read_back(data, path, verify)
        assert set(payloads) <= whole, "what is read is an original record"
        assert set(payloads) >= remaining, "no intact record is lost"
        assert accounted == len(data) or not data, "good and listed bytes are all bytes"
    refused = refusal(data, path)
    if refused:
        assert (refused.path, refused.record >= 0, 0 <= refused.offset <= len(data)) == (str(path), True, True)
    else:
        assert set(read_back(data, path, True)[0]) <= whole
        assert not scan_shard(str(path), len(data), verify=True, skip_bad_records=True).skipped


def refusal(data: bytes, path: Path) -> RecordError | None:
    try:
        scan_shard(str(path), len(data), verify=True)
    except RecordError as error:
        return error
    return None


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_damage_is_refused_or_harmless(shard: Shard, kind: Kind, tmp_path: Path) -> None:
    damage(shard, kind, MUTATIONS, tmp_path)


def damage(shard: Shard, kind: Kind, times: int, tmp_path: Path) -> None:
    original, starts = shard
    random = np.random.default_rng(KINDS.index(kind))
    for _ in range(times):
        data = bytearray(original)
        kind(random, data, starts)
        check(bytes(data), tmp_path / "shard.tfrecord", original, starts)
