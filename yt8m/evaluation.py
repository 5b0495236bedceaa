"""The score of predictions: exact metrics, by number of labels and by label, and the videos that miss a label.

Buckets of labels follow the paper: the 300 most frequent labels are 76 % of all label occurrences of the training set,
and labels above 977 are its rare ones. Label indices are almost in the order of frequency.
"""

import os
from typing import Any

import numpy as np

from yt8m.errors import InputError
from yt8m.intervals import TOP
from yt8m.metrics import Metrics, gap, hit_at_1, hits_in_top, perr
from yt8m.predictions import Predictions, read_predictions
from yt8m.storage import join, write_json

FILE = "metrics.json"
MANY = 4
NUMBERS_OF_LABELS = ((1, 1), (2, 2), (3, 3), (4, 5), (6, 10), (11, None))
LABEL_BUCKETS = ((0, 299), (300, 977), (978, None))


def evaluate(predictions: str | os.PathLike[str], output_dir: str | os.PathLike[str]) -> dict[str, Any]:
    """Score a predictions file and write `metrics.json`.

    Args:
        predictions: of labelled videos, with the top 20 or more of each.
        output_dir: the folder of `metrics.json`.

    Returns:
        The content of the file: `gap`, `map`, `hit_at_1`, `perr` (all at the top 20; see `yt8m.metrics`), `videos`,
        `positives` (their true labels), `unlabelled` (videos without any), `classes_with_positives`, `missed` (see
        `missed_videos`), `by_number_of_labels` and `by_label` (lists; see the functions of that name), `simulated`,
        `level`, `models` (names), and the fingerprints `predictions` and `index`.

    Raises:
        InputError: no such file, no videos, no labels, fewer than 20 places, or a wrong confidence, rank or label.
    """
    table = read_predictions(predictions)
    _require_labels(table, predictions)
    metrics = measured(table, predictions)
    hits = hits_in_top(table.label_ranks, table.bounds, metrics.k)
    metadata = table.metadata
    result = {
        **metrics.result(),
        "unlabelled": int(np.count_nonzero(table.labels_per_video == 0)),
        "classes_with_positives": int(np.count_nonzero(metrics.class_positives)),
        "num_classes": metrics.num_classes,
        "missed": missed_videos(table, metrics.k),
        "by_number_of_labels": by_number_of_labels(table, hits),
        "by_label": by_label(table, hits, metrics),
        "simulated": metadata["simulated"],
        "level": metadata.get("level"),
        "models": [model["name"] for model in metadata["models"]],
        "predictions": metadata.get("fingerprint"),
        "index": metadata.get("index"),
    }
    write_json(join(output_dir, FILE), result)
    return result


def measured(table: Predictions, path: str | os.PathLike[str]) -> Metrics:
    """The metrics of a table at its top 20 (all classes, when there are fewer); errors name the file `path`."""
    metrics = Metrics(int(table.metadata["num_classes"]), TOP)
    try:
        metrics.add(
            table.top_labels, table.top_confidences, table.labels, table.label_ranks, table.label_confidences,
            table.bounds,
        )  # fmt: skip
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return metrics


def missed_videos(table: Predictions, k: int) -> dict[str, Any]:
    """The paper's error counts (section 3.3): videos whose top k misses one or more of their true labels.

    Returns:
        `videos` that miss a label and their `share` of all; among them `one_label` (videos that have exactly one) and
        `four_or_more`, with `one_label_share` and `four_or_more_share`; and `labels`, the true labels missed.
    """
    missed = table.label_ranks > k
    wrong = np.bincount(table.label_rows[missed], minlength=len(table)) > 0
    sizes = table.labels_per_video[wrong]
    videos, one, many = len(sizes), int(np.count_nonzero(sizes == 1)), int(np.count_nonzero(sizes >= MANY))
    return {
        "videos": videos,
        "share": videos / len(table),
        "one_label": one,
        "one_label_share": one / max(videos, 1),
        "four_or_more": many,
        "four_or_more_share": many / max(videos, 1),
        "labels": int(np.count_nonzero(missed)),
    }


def by_number_of_labels(table: Predictions, hits: np.ndarray) -> list[dict[str, Any]]:
    """The metrics of the videos with `first` to `last` labels (None: open), for each range that has videos.

    Args:
        table: the predictions.
        hits: bool [n, k], whether each place holds a true label.
    """
    sizes = table.labels_per_video
    rows = []
    for first, last in NUMBERS_OF_LABELS:
        chosen = (sizes >= first) & (sizes <= (last or sizes.max()))
        if chosen.any():
            rows.append({"first": first, "last": last, **_of_videos(table, hits, chosen)})
    return rows


def by_label(table: Predictions, hits: np.ndarray, metrics: Metrics) -> list[dict[str, Any]]:
    """GAP and MAP of the labels `first` to `last` (None: open), for each range with true labels.

    GAP pools the pairs of each video's top k whose label lies in the range, and counts the true labels of the range;
    `found` is the share of these that is in its video's top k.
    """
    top_labels = table.top_labels[:, : hits.shape[1]]
    confidences = table.top_confidences[:, : hits.shape[1]]
    precisions = metrics.average_precisions()
    rows = []
    for first, last in LABEL_BUCKETS:
        end = metrics.num_classes if last is None else last + 1
        positives = int(metrics.class_positives[first:end].sum())
        if positives:
            inside = (top_labels >= first) & (top_labels < end)
            rows.append({
                "first": first,
                "last": last,
                "gap": gap(confidences[inside], hits[inside], positives),
                "map": float(np.nanmean(precisions[first:end])),
                "found": np.count_nonzero(hits & inside) / positives,
                "positives": positives,
            })  # fmt: skip
    return rows


def _of_videos(table: Predictions, hits: np.ndarray, chosen: np.ndarray) -> dict[str, Any]:
    counts = table.labels_per_video
    occurrences = np.repeat(chosen, counts)
    bounds = np.concatenate(([0], np.cumsum(counts[chosen])))
    return {
        "gap": gap(table.top_confidences[chosen, : hits.shape[1]], hits[chosen], int(bounds[-1])),
        "hit_at_1": hit_at_1(hits[chosen]),
        "perr": perr(table.label_ranks[occurrences], table.label_confidences[occurrences], bounds),
        "videos": int(np.count_nonzero(chosen)),
        "positives": int(bounds[-1]),
    }


def _require_labels(table: Predictions, path: str | os.PathLike[str]) -> None:
    if not len(table):
        raise InputError(f"{path}: holds no videos; predict an index that has some")
    if not len(table.labels):
        raise InputError(
            f"{path}: none of the {len(table):,} videos has labels (the test partition?); "
            "evaluate predictions of labelled videos, such as the validate partition"
        )
