"""Killed before each of its operations on files, a command that is run again ends as if nothing had been."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fault_points import Warm, kill_before_each_operation
from yt8m.rebalance.build import build_training_set
from yt8m.records.build import build_index
from yt8m.records.tfrecord import RecordWriter, iterate

SAMPLE = Path(__file__).parents[1] / "sample"


@pytest.fixture(scope="module")
def warm() -> Iterator[Warm]:
    with Warm() as process:
        yield process


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shards of a few real records, one of them damaged; their index and training set."""
    folder = tmp_path_factory.mktemp("source")
    for shard in sorted((SAMPLE / "train").glob("*.tfrecord"))[:2]:
        with RecordWriter(folder / shard.name) as writer:
            for _, payload in list(iterate(shard))[:12]:
                writer.write(bytes(payload))
    build_index([str(folder)], folder / "index.parquet")
    build_training_set(folder / "index.parquet", "hard-x3", folder / "set.parquet")
    return folder


def test_export(warm: Warm, source: Path, tmp_path: Path) -> None:
    shutil.copytree(source, tmp_path / "damaged")
    path = sorted((tmp_path / "damaged").glob("*.tfrecord"))[0]
    offset, payload = list(iterate(path))[7]
    content = bytearray(path.read_bytes())
    content[offset + 12 + len(payload) // 2] ^= 1
    path.write_bytes(content)
    command = ["export", str(source / "set.parquet"), "--shards=2", "--workers=1", "--skip-bad-records"]
    kill_before_each_operation(
        warm, lambda folder: [*command, "--source", str(path.parent), "-o", str(folder / "out")], tmp_path / "place"
    )


def test_simulate(warm: Warm, source: Path, tmp_path: Path) -> None:
    def look(folder: Path) -> None:
        manifest = folder / "out" / "simulation.json"
        if manifest.exists():
            assert json.loads(manifest.read_text())["kind"] == "simulation"

    kill_before_each_operation(
        warm,
        lambda folder: ["simulate", str(source), "--max-frames=4", "--workers=1", "-o", str(folder / "out")],
        tmp_path,
        growing=["out/simulation.json"],
        look=look,
    )
