from pathlib import Path

import pytest

from yt8m.data.rebalance.training_set import read_training_set
from yt8m.data.records.simulate import simulate
from yt8m.data.records.video_index import read_index
from yt8m.paper.experiments import load_paper
from yt8m.paper.trainings import Data, Sources


def test_real_frames_are_taken_as_they_are(shards: dict[str, str], plan: Path, tmp_path: Path) -> None:
    folders = {name: str(tmp_path / name) for name in shards}
    for name, shard in shards.items():
        simulate([shard], folders[name], max_frames=3)
    scale = load_paper("tiny", plan).scale.model_copy(update={"simulate": None})
    data = Data(str(tmp_path / "data"), scale, Sources([folders["train"]], [folders["validation"]], None))
    index = read_index(data.index("train", "frame"))
    assert index.level == "frame"
    assert index.source_root == folders["train"]
    training_set = read_training_set(data.training_set("hard-x3", "frame"))
    assert training_set.index_fingerprint == index.fingerprint()
    assert set(training_set.repeats[0]) == {1, 3}
    assert not list((tmp_path / "data").rglob("*.tfrecord"))


@pytest.mark.parametrize("localized", [False, True])
def test_simulated_frames_know_the_same_videos_at_both_levels(
    localized: bool, shards: dict[str, str], plan: Path, tmp_path: Path
) -> None:
    scale = load_paper("tiny", plan).scale
    scale = scale.model_copy(update={"simulate": {"max_frames": 3, "localized": localized}})
    data = Data(str(tmp_path), scale, Sources([shards["train"]], [shards["validation"]], None))
    assert data.indexed("train") is None
    frames, video = (read_index(data.index("train", level)) for level in ("frame", "video"))
    assert sorted(frames.video_ids) == sorted(video.video_ids)
    assert frames.simulated
    assert (frames.level, video.level) == ("frame", "video")
    assert data.indexed("train") == data.videos("train") == len(video)
