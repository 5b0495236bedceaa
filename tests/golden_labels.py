"""The real label lists of 984,618 videos (see golden/label_lists.md), as an index of any size under made-up ids."""

import lzma
from dataclasses import replace
from pathlib import Path

import numpy as np

from yt8m.data.records.video_index import VideoIndex

GOLDEN = Path(__file__).parent / "golden" / "label_lists.xz"
ALPHABET = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", np.uint8)
FULL_SIZE = 3_900_000


def labels_index(labels: np.ndarray, counts: np.ndarray) -> VideoIndex:
    """An index of labels alone."""
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


def numbered_ids(n: int) -> np.ndarray:
    """Ids of four characters, as the dataset has them."""
    digits = np.arange(n)[:, None] // 64 ** np.arange(4)[::-1] % 64
    return np.ascontiguousarray(ALPHABET[digits]).view("S4").ravel()


def real_labels() -> VideoIndex:
    """Each video once, shuffled."""
    lists = _distinct_lists()
    rows = np.repeat(np.arange(len(lists)), lists.num_frames)
    videos = lists.take(np.random.default_rng(0).permutation(rows))
    return labels_index(videos.labels, videos.labels_per_video)


def full_size(videos: VideoIndex) -> VideoIndex:
    """As many videos as the train partition has: the given ones, over and over."""
    repeated = videos.take(np.arange(FULL_SIZE) % len(videos))
    return labels_index(repeated.labels, repeated.labels_per_video)


def _distinct_lists() -> VideoIndex:
    """One row a distinct list, and in `num_frames` how many videos carry it."""
    with lzma.open(GOLDEN) as file:
        sizes, flat, videos = (np.load(file) for _ in range(3))
    lists, start = [], 0
    for size, lists_of_size in zip(*np.unique(sizes, return_counts=True), strict=True):
        end = start + int(size) * int(lists_of_size)
        lists.append(flat[start:end].reshape(int(size), -1).T.ravel())
        start = end
    return replace(labels_index(np.concatenate(lists), sizes.astype(np.int64)), num_frames=videos)
