"""Killed before any operation on files, a command that is run again ends as if nothing had been.

Here some of the operations; `make test-long` tries all of more commands (`long_fault_points.py`).
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fault_points import Warm, kill_before_each_operation
from yt8m.data.rebalance.build import build_training_set
from yt8m.data.records.build import build_index
from yt8m.data.records.tfrecord import RecordWriter, iterate

SAMPLE = Path(__file__).parents[1] / "sample"


@pytest.fixture(scope="module")
def warm() -> Iterator[Warm]:
    with Warm() as process:
        yield process


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shards of a few real records, their index and training set."""
    folder = tmp_path_factory.mktemp("source")
    for shard in sorted((SAMPLE / "train").glob("*.tfrecord"))[:2]:
        with RecordWriter(folder / shard.name) as writer:
            for _, payload in list(iterate(shard))[:12]:
                writer.write(bytes(payload))
    build_index([str(folder)], folder / "index.parquet")
    build_training_set(folder / "index.parquet", "hard-x3", folder / "set.parquet")
    return folder


def test_index(warm: Warm, source: Path, tmp_path: Path) -> None:
    operations = kill_before_each_operation(
        warm, lambda folder: ["index", str(source), "-o", str(folder / "index.parquet")], tmp_path
    )
    assert [line.split()[0] for line in operations if "fsync" in line or "rename" in line] == [
        "fsync",
        "rename",
        "fsync",
    ]


def test_the_end_of_an_export(warm: Warm, source: Path, tmp_path: Path) -> None:
    """The manifest says that it is finished before its leftovers are removed."""
    command = ["export", str(source / "set.parquet"), "--shards=1", "--workers=1", "-o"]
    operations = kill_before_each_operation(
        warm, lambda folder: [*command, str(folder / "out")], tmp_path, only=slice(-6, None), torn=False
    )
    assert [line.split()[0] for line in operations[-5:]] == ["rename", "fsync", "remove", "remove", "remove"]


def test_simulate(warm: Warm, source: Path, tmp_path: Path) -> None:
    shard = next(source.glob("*.tfrecord"))
    kill_before_each_operation(
        warm,
        lambda folder: ["simulate", str(shard), "--max-frames=4", "--workers=1", "-o", str(folder / "out")],
        tmp_path,
        growing=["out/simulation.json"],
        only=slice(1, None, 5),
    )
