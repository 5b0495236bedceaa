"""What the tests of staging share: frame-level shards in a folder, the same in a bucket, and what is trained on."""

from pathlib import Path

import numpy as np
import pytest

from yt8m.data.rebalance.training_set import Phase, TrainingSet
from yt8m.data.records.build import build_index
from yt8m.data.records.features import Frames
from yt8m.data.records.simulate import encode_record
from yt8m.data.records.tfrecord import RecordWriter
from yt8m.data.records.video_index import VideoIndex, read_index
from yt8m.storage import cloud

SHARDS, VIDEOS_EACH = 6, 8


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six shards of eight videos; a record is larger than the gap that ranged reads close."""
    folder, random = tmp_path_factory.mktemp("shards"), np.random.default_rng(0)
    for shard in range(SHARDS):
        with RecordWriter(folder / f"train{shard}.tfrecord") as writer:
            for video in range(shard * VIDEOS_EACH, (shard + 1) * VIDEOS_EACH):
                frames = (random.integers(0, 256, (240 + video, width), np.uint8) for width in (1024, 128))
                writer.write(encode_record(f"vid{video:02d}".encode(), [video, video + 1], Frames(*frames)))
    return folder


@pytest.fixture(scope="session")
def index(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> VideoIndex:
    """The index of the shards in the folder."""
    path = tmp_path_factory.mktemp("index") / "index.parquet"
    build_index([str(folder)], path)
    return read_index(path)


@pytest.fixture
def bucket(gcs, folder: Path) -> str:
    """The address of the same shards on gs://."""
    for path in sorted(folder.glob("*.tfrecord")):
        cloud.upload(path, f"gs://bucket/frame/{path.name}")
    return "gs://bucket/frame"


@pytest.fixture
def training_set(index: VideoIndex) -> TrainingSet:
    """Phase 0: every video once to three times. Phase 1: two of eight, twice. Phase 2: all once."""
    videos = np.arange(len(index))
    return TrainingSet(index, np.array([videos % 3 + 1, (videos % 4 == 1) * 2, videos >= 0], np.int32), (Phase(),) * 3)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    return tmp_path / "temporary"
