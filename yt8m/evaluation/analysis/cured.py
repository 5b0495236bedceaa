"""Which of the labels that other predictions of the same videos missed are found now, by the cause of the miss.

A label is missed when it is true and not among its video's 20 most confident ones (`yt8m.evaluation.analysis.causes`).
"""

from typing import Any

import numpy as np

from yt8m.evaluation.analysis.causes import CAUSES, Explained
from yt8m.evaluation.analysis.evaluated import Evaluated
from yt8m.evaluation.analysis.explanation import WORDS
from yt8m.evaluation.comparison.gap import matched

FOUND = -1


def cured(now: Evaluated, now_explained: Explained, before: Evaluated, before_explained: Explained) -> dict[str, Any]:
    """What became of the missed labels.

    Args:
        now, now_explained: the predictions that are analysed.
        before, before_explained: those that they are held against.

    Returns:
        `predictions` (fingerprint of those before), `models` (their names), and `rows`, one for each of CAUSES:
        `cause`, `name`, `missed_before`, `cured` (of these, found now), `newly_missed` (found before; by the cause that
        they have now), `missed_now`.

    Raises:
        InputError: predictions of other videos, other true labels or other classes.
    """
    matched(now.predictions, before.predictions)
    then, here = _causes(before, before_explained, now), _causes(now, now_explained, now)
    metadata = before.predictions.metadata
    return {
        "predictions": metadata.get("fingerprint"),
        "models": [model["name"] for model in metadata["models"]],
        "rows": [
            {
                "cause": name,
                "name": WORDS[cause].name,
                "missed_before": int(np.count_nonzero(then == cause)),
                "cured": int(np.count_nonzero((then == cause) & (here == FOUND))),
                "newly_missed": int(np.count_nonzero((then == FOUND) & (here == cause))),
                "missed_now": int(np.count_nonzero(here == cause)),
            }
            for cause, name in enumerate(CAUSES)
        ],
    }


def _causes(evaluated: Evaluated, explained: Explained, order: Evaluated) -> np.ndarray:
    """The cause of each true label, or FOUND, in the order of the other's videos and of their labels' numbers."""
    predictions = evaluated.predictions
    causes = np.full(len(predictions.labels), FOUND)
    causes[evaluated.missed] = explained.causes
    wanted = order.predictions.video_ids
    by_id = np.argsort(wanted, kind="stable")
    rows = by_id[np.searchsorted(wanted[by_id], predictions.video_ids)]
    return causes[np.lexsort((predictions.labels, rows[predictions.label_rows]))]
