"""The scan of regular shards at once: it says what the scan record by record says, or nothing."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.data.records.made import frame_record, frame_records, video_record
from yt8m.data.records import bulk_scan, scan
from yt8m.data.records.bulk_scan import Columns, read_regular
from yt8m.data.records.tfrecord import RecordWriter
from yt8m.data.records.tfrecord import frame_record as framed
from yt8m.data.records.walk import FileReader

REGULAR = {
    "official": {},
    "2017": {"key": "video_id"},
    "labels-first": {"labels_first": True},
    "unpacked": {"packed": False},
    "audio-first": {"audio_first": True},
}
COUNTS = (1, 2, 60, 301, 7)


def write(path: Path, records: list[bytes]) -> str:
    with RecordWriter(path) as writer:
        for record in records:
            writer.write(record)
    return str(path)


def by_records(path: str) -> scan.ShardScan:
    size = Path(path).stat().st_size
    with FileReader(path) as read:
        return scan._Scan(path, read, size, False, False).run()


def same(found: Columns, expected: scan.ShardScan) -> bool:
    return all(np.array_equal(column, getattr(expected, name)) for name, column in vars(found).items())


def read(path: str) -> Columns | None:
    return read_regular(path, Path(path).stat().st_size)


@pytest.mark.parametrize("form", REGULAR)
def test_every_regular_form_is_read_at_once(tmp_path: Path, form: str) -> None:
    records = [frame_record(b"video%d" % n, [*range(0, 8 * n, 37), 3861], n, **REGULAR[form]) for n in COUNTS]
    path = write(tmp_path / "shard", records)
    found = read(path)
    assert found is not None
    assert same(found, by_records(path))
    assert found.num_frames.tolist() == list(COUNTS)


def test_the_test_partition_and_records_without_labels_among_others(tmp_path: Path) -> None:
    path = write(tmp_path / "test", [frame_record(b"a%d" % n, None, n) for n in COUNTS])
    found = read(path)
    assert found is not None
    assert same(found, by_records(path))
    assert (len(found.labels), found.counts.tolist()) == (0, [0] * len(COUNTS))
    path = write(tmp_path / "empty-lists", [frame_record(labels=[]), frame_record(labels=[2000, 3])])
    found = read(path)
    assert found is not None
    assert same(found, by_records(path))
    assert (found.labels.tolist(), found.counts.tolist()) == ([2000, 3], [0, 2])


@pytest.mark.parametrize(
    "other",
    [
        video_record(labels=[1]),
        frame_record(b"\xc3\xa9t\xc3\xa9", [1]),
        frame_record(labels=[1 << 22]),
        frame_record(labels=[1], extra=[("topic", b"")]),
        frame_record(labels=list(range(128, 400))),
        frame_record(key="name", labels=[1]),
        b"\x0a\x00",
    ],
    ids=["video-level", "not-ascii", "huge-label", "third-feature", "long-context", "no-id", "tiny"],
)
def test_what_is_irregular_is_left_alone(tmp_path: Path, other: bytes) -> None:
    assert read(write(tmp_path / "shard", [frame_record(labels=[1]), other])) is None


def test_a_shard_of_very_many_records_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "shard", [frame_record(labels=[1])] * 3)
    assert read(path) is not None
    monkeypatch.setattr(bulk_scan, "MOST_RECORDS", 2)
    assert read(path) is None


@pytest.mark.parametrize("place", [0, 9, -1])
def test_damaged_framing_is_left_alone(tmp_path: Path, place: int) -> None:
    data = bytearray(framed(frame_record(labels=[1])) * 2)
    data[place] ^= 0x40
    (tmp_path / "shard").write_bytes(data)
    # The last byte is of a stored CRC, which neither scan holds against the payload.
    found = read(str(tmp_path / "shard"))
    assert (found is None) == (place != -1)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=st.lists(frame_records, min_size=1, max_size=6), flips=st.lists(st.tuples(
    st.integers(0, 250), st.integers(0, 255)), max_size=3), where=st.integers(0, 5))  # fmt: skip
def test_it_never_says_anything_else(tmp_path: Path, records: list[bytes], flips: list[Any], where: int) -> None:
    shard = [bytearray(framed(record)) for record in records]
    for place, value in flips:
        shard[where % len(shard)][place] = value
    path = tmp_path / "shard"
    path.write_bytes(b"".join(shard))
    found = read(str(path))
    if found is not None:
        assert same(found, by_records(str(path)))
