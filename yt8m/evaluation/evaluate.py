"""The score of predictions: exact metrics with 95 % intervals, by parts of the data, and the missed labels.

Buckets of labels follow the paper: the 300 most frequent labels are 76 % of all label occurrences of the training set,
and labels above 977 are its rare ones. Label indices are almost in the order of frequency.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from yt8m.evaluation.influence import normal_interval, perr_influences, share_interval
from yt8m.evaluation.label_info import LabelInfo, read_label_info
from yt8m.evaluation.scored_predictions import ScoredPredictions, measured, read_scored
from yt8m.evaluation.slices import (
    LABEL_BUCKETS,
    NUMBERS_OF_LABELS,
    by_labels,
    by_number_of_labels,
    label_buckets,
    training_buckets,
    verticals,
)
from yt8m.prediction.table import Predictions
from yt8m.storage import StrPath, join, write_json

__all__ = ["LABEL_BUCKETS", "NUMBERS_OF_LABELS", "evaluate", "measured", "missed_videos"]

FILE = "metrics.json"
MANY = 4
WORKERS = 2


def evaluate(
    predictions: StrPath,
    output_dir: StrPath,
    *,
    index: StrPath | None = None,
    vocabulary: StrPath | None = None,
) -> dict[str, Any]:
    """Score a predictions file and write `metrics.json`.

    Args:
        predictions: of labelled videos, with the top 20 or more of each.
        output_dir: the folder of `metrics.json`.
        index: of the training videos, for the scores by training count.
        vocabulary: the official CSV, for the scores by vertical (and, without an index, by its training counts).

    Returns:
        The content of the file: `gap`, `map`, `map_rare`, `hit_at_1`, `perr` (see `yt8m.evaluation.metrics`),
        the ends of the 95 % intervals over videos (`gap_low`, `gap_high`, the same of `hit_at_1` and `perr`), `videos`,
        `positives` (their true labels), `unlabelled` (videos without any), `classes_with_positives`,
        `expected_calibration_error`, `missed` (see `missed_videos`), `by_number_of_labels`, `by_label`,
        `by_training_count` and `by_vertical` (lists; see `yt8m.evaluation.slices`; the last two are empty where nothing
        is known), `calibration` (see the function), `simulated`, `level`, `models` (names), and the fingerprints
        `predictions`, `index`, `training_index` and `vocabulary`.

    Raises:
        InputError: no such file, no videos, no labels, fewer than 20 places, or a wrong confidence, rank or label; an
            index or a vocabulary of other classes.
    """
    scored = read_scored(predictions)
    labels = read_label_info(scored.num_classes, index, vocabulary, predicted=scored.predictions.video_ids)
    with ThreadPoolExecutor(WORKERS) as pool:
        scores = pool.submit(_scores, scored)
        parts = _parts(scored, labels, pool)
        result = {**scores.result(), **parts, **_sources(scored.predictions, labels)}
    write_json(join(output_dir, FILE), result)
    return result


def _scores(scored: ScoredPredictions) -> dict[str, Any]:
    reliability = calibration(scored.top_confidences, scored.hits)
    return {
        **scored.result,
        **_intervals(scored),
        "unlabelled": int(np.count_nonzero(scored.predictions.labels_per_video == 0)),
        "classes_with_positives": int(np.count_nonzero(scored.positives)),
        "num_classes": scored.num_classes,
        "expected_calibration_error": reliability["expected_error"],
        "calibration": reliability,
    }


def _intervals(scored: ScoredPredictions) -> dict[str, float]:
    table = scored.predictions
    return {
        **normal_interval(scored.result["gap"], scored.gap_influences).named("gap"),
        **share_interval(scored.result["hit_at_1"], len(table)).named("hit_at_1"),
        **normal_interval(scored.result["perr"], perr_influences(table)).named("perr"),
    }


def _parts(scored: ScoredPredictions, labels: LabelInfo, pool: ThreadPoolExecutor) -> dict[str, Any]:
    parts: dict[str, Future[Any]] = {
        "missed": pool.submit(missed_videos, scored.predictions, scored.k),
        "by_number_of_labels": pool.submit(by_number_of_labels, scored),
        "by_label": pool.submit(by_labels, scored, label_buckets(scored.num_classes)),
        "by_training_count": pool.submit(by_labels, scored, training_buckets(labels)),
        "by_vertical": pool.submit(by_labels, scored, verticals(labels)),
    }
    return {key: part.result() for key, part in parts.items()}


def _sources(table: Predictions, labels: LabelInfo) -> dict[str, Any]:
    metadata = table.metadata
    return {
        "simulated": metadata["simulated"],
        "level": metadata.get("level"),
        "models": [model["name"] for model in metadata["models"]],
        "predictions": metadata.get("fingerprint"),
        "index": metadata.get("index"),
        "training_counts": labels.source or None,
        "training_index": labels.training_fingerprint,
        "vocabulary": labels.vocabulary_fingerprint,
    }


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


BINS = 20


def calibration(confidences: np.ndarray, hits: np.ndarray) -> dict[str, Any]:
    """Reliability of pairs, in bins of equal width.

    Args:
        confidences: float32 in [0, 1], any shape, e.g. of all videos' top 20.
        hits: bool, the same shape: the label is true.

    Returns:
        `bins`: {low, high, pairs, mean_confidence, share_true} of each bin that has pairs; `expected_error`: the mean
        over all pairs of |mean confidence - share true| of their bin (expected calibration error, Guo et al. 2017,
        arXiv:1706.04599, eq. 3); `mean_confidence` and `share_true` of all pairs.
    """
    confidences = confidences.ravel()
    bins = np.minimum((confidences * BINS).astype(np.uint8), BINS - 1)
    pairs = np.bincount(bins, minlength=BINS)
    sums = np.bincount(bins, confidences, BINS)
    found = np.bincount(bins[hits.ravel()], minlength=BINS)
    rows = [
        {
            "low": i / BINS, "high": (i + 1) / BINS, "pairs": int(pairs[i]),
            "mean_confidence": float(sums[i] / pairs[i]), "share_true": float(found[i] / pairs[i]),
        }
        for i in np.flatnonzero(pairs).tolist()
    ]  # fmt: skip
    return {
        "bins": rows,
        "expected_error": float(np.abs(sums - found).sum() / pairs.sum()),
        "mean_confidence": float(sums.sum() / pairs.sum()),
        "share_true": float(found.sum() / pairs.sum()),
    }
