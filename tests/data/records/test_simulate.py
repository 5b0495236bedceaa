"""Simulated shards: the same videos, frames that come back to their means, and a folder that stays right."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import yt8m.data.records.simulate as module
from tests.data.records.made import GOLDEN, SAMPLE, frame_record, video_record
from yt8m.data.records.build import build_index
from yt8m.data.records.features import decode_context, frame_features, video_features
from yt8m.data.records.frames import LOWEST, STEP
from yt8m.data.records.simulate import MANIFEST, simulate
from yt8m.data.records.tfrecord import RecordWriter, iterate
from yt8m.data.records.video_index import read_index
from yt8m.errors import InputError, RecordError


def some(path: Path, source: Path, count: int) -> Path:
    """The first records of a shard."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with RecordWriter(path) as writer:
        for _, payload in list(iterate(source))[:count]:
            writer.write(bytes(payload))
    return path


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A folder of three small real shards; one without labels, one of the 2017 edition."""
    some(tmp_path / "source" / "validate0000.tfrecord", SAMPLE / "train" / "validate0000.tfrecord", 25)
    some(tmp_path / "source" / "test0100.tfrecord", SAMPLE / "test" / "test0100.tfrecord", 10)
    some(tmp_path / "source" / "validatea0.tfrecord", GOLDEN / "2017-validate.tfrecord", 3)
    return tmp_path / "source"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("localized", [False, True])
def test_the_same_videos_with_frames_of_their_means(sources: Path, tmp_path: Path, localized: bool) -> None:
    result = simulate([str(sources)], tmp_path / "out", max_frames=40, localized=localized)
    mark = "-simulated-localized" if localized else "-simulated"
    videos = frames = 0
    for path in sources.iterdir():
        made = list(iterate(tmp_path / "out" / f"{path.stem}{mark}.tfrecord"))
        for (_, payload), (_, record) in zip(iterate(path), made, strict=True):
            context, copy = decode_context(payload), decode_context(record)
            assert (context.video_id, context.labels.tolist()) == (copy.video_id, copy.labels.tolist())
            features = frame_features(record)
            for mean, matrix in zip(video_features(payload), features, strict=True):
                found = matrix.mean(0, np.float64) * STEP + LOWEST
                assert np.abs(found - mean).max() < STEP * (0.51 / len(matrix) + 0.003)
            videos, frames = videos + 1, frames + len(features.rgb)
            assert len(features.rgb) in (1, 40)
            assert len({row.tobytes() for row in features.rgb}) == len(features.rgb), "frames differ"
    assert (result["videos"], result["frames"], result["shards"], result["reused"]) == (38, frames, 3, 0)
    index = build_index([str(tmp_path / "out")], tmp_path / "index.parquet", verify=True)
    assert (index["videos"], index["level"], index["simulated"], index["bytes"]) == (38, "frame", True, result["bytes"])


def test_a_video_depends_on_seed_and_id_alone(sources: Path, tmp_path: Path) -> None:
    simulate([str(sources)], tmp_path / "one", max_frames=9, workers=1)
    simulate([str(sources)], tmp_path / "four", max_frames=9, workers=4)
    assert contents(tmp_path / "one") == contents(tmp_path / "four")
    alone = some(tmp_path / "alone.tfrecord", sources / "validate0000.tfrecord", 1)
    simulate([str(alone)], tmp_path / "alone", max_frames=9)
    name = "validate0000-simulated.tfrecord"
    record = (tmp_path / "alone" / "alone-simulated.tfrecord").read_bytes()
    assert (tmp_path / "one" / name).read_bytes().startswith(record)
    simulate([str(sources)], tmp_path / "seed", max_frames=9, seed=1)
    assert contents(tmp_path / "seed")[name] != contents(tmp_path / "one")[name]


def test_evidence_may_come_from_other_shards(sources: Path, tmp_path: Path) -> None:
    train, validate = (str(sources / name) for name in ("validate0000.tfrecord", "validatea0.tfrecord"))
    simulate([train, validate], tmp_path / "all", max_frames=9, localized=True, evidence=[train])
    simulate([validate], tmp_path / "part", max_frames=9, localized=True, evidence=[train])
    simulate([validate], tmp_path / "own", max_frames=9, localized=True)
    name = "validatea0-simulated-localized.tfrecord"
    made = [contents(tmp_path / folder)[name] for folder in ("all", "part", "own")]
    assert made[0] == made[1] != made[2]


def test_running_again_changes_nothing_and_makes_nothing(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = simulate([str(sources)], tmp_path / "out", max_frames=9)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    monkeypatch.setattr(module, "_write_shard", None)
    again = simulate([str(sources)], tmp_path / "out", max_frames=9)
    assert again == first | {"reused": 3}
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()} == before


def test_a_killed_run_goes_on_where_it_stopped(sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    simulate([str(sources)], tmp_path / "whole", max_frames=9)
    calls: list[str] = []
    write = module._write_shard

    def die_at_the_third(simulation: Any, source: str, path: str) -> Any:
        calls.append(source)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return write(simulation, source, path)

    monkeypatch.setattr(module, "_write_shard", die_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        simulate([str(sources)], tmp_path / "out", max_frames=9, workers=1)
    monkeypatch.setattr(module, "_write_shard", write)
    assert simulate([str(sources)], tmp_path / "out", max_frames=9)["reused"] == 2
    assert contents(tmp_path / "out").keys() == contents(tmp_path / "whole").keys()
    for name, data in contents(tmp_path / "whole").items():
        if name != MANIFEST:
            assert contents(tmp_path / "out")[name] == data


def test_a_missing_or_cut_shard_is_made_again(sources: Path, tmp_path: Path) -> None:
    simulate([str(sources)], tmp_path / "out", max_frames=9)
    whole = contents(tmp_path / "out")
    (tmp_path / "out" / "test0100-simulated.tfrecord").unlink()
    os.truncate(tmp_path / "out" / "validatea0-simulated.tfrecord", 100)
    assert simulate([str(sources)], tmp_path / "out", max_frames=9)["reused"] == 1
    assert json.loads(contents(tmp_path / "out").pop(MANIFEST))["shards"] == json.loads(whole[MANIFEST])["shards"]
    assert {name: data for name, data in contents(tmp_path / "out").items() if name != MANIFEST} == {
        name: data for name, data in whole.items() if name != MANIFEST
    }


def test_other_arguments_or_sources_replace_the_shards_aloud(
    sources: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    simulate([str(sources)], tmp_path / "out", max_frames=9)
    capsys.readouterr()
    simulate([str(sources)], tmp_path / "out", max_frames=9, localized=True)
    assert "its 3 shards were made of other sources or arguments; replacing them" in capsys.readouterr().err
    assert sorted(path.name for path in (tmp_path / "out").glob("*.tfrecord")) == [
        "test0100-simulated-localized.tfrecord",
        "validate0000-simulated-localized.tfrecord",
        "validatea0-simulated-localized.tfrecord",
    ]
    some(sources / "test0100.tfrecord", SAMPLE / "test" / "test0100.tfrecord", 5)
    assert simulate([str(sources)], tmp_path / "out", max_frames=9, localized=True)["videos"] == 33


def test_foreign_shards_are_left_alone(sources: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds test0100.tfrecord, which `yt8m simulate` did not write"):
        simulate([str(sources)], sources, max_frames=9)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / MANIFEST).write_text("[]")
    with pytest.raises(InputError, match="not the manifest of a simulation"):
        simulate([str(sources)], tmp_path / "out", max_frames=9)


@pytest.mark.parametrize(
    ("records", "problem"),
    [
        ([video_record(), frame_record()], r"record 1 at byte \d+: it is frame level already"),
        ([video_record(mean_rgb=np.full(1024, 2.5))], r"record 0 at byte 0: its mean_rgb\[0\] is 2.5; no frames"),
        ([video_record(), b"rubbish"], r"record 1 at byte \d+: it is not a protobuf record"),
    ],
)
def test_what_cannot_be_simulated_is_named_and_leaves_no_shard(
    tmp_path: Path, records: list[bytes], problem: str
) -> None:
    with RecordWriter(tmp_path / "bad.tfrecord") as writer:
        for record in records:
            writer.write(record)
    with pytest.raises(RecordError, match=problem):
        simulate([str(tmp_path / "bad.tfrecord")], tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == [MANIFEST]


@pytest.mark.parametrize(
    ("options", "problem"),
    [({"max_frames": 0}, "max_frames is 0"), ({"seed": -1}, "--seed -1"), ({"evidence": ["x"]}, "add --localized")],
)
def test_wrong_arguments(sources: Path, tmp_path: Path, options: dict[str, Any], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        simulate([str(sources)], tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_two_shards_of_one_name_are_refused(sources: Path, tmp_path: Path) -> None:
    twin = some(tmp_path / "twin" / "test0100.tfrecord", sources / "test0100.tfrecord", 2)
    with pytest.raises(InputError, match="has the same name"):
        simulate([str(sources), str(twin)], tmp_path / "out")


def test_on_gs(sources: Path, tmp_path: Path, gcs: Any) -> None:
    from yt8m.storage import cloud

    for path in sources.iterdir():
        cloud.upload(path, f"gs://bucket/source/{path.name}")
    local = simulate([str(sources)], tmp_path / "out", max_frames=5)
    remote = simulate(["gs://bucket/source"], "gs://bucket/out", max_frames=5)
    assert (remote["videos"], remote["bytes"]) == (local["videos"], local["bytes"])
    assert simulate(["gs://bucket/source"], "gs://bucket/out", max_frames=5)["reused"] == 3
    build_index([str(tmp_path / "out")], tmp_path / "local.parquet")
    build_index(["gs://bucket/out"], tmp_path / "remote.parquet")
    indices = [read_index(tmp_path / f"{name}.parquet").fingerprint() for name in ("local", "remote")]
    assert indices[0] == indices[1]
