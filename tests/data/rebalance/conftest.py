"""Indexes to rebalance: of given label lists, and of the real label lists of 984,618 videos."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.golden_labels import labels_index, real_labels
from yt8m.data.records.video_index import VideoIndex, write_index


@pytest.fixture
def make_index() -> Callable[[list[list[int]]], VideoIndex]:
    """Of label lists."""
    return lambda lists: labels_index(
        np.array([label for row in lists for label in row]), np.array([len(row) for row in lists], np.int64)
    )


@pytest.fixture(scope="session")
def real_index() -> VideoIndex:
    """984,618 videos with the real label lists, shuffled, under made-up ids."""
    return real_labels()


@pytest.fixture(scope="session")
def real_index_file(real_index: VideoIndex, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("real") / "index.parquet"
    write_index(path, real_index)
    return path


@pytest.fixture(scope="session")
def fewer_index_file(real_index: VideoIndex, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 400,000 of them."""
    path = tmp_path_factory.mktemp("fewer") / "index.parquet"
    write_index(path, real_index.take(np.arange(400_000)))
    return path
