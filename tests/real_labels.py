"""The real label lists of `tests/golden/label_lists.xz` (see label_lists.md)."""

import lzma
from pathlib import Path

import numpy as np

FILE = Path(__file__).parent / "golden" / "label_lists.xz"


def read_lists() -> tuple[list[np.ndarray], np.ndarray]:
    """The distinct label lists, and how many videos carry each."""
    with lzma.open(FILE) as file:
        sizes, flat, videos = (np.load(file) for _ in range(3))
    lists: list[np.ndarray] = []
    start = 0
    for size, number in zip(*np.unique(sizes, return_counts=True), strict=True):
        end = start + int(size) * int(number)
        lists.extend(flat[start:end].reshape(int(size), -1).T.astype(np.int64))
        start = end
    return lists, videos
