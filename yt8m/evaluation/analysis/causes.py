"""Why each label was missed: one cause for every missed label, by the first rule that fits.

A missed label is a true label that is not among its video's 20 most confident ones. A label is *told* in a video when
its confidence is at least 20 % and clearly off its prior, the share of the training videos that have it: the odds are
at least twice those of the prior (or at most half). A model that sees nothing still knows the priors, 0.2 for the most
frequent label of YouTube-8M, and ranks frequent labels first; so the first rule is whether it tells anything at all.
The others go from what is nearest to being found to what is least understood:

1. `no_signal`: no label is told in the video: the model sees nothing in it.
2. `crowded_out`: its rank is 21 to 50. Of thousands of labels the model ranks it among the first 50, so it has learnt
   the label and seen it in the video; neither examples nor signal are wanting, 20 others were preferred.
3. `few_examples`: it was trained on in fewer videos than `few_below`: 20, or one in 30,000 of all label occurrences of
   training where that is more (390 of the 3.9 million training videos of YouTube-8M). Without training counts the
   rule is not applied.
4. `annotation_gap`: a wrong label has a confidence of at least 50 %, and at least half of the videos with it also have
   a label that is true here, other than the missed one. Probably it is true as well and the annotation lacks it, which
   makes the whole annotation of the video doubtful. A rival of the missed label is not such a label: one of the same
   vertical that is not its companion.
5. `confused`: a wrong label is told and is related to the missed one, in whose place it
   stands: both have the same vertical, or they are companions.
6. `other`: none of these.

Two labels are *companions* when one is on a tenth or more of the other's videos and they come together at least twice
as often as by chance. Co-occurrences are counted in the training index; without one, in the evaluated videos.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from yt8m.evaluation.analysis.evaluated import Evaluated
from yt8m.ragged import ragged_positions

CAUSES = ("no_signal", "crowded_out", "few_examples", "annotation_gap", "confused", "other")
NO_SIGNAL, CROWDED_OUT, FEW_EXAMPLES, ANNOTATION_GAP, CONFUSED, OTHER = range(len(CAUSES))

LAST_CROWDED_RANK = 50
FEW = 20
FEW_SHARE = 1 / 30_000
CONFIDENT = 0.2
TOLD_ODDS = 2.0
SURE = 0.5
COMPANION_SHARE = 0.1
COMPANION_LIFT = 2.0
USUAL_SHARE = 0.5
CHUNK = 100_000


@dataclass(frozen=True)
class Explained:
    """The causes of the M missed labels, in the order of `Evaluated.missed`.

    Attributes:
        causes: int8 [M], positions in CAUSES.
        blamed: int32 [M], the wrong label that a confusion or an annotation gap is about; -1 for the other causes.
        few_below: the training videos from which on a label has examples enough; None when they are unknown.
    """

    causes: np.ndarray
    blamed: np.ndarray
    few_below: int | None

    @cached_property
    def counts(self) -> np.ndarray:
        """int64 [len(CAUSES)]: missed labels of each cause."""
        return np.bincount(self.causes, minlength=len(CAUSES))


def explain(evaluated: Evaluated) -> Explained:
    """The cause of every missed label, by the rules above."""
    few_below = _few_below(evaluated)
    missed_labels = evaluated.predictions.labels[evaluated.missed]
    causes = np.full(len(missed_labels), OTHER, np.int8)
    blamed = np.full(len(missed_labels), -1, np.int32)
    if few_below is not None:
        causes[evaluated.frequencies[missed_labels] < few_below] = FEW_EXAMPLES
    causes[evaluated.predictions.label_ranks[evaluated.missed] <= LAST_CROWDED_RANK] = CROWDED_OUT
    told = _told(evaluated)
    silent = ~np.any(told, axis=1)
    causes[silent[evaluated.missed_rows]] = NO_SIGNAL
    rest = np.flatnonzero(causes == OTHER)
    for start in range(0, len(rest), CHUNK):
        chunk = rest[start : start + CHUNK]
        rows = evaluated.missed_rows[chunk]
        causes[chunk], blamed[chunk] = _by_what_is_said(evaluated, rows, missed_labels[chunk], told[rows])
    return Explained(causes, blamed, few_below)


def _few_below(evaluated: Evaluated) -> int | None:
    counts = evaluated.labels.training_counts
    return None if counts is None else max(FEW, round(int(counts.sum()) * FEW_SHARE))


def _told(evaluated: Evaluated) -> np.ndarray:
    """Which of the top K of each video are told: bool [n, K]."""
    confidences, priors = evaluated.top_confidences, evaluated.priors[evaluated.top_labels]
    more, less = confidences * (1 - priors), priors * (1 - confidences)  # the ratio of the odds
    return (confidences >= CONFIDENT) & ((more >= TOLD_ODDS * less) | (less >= TOLD_ODDS * more))


def _by_what_is_said(
    evaluated: Evaluated, rows: np.ndarray, labels: np.ndarray, told: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Rules 4 to 6 for some missed labels, their videos and what is told there: causes and blamed labels, both [m]."""
    said, confidences = evaluated.top_labels[rows], evaluated.top_confidences[rows]
    wrong = ~evaluated.hits[rows]
    alike, together = _related(evaluated, labels[:, None], said)
    sure = wrong & (confidences >= SURE) & (together | ~alike)
    gaps = _first(said, _lacking(evaluated, rows, labels, said, sure))
    confused = _first(said, wrong & told & (together | alike))
    causes = np.select([gaps >= 0, confused >= 0], [ANNOTATION_GAP, CONFUSED], OTHER)
    return causes.astype(np.int8), np.select([causes == ANNOTATION_GAP, causes == CONFUSED], [gaps, confused], -1)


def _first(said: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """The most confident chosen label of each row, -1 for none; both arguments [m, K]."""
    places = np.argmax(chosen, axis=1)[:, None]
    return np.where(chosen.any(axis=1), np.take_along_axis(said, places, axis=1)[:, 0], -1)


def _related(evaluated: Evaluated, labels: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether labels have the same vertical, and whether they are companions; bool of the arguments' common shape."""
    verticals, companions = evaluated.vertical_numbers, evaluated.companions
    alike = (verticals[labels] == verticals[others]) & (verticals[labels] >= 0)
    share = np.maximum(companions.share(labels, others), companions.share(others, labels))
    return alike, (share >= COMPANION_SHARE) & (companions.lift(labels, others) >= COMPANION_LIFT)


def _lacking(
    evaluated: Evaluated, rows: np.ndarray, labels: np.ndarray, said: np.ndarray, candidates: np.ndarray
) -> np.ndarray:
    """Which candidates usually come with a true label of their video other than `labels` [m]: bool [m, K]."""
    predictions = evaluated.predictions
    which, place = np.nonzero(candidates)
    sizes = predictions.labels_per_video[rows[which]]
    true_labels = predictions.labels[ragged_positions(predictions.bounds[rows[which]], sizes)]
    which, place = np.repeat(which, sizes), np.repeat(place, sizes)
    usual = evaluated.companions.share(true_labels, said[which, place]) >= USUAL_SHARE
    usual &= true_labels != labels[which]
    result = np.zeros(candidates.shape, np.bool_)
    result[which[usual], place[usual]] = True
    return result
