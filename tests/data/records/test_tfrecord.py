"""Framing against TensorFlow's writer and reader."""

from pathlib import Path

import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from tests.data.records.made import VIDEO_SHARDS
from yt8m.data.records.tfrecord import (
    OVERHEAD,
    FramingError,
    RecordWriter,
    frame_record,
    iterate,
    map_file,
    masked_crc32c,
    read_length,
    read_payload,
)
from yt8m.errors import InputError, RecordError

payloads = st.lists(st.binary(max_size=300), max_size=6)


def test_masked_crc_of_known_bytes() -> None:
    """CRC32C of 32 zero bytes is 0x8a9136aa (RFC 3720, B.4); masked: rotated by 15 bits, plus 0xa282ead8."""
    rotated = (0x8A9136AA >> 15 | 0x8A9136AA << 17) & 0xFFFFFFFF
    assert masked_crc32c(bytes(32)) == (rotated + 0xA282EAD8) & 0xFFFFFFFF
    assert masked_crc32c(memoryview(bytearray(32))) == masked_crc32c(bytes(32))


@given(payloads)
def test_written_like_tensorflow_and_read_back(tmp_path_factory: pytest.TempPathFactory, records: list[bytes]) -> None:
    folder = tmp_path_factory.mktemp("shards")
    with RecordWriter(folder / "ours") as writer:
        offsets = [writer.write(record) for record in records]
    with tf.io.TFRecordWriter(str(folder / "theirs")) as theirs:
        for record in records:
            theirs.write(record)
    assert (folder / "ours").read_bytes() == (folder / "theirs").read_bytes()
    assert writer.size == (folder / "ours").stat().st_size
    assert [(offset, bytes(payload)) for offset, payload in iterate(folder / "ours")] == list(
        zip(offsets, records, strict=True)
    )


def test_real_shards_are_read_as_tensorflow_reads_them() -> None:
    for path in VIDEO_SHARDS[:2]:
        assert [bytes(payload) for _, payload in iterate(path)] == list(
            tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
        )


def test_a_payload_is_found_by_the_index_without_a_copy() -> None:
    shard = map_file(VIDEO_SHARDS[0])
    for offset, payload in iterate(VIDEO_SHARDS[0]):
        found = read_payload(shard, offset, len(payload))
        assert found == payload
        assert found.obj is shard.obj


def test_damage_is_named() -> None:
    record = frame_record(b"payload")
    with pytest.raises(FramingError, match="7 bytes, 8 by the index"):
        read_payload(record, 0, 8)
    damaged = bytearray(record)
    damaged[13] ^= 1
    assert read_payload(damaged, 0, 7, verify=False) == damaged[12:19]
    with pytest.raises(FramingError, match="record is damaged"):
        read_payload(damaged, 0, 7)
    damaged[3] ^= 1
    with pytest.raises(FramingError, match="length is damaged"):
        read_payload(damaged, 0, 7)
    with pytest.raises(FramingError, match="ends 5 bytes before"):
        read_length(record, 0, len(record) - 5)
    with pytest.raises(FramingError, match="ends within the header"):
        read_length(record, len(record) - 4, 4)


def test_a_bad_record_is_named_by_file_record_and_byte(tmp_path: Path) -> None:
    path = tmp_path / "shard.tfrecord"
    first, second = frame_record(b"first"), bytearray(frame_record(b"second"))
    second[14] ^= 0x40
    path.write_bytes(first + second)
    with pytest.raises(RecordError) as caught:
        list(iterate(path))
    assert str(caught.value).startswith(f"{path}: record 1 at byte {5 + OVERHEAD}: the record is damaged")
    with pytest.raises(InputError, match="no such file"):
        list(iterate(tmp_path / "nothing"))
