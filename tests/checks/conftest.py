"""Real partitions of the sample, indexed once."""

from pathlib import Path

import pytest

from yt8m.data.records.build import build_index

SAMPLE = Path(__file__).parents[2] / "sample"


@pytest.fixture(scope="session")
def indexes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("indexes")
    for name in ("train", "validate", "test"):
        build_index([str(SAMPLE / name)], folder / f"{name}.parquet")
    return {name: folder / f"{name}.parquet" for name in ("train", "validate", "test")}
