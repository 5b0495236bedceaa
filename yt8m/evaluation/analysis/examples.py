"""Videos to look at: a few of each cause and of the paper's two groups of hard videos, and some without any error."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from yt8m.evaluation.analysis.causes import (
    ANNOTATION_GAP,
    CONFUSED,
    CROWDED_OUT,
    FEW_EXAMPLES,
    NO_SIGNAL,
    OTHER,
    Explained,
)
from yt8m.evaluation.analysis.evaluated import Evaluated
from yt8m.evaluation.analysis.explanation import WORDS
from yt8m.evaluation.evaluate import MANY

SHOWN = 10
EACH = 6


@dataclass(frozen=True)
class TrueLabel:
    """A true label of a video: its rank among all classes, its confidence, and why the top 20 misses it, if it does."""

    name: str
    rank: int
    confidence: float
    missed: bool
    why: str


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


def example_videos(evaluated: Evaluated, explained: Explained, each: int = EACH) -> list[Kind]:
    """Up to `each` videos of each kind; a video is shown once, and within a kind no two stand for the same label."""
    used: set[int] = set()
    kinds = []
    for title, about, choose in KINDS:
        rows, keys = choose(evaluated, explained)
        chosen = _distinct(rows, keys, used, each)
        used.update(chosen)
        if chosen:
            kinds.append(Kind(title, about, [_example(evaluated, explained, row) for row in chosen]))
    return kinds


Chooser = Callable[[Evaluated, Explained], tuple[np.ndarray, np.ndarray]]


def _of_cause(cause: int, key: Callable[[Evaluated, Explained], np.ndarray]) -> Chooser:
    """Videos that miss a label by a cause, in ascending order of a key over the missed labels."""

    def choose(evaluated: Evaluated, explained: Explained) -> tuple[np.ndarray, np.ndarray]:
        places = np.flatnonzero(explained.causes == cause)
        places = places[np.argsort(key(evaluated, explained)[places], kind="stable")]
        return evaluated.missed_rows[places], evaluated.predictions.labels[evaluated.missed][places]

    return choose


def _rank(evaluated: Evaluated, _: Explained) -> np.ndarray:
    return evaluated.predictions.label_ranks[evaluated.missed]


def _most_missed_first(evaluated: Evaluated, _: Explained) -> np.ndarray:
    labels = evaluated.predictions.labels[evaluated.missed]
    return -np.bincount(labels, minlength=evaluated.num_classes)[labels]


def _least_sure_first(evaluated: Evaluated, _: Explained) -> np.ndarray:
    return evaluated.top_confidences[evaluated.missed_rows, 0]


def _surely_blamed_first(evaluated: Evaluated, explained: Explained) -> np.ndarray:
    said = evaluated.top_labels[evaluated.missed_rows] == explained.blamed[:, None]
    return -np.where(said, evaluated.top_confidences[evaluated.missed_rows], 0).max(axis=1)


def _only_label(evaluated: Evaluated, _: Explained) -> tuple[np.ndarray, np.ndarray]:
    """Videos whose one label is missed, the worst rank first; keyed by it."""
    predictions = evaluated.predictions
    places = np.flatnonzero(evaluated.missed & (predictions.labels_per_video == 1)[predictions.label_rows])
    places = places[np.argsort(-predictions.label_ranks[places], kind="stable")]
    return predictions.label_rows[places], predictions.labels[places]


def _many_labels(evaluated: Evaluated, _: Explained) -> tuple[np.ndarray, np.ndarray]:
    """Videos with four or more labels, most missed ones first; keyed by the first label of the video."""
    predictions = evaluated.predictions
    rows = np.flatnonzero((predictions.labels_per_video >= MANY) & (evaluated.missed_per_video > 0))
    rows = rows[np.argsort(-evaluated.missed_per_video[rows], kind="stable")]
    return rows, predictions.labels[predictions.bounds[rows]]


def _right(evaluated: Evaluated, _: Explained) -> tuple[np.ndarray, np.ndarray]:
    """Videos with three or more labels, all before any wrong one, the surest first; keyed by the first guess."""
    sizes = evaluated.predictions.labels_per_video
    found = np.cumprod(evaluated.hits, axis=1, dtype=np.uint8).sum(axis=1)
    rows = np.flatnonzero((found == sizes) & (sizes >= 3))
    last = evaluated.top_confidences[rows, sizes[rows] - 1]
    rows = rows[np.argsort(-last, kind="stable")]
    return rows, evaluated.top_labels[rows, 0]


KINDS: tuple[tuple[str, str, Chooser], ...] = (
    (WORDS[NO_SIGNAL].name, "The model says no more here than it would without looking, the least sure first.",
     _of_cause(NO_SIGNAL, _least_sure_first)),
    (WORDS[CROWDED_OUT].name, "Nearly found: a true label stands just behind the 20 that count.",
     _of_cause(CROWDED_OUT, _rank)),
    (WORDS[FEW_EXAMPLES].name, "A true label that the model saw in too few training videos, the most missed first.",
     _of_cause(FEW_EXAMPLES, _most_missed_first)),
    (WORDS[ANNOTATION_GAP].name, "The wrong label that is blamed fits the true ones: look whether it is true too.",
     _of_cause(ANNOTATION_GAP, _surely_blamed_first)),
    (WORDS[CONFUSED].name, "A related label stands where the true one should, the surest first.",
     _of_cause(CONFUSED, _surely_blamed_first)),
    (WORDS[OTHER].name, "No rule says why; those just behind rank 50 first.", _of_cause(OTHER, _rank)),
    ("The only label, missed", "The video has one label, and the model places it far down.", _only_label),
    ("Many labels, several missed", "Four or more true labels, of which the most are missed.", _many_labels),
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


def _example(evaluated: Evaluated, explained: Explained, row: int) -> Example:
    predictions, names = evaluated.predictions, evaluated.labels.names
    places = np.arange(predictions.bounds[row], predictions.bounds[row + 1])
    places = places[np.argsort(predictions.label_ranks[places], kind="stable")]
    labels = [
        TrueLabel(
            names[predictions.labels[i]], int(predictions.label_ranks[i]), float(predictions.label_confidences[i]),
            bool(evaluated.missed[i]), _why(evaluated, explained, i),
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


def _why(evaluated: Evaluated, explained: Explained, occurrence: int) -> str:
    """The cause of a missed label in words, with the label that is blamed; empty for a found one."""
    if not evaluated.missed[occurrence]:
        return ""
    number = np.count_nonzero(evaluated.missed[:occurrence])
    name, blamed = WORDS[explained.causes[number]].name, explained.blamed[number]
    return name if blamed < 0 else f"{name}: {evaluated.labels.names[blamed]}"
