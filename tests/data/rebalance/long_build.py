"""Training sets of the whole train partition; `test_build.py` makes them of a tenth of it."""

from pathlib import Path

from tests.data.rebalance.test_build import peak_memory
from tests.golden_labels import FULL_SIZE, full_size
from yt8m.data.records.video_index import VideoIndex, write_index


def test_the_full_train_partition_by_every_recipe_in_two_gigabytes(real_index: VideoIndex, tmp_path: Path) -> None:
    """3.9 million videos: the real label lists, four times over; `make bench` tells the seconds of each recipe."""
    write_index(tmp_path / "index.parquet", full_size(real_index))
    assert peak_memory(tmp_path / "index.parquet", tmp_path / "t", videos=FULL_SIZE) < 2e9
