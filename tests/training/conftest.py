"""Tiny trainings: real videos that carry a few frequent labels alone, so that models are small and steps are fast."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from yt8m.data.rebalance.training_set import Phase, TrainingSet, write_training_set
from yt8m.data.records.build import build_index
from yt8m.data.records.simulate import simulate
from yt8m.data.records.tfrecord import RecordWriter, read_payload
from yt8m.data.records.video_index import VideoIndex, read_index, write_index

SAMPLE = Path(__file__).parents[2] / "sample"
CLASSES, VIDEOS = 40, 48

LOGISTIC: dict[str, Any] = {
    "model": {"name": "logistic"},
    "level": "video",
    "loss": {"name": "cross_entropy"},
    "schedule": {"name": "staircase", "base": 0.05, "decay": 0.9, "decay_examples": "1 epoch"},
    "optimizer": {"name": "adam", "epsilon": 1e-8, "clipnorm": 1.0},
    "batch_size": 16,
    "epochs": 2.5,
    "validate_every": 0.5,
    "start_at_label_rates": True,
    "saved_model": False,
}
NETVLAD: dict[str, Any] = {
    **LOGISTIC,
    "model": {"name": "netvlad", "clusters": 4, "hidden": 8, "head": "moe", "dropout": 0.3},
    "level": "frame",
    "frames": {"train": {"kind": "random", "count": 4}, "predict": {"kind": "even", "count": 4}},
    "batch_norm_momentum": 0.9,
}
MLP: dict[str, Any] = {
    **LOGISTIC,
    "model": {"name": "mlp", "hidden": 32},
    "level": "frame",
    "frames": NETVLAD["frames"],
}
PRESETS = {"logistic": LOGISTIC, "netvlad": NETVLAD, "mlp": MLP}


@dataclass(frozen=True)
class Files:
    """Inputs of a training."""

    training_set: Path
    validation: Path

    def with_phases(self, path: Path, *phases: Phase) -> "Files":
        """The same videos in several phases; the second of two reads every other video twice, and no other."""
        index = read_index(self.validation)
        repeats = np.ones((len(phases), len(index)), np.int32)
        repeats[1:] = np.arange(len(index)) % 2 * 2
        write_training_set(path, TrainingSet(index, repeats, phases, index_fingerprint=index.fingerprint()))
        return Files(path, self.validation)


def _write(folder: Path, index: VideoIndex) -> Files:
    files = Files(folder / "training_set.parquet", folder / "index.parquet")
    write_index(files.validation, index)
    repeats = np.ones((1, len(index)), np.int32)
    write_training_set(
        files.training_set, TrainingSet(index, repeats, (Phase(),), index_fingerprint=index.fingerprint())
    )
    return files


def _few_videos(shard: Path, output: Path) -> None:
    """A shard of real records whose labels are all below CLASSES."""
    build_index([str(shard)], output.parent / "all.parquet")
    index = read_index(output.parent / "all.parquet")
    small = [row for row in range(len(index)) if len(index.labels_of(row)) and index.labels_of(row).max() < CLASSES]
    data = shard.read_bytes()
    with RecordWriter(output) as writer:
        for row in small[:VIDEOS]:
            writer.write(bytes(read_payload(data, int(index.offsets[row]), int(index.lengths[row]))))


@pytest.fixture(scope="session")
def video_files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Video-level records, a training set of all, and their index to validate on."""
    folder = tmp_path_factory.mktemp("video")
    _few_videos(SAMPLE / "train" / "validate0000.tfrecord", folder / "few.tfrecord")
    build_index([str(folder / "few.tfrecord")], folder / "few.parquet")
    return _write(folder, read_index(folder / "few.parquet"))


@pytest.fixture(scope="session")
def frame_files(video_files: Files, tmp_path_factory: pytest.TempPathFactory) -> Files:
    """The same as simulated frames."""
    folder = tmp_path_factory.mktemp("frame")
    simulate([str(video_files.validation.parent / "few.tfrecord")], folder, max_frames=8, workers=1)
    build_index([str(folder)], folder / "few.parquet")
    return _write(folder, read_index(folder / "few.parquet"))


@pytest.fixture(scope="session")
def presets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Preset files of tiny models without SavedModels: logistic (video level), netvlad and mlp (frame level).

    A step of netvlad takes seven seconds to compile, one of mlp, which has dropout and drawn frames too, two.
    """
    folder = tmp_path_factory.mktemp("presets")
    for name, preset in PRESETS.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(preset))
    return {name: folder / f"{name}.yaml" for name in PRESETS}
