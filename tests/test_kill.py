"""Killed at random moments, index and rebalance leave nothing partial, and the rerun gives the same bytes.

Export and download, which resume, are tried the same way in `test_export.py` and `records/test_download.py`. More kills
than the default: `python -m pytest tests/test_kill.py --kills 20`.
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from yt8m import cli

SAMPLE = Path(__file__).parents[1] / "sample"
VIDEOS = 150_000


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A long list of labels, and its index."""
    folder = tmp_path_factory.mktemp("inputs")
    generator = random.Random(2)
    lines = (
        f"{number:06d},{' '.join(str(label) for label in sorted(generator.sample(range(3862), 1 + number % 5)))}"
        for number in range(VIDEOS)
    )
    (folder / "labels.csv").write_text("VideoId,Labels\n" + "\n".join(lines) + "\n")
    assert cli.main(["index", str(folder / "labels.csv"), "-o", str(folder / "index.parquet")]) == 0
    return folder


def commands(inputs: Path) -> dict[str, list[str]]:
    return {
        "index of labels": ["index", str(inputs / "labels.csv")],
        "index of shards": ["index", str(SAMPLE / "train"), "--verify"],
        "rebalance": ["rebalance", str(inputs / "index.parquet"), "--recipe", "rare-then-all"],
    }


@pytest.mark.parametrize("job", ["index of labels", "index of shards", "rebalance"])
def test_killed_at_random_moments(inputs: Path, tmp_path: Path, job: str, pytestconfig: pytest.Config) -> None:
    command = commands(inputs)[job]
    straight, output = tmp_path / "straight" / "out.parquet", tmp_path / "killed" / "out.parquet"
    started = time.monotonic()
    subprocess.run([sys.executable, "-m", "yt8m", *command, "-o", str(straight)], check=True, capture_output=True)
    lasts = time.monotonic() - started
    wanted = straight.read_bytes()
    generator = random.Random(job)
    for _ in range(pytestconfig.getoption("--kills")):
        running = subprocess.Popen(
            [sys.executable, "-m", "yt8m", *command, "-o", str(output)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + lasts * generator.uniform(0.3, 1.05)
        while time.monotonic() < deadline and running.poll() is None:
            assert not output.exists() or output.read_bytes() == wanted
        running.send_signal(signal.SIGKILL)
        running.wait()
        assert not output.exists() or output.read_bytes() == wanted
    assert cli.main([*command, "-o", str(output)]) == 0
    assert output.read_bytes() == wanted
    visible = [name for name in os.listdir(output.parent) if not name.startswith(".partial-")]
    assert visible == ["out.parquet"]
