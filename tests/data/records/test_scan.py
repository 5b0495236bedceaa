"""The scan of a shard: its columns, its fingerprint, and what it says of bad records."""

import struct
from pathlib import Path

import google_crc32c
import numpy as np
import pytest

from tests.data.records.made import VIDEO_SHARDS, frame_record, video_record
from yt8m.data.records.features import decode_context
from yt8m.data.records.scan import ShardScan, scan_shard
from yt8m.data.records.tfrecord import OVERHEAD, RecordWriter, iterate
from yt8m.data.records.tfrecord import frame_record as framed
from yt8m.errors import InputError, RecordError


def write(path: Path, records: list[bytes]) -> str:
    with RecordWriter(path) as writer:
        for record in records:
            writer.write(record)
    return str(path)


def scan(path: str | Path, **options: bool) -> ShardScan:
    return scan_shard(str(path), Path(path).stat().st_size, **options)


def test_a_real_shard() -> None:
    found = scan(VIDEO_SHARDS[0])
    records = list(iterate(VIDEO_SHARDS[0]))
    contexts = [decode_context(payload) for _, payload in records]
    assert (found.level, found.skipped, found.size) == ("video", [], VIDEO_SHARDS[0].stat().st_size)
    assert found.offsets.tolist() == [offset for offset, _ in records]
    assert found.lengths.tolist() == [len(payload) for _, payload in records]
    assert found.video_ids.tolist() == [context.video_id for context in contexts]
    assert found.labels.tolist() == [label for context in contexts for label in context.labels]
    assert found.counts.tolist() == [len(context.labels) for context in contexts]
    assert set(found.num_frames) == {1}


@pytest.mark.parametrize("verify", [False, True])
def test_frame_level(tmp_path: Path, verify: bool) -> None:
    counts = [1, 2, 60, 301, 120]
    records = [frame_record(b"vid%d" % n, [n, n + 7], n, audio_first=n % 2 == 0, seed=n) for n in counts]
    found = scan(write(tmp_path / "shard", records), verify=verify)
    assert (found.level, found.num_frames.tolist(), found.counts.tolist()) == ("frame", counts, [2] * 5)
    assert found.labels.tolist() == [label for n in counts for label in (n, n + 7)]


def test_the_fingerprint_is_of_lengths_and_stored_crcs(tmp_path: Path) -> None:
    records = [frame_record(count=2), frame_record(count=70)]
    data = Path(write(tmp_path / "shard", records)).read_bytes()
    entries, offset = b"", 0
    for record in records:
        entries += data[offset : offset + 8] + data[offset + 12 + len(record) : offset + OVERHEAD + len(record)]
        offset += len(record) + OVERHEAD
    assert scan(tmp_path / "shard").fingerprint == f"{google_crc32c.value(entries):08x}"


def test_a_damaged_frame_is_found_by_verifying_only(tmp_path: Path) -> None:
    data = bytearray(framed(frame_record(count=50)) * 2)
    data[40_000] ^= 1
    (tmp_path / "shard").write_bytes(data)
    assert len(scan(tmp_path / "shard").offsets) == 2
    with pytest.raises(RecordError, match="record 0 at byte 0: the record is damaged"):
        scan(tmp_path / "shard", verify=True)
    found = scan(tmp_path / "shard", verify=True, skip_bad_records=True)
    problem = {"file": str(tmp_path / "shard"), "record": 0, "offset": 0, "bytes": len(data) // 2,
               "problem": "the record is damaged (its CRC32C does not match)"}  # fmt: skip
    assert (found.skipped, found.offsets.tolist()) == ([problem], [len(data) // 2])


def test_records_that_do_not_decode_are_named(tmp_path: Path) -> None:
    records = [video_record(b"good"), b"rubbish", video_record(labels=[-5]), frame_record(), video_record(b"fine")]
    path = write(tmp_path / "shard", records)
    with pytest.raises(RecordError, match=r"record 1 at byte \d+: it is not a protobuf record; found: 7 bytes"):
        scan(path)
    found = scan(path, skip_bad_records=True)
    assert found.video_ids.tolist() == [b"good", b"fine"]
    assert [entry["record"] for entry in found.skipped] == [1, 2, 3]
    assert "a label is -5" in found.skipped[1]["problem"]
    assert "frame level, the records before it are video level" in found.skipped[2]["problem"]
    good = found.lengths.sum() + OVERHEAD * len(found.lengths)
    assert good + sum(entry["bytes"] for entry in found.skipped) == found.size


def test_empty_missing_and_huge(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(RecordError, match="the file is empty"):
        scan(tmp_path / "empty")
    assert scan(tmp_path / "empty", skip_bad_records=True).skipped[0]["problem"] == "the file is empty"
    with pytest.raises(InputError, match="cannot be read"):
        scan_shard(str(tmp_path / "nothing"), 10)
    header = framed(b"")[:0] + struct.pack("<Q", 1 << 40)
    (tmp_path / "huge").write_bytes(header + framed(header)[20:] + bytes(100))
    with pytest.raises(RecordError, match=r"ends 1,099,511,627,\d+ bytes before"):
        scan(tmp_path / "huge")


def test_a_shard_without_labels(tmp_path: Path) -> None:
    found = scan(write(tmp_path / "shard", [frame_record(b"a"), frame_record(b"b", [])]))
    assert found.counts.tolist() == [0, 0]
    assert found.labels.dtype == np.int32
