"""The walk over sound and damaged shards."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yt8m.data.records.tfrecord import OVERHEAD, frame_record, masked_crc32c
from yt8m.data.records.walk import FileReader, Walk, find_record
from yt8m.errors import RecordError

payloads = st.lists(st.binary(min_size=1, max_size=3000), max_size=8)


def reader(data: bytes) -> object:
    return lambda offset, count: data[offset : offset + count]


def walk(data: bytes, skip: bool = True) -> Walk:
    return Walk("shard", reader(data), len(data), skip=skip)  # type: ignore[arg-type]


@given(payloads)
def test_every_record_once_with_its_place_crc_and_head(records: list[bytes]) -> None:
    data = b"".join(map(frame_record, records))
    steps = list(walk(data, skip=False))
    assert [step.record for step in steps] == list(range(len(records)))
    for step, record in zip(steps, records, strict=True):
        assert data[step.offset + 12 : step.offset + 12 + step.length] == record
        assert step.stored_crc == masked_crc32c(record)
        assert step.head == record[:1024]


@given(payloads, st.data())
def test_good_and_damaged_bytes_add_up(records: list[bytes], data: st.DataObject) -> None:
    shard = bytearray(b"".join(map(frame_record, records)))
    for position in data.draw(st.lists(st.integers(0, max(len(shard) - 1, 0)), max_size=4 if shard else 0)):
        shard[position] ^= 1 << position % 8
    del shard[data.draw(st.integers(0, len(shard))) :]
    found = walk(bytes(shard))
    good = sum(step.length + OVERHEAD for step in found)
    assert good + sum(damage.size for damage in found.damages) == len(shard)


def test_damage_is_stepped_over_and_counted() -> None:
    records = [bytes([number]) * 500 for number in range(5)]
    framed = [frame_record(record) for record in records]
    damaged = bytearray(framed[2])
    damaged[0] ^= 1
    found = walk(framed[0] + framed[1] + damaged + framed[3] + framed[4])
    assert [(step.record, step.head[0]) for step in found] == [(0, 0), (1, 1), (3, 3), (4, 4)]
    assert found.damages == [(2, 2 * 516, 516, "the record's length is damaged (its CRC32C does not match)")]


def test_an_inserted_byte_is_blamed_on_the_record_it_is_in() -> None:
    framed = [frame_record(bytes([number]) * 500) for number in range(4)]
    inserted = framed[1][:100] + b"x" + framed[1][100:]
    found = walk(framed[0] + inserted + framed[2] + framed[3])
    assert [step.head[0] for step in found] == [0, 2, 3]
    assert [(damage.record, damage.offset, damage.size) for damage in found.damages] == [(1, 516, 517)]
    with pytest.raises(RecordError, match="record 1 at byte 516: the record is damaged"):
        list(walk(framed[0] + inserted + framed[2], skip=False))


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (frame_record(b"ab" * 50)[:-7], "the file ends 7 bytes before the record does"),
        (frame_record(b"ab" * 50)[:9], "the file ends within the header"),
        (b"\x1f\x8b" + bytes(50), "gzip-compressed"),
        (b"not a record at all, but text", "the file is text; give the TFRecord shards"),
        (bytes(4096), "the file begins with zeros, .*; fetch the shard again"),
        (bytes([*range(1, 200)]), "length is damaged .*; fetch the shard again"),
    ],
)
def test_a_file_that_is_no_shard(data: bytes, problem: str) -> None:
    with pytest.raises(RecordError, match=f"shard: record 0 at byte 0: .*{problem}"):
        list(walk(data, skip=False))
    found = walk(data)
    assert list(found) == []
    assert found.damages[0].size == len(data)


def test_a_record_is_found_across_the_blocks_of_the_search() -> None:
    noise = np.random.default_rng(0).bytes((1 << 20) - 5)
    data = noise + frame_record(b"payload") + noise
    assert find_record(reader(data), len(data), 0) == len(noise)  # type: ignore[arg-type]
    assert find_record(reader(data), len(data), len(noise) + 1) == len(data)  # type: ignore[arg-type]


def test_reading_ahead_changes_nothing(tmp_path: Path) -> None:
    data = np.random.default_rng(0).bytes(600_000)
    (tmp_path / "file").write_bytes(data)
    random = np.random.default_rng(1)
    with FileReader(str(tmp_path / "file")) as read:
        offset = 0
        for _ in range(300):
            offset = (offset + int(random.integers(-2000, 30_000))) % len(data)
            count = int(random.integers(0, 5000))
            assert read(offset, count) == data[offset : offset + count]
