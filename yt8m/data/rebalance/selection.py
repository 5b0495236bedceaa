"""`select`: which videos a phase reads.

A selection is `all`, or a mapping of one key: `label_index`, `label_frequency`, `label_share` (conditions on a label;
a video is selected when at least one of its labels meets it), `num_labels` (a condition on the number of labels),
`ids` (a list, or a file of one id a line), or `any`, `all` (lists of selections) and `not` (a selection).
A condition is a number, a list of numbers, or a mapping of `above, below, at_least, at_most` which must all hold.
"""

import operator
import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from yt8m import storage
from yt8m.data.rebalance.facts import Facts, ids_among
from yt8m.data.rebalance.node import Node
from yt8m.progress import log

COMPARISONS = {"above": operator.gt, "below": operator.lt, "at_least": operator.ge, "at_most": operator.le}
KEYS = ("label_index", "label_frequency", "label_share", "num_labels", "ids", "any", "all", "not")

Condition = Callable[[np.ndarray], np.ndarray]
Mask = Callable[[Facts], np.ndarray]


@dataclass(frozen=True)
class Selection:
    """A selection ready to be applied.

    Attributes:
        videos: Facts -> bool [videos].
        labels: Facts -> bool [labels], the labels that its label conditions name; None when it has none.
    """

    videos: Mask
    labels: Mask | None = None


def parse_selection(node: Node) -> Selection:
    """The selection of a recipe's value.

    Raises:
        InputError: with the file, the key, the value and the valid ones.
    """
    if node.value == "all":
        return Selection(lambda facts: np.ones(len(facts), bool))
    if not isinstance(node.value, dict):
        node.fail(f"give `all` or a mapping of one key: {', '.join(KEYS)}")
    key, child = node.one_of(KEYS)
    if key in ("any", "all"):
        return _combined(key, [parse_selection(item) for item in child.items("selections")])
    if key == "not":
        inner = parse_selection(child)
        return Selection(lambda facts: ~inner.videos(facts))
    if key == "ids":
        return _by_id(child)
    condition = parse_condition(child)
    if key == "num_labels":
        return Selection(lambda facts: condition(facts.labels_per_video))
    return _by_label(LABEL_VALUES[key], condition)


def parse_condition(node: Node) -> Condition:
    """A test of numbers, elementwise: equal to a number, one of a list, or within comparisons."""
    if isinstance(node.value, list):
        members = np.array([item.number(0) for item in node.items("numbers")])
        return lambda values: np.isin(values, members)
    if not isinstance(node.value, dict):
        rule = f"give a number, a list of numbers, or a mapping of {', '.join(COMPARISONS)}"
        if not isinstance(node.value, int | float) or isinstance(node.value, bool):
            node.fail(rule)
        number = node.number(0)
        return lambda values: values == number
    tests = [(COMPARISONS[key], child.number(0)) for key, child in node.mapping(COMPARISONS).items()]
    if not tests:
        node.fail(f"give at least one of {', '.join(COMPARISONS)}")
    return lambda values: np.logical_and.reduce([compare(values, limit) for compare, limit in tests])


LABEL_VALUES: dict[str, Mask] = {
    "label_index": lambda facts: np.arange(len(facts.label_counts)),
    "label_frequency": lambda facts: facts.label_counts,
    "label_share": lambda facts: facts.label_counts / max(len(facts), 1),
}


def _by_label(values: Mask, condition: Condition) -> Selection:
    def labels(facts: Facts) -> np.ndarray:
        return condition(values(facts))

    return Selection(lambda facts: facts.count_per_video(facts.of_labels(labels(facts))) > 0, labels)


def _combined(key: str, parts: list[Selection]) -> Selection:
    combine = np.logical_or if key == "any" else np.logical_and
    named = [part.labels for part in parts if part.labels is not None]

    def labels(facts: Facts) -> np.ndarray:
        return np.logical_or.reduce([mask(facts) for mask in named])

    return Selection(lambda facts: combine.reduce([part.videos(facts) for part in parts]), labels if named else None)


def _by_id(node: Node) -> Selection:
    ids = _ids_of_file(node) if isinstance(node.value, str) else [item.text() for item in node.items("video ids")]
    wanted = pa.array(ids, pa.string())

    def videos(facts: Facts) -> np.ndarray:
        found = ids_among(facts.index.video_ids, wanted)
        missing = len(wanted.unique()) - len(np.unique(facts.index.video_ids[found]))
        if not found.any():
            node.fail("none of these ids is in the index; give ids of the index")
        if missing:
            log(f"{node.file}: {node.key}: {missing:,} of {len(wanted):,} ids are not in the index")
        return found

    return Selection(videos)


def _ids_of_file(node: Node) -> list[str]:
    path = storage.join(os.path.dirname(node.file) or ".", node.value)
    data = storage.read_bytes(path, f"{node.key} of {node.file} must name a file of one video id a line")
    try:
        ids = data.decode().split()
    except UnicodeDecodeError:
        ids = []
    if not ids:
        node.fail(f"{path} must hold one video id a line")
    return ids
