"""What a schedule starts, run for real: unchanged sources end it early, a new shard changes what is trained on.

The schedule is made at an emulated cluster; the runs that the cluster starts, with the pipeline and the parameters that
it keeps, are then carried out on this machine.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import kfp
import pytest
import yaml

import pipeline
from targets.compilation import SETTINGS
from targets.local import Request, run_locally
from tests.targets.conftest import Cluster, processes  # noqa: F401  (a fixture)
from yt8m.data.records.simulate import simulate
from yt8m.data.records.tfrecord import RecordWriter, iterate

SAMPLE = Path(__file__).parents[2] / "sample"
OVERRIDES = "{level: frame, epochs: 1, batch_size: 32, saved_model: false}"
CANDIDATES = f"- {{name: short, preset: logistic, overrides: {OVERRIDES}}}\n"


def make_shard(folder: Path, partition: str, shard: str, videos: int) -> None:
    few = folder.parent / "video" / Path(shard).name
    few.parent.mkdir(exist_ok=True)
    with RecordWriter(few) as writer:
        for (_, payload), _ in zip(iterate(SAMPLE / partition / shard), range(videos), strict=False):
            writer.write(bytes(payload))
    simulate([str(few)], folder.parent / "made", max_frames=3)
    (folder / partition).mkdir(parents=True, exist_ok=True)
    for made in (folder.parent / "made").glob("*.tfrecord"):
        shutil.copyfile(made, folder / partition / made.name)
    shutil.rmtree(folder.parent / "made")


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """The shared volume of the cluster: a few frame-level records of each partition."""
    folder = tmp_path / "volume"
    make_shard(folder, "train", "validate0000.tfrecord", 64)
    make_shard(folder, "validate", "validate0050.tfrecord", 48)
    make_shard(folder, "test", "test0100.tfrecord", 16)
    return folder


def create(cluster: Cluster, volume: Path) -> None:
    settings = yaml.safe_load(SETTINGS.read_text())
    settings["profiles"]["dev"]["volumes"] = [{"claim": "yt8m", "path": str(volume)}]
    for resources in settings["profiles"]["dev"]["steps"].values():
        resources.pop("gpu", None)  # here are none, and a step that asks for one refuses to run without
    (volume.parent / "settings.yaml").write_text(yaml.dump(settings))
    (volume.parent / "candidates.yaml").write_text(CANDIDATES)
    places = {"train_source": "train", "validation_source": "validate", "test_source": "test", "work_root": "work"}
    assert pipeline.main([
        "schedule", "create", *cluster.options, "--name", "nightly", "--cron", "0 3 * * *",
        "--settings", str(volume.parent / "settings.yaml"), "--candidates", str(volume.parent / "candidates.yaml"),
        *(word for name, place in places.items() for word in ("--set-parameter", f"{name}={volume / place}")),
        "--set-parameter", "thresholds={label_drift: 1, frame_count_drift: 1, feature_mean_drift: 100}",
    ]) == 0  # fmt: skip


def carry_out(cluster: Cluster, volume: Path) -> tuple[dict[str, Any], int]:
    """The time has come: the run that the cluster starts, carried out here; its summary, and how many steps ran."""
    (run,) = cluster.tick()
    for _ in range(3):
        cluster.request(f"{cluster.runs}/{run['run_id']}")  # at the third look the cluster counts it as ended
    definition = kfp.components.load_component_from_text(yaml.dump(run["pipeline_spec"]["pipeline_spec"]))
    done = run_locally(definition, Request(run["runtime_config"]["parameters"], 1), volume.parent / "here")
    summary = max((volume / "work" / "runs").glob("*/summary.json"))
    return json.loads(summary.read_text()), done.executed


def training_sets(volume: Path) -> set[str]:
    manifests = (volume / "work" / "models").glob("*/model/model.json")
    return {json.loads(path.read_text())["training_set_fingerprint"] for path in manifests}


def test_a_scheduled_run_follows_its_source(processes: dict[str, Cluster], volume: Path) -> None:  # noqa: F811
    cluster = processes["kfp"]
    cluster.reset()
    create(cluster, volume)
    first, steps = carry_out(cluster, volume)
    assert first["partitions"]["train"]["videos"] == 64
    assert (first["state"], first["failed"]) == ("succeeded", [])
    (before,) = training_sets(volume)

    unchanged, looked = carry_out(cluster, volume)
    assert looked < steps / 3, "it looked at the sources and stopped"
    assert "nothing to do" in json.dumps(unchanged)
    assert {step["status"] for step in unchanged["steps"] if step["step"].startswith(("index", "train"))} == {"not run"}
    assert training_sets(volume) == {before}

    make_shard(volume, "train", "validate0001.tfrecord", 32)
    renewed, _ = carry_out(cluster, volume)
    assert renewed["partitions"]["train"]["videos"] == 96
    assert len(training_sets(volume)) == 2
