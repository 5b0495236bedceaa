"""From shards on gs:// to predictions by the commands, with outputs on this machine and there."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from tests.forks import Forks
from yt8m.prediction.table import read_predictions
from yt8m.storage import cloud

pytestmark = pytest.mark.usefixtures("plain_steps")

SAMPLE = Path(__file__).parents[2] / "sample"


def test_commands_take_shards_from_gs(gcs: Any, forks: Forks, tmp_path: Path) -> None:
    def yt8m(*arguments: object) -> Any:
        """Run a command; what it found, and nothing else on stdout."""
        return json.loads(forks.run([*arguments, "--json"], STORAGE_EMULATOR_HOST=gcs.host).stdout)

    for partition, shards in (("train", 3), ("validate", 1)):
        for path in sorted((SAMPLE / partition).glob("*.tfrecord"))[:shards]:
            cloud.upload(path, f"gs://bucket/yt8m/{partition}/{path.name}")
        made = yt8m("index", f"gs://bucket/yt8m/{partition}", "-o", f"gs://bucket/out/{partition}.parquet")
        assert made["shards"] == shards
    yt8m("rebalance", "gs://bucket/out/train.parquet", "--recipe", "hard-x3", "-o", tmp_path / "set.parquet")
    model = yt8m(
        "train", tmp_path / "set.parquet", "--validation", "gs://bucket/out/validate.parquet", "--preset", "logistic",
        "--set", "epochs=2", "--no-saved-model", "-o", tmp_path / "run", "--scratch", tmp_path / "scratch",
        "--scratch-gb", 0.05,
    )  # fmt: skip
    moved = sum(path.stat().st_size for path in (tmp_path / "scratch").rglob("*validate000[0-2].tfrecord"))
    with open(tmp_path / "run" / "timing.csv") as file:
        assert [int(row["network_bytes"]) for row in csv.DictReader(file)] == [moved, 0]
    assert model["training"]["validation_videos"] > 100
    predict = ("predict", tmp_path / "run" / "model", "gs://bucket/out/validate.parquet", "-o")
    yt8m(*predict, tmp_path / "remote.parquet")
    yt8m(*predict, tmp_path / "local.parquet", "--source", SAMPLE / "validate")
    remote, local = (read_predictions(tmp_path / f"{name}.parquet") for name in ("remote", "local"))
    assert remote.top_labels.tolist() == local.top_labels.tolist()
    assert remote.top_confidences.tolist() == local.top_confidences.tolist()
    assert yt8m("export", tmp_path / "set.parquet", "-o", tmp_path / "shards", "--shards", 2)["records"] > 1000
