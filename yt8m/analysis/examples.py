"""Videos to look at: a few of each kind of error, and some without any."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from yt8m.analysis.evaluated import Evaluated
from yt8m.analysis.missed import most_confident_wrong
from yt8m.evaluation import MANY

SHOWN = 10
EACH = 8


@dataclass(frozen=True)
class TrueLabel:
    """A true label of a video: its rank among all classes, its confidence, and whether the top 20 misses it."""

    name: str
    rank: int
    confidence: float
    missed: bool


@dataclass(frozen=True)
class Guess:
    """A label among a video's most confident ones."""

    name: str
    confidence: float
    true: bool


@dataclass(frozen=True)
class Example:
    """A video: its true labels by rank, and its most confident labels."""

    video_id: str
    labels: list[TrueLabel]
    guesses: list[Guess]

    @property
    def missed(self) -> list[TrueLabel]:
        """The labels that the top 20 misses."""
        return [label for label in self.labels if label.missed]


@dataclass(frozen=True)
class Kind:
    """A kind of example: what it is called, what it shows, and its videos."""

    title: str
    about: str
    examples: list[Example]


def example_videos(evaluated: Evaluated, each: int = EACH) -> list[Kind]:
    """Up to `each` videos of each kind; a video is shown once, and within a kind no two stand for the same label."""
    used: set[int] = set()
    kinds = []
    for title, about, choose in KINDS:
        rows, keys = choose(evaluated)
        chosen = _distinct(rows, keys, used, each)
        used.update(chosen)
        if chosen:
            kinds.append(Kind(title, about, [_example(evaluated, row) for row in chosen]))
    return kinds


def _surely_wrong(evaluated: Evaluated) -> tuple[np.ndarray, np.ndarray]:
    """Videos that miss a label while a wrong one is sure, the surest first; keyed by the wrong label."""
    rows = np.flatnonzero(evaluated.missed_per_video)
    wrong, confidences = most_confident_wrong(evaluated, rows)
    order = np.argsort(-confidences, kind="stable")
    return rows[order], wrong[order]


def _only_label(evaluated: Evaluated) -> tuple[np.ndarray, np.ndarray]:
    """Videos whose one label is missed, the worst rank first; keyed by it."""
    return _worst(evaluated, evaluated.predictions.labels_per_video == 1)


def _many_labels(evaluated: Evaluated) -> tuple[np.ndarray, np.ndarray]:
    """Videos with four or more labels, most missed ones first; keyed by the first label of the video."""
    predictions = evaluated.predictions
    rows = np.flatnonzero((predictions.labels_per_video >= MANY) & (evaluated.missed_per_video > 0))
    rows = rows[np.argsort(-evaluated.missed_per_video[rows], kind="stable")]
    return rows, predictions.labels[predictions.bounds[rows]]


def _nearly(evaluated: Evaluated) -> tuple[np.ndarray, np.ndarray]:
    """Videos with a label at the first rank that no longer counts; keyed by that label."""
    predictions = evaluated.predictions
    places = np.flatnonzero(predictions.label_ranks == evaluated.k + 1)
    places = places[np.argsort(-predictions.label_confidences[places], kind="stable")]
    return predictions.label_rows[places], predictions.labels[places]


def _right(evaluated: Evaluated) -> tuple[np.ndarray, np.ndarray]:
    """Videos with three or more labels, all before any wrong one, the surest first; keyed by the first guess."""
    sizes = evaluated.predictions.labels_per_video
    found = np.cumprod(evaluated.hits, axis=1, dtype=np.uint8).sum(axis=1)
    rows = np.flatnonzero((found == sizes) & (sizes >= 3))
    last = evaluated.top_confidences[rows, sizes[rows] - 1]
    rows = rows[np.argsort(-last, kind="stable")]
    return rows, evaluated.top_labels[rows, 0]


def _worst(evaluated: Evaluated, videos: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    predictions = evaluated.predictions
    places = np.flatnonzero(evaluated.missed & videos[predictions.label_rows])
    places = places[np.argsort(-predictions.label_ranks[places], kind="stable")]
    return predictions.label_rows[places], predictions.labels[places]


Chooser = Callable[[Evaluated], tuple[np.ndarray, np.ndarray]]
KINDS: tuple[tuple[str, str, Chooser], ...] = (
    ("Sure, and wrong", "A true label is missed while the model is sure of a label that the video does not carry. "
     "Some of these may be gaps in the ground truth.", _surely_wrong),
    ("The only label, missed", "The video has one label, and the model places it far down.", _only_label),
    ("Many labels, several missed", "Four or more true labels, of which the most are missed.", _many_labels),
    ("Nearly found", "A true label stands at the first rank that no longer counts.", _nearly),
    ("All right", "For comparison: three or more true labels, all of them before any wrong one.", _right),
)  # fmt: skip


def _distinct(rows: np.ndarray, keys: np.ndarray, used: set[int], each: int) -> list[int]:
    chosen: list[int] = []
    seen: set[int] = set()
    for row, key in zip(rows.tolist(), keys.tolist(), strict=True):
        if len(chosen) == each:
            break
        if key not in seen and row not in used and row not in chosen:
            seen.add(key)
            chosen.append(row)
    return chosen


def _example(evaluated: Evaluated, row: int) -> Example:
    predictions, names = evaluated.predictions, evaluated.labels.names
    places = np.arange(predictions.bounds[row], predictions.bounds[row + 1])
    places = places[np.argsort(predictions.label_ranks[places], kind="stable")]
    labels = [
        TrueLabel(
            names[predictions.labels[i]], int(predictions.label_ranks[i]), float(predictions.label_confidences[i]),
            bool(evaluated.missed[i]),
        )
        for i in places
    ]  # fmt: skip
    guesses = [
        Guess(names[label], float(confidence), bool(true))
        for label, confidence, true in zip(
            evaluated.top_labels[row, :SHOWN], evaluated.top_confidences[row], evaluated.hits[row], strict=False
        )
    ]
    return Example(predictions.video_ids[row].decode(errors="replace"), labels, guesses)
