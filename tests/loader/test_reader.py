"""Batches against the arrays that the shards were written from."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from yt8m.data.records.build import build_index
from yt8m.data.records.features import Frames
from yt8m.data.records.simulate import encode_record
from yt8m.data.records.tfrecord import OVERHEAD, RecordWriter
from yt8m.data.records.video_index import VideoIndex, read_index
from yt8m.data.records.wire import Example, SequenceExample
from yt8m.errors import InputError, RecordError
from yt8m.loader import FrameSampling, RecordReader
from yt8m.loader.shards import LocalShards

CLASSES = 20
COUNTS = [1, 7, 40, 301, 300, 12]
SAMPLE = Path(__file__).parents[2] / "sample"


def frames_of(count: int, seed: int) -> Frames:
    random = np.random.default_rng(seed)
    return Frames(*(random.integers(1, 256, (count, width), np.uint8) for width in (1024, 128)))


def index_of(folder: Path) -> VideoIndex:
    build_index([str(folder)], folder / "index.parquet")
    return read_index(folder / "index.parquet")


@pytest.fixture
def videos() -> list[Frames]:
    return [frames_of(count, seed) for seed, count in enumerate(COUNTS)]


@pytest.fixture
def shards(tmp_path: Path, videos: list[Frames]) -> Path:
    """Two shards of three videos; video i has the labels i and 2 i."""
    folder = tmp_path / "shards"
    folder.mkdir()
    for shard in range(2):
        with RecordWriter(folder / f"train{shard}.tfrecord") as writer:
            for video in range(3 * shard, 3 * shard + 3):
                writer.write(encode_record(f"vid{video}".encode(), sorted({video, 2 * video}), videos[video]))
    return folder


@pytest.mark.parametrize("count", [5, 40, 310])
def test_all_frames_and_padding(shards: Path, videos: list[Frames], count: int) -> None:
    rows = np.array([5, 0, 2, 2, 3])
    batch = RecordReader(index_of(shards), num_classes=CLASSES).read(rows, FrameSampling("all", count))
    assert (batch.rgb.dtype, batch.rgb.shape) == (np.uint8, (5, count, 1024))
    assert (batch.audio.dtype, batch.audio.shape) == (np.uint8, (5, count, 128))
    np.testing.assert_array_equal(batch.rows, rows)
    np.testing.assert_array_equal(batch.num_frames, np.minimum([COUNTS[row] for row in rows], count))
    for row, rgb, audio, valid in zip(rows, batch.rgb, batch.audio, batch.num_frames, strict=True):
        for padded, matrix in ((rgb, videos[row].rgb), (audio, videos[row].audio)):
            np.testing.assert_array_equal(padded[:valid], matrix[:valid])
            assert not padded[valid:].any()


def test_labels_are_multi_hot(shards: Path) -> None:
    batch = RecordReader(index_of(shards), num_classes=CLASSES).read(np.arange(6), FrameSampling("even", 2))
    assert batch.labels is not None
    assert batch.labels.dtype == np.uint8
    assert [np.flatnonzero(row).tolist() for row in batch.labels] == [[0], [1, 2], [2, 4], [3, 6], [4, 8], [5, 10]]
    assert RecordReader(index_of(shards)).read(np.arange(6), FrameSampling("even", 2)).labels is None


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        (FrameSampling("random", 4), {1: [0, 3, 6, 1], 3: [0, 150, 299, 75]}),
        (FrameSampling("even", 4), {1: [0, 2, 4, 6], 3: [37, 112, 187, 262]}),
    ],
)
def test_sampled_frames(shards: Path, videos: list[Frames], sampling: FrameSampling, expected: dict) -> None:
    rows = np.array(list(expected))
    draws = np.tile([0.0, 0.5, 0.999, 0.25], (2, 1))
    batch = RecordReader(index_of(shards)).read(rows, sampling, draws)
    assert batch.num_frames.tolist() == [4, 4]
    for position, (row, chosen) in enumerate(expected.items()):
        np.testing.assert_array_equal(batch.rgb[position], videos[row].rgb[chosen])
        np.testing.assert_array_equal(batch.audio[position], videos[row].audio[chosen])


def test_contiguous_frames(shards: Path, videos: list[Frames]) -> None:
    draws = np.array([[0.5], [0.9999], [0.3]])
    batch = RecordReader(index_of(shards)).read(np.array([2, 4, 1]), FrameSampling("contiguous", 10), draws)
    assert batch.num_frames.tolist() == [10, 10, 7]
    np.testing.assert_array_equal(batch.rgb[0], videos[2].rgb[15:25])
    np.testing.assert_array_equal(batch.rgb[1], videos[4].rgb[290:])
    np.testing.assert_array_equal(batch.audio[2, :7], videos[1].audio)
    assert not batch.rgb[2, 7:].any()


def test_padding_rows_are_one_zero_frame(shards: Path) -> None:
    reader = RecordReader(index_of(shards), num_classes=CLASSES)
    reader.read(np.arange(3), FrameSampling("all", 9))  # leaves its frames in the memory that is used again
    batch = reader.read(np.array([1, -1, -1]), FrameSampling("all", 9))
    assert batch.num_frames.tolist() == [7, 1, 1]
    assert batch.labels is not None
    assert not batch.rgb[1:].any()
    assert not batch.audio[1:].any()
    assert not batch.labels[1:].any()


def test_irregular_records_are_read_too(tmp_path: Path) -> None:
    """Audio first, and the feature lists in two pieces that protobuf merges: what the strided view cannot take."""
    frames = frames_of(3, 9)
    message = SequenceExample()
    message.context.feature["id"].bytes_list.value.append(b"odd1")
    payload = message.SerializeToString()
    for name, matrix in (("audio", frames.audio), ("rgb", frames.rgb)):
        part = SequenceExample()
        for row in matrix:
            part.feature_lists.feature_list[name].feature.add().bytes_list.value.append(row.tobytes())
        payload += part.SerializeToString()
    with RecordWriter(tmp_path / "odd.tfrecord") as writer:
        writer.write(payload)
    batch = RecordReader(index_of(tmp_path)).read(np.array([0]), FrameSampling("all", 4))
    np.testing.assert_array_equal(batch.rgb[0, :3], frames.rgb)
    np.testing.assert_array_equal(batch.audio[0, :3], frames.audio)


def test_video_level_records_are_one_frame_of_floats(tmp_path: Path) -> None:
    shutil.copy(sorted((SAMPLE / "validate").glob("*.tfrecord"))[0], tmp_path / "real.tfrecord")
    index = index_of(tmp_path)
    batch = RecordReader(index, num_classes=3862).read(np.array([3, 0, -1]), FrameSampling("random", 30))
    assert (batch.rgb.dtype, batch.rgb.shape) == (np.float32, (3, 1, 1024))
    assert (batch.audio.dtype, batch.audio.shape) == (np.float32, (3, 1, 128))
    assert batch.num_frames.tolist() == [1, 1, 1]
    data = (tmp_path / "real.tfrecord").read_bytes()
    for position, row in enumerate((3, 0)):
        start = int(index.offsets[row]) + 12
        feature = Example.FromString(data[start : start + int(index.lengths[row])]).features.feature
        np.testing.assert_array_equal(batch.rgb[position, 0], np.float32(feature["mean_rgb"].float_list.value))
        np.testing.assert_array_equal(batch.audio[position, 0], np.float32(feature["mean_audio"].float_list.value))
        assert batch.labels is not None
        assert np.flatnonzero(batch.labels[position]).tolist() == sorted(feature["labels"].int64_list.value)
    assert not batch.rgb[2].any()


def test_source_names_the_folder_on_this_machine(shards: Path, tmp_path: Path) -> None:
    index = index_of(shards)
    shutil.move(shards, tmp_path / "elsewhere")
    with pytest.raises(InputError, match=r"train0\.tfrecord: the index needs this shard.*--source.*yt8m index"):
        RecordReader(index)
    batch = RecordReader(index, str(tmp_path / "elsewhere")).read(np.arange(6), FrameSampling("all", 1))
    assert (batch.rows == np.arange(6)).all()


def test_a_changed_shard_is_noticed(shards: Path) -> None:
    index = index_of(shards)
    with open(shards / "train1.tfrecord", "ab") as file:
        file.write(b"more")
    with pytest.raises(InputError, match=r"train1\.tfrecord: the shard has .* bytes and had .* `yt8m index`"):
        RecordReader(index)
    RecordReader(index.take(np.arange(3)))  # which needs the other shard only


def test_a_shard_with_other_videos_of_the_same_size_is_noticed(shards: Path, videos: list[Frames]) -> None:
    index = index_of(shards)
    with RecordWriter(shards / "train0.tfrecord") as writer:
        for video in range(3):
            writer.write(encode_record(f"new{video}".encode(), sorted({video, 2 * video}), videos[video]))
    reader = RecordReader(index, skip_bad_records=True)
    with pytest.raises(InputError, match=r"train0\.tfrecord: the record at byte .* is of video new1, of vid1 by"):
        reader.read(np.array([1]), FrameSampling("all", 1))


def test_a_record_of_the_same_size_and_video_with_other_frames_is_noticed(shards: Path, videos: list[Frames]) -> None:
    index = index_of(shards)
    with RecordWriter(shards / "train0.tfrecord") as writer:
        for video in range(3):
            rgb, audio = (matrix.copy() for matrix in videos[video])
            rgb[0, 0] ^= video == 1
            writer.write(encode_record(f"vid{video}".encode(), sorted({video, 2 * video}), Frames(rgb, audio)))
    reader = RecordReader(index, skip_bad_records=True)
    assert reader.read(np.array([0, 2]), FrameSampling("all", 1)).rows.tolist() == [0, 2]
    changed = r"train0\.tfrecord: the record at byte \d+, of video vid1, was changed since it was indexed; .*yt8m index"
    with pytest.raises(InputError, match=changed):
        reader.read(np.array([1]), FrameSampling("all", 1))
    RecordReader(dataclasses.replace(index, checksums=None)).read(np.array([1]), FrameSampling("all", 1))


def damage(shards: Path, index: VideoIndex, row: int, byte: int) -> None:
    path = shards / index.shards[index.shard_numbers[row]].name
    data = bytearray(path.read_bytes())
    data[int(index.offsets[row]) + byte] ^= 0x10
    path.write_bytes(data)


@pytest.mark.parametrize(("byte", "problem"), [(500, "record is damaged"), (0, "length is damaged"), (-1, "damaged")])
def test_a_damaged_record_is_named_by_file_record_and_byte(shards: Path, byte: int, problem: str) -> None:
    index = index_of(shards)
    damage(shards, index, 4, byte % (int(index.lengths[4]) + OVERHEAD))
    with pytest.raises(RecordError, match=problem) as raised:
        RecordReader(index.take(np.array([4]))).read(np.array([0]), FrameSampling("all", 1))
    error = raised.value
    assert (Path(error.path).name, error.record, error.offset) == ("train1.tfrecord", 1, index.offsets[4])


def test_bad_records_are_left_out_and_listed(shards: Path) -> None:
    index = index_of(shards)
    damage(shards, index, 4, 500)
    damage(shards, index, 1, 0)
    reader = RecordReader(index, num_classes=CLASSES, skip_bad_records=True)
    batch = reader.read(np.arange(6), FrameSampling("all", 5))
    assert batch.rows.tolist() == [0, -1, 2, 3, -1, 5]
    assert batch.labels is not None
    assert not batch.rgb[[1, 4]].any()
    assert not batch.labels[[1, 4]].any()
    assert batch.num_frames.tolist() == [1, 1, 5, 5, 1, 5]
    assert [(entry["video_id"], entry["record"]) for entry in reader.skipped] == [("vid1", 1), ("vid4", 1)]
    assert reader.skipped[1] == {
        "file": str(shards / "train1.tfrecord"), "record": 1, "offset": int(index.offsets[4]),
        "bytes": int(index.lengths[4]) + OVERHEAD, "video_id": "vid4",
        "problem": "the record is damaged (its CRC32C does not match)",
    }  # fmt: skip


def test_a_record_without_what_its_level_needs_is_bad(tmp_path: Path) -> None:
    frames = frames_of(2, 0)
    with RecordWriter(tmp_path / "odd.tfrecord") as writer:
        writer.write(encode_record(b"good", [1], frames))
        writer.write(encode_record(b"half", [1], Frames(frames.rgb, frames.audio[:1])))
    build_index([str(tmp_path)], tmp_path / "index.parquet", skip_bad_records=True)
    index = read_index(tmp_path / "index.parquet")
    index = dataclasses.replace(
        index.take(np.array([0, 0])),
        video_ids=np.array([b"good", b"half"]),
        offsets=np.array([0, index.lengths[0] + OVERHEAD]),
        lengths=index.lengths[0] - np.array([0, 137]),
        checksums=None,
    )
    with pytest.raises(RecordError, match=r"record 1 at byte \d+: it has 2 rgb frames and 1 audio frames"):
        RecordReader(index).read(np.array([0, 1]), FrameSampling("all", 2))


def test_a_shard_that_shrinks_meanwhile_is_an_error_not_a_crash(shards: Path) -> None:
    index = index_of(shards)
    reader = RecordReader(index)
    with open(shards / "train1.tfrecord", "r+b") as file:
        file.truncate(int(index.offsets[4]) + 100)
    with pytest.raises(RecordError, match=r"train1\.tfrecord: record 1 at byte \d+: the file ends"):
        reader.read(np.array([3, 4]), FrameSampling("all", 2))


def test_a_label_beyond_the_classes_is_refused(shards: Path) -> None:
    index = index_of(shards)
    RecordReader(index, num_classes=11)
    with pytest.raises(InputError, match=r"video vid5 \(row 5\): label 10 is not one of the 10 classes"):
        RecordReader(index, num_classes=10)


def test_an_index_of_labels_alone_is_refused(shards: Path) -> None:
    index = dataclasses.replace(index_of(shards), level="labels")
    with pytest.raises(InputError, match="labels alone"):
        RecordReader(index)


def test_few_descriptors_serve_many_shards(shards: Path) -> None:
    index = index_of(shards)
    files = LocalShards(index, str(shards), max_open=1)
    memory = np.empty(8, np.uint8)
    for _ in range(50):
        for number in range(2):
            assert files.read_into(number, 0, memory) == 8
            assert memory.tobytes() == (shards / f"train{number}.tfrecord").read_bytes()[:8]
    assert len(files.files) == 1
