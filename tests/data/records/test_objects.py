"""The index of shards on gs://: the same as from the disk, with few bytes moved."""

from pathlib import Path

import numpy as np
import pytest

from tests.data.records.made import SAMPLE
from yt8m.data.records import scan
from yt8m.data.records.build import build_index
from yt8m.data.records.features import Frames
from yt8m.data.records.scan import ObjectReader
from yt8m.data.records.simulate import encode_record
from yt8m.data.records.tfrecord import RecordWriter
from yt8m.data.records.video_index import VideoIndex, read_index
from yt8m.errors import InputError, RecordError
from yt8m.storage import cloud

VIDEOS = 12


@pytest.fixture(scope="module")
def frame_level(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three shards of four frame-level records of 60 KB to 300 KB."""
    folder, random = tmp_path_factory.mktemp("frames"), np.random.default_rng(0)
    for shard in range(3):
        with RecordWriter(folder / f"train{shard}.tfrecord") as writer:
            for video in range(4 * shard, 4 * shard + 4):
                frames = (random.integers(0, 256, (50 + 20 * video, width), np.uint8) for width in (1024, 128))
                writer.write(encode_record(f"vid{video:02d}".encode(), [video, 5 * video + 1], Frames(*frames)))
    return folder


@pytest.fixture
def bucket(gcs, frame_level: Path) -> str:
    for path in frame_level.iterdir():
        cloud.upload(path, f"gs://bucket/frame/{path.name}")
    for path in (SAMPLE / "train").iterdir():
        cloud.upload(path, f"gs://bucket/video/{path.name}")
    return "gs://bucket"


def index_of(folder: Path, *sources: str, **settings) -> VideoIndex:
    build_index(list(sources), folder / "index.parquet", **settings)
    return read_index(folder / "index.parquet")


def moved(gcs, name: str) -> list[int]:
    return [entry["bytes"] for entry in gcs.log() if "alt=media" in entry["path"] and name in entry["path"]]


def test_frame_level_shards_are_indexed_by_their_headers(bucket: str, gcs, frame_level: Path, tmp_path: Path) -> None:
    index = index_of(tmp_path, f"{bucket}/frame")
    local = index_of(tmp_path, str(frame_level))
    assert index.fingerprint() == local.fingerprint()
    assert (index.source_root, index.level) == ("gs://bucket/frame", "frame")
    assert max(moved(gcs, "frame%2F")) <= 1100
    assert len(moved(gcs, "frame%2F")) == VIDEOS + 3


def test_video_level_shards_are_read_whole_and_once(bucket: str, gcs, tmp_path: Path) -> None:
    index = index_of(tmp_path, f"{bucket}/video/*.tfrecord")
    assert index.fingerprint() == index_of(tmp_path, str(SAMPLE / "train")).fingerprint()
    for shard in index.shards:
        sizes = moved(gcs, shard.name)
        assert shard.size <= sum(sizes) < shard.size + 2000
        assert len(sizes) <= 3


def test_verification_reads_everything_once(
    bucket: str, gcs, frame_level: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "BLOCK_BYTES", 400_000)  # so that records lie across blocks
    index = index_of(tmp_path, f"{bucket}/frame", verify=True)
    assert index.fingerprint() == index_of(tmp_path, str(frame_level)).fingerprint()
    assert sum(moved(gcs, "frame%2F")) == sum(shard.size for shard in index.shards)


def test_generation_and_checksum_of_each_object_are_kept(bucket: str, tmp_path: Path) -> None:
    index = index_of(tmp_path, f"{bucket}/frame")
    for shard, (generation, crc32c) in zip(index.shards, index.extra["objects"], strict=True):
        present = cloud.describe(f"{bucket}/frame/{shard.name}")
        assert present is not None
        assert (generation, crc32c) == (present.generation, cloud.crc32c_of(present))


def test_several_sources_and_a_root_above_them(bucket: str, frame_level: Path, tmp_path: Path) -> None:
    for path in frame_level.iterdir():
        cloud.upload(path, f"{bucket}/more/deep/{path.name}")
    index = index_of(tmp_path, f"{bucket}/frame/train0.tfrecord", f"{bucket}/more/*/train1.tfrecord")
    assert index.source_root == "gs://bucket"
    assert [shard.name for shard in index.shards] == ["frame/train0.tfrecord", "more/deep/train1.tfrecord"]
    index = index_of(tmp_path, f"{bucket}/frame", source_root=bucket)
    assert index.shards[0].name == "frame/train0.tfrecord"


@pytest.mark.parametrize("kind", ["429", "503", "short", "reset", "lost"])
def test_faults_are_survived(bucket: str, gcs, frame_level: Path, tmp_path: Path, kind: str) -> None:
    gcs.fault(kind, "GET", "alt=media", count=3)
    gcs.fault(kind, "GET", "/o[?]", count=1)
    index = index_of(tmp_path, f"{bucket}/frame", threads=2)
    assert index.fingerprint() == index_of(tmp_path, str(frame_level)).fingerprint()


def test_damage_is_named_by_object_record_and_byte(bucket: str, frame_level: Path, tmp_path: Path) -> None:
    local = index_of(tmp_path, str(frame_level))
    data = bytearray((frame_level / "train1.tfrecord").read_bytes())
    data[int(local.offsets[6]) + 30_000] ^= 1
    (tmp_path / "bad").write_bytes(data)
    cloud.upload(tmp_path / "bad", f"{bucket}/frame/train1.tfrecord")
    index_of(tmp_path, f"{bucket}/frame")  # which looks at headers alone
    with pytest.raises(RecordError) as raised:
        index_of(tmp_path, f"{bucket}/frame", verify=True)
    error = raised.value
    assert (error.path, error.record, error.offset) == (f"{bucket}/frame/train1.tfrecord", 2, local.offsets[6])
    index = index_of(tmp_path, f"{bucket}/frame", verify=True, skip_bad_records=True)
    assert len(index) == VIDEOS - 1


def test_a_replacement_during_the_scan_is_noticed(bucket: str, frame_level: Path) -> None:
    address, size = f"{bucket}/frame/train0.tfrecord", (frame_level / "train0.tfrecord").stat().st_size
    present = cloud.describe(address)
    assert present is not None
    with ObjectReader(address, size, int(present.generation)) as read:
        assert len(read(0, 100)) == 100
        cloud.upload(frame_level / "train0.tfrecord", address)
        with pytest.raises(InputError, match="was replaced or deleted"):
            read(100_000, 100)


def test_any_reads_give_the_bytes_of_the_object(
    bucket: str, frame_level: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "BLOCK_BYTES", 10_000)
    data, random = (frame_level / "train0.tfrecord").read_bytes(), np.random.default_rng(0)
    for everything in (False, True):
        with ObjectReader(f"{bucket}/frame/train0.tfrecord", len(data), everything=everything) as read:
            offset = 0
            for _ in range(60):
                offset = int(np.clip(offset + random.integers(-20_000, 40_000), 0, len(data)))
                count = int(random.integers(0, 30_000))
                assert read(offset, count) == data[offset : offset + count]


def test_an_empty_folder_and_mixed_sources_are_refused(bucket: str, frame_level: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gs://bucket/nothing: no object and no \*.tfrecord below it"):
        build_index(["gs://bucket/nothing"], tmp_path / "x.parquet")
    with pytest.raises(InputError, match="index local and remote shards apart"):
        build_index([f"{bucket}/frame", str(frame_level)], tmp_path / "x.parquet")
    with pytest.raises(InputError, match="lies outside the source root"):
        build_index([f"{bucket}/frame"], tmp_path / "x.parquet", source_root=f"{bucket}/video")
    assert not (tmp_path / "x.parquet").exists()


def test_a_label_list_on_gs(gcs, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("VideoId,Labels\nab,3 1\ncd,\n")
    cloud.upload(tmp_path / "labels.csv", "gs://bucket/lists/labels.csv")
    index = index_of(tmp_path, "gs://bucket/lists/labels.csv")
    assert (index.level, index.source_root) == ("labels", "gs://bucket/lists")
    assert index.fingerprint() == index_of(tmp_path, str(tmp_path / "labels.csv")).fingerprint()
