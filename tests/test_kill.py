"""Killed at random moments, a command leaves nothing partial, and the rerun gives the same bytes.

Export and download, which resume, are tried the same way in `test_export.py` and `records/test_download.py`.
`--kills 100` kills each of them a hundred times.
"""

import os
import random
import shutil
from pathlib import Path

import pytest

from tests.kills import kill_at_random_moments
from yt8m import cli

SAMPLE = Path(__file__).parents[1] / "sample"
VIDEOS = 15_000


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A long list of labels and its index, and frame-level shards."""
    folder = tmp_path_factory.mktemp("inputs")
    generator = random.Random(2)
    lines = (
        f"{number:06d},{' '.join(str(label) for label in sorted(generator.sample(range(3862), 1 + number % 5)))}"
        for number in range(VIDEOS)
    )
    (folder / "labels.csv").write_text("VideoId,Labels\n" + "\n".join(lines) + "\n")
    assert cli.main(["index", str(folder / "labels.csv"), "-o", str(folder / "index.parquet")]) == 0
    assert cli.main(["simulate", str(SAMPLE / "validate"), "--max-frames", "4", "-o", str(folder / "frames")]) == 0
    return folder


def commands(inputs: Path) -> dict[str, list[str]]:
    return {
        "index of labels": ["index", str(inputs / "labels.csv")],
        "index of shards": ["index", str(SAMPLE / "validate"), "--verify"],
        "index of frames": ["index", str(inputs / "frames")],
        "rebalance": ["rebalance", str(inputs / "index.parquet"), "--recipe", "rare-then-all"],
    }


@pytest.mark.parametrize("job", ["index of labels", "index of shards", "index of frames", "rebalance"])
def test_a_file_appears_whole(inputs: Path, tmp_path: Path, job: str, pytestconfig: pytest.Config) -> None:
    command = commands(inputs)[job]
    straight, output = tmp_path / "straight.parquet", tmp_path / "killed" / "out.parquet"
    assert cli.main([*command, "-o", str(straight)]) == 0
    wanted = straight.read_bytes()

    def look() -> None:
        assert not output.exists() or output.read_bytes() == wanted

    for was_killed in kill_at_random_moments(
        [*command, "-o", str(output)], [*command, "-o", str(tmp_path / "timed.parquet")],
        pytestconfig.getoption("--kills"), look,
    ):  # fmt: skip
        if not was_killed:
            assert output.read_bytes() == wanted
            assert [name for name in os.listdir(output.parent) if not name.startswith(".partial-")] == ["out.parquet"]
            output.unlink()


def test_simulated_shards_appear_whole(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    command = ["simulate", str(SAMPLE / "validate"), "--max-frames", "8", "--workers", "2", "-o"]
    straight, output = tmp_path / "straight", tmp_path / "killed"
    assert cli.main([*command, str(straight)]) == 0
    wanted = {path.name: path.read_bytes() for path in straight.iterdir()}

    def look() -> None:
        for shard in output.glob("*.tfrecord"):
            assert shard.read_bytes() == wanted[shard.name]

    for was_killed in kill_at_random_moments(
        [*command, str(output)], [*command, str(tmp_path / "timed")], pytestconfig.getoption("--kills"), look
    ):
        if not was_killed:
            found = {path.name: path.read_bytes() for path in output.iterdir() if ".partial-" not in path.name}
            assert found == wanted
            shutil.rmtree(output)
