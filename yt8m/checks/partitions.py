"""Whether partitions are what they should be: ids once each and in one of them, labels of the vocabulary."""

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np

from yt8m.artifacts import ids_to_arrow
from yt8m.data.rebalance.facts import ids_among
from yt8m.data.records.video_index import VideoIndex

NAMED = 5


def duplicates(partitions: Mapping[str, VideoIndex]) -> dict[str, dict[str, Any]]:
    """For each partition `{count, examples}`: videos whose id stands in an earlier row, and some of these ids."""
    return {name: _found(_repeated(index.video_ids)) for name, index in partitions.items()}


def leaks(partitions: Mapping[str, VideoIndex]) -> dict[str, dict[str, Any]]:
    """For each two partitions, `train and test`, `{count, examples}` of the ids that stand in both."""
    found = {}
    for (name, one), (other_name, other) in combinations(partitions.items(), 2):
        ids = np.unique(one.video_ids)
        found[f"{name} and {other_name}"] = _found(ids[ids_among(ids, ids_to_arrow(other.video_ids))])
    return found


def unknown_labels(partitions: Mapping[str, VideoIndex], num_classes: int) -> dict[str, dict[str, Any]]:
    """For each partition `{count, examples}` of the label occurrences outside the classes."""
    found = {}
    for name, index in partitions.items():
        outside = index.labels[(index.labels >= num_classes) | (index.labels < 0)]
        found[name] = {"count": len(outside), "examples": [str(label) for label in np.unique(outside)[:NAMED]]}
    return found


def _repeated(ids: np.ndarray) -> np.ndarray:
    values, counts = np.unique(ids, return_counts=True)
    return np.repeat(values, counts - 1)


def _found(ids: np.ndarray) -> dict[str, Any]:
    examples = np.unique(ids)[:NAMED].tolist()
    return {"count": len(ids), "examples": [video_id.decode(errors="replace") for video_id in examples]}
