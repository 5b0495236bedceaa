"""Indexes to rebalance: of given label lists, and of the real label lists of 984,618 videos."""

import lzma
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from yt8m.records.video_index import VideoIndex, write_index

GOLDEN = Path(__file__).parent.parent / "golden" / "label_lists.xz"
ALPHABET = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", np.uint8)


def numbered_ids(n: int) -> np.ndarray:
    digits = np.arange(n)[:, None] // 64 ** np.arange(4)[::-1] % 64
    return np.ascontiguousarray(ALPHABET[digits]).view("S4").ravel()


def labels_index(labels: np.ndarray, counts: np.ndarray) -> VideoIndex:
    n = len(counts)
    return VideoIndex(
        video_ids=numbered_ids(n),
        shard_numbers=np.full(n, -1, np.int32),
        offsets=np.full(n, -1, np.int64),
        lengths=np.zeros(n, np.int32),
        num_frames=np.zeros(n, np.int32),
        labels=labels.astype(np.int32),
        bounds=np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
        level="labels",
    )


def read_label_lists() -> VideoIndex:
    """One row a distinct list, and in `num_frames` how many videos carry it."""
    with lzma.open(GOLDEN) as file:
        sizes, flat, videos = (np.load(file) for _ in range(3))
    lists, start = [], 0
    for size, lists_of_size in zip(*np.unique(sizes, return_counts=True), strict=True):
        end = start + int(size) * int(lists_of_size)
        lists.append(flat[start:end].reshape(int(size), -1).T.ravel())
        start = end
    return replace(labels_index(np.concatenate(lists), sizes.astype(np.int64)), num_frames=videos)


@pytest.fixture
def make_index() -> Callable[[list[list[int]]], VideoIndex]:
    """Of label lists."""
    return lambda lists: labels_index(
        np.array([label for row in lists for label in row]), np.array([len(row) for row in lists], np.int64)
    )


@pytest.fixture(scope="session")
def real_index() -> VideoIndex:
    """984,618 videos with the real label lists, shuffled, under made-up ids."""
    lists = read_label_lists()
    rows = np.repeat(np.arange(len(lists)), lists.num_frames)
    videos = lists.take(np.random.default_rng(0).permutation(rows))
    return labels_index(videos.labels, videos.labels_per_video)


@pytest.fixture(scope="session")
def real_index_file(real_index: VideoIndex, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("real") / "index.parquet"
    write_index(path, real_index)
    return path


@pytest.fixture(scope="session")
def full_size_index_file(real_index: VideoIndex, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3.9 million videos: the real label lists, four times over."""
    rows = np.arange(3_900_000) % len(real_index)
    videos = real_index.take(rows)
    path = tmp_path_factory.mktemp("full") / "index.parquet"
    write_index(path, labels_index(videos.labels, videos.labels_per_video))
    return path
