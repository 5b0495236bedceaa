"""Records read from where their frames lie: the same bytes as ever, and nothing damaged or changed gets through."""

import dataclasses
import json
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.loader.golden_batches import CLASSES, COUNTS, GOLDEN, damage, digest, digests, frames_of, make_shards
from yt8m.data.records.build import build_index
from yt8m.data.records.features import HEADER_BYTES, WIDTHS
from yt8m.data.records.simulate import encode_record
from yt8m.data.records.tfrecord import HEADER_BYTES as FRAMING_BYTES
from yt8m.data.records.tfrecord import OVERHEAD, RecordWriter
from yt8m.data.records.video_index import VideoIndex, read_index
from yt8m.errors import InputError, RecordError
from yt8m.loader import FrameSampling, KnownRecords, RecordReader, Verify
from yt8m.loader.reader import Batch

ALL, FEW = FrameSampling("all", 300), FrameSampling("contiguous", 4)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, VideoIndex]:
    folder = tmp_path_factory.mktemp("kinds")
    return folder, make_shards(folder)[0]


@pytest.fixture
def index(tmp_path: Path) -> VideoIndex:
    return make_shards(tmp_path / "kinds")[0]


def folder_of(index: VideoIndex) -> Path:
    return Path(index.source_root).parent


def read(index: VideoIndex, rows: Any, sampling: FrameSampling = ALL, known: KnownRecords | None = None) -> Batch:
    draws = np.full((len(rows), sampling.draws), 0.7)
    return RecordReader(index, num_classes=CLASSES, known=known).read(np.array(rows), sampling, draws)


@pytest.mark.parametrize("threads", [1, 3])
def test_the_batches_are_those_of_the_loader_that_parsed_each_record(tmp_path: Path, threads: int) -> None:
    assert dict(digests(tmp_path, threads=threads)) == json.loads(GOLDEN.read_text())


def test_the_index_says_how_each_record_is_laid_out(made: tuple[Path, VideoIndex]) -> None:
    layouts = made[1].layouts
    assert layouts is not None
    assert layouts.tolist() == [(1, 2, 0)[(video + video // 12) % 3] for video in range(36)]


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.lists(st.integers(-1, 35), min_size=1, max_size=6),
                       st.sampled_from([ALL, FEW, FrameSampling("even", 3), FrameSampling("random", 5)])), max_size=5),
    st.sampled_from(get_args(Verify)), st.booleans(),
)  # fmt: skip
def test_what_is_known_changes_no_byte(
    made: tuple[Path, VideoIndex], readings: list[Any], verify: Verify, with_layouts: bool
) -> None:
    """Whatever was read before, whichever checksums are computed, and with an index of an earlier version."""
    index = made[1] if with_layouts else dataclasses.replace(made[1], layouts=None)
    parsed = dataclasses.replace(made[1], layouts=None, checksums=None)
    known = KnownRecords(index, verify)
    for rows, sampling in readings:
        assert digest(read(index, rows, sampling, known)) == digest(read(parsed, rows, sampling))


def test_regular_records_are_known_once_they_were_read(made: tuple[Path, VideoIndex]) -> None:
    for layouts in (made[1].layouts, None):
        index = dataclasses.replace(made[1], layouts=layouts)
        known = KnownRecords(index)
        for sampling, rows in ((ALL, range(12)), (FEW, range(12, 24)), (FrameSampling("even", 3), range(24, 36))):
            read(index, list(rows), sampling, known)
        assert known.seen.tolist() == (made[1].layouts > 0).tolist()  # type: ignore[operator]


def place(index: VideoIndex, row: int, name: str, frame: int) -> int:
    """The byte of the record at which a frame's head begins."""
    known = KnownRecords(index)
    return FRAMING_BYTES + int(known._places[name][row]) + frame * (HEADER_BYTES + WIDTHS[name])


def change(index: VideoIndex, row: int, byte: int) -> None:
    path = Path(index.source_root) / index.shards[index.shard_numbers[row]].name
    with path.open("r+b") as file:
        file.seek(int(index.offsets[row]) + byte)
        value = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([value ^ 0x10]))


