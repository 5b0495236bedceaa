"""Killed at any moment, a command leaves nothing half done, and run again it gives the same bytes."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.records.made import SAMPLE
from yt8m.records.build import build_index
from yt8m.records.simulate import simulate

KILLS = int(os.environ.get("KILLS", "4"))
INDEX = "from yt8m.records.build import build_index as run"
SIMULATE = (
    "from functools import partial; from yt8m.records.simulate import simulate; run = partial(simulate, max_frames=8)"
)


def kill_at_random_moments(code: str, source: Path, output: Path, seconds: float) -> Iterator[None]:
    """Start the job several times; each time kill it somewhere in its first seconds, and let the caller look."""
    generator = random.Random(0)
    program = f"{code}; print(flush=True); run([{str(source)!r}], {str(output)!r})"
    for _ in range(KILLS):
        with subprocess.Popen(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stdout
            process.stdout.readline()
            time.sleep(generator.uniform(0, seconds))
            process.kill()
        yield


def test_index(tmp_path: Path) -> None:
    build_index([str(SAMPLE / "train")], tmp_path / "whole.parquet")
    whole = (tmp_path / "whole.parquet").read_bytes()
    killed = tmp_path / "killed.parquet"
    for _ in kill_at_random_moments(INDEX, SAMPLE / "train", killed, 0.2):
        assert not killed.exists() or killed.read_bytes() == whole
    build_index([str(SAMPLE / "train")], killed)
    assert killed.read_bytes() == whole


def test_simulate(tmp_path: Path) -> None:
    simulate([str(SAMPLE / "train")], tmp_path / "whole", max_frames=8)
    whole = {path.name: path.read_bytes() for path in (tmp_path / "whole").iterdir()}
    killed = tmp_path / "killed"
    for _ in kill_at_random_moments(SIMULATE, SAMPLE / "train", killed, 0.6):
        for shard in killed.glob("*.tfrecord"):
            assert shard.read_bytes() == whole[shard.name]
    simulate([str(SAMPLE / "train")], killed, max_frames=8)
    assert {path.name: path.read_bytes() for path in killed.iterdir() if ".partial-" not in path.name} == whole
