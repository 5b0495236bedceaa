"""The paper's error analysis: videos whose top 20 misses true labels, by their number of labels; and each missed label.

The paper counts, over the 1,112,357 videos of the validation set, those whose 20 most confident labels miss one or
more true labels, and among them those with exactly one label and with four or more (section 3.3).
"""

from typing import Any

import numpy as np
import pyarrow as pa

from yt8m.evaluation import evaluate
from yt8m.evaluation.analysis.causes import CAUSES, Explained
from yt8m.evaluation.analysis.evaluated import Evaluated
from yt8m.evaluation.evaluate import MANY

PAPER = {"videos": 1_112_357, "missed": 117_410, "one_label": 21_828, "four_or_more": 55_470}
GROUPS = ("one_label", "four_or_more")
RANK_ENDS = (1, 2, 3, 5, 10, 20, 50, 100, 500)


def missed_videos(evaluated: Evaluated) -> dict[str, Any]:
    """Counts and shares as in the paper, ours and the paper's own.

    Returns:
        `ours` and `paper`, each {videos, missed, one_label, four_or_more, missed_share (of all videos),
        one_label_share and four_or_more_share (of the videos that miss a label)}; `labels`: true labels that are
        missed; `label_share`: of all true labels; `all_videos`: the shares of videos with exactly one label and with
        four or more among all videos, to compare with.
    """
    sizes = evaluated.predictions.labels_per_video
    counts = evaluate.missed_videos(evaluated.predictions, evaluated.k)
    ours = {"videos": len(sizes), "missed": counts["videos"], **{key: counts[key] for key in GROUPS}}
    return {
        "ours": _with_shares(ours),
        "paper": _with_shares(PAPER),
        "labels": counts["labels"],
        "label_share": counts["labels"] / len(evaluated.missed),
        "all_videos": {
            "one_label_share": float((sizes == 1).mean()),
            "four_or_more_share": float((sizes >= MANY).mean()),
        },
    }


def rank_counts(evaluated: Evaluated) -> list[dict[str, Any]]:
    """How many true labels stand at which ranks: {first, last (None: open), labels, share}."""
    ends = [end for end in RANK_ENDS if end < evaluated.num_classes]
    counts = np.bincount(np.searchsorted(ends, evaluated.predictions.label_ranks), minlength=len(ends) + 1)
    firsts = [1, *(end + 1 for end in ends)]
    return [
        {"first": first, "last": last, "labels": int(number), "share": float(number / counts.sum())}
        for first, last, number in zip(firsts, [*ends, None], counts, strict=True)
    ]


def most_confident_wrong(evaluated: Evaluated, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The most confident wrong label of some videos, and its confidence; -1 and 0 where all the top K are true."""
    places = np.argmin(evaluated.hits[rows], axis=1)
    some = ~evaluated.hits[rows, places]
    labels = np.where(some, evaluated.top_labels[rows, places], -1).astype(np.int32)
    return labels, np.where(some, evaluated.top_confidences[rows, places], np.float32(0))


def missed_labels(evaluated: Evaluated, explained: Explained) -> pa.Table:
    """A row for each missed label, in the order of the predictions: the content of `errors.parquet`.

    Columns: `video_id`; `label`, `name`, `vertical`; `rank` among all classes and `confidence`; `needed` (confidence
    of the video's last place that counts); `instead`, `instead_name`, `instead_confidence` (the video's most
    confident wrong label; null when all of the top 20 are true); `same_vertical`; `labels_in_video`,
    `missed_in_video`; `cause` (see `yt8m.evaluation.analysis.causes`), and `blamed`, `blamed_name`: the wrong label
    that a confusion or an annotation gap is about, null for the other causes.
    """
    predictions, rows = evaluated.predictions, evaluated.missed_rows
    labels = predictions.labels[evaluated.missed]
    instead, confidences = most_confident_wrong(evaluated, rows)
    none = instead < 0
    verticals = evaluated.vertical_numbers
    return pa.table({
        "video_id": pa.array(predictions.video_ids[rows].astype(str)),
        "label": labels.astype(np.int32),
        "name": _texts(labels, evaluated.labels.names),
        "vertical": _texts(labels, evaluated.labels.verticals),
        "rank": predictions.label_ranks[evaluated.missed].astype(np.int32),
        "confidence": predictions.label_confidences[evaluated.missed],
        "needed": evaluated.top_confidences[rows, -1],
        "instead": pa.array(instead, mask=none),
        "instead_name": _texts(instead, evaluated.labels.names, none),
        "instead_confidence": pa.array(confidences, mask=none),
        "same_vertical": (verticals[labels] == verticals[instead]) & (verticals[labels] >= 0) & ~none,
        "labels_in_video": predictions.labels_per_video[rows].astype(np.int32),
        "missed_in_video": evaluated.missed_per_video[rows].astype(np.int32),
        "cause": _texts(explained.causes, list(CAUSES)),
        "blamed": pa.array(explained.blamed, mask=explained.blamed < 0),
        "blamed_name": _texts(explained.blamed, evaluated.labels.names, explained.blamed < 0),
    })  # fmt: skip


def _texts(labels: np.ndarray, texts: list[str], none: np.ndarray | None = None) -> pa.DictionaryArray:
    return pa.array(texts).dictionary_encode().take(pa.array(labels.astype(np.int32), mask=none))


def _with_shares(counts: dict[str, int]) -> dict[str, Any]:
    missed = counts["missed"]
    return {
        **counts,
        "missed_share": missed / counts["videos"],
        **{f"{key}_share": counts[key] / missed if missed else None for key in GROUPS},
    }
