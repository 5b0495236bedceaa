"""`repeat`: how often an epoch reads each selected video.

A number; `occurrences` (once for each label that the selection's label conditions name); a list of cases, the first
that holds decides: `- {when: SELECTION, times: 3}`, `- {otherwise: 1}`; or a factor by label frequency:

- `{repeat_factor: {threshold: t}}`: max(1, sqrt(t / f)), f being the share of videos that carry the video's rarest
  label (Gupta et al. 2019, LVIS, section 5);
- `{effective_number: {beta: b}}`: proportional to the class-balanced weight (1 - b) / (1 - b^n) of the video's rarest
  label, of n videos (Cui et al. 2019, equation 4), scaled so that the selected videos average `mean` (1) repeats.

Both take `max`, and effective_number `min`, limits of the factor. A factor r becomes floor(r) or floor(r) + 1 repeats
by a seeded draw, so that its expectation is r; the draw is the training set's, the same in every epoch.
"""

from collections.abc import Callable

import numpy as np

from yt8m.data.rebalance.facts import Facts
from yt8m.data.rebalance.node import Node
from yt8m.data.rebalance.selection import Selection, parse_selection

MOST = 10_000
Repeat = Callable[[Facts, np.ndarray, str], np.ndarray]


def parse_repeat(node: Node, selection: Selection) -> Repeat:
    """A function (facts, bool [n] selected, purpose of the draw) -> int32 [n] repeats, 0 where not selected.

    Raises:
        InputError: with the file, the key, the value and the valid ones.
    """
    factor = _parse_factor(node, selection)

    def repeats(facts: Facts, chosen: np.ndarray, purpose: str) -> np.ndarray:
        values = np.where(chosen, factor(facts, chosen), 0)
        whole = np.floor(values)
        return (whole + (facts.draws(purpose) < values - whole)).astype(np.int32)

    return repeats


Factor = Callable[[Facts, np.ndarray], np.ndarray]


def _parse_factor(node: Node, selection: Selection) -> Factor:
    if isinstance(node.value, list):
        return _cases(node)
    if isinstance(node.value, dict):
        key, child = node.one_of(("repeat_factor", "effective_number"))
        return _repeat_factor(child) if key == "repeat_factor" else _effective_number(child)
    if node.value == "occurrences":
        return _occurrences(node, selection)
    if not isinstance(node.value, int | float) or isinstance(node.value, bool):
        node.fail("give a number, `occurrences`, a list of cases, or a mapping of repeat_factor or effective_number")
    number = node.number(0, MOST, above=True)
    return lambda facts, chosen: np.full(len(facts), number)


def _occurrences(node: Node, selection: Selection) -> Factor:
    labels = selection.labels
    if labels is None:
        node.fail("occurrences needs a selection by label_index, label_frequency or label_share")
    return lambda facts, chosen: facts.count_per_video(facts.of_labels(labels(facts)))


def _cases(node: Node) -> Factor:
    items = node.items("cases: {when: SELECTION, times: 3}, and {otherwise: 1} at the end")
    *cases, last = [item.mapping(("when", "times", "otherwise")) for item in items]
    if set(last) != {"otherwise"} or any(set(case) != {"when", "times"} for case in cases):
        node.fail("each case is {when: SELECTION, times: NUMBER}, the last is {otherwise: NUMBER}")
    parsed = [(parse_selection(case["when"]), case["times"].number(0, MOST)) for case in cases]
    otherwise = last["otherwise"].number(0, MOST)

    def factor(facts: Facts, chosen: np.ndarray) -> np.ndarray:
        masks = [selection.videos(facts) for selection, _ in parsed]
        return np.select(masks, [times for _, times in parsed], otherwise)

    return factor


def _repeat_factor(node: Node) -> Factor:
    children = node.mapping(("threshold", "max"), required=("threshold",))
    threshold = children["threshold"].number(0, 1, above=True)
    most = _most(children)

    def factor(facts: Facts, chosen: np.ndarray) -> np.ndarray:
        shares = np.maximum(facts.label_counts, 1) / len(facts)
        by_label = np.clip(np.sqrt(threshold / shares), 1, most)
        return facts.max_per_video(facts.of_labels(by_label), empty=1)

    return factor


def _effective_number(node: Node) -> Factor:
    children = node.mapping(("beta", "mean", "min", "max"), required=("beta",))
    beta = children["beta"].number(0, 1, below=True)
    mean = children["mean"].number(0, MOST, above=True) if "mean" in children else 1.0
    least = children["min"].number(0, MOST) if "min" in children else 0.0
    most = _most(children)
    if least > most:
        node.fail("min must not exceed max")

    def factor(facts: Facts, chosen: np.ndarray) -> np.ndarray:
        counts = np.maximum(facts.label_counts, 1).astype(np.float64)
        weights = (1 - beta) / -np.expm1(counts * np.log(beta)) if beta > 0 else np.ones(len(counts))
        values = facts.max_per_video(facts.of_labels(weights), empty=weights.min(initial=1.0))
        return np.clip(values * (mean / values[chosen].mean()), least, most)

    return factor


def _most(children: dict[str, Node]) -> float:
    return children["max"].number(1, MOST) if "max" in children else float(MOST)
