"""The profile of real records against a plain computation over them."""

import json
from pathlib import Path

import numpy as np
import pytest

from yt8m.checks.profile import profile_of, read_profile
from yt8m.data.records.build import build_index
from yt8m.data.records.simulate import simulate
from yt8m.data.records.video_index import read_index
from yt8m.errors import InputError
from yt8m.storage import write_json

SAMPLE = Path(__file__).parents[2] / "sample"


def test_it_counts_what_is_there_and_reads_the_means(indexes: dict[str, Path]) -> None:
    index = read_index(indexes["validate"])
    profile = profile_of(index, videos=10**6)
    assert profile["label_videos"] == np.bincount(index.labels).tolist()
    assert profile["frame_counts"] is None
    assert profile["features"]["videos"] == len(index)
    tf = pytest.importorskip("tensorflow")
    rows = []
    for shard in sorted((SAMPLE / "validate").glob("*.tfrecord")):
        for record in tf.data.TFRecordDataset(str(shard)):
            features = tf.io.parse_single_example(record, {"mean_rgb": tf.io.FixedLenFeature([1024], tf.float32)})
            rows.append(features["mean_rgb"].numpy())
    np.testing.assert_allclose(profile["features"]["rgb"]["mean"], np.mean(rows, axis=0), atol=1e-5)
    np.testing.assert_allclose(profile["features"]["rgb"]["std"], np.std(rows, axis=0), atol=1e-5)


def test_frames_are_dequantised_and_the_sample_is_the_same_each_time(tmp_path: Path, indexes: dict[str, Path]) -> None:
    simulate([str(SAMPLE / "validate")], str(tmp_path / "frames"), max_frames=5)
    build_index([str(tmp_path / "frames")], tmp_path / "frames.parquet")
    index = read_index(tmp_path / "frames.parquet")
    profile = profile_of(index, videos=200)
    assert profile["features"]["videos"] == 200
    assert json.dumps(profile_of(index, videos=200)) == json.dumps(profile)
    of_videos = profile_of(read_index(indexes["validate"]), videos=200)
    np.testing.assert_allclose(profile["features"]["rgb"]["mean"], of_videos["features"]["rgb"]["mean"], atol=0.01)
    assert profile["simulated"]
    assert sum(profile["frame_counts"]) == len(index)


def test_another_file_is_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "other.json", {"kind": "model"})
    with pytest.raises(InputError, match="not a data profile"):
        read_profile(tmp_path / "other.json")
    with pytest.raises(InputError, match="no such file"):
        read_profile(tmp_path / "none.json")
