"""`limit`: a fraction or a cap of the selected videos, by a seeded draw for each video.

`{fraction: 0.1}` and `{videos: 100000}` keep the videos with the smallest draws, so a smaller limit with the same
seed is a part of a larger one. `{per_label: 20000}` keeps, for each label, the 20,000 of its videos with the smallest
draws, and drops a video when none of its labels keeps it: every label retains min(20,000, all) videos at least, and
a frequent label exceeds its cap only by videos that a rarer label needs. With `strict: true` a video stays only when
all of its labels keep it: no label exceeds its cap, at the price of rare labels that come with frequent ones.
"""

from collections.abc import Callable

import numpy as np

from yt8m.data.rebalance.facts import Facts
from yt8m.data.rebalance.node import Node

KEYS = ("fraction", "videos", "per_label", "strict", "seed")
Limit = Callable[[Facts, np.ndarray, str], np.ndarray]


def parse_limit(node: Node) -> Limit:
    """A function (facts, bool [n] selected, purpose of the draw) -> bool [n] kept.

    Raises:
        InputError: with the file, the key, the value and the valid ones.
    """
    children = node.mapping(KEYS)
    kinds = [key for key in ("fraction", "videos", "per_label") if key in children]
    if len(kinds) != 1:
        node.fail("give exactly one of fraction, videos, per_label")
    kind, value = kinds[0], children[kinds[0]]
    strict = _flag(children["strict"]) if "strict" in children else False
    if "strict" in children and kind != "per_label":
        children["strict"].fail("strict belongs to per_label")
    seed = children["seed"].whole(0) if "seed" in children else None
    keep = _keeper(kind, value, strict)
    return lambda facts, chosen, purpose: keep(facts, chosen, facts.draws(purpose, seed))


def _keeper(kind: str, value: Node, strict: bool) -> Callable[[Facts, np.ndarray, np.ndarray], np.ndarray]:
    if kind == "fraction":
        fraction = value.number(0, 1, above=True)
        return lambda facts, chosen, draws: _smallest(draws, chosen, round(fraction * np.count_nonzero(chosen)))
    count = value.whole(1)
    if kind == "videos":
        return lambda facts, chosen, draws: _smallest(draws, chosen, count)
    return lambda facts, chosen, draws: _per_label(facts, chosen, draws, count, strict)


def _flag(node: Node) -> bool:
    if not isinstance(node.value, bool):
        node.fail("give true or false")
    return bool(node.value)


def _smallest(draws: np.ndarray, chosen: np.ndarray, count: int) -> np.ndarray:
    rows = np.flatnonzero(chosen)
    kept = np.zeros(len(chosen), bool)
    kept[rows[np.argsort(draws[rows], kind="stable")[:count]]] = True
    return kept


def _per_label(facts: Facts, chosen: np.ndarray, draws: np.ndarray, cap: int, strict: bool) -> np.ndarray:
    rows = np.flatnonzero(chosen)
    rows = rows[np.argsort(draws[rows], kind="stable")]
    ordered = Facts(facts.index.take(rows))
    votes = ordered.count_per_video(_rank_in_label(ordered.index.labels) < cap)
    kept = np.zeros(len(chosen), bool)
    kept[rows] = votes == ordered.labels_per_video if strict else votes > 0
    return kept


def _rank_in_label(labels: np.ndarray) -> np.ndarray:
    """int64 [occurrences]: how many earlier occurrences have the same label."""
    small = labels.astype(np.uint16) if len(labels) and labels.max() < 1 << 16 else labels
    order = np.argsort(small, kind="stable")
    counts = np.bincount(labels)
    starts = np.cumsum(counts) - counts
    ranks = np.empty(len(labels), np.int64)
    ranks[order] = np.arange(len(labels)) - np.repeat(starts, counts)
    return ranks