@pytest.mark.parametrize("sampling", [ALL, FEW, FrameSampling("even", 3)], ids=lambda sampling: sampling.kind)
@pytest.mark.parametrize("part", ["length", "context", "rgb", "audio", "stored"])
def test_damage_is_found_at_the_first_reading(index: VideoIndex, part: str, sampling: FrameSampling) -> None:
    row = 6
    places = {
        "length": 0, "context": FRAMING_BYTES + 6, "rgb": place(index, row, "rgb", 20) + 30,
        "audio": place(index, row, "audio", 3) + 30, "stored": int(index.lengths[row]) + OVERHEAD - 1,
    }  # fmt: skip
    assert COUNTS[row] == 30
    change(index, row, places[part])
    for verify in ("first", "always"):
        with pytest.raises(RecordError, match=r"train0\.tfrecord: record 6 at byte"):
            read(index, [row], sampling, KnownRecords(index, verify))


def test_when_checksums_are_computed(index: VideoIndex) -> None:
    """A bit that flips in a frame shows by its checksum alone; the checksum that is stored is looked at each time."""
    row = 6
    known: dict[Any, KnownRecords] = {verify: KnownRecords(index, verify) for verify in get_args(Verify)}
    for one in known.values():
        read(index, [row], ALL, one)
    change(index, row, place(index, row, "rgb", 20) + 30)
    for sampling in (ALL, FEW, FrameSampling("even", 3)):
        read(index, [row], sampling, known["first"])
        read(index, [row], sampling, KnownRecords(index, "never"))
        with pytest.raises(RecordError, match="damaged"):
            read(index, [row], sampling, known["always"])
    change(index, row, int(index.lengths[row]) + OVERHEAD - 1)
    for sampling in (ALL, FEW, FrameSampling("even", 3)):
        for one in known.values():
            with pytest.raises((RecordError, InputError), match=r"damaged|was changed since it was indexed"):
                read(index, [row], sampling, one)


def test_a_head_that_is_none_is_found_even_if_no_checksum_is_computed(index: VideoIndex) -> None:
    row = 6
    change(index, row, place(index, row, "audio", 7) + 2)
    for sampling in (ALL, FEW):
        with pytest.raises(RecordError, match=r"record 6 at byte"):
            read(index, [row], sampling, KnownRecords(index, "never"))


@pytest.mark.parametrize("sampling", [ALL, FEW, FrameSampling("even", 3)], ids=lambda sampling: sampling.kind)
@pytest.mark.parametrize("verify", get_args(Verify))
def test_a_list_of_another_name_is_not_taken_for_audio(tmp_path: Path, sampling: FrameSampling, verify: Any) -> None:
    payload = encode_record(b"v1", [1], frames_of(20, 0)).replace(b"\x05audio", b"\x05motio")
    with RecordWriter(tmp_path / "train0.tfrecord") as writer:
        writer.write(payload)
    build_index([str(tmp_path)], tmp_path / "index.parquet")
    index = read_index(tmp_path / "index.parquet")
    with pytest.raises(RecordError, match=r"record 0 at byte 0: it has no audio frames; found: .*motio"):
        read(index, [0], sampling, KnownRecords(index, verify))


def test_an_index_that_lies_about_layout_or_length_gets_the_right_frames_or_an_error(index: VideoIndex) -> None:
    right = digest(read(index, list(range(12))))
    assert index.layouts is not None
    for layouts in (3 - index.layouts, np.full(36, 1, np.int8), np.full(36, 9, np.int8)):
        assert digest(read(dataclasses.replace(index, layouts=layouts), list(range(12)))) == right
    more = dataclasses.replace(index, num_frames=index.num_frames + 1)
    assert digest(read(more, list(range(12)))) == right


def test_damage_after_the_index_is_left_out_where_that_is_asked_for(index: VideoIndex) -> None:
    damage(folder_of(index), index, 4)
    reader = RecordReader(index, num_classes=CLASSES, skip_bad_records=True)
    assert reader.read(np.arange(6), ALL).rows.tolist() == [0, 1, 2, 3, -1, 5]
    assert reader.read(np.arange(6), FEW, np.full((6, 1), 0.5)).rows.tolist() == [0, 1, 2, 3, -1, 5]
    assert [entry["video_id"] for entry in reader.skipped] == ["v04", "v04"]
