"""Two predictions of the same videos side by side: a verdict, the difference by parts and by label, and the page."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from statistics import NormalDist
from typing import Any

import numpy as np

from yt8m.evaluation.comparison.gap import GapDifference, judged, matched
from yt8m.evaluation.comparison.labels import LEAST_POSITIVES, LabelDifferences, holm, label_differences, p_values
from yt8m.evaluation.comparison.page import render_page
from yt8m.evaluation.influence import (
    LEAST_VIDEOS,
    NORMAL_95,
    hit_at_1_influences,
    normal_interval,
    perr_influences,
    standard_error,
)
from yt8m.evaluation.label_info import LabelInfo, read_label_info
from yt8m.evaluation.scored_predictions import ScoredPredictions, read_scored
from yt8m.evaluation.slices import (
    Grouping,
    Pairs,
    PairsByGroup,
    label_buckets,
    pairs_of_videos,
    training_buckets,
    verticals,
    videos_by_number_of_labels,
)
from yt8m.storage import StrPath, join, write_json, write_text

MOST = 15
POWER = 0.8
PAGE = "compare.html"
FILE = "compare.json"


def compare(
    a: StrPath, b: StrPath, output_dir: StrPath, *, index: StrPath | None = None, vocabulary: StrPath | None = None
) -> dict[str, Any]:
    """Say whether predictions B are better than predictions A of the same labelled videos.

    Args:
        a, b: predictions files; the order of the videos does not matter.
        output_dir: gets `compare.json` (what is returned) and `compare.html`.
        index: of the training videos, for the differences by training count.
        vocabulary: the official CSV, for names and verticals.

    Returns:
        `verdict` on B (`better`, `worse`, `cannot tell`), `difference` in GAP@20 (B minus A) and the ends `low` and
        `high` of its 95 % interval; `a` and `b` (`path`, `models`, their metrics, the interval of GAP, fingerprint);
        `metrics` (the same judgement of `hit_at_1`, `perr`, `map`, `map_rare`); `videos`, `positives`, `videos_needed`
        (roughly how many it would take to tell such a difference in 80 % of the cases; None when it is told, or nil);
        `by_number_of_labels`, `by_label`, `by_training_count`, `by_vertical` (a judgement of each part by itself, its
        `p_value`, whether enough videos carry one of its labels for it to be `tested`, and whether it is `different`
        when it is judged together with all other tested parts); `labels` (see `_labels`); `simulated` and
        the fingerprints `index`, `training_index`, `vocabulary`.

    Raises:
        InputError: files that cannot be scored or compared, an index or a vocabulary of other classes.
    """
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(read_scored, (a, b))
        second = ScoredPredictions(matched(first.predictions, second.predictions), second.metrics)
        facts = read_label_info(first.num_classes, index, vocabulary, predicted=first.predictions.video_ids)
        pending = pool.submit(label_differences, first, second)
        parts = _parts(first, second, facts, pool)
        labels = pending.result()
    result = {
        **_whole(first, second, labels),
        "a": _side(a, first),
        "b": _side(b, second),
        **parts,
        "labels": _labels(labels, first.positives, facts),
        **_sources(first, second, facts),
    }
    write_text(join(output_dir, PAGE), render_page(result, _points(labels, first.positives, facts)))
    write_json(join(output_dir, FILE), result)
    return result


def _whole(a: ScoredPredictions, b: ScoredPredictions, labels: LabelDifferences) -> dict[str, Any]:
    difference = judged(b.result["gap"] - a.result["gap"], b.gap_influences - a.gap_influences)
    influences = {
        "hit_at_1": hit_at_1_influences(b.predictions) - hit_at_1_influences(a.predictions),
        "perr": perr_influences(b.predictions) - perr_influences(a.predictions),
        "map": labels.map_influences,
        "map_rare": labels.map_rare_influences,
    }
    metrics = {key: asdict(judged(b.result[key] - a.result[key], values)) for key, values in influences.items()}
    return {
        **asdict(difference),
        "videos": a.result["videos"],
        "positives": a.result["positives"],
        "videos_needed": videos_needed(difference, len(a.predictions)),
        "metrics": metrics,
    }


def videos_needed(difference: GapDifference, videos: int) -> int | None:
    """About how many videos it takes to tell such a difference with a chance of `POWER`, 80 %.

    The standard error shrinks with the root of the number of videos. A true difference of 1.96 of them is told in half
    of the cases alone; one of 1.96 + 0.84 in 80 %.
    """
    if difference.verdict != "cannot tell" or not difference.difference or videos < LEAST_VIDEOS:
        return None
    margin = (difference.high - difference.low) / 2 * (NORMAL_95 + NormalDist().inv_cdf(POWER)) / NORMAL_95
    return round(videos * (margin / difference.difference) ** 2)


def _side(path: StrPath, scored: ScoredPredictions) -> dict[str, Any]:
    interval = normal_interval(scored.result["gap"], scored.gap_influences)
    metadata = scored.predictions.metadata
    return {
        "path": os.fspath(path),
        "models": [model["name"] for model in metadata["models"]],
        **{key: scored.result[key] for key in ("gap", "map", "map_rare", "hit_at_1", "perr")},
        **interval.named("gap"),
        "fingerprint": metadata.get("fingerprint"),
    }


def _parts(
    a: ScoredPredictions, b: ScoredPredictions, facts: LabelInfo, pool: ThreadPoolExecutor
) -> dict[str, list[dict[str, Any]]]:
    pending = {
        "by_number_of_labels": pool.submit(_by_number_of_labels, a, b),
        "by_label": pool.submit(_by_labels, a, b, label_buckets(a.num_classes)),
        "by_training_count": pool.submit(_by_labels, a, b, training_buckets(facts)),
        "by_vertical": pool.submit(_by_labels, a, b, verticals(facts)),
    }
    parts = {key: future.result() for key, future in pending.items()}
    parts["by_vertical"].sort(key=lambda row: -row["positives"])
    rows = [row for part in parts.values() for row in part]
    tested = [row for row in rows if row["tested"]]
    different = holm(np.array([row["p_value"] for row in tested]))
    for row in rows:
        row["different"] = False
    for row, differs in zip(tested, different, strict=True):
        row["different"] = bool(differs)
    return parts


def _by_number_of_labels(a: ScoredPredictions, b: ScoredPredictions) -> list[dict[str, Any]]:
    return [
        {**ends, "videos": int(np.count_nonzero(chosen)), **_part(*(pairs_of_videos(s, chosen) for s in (a, b)))}
        for ends, chosen in videos_by_number_of_labels(a)
    ]


def _by_labels(a: ScoredPredictions, b: ScoredPredictions, grouping: Grouping | None) -> list[dict[str, Any]]:
    if grouping is None:
        return []
    sides = [PairsByGroup(scored, grouping.groups) for scored in (a, b)]
    present = np.unique(grouping.groups[grouping.groups >= 0]).tolist()
    return [
        {**grouping.keys[group], **_part(*(side.pairs(group) for side in sides))}
        for group in present
        if len(sides[0].rows(group))
    ]


def _part(a: Pairs, b: Pairs) -> dict[str, Any]:
    gaps, influences = (a.gap(), b.gap()), b.influences() - a.influences()
    difference = gaps[1] - gaps[0]
    tested = a.videos >= LEAST_VIDEOS
    p_value = p_values(np.array([difference]), np.array([standard_error(influences)]))[0] if tested else 1.0
    return {
        "positives": a.positives,
        "gap_a": gaps[0],
        "gap_b": gaps[1],
        **asdict(judged(difference, influences, a.videos)),
        "tested": tested,
        "p_value": float(p_value),
    }


def _labels(labels: LabelDifferences, positives: np.ndarray, facts: LabelInfo) -> dict[str, Any]:
    """What the labels say.

    Returns:
        `tested`: labels with at least `least_positives` videos; `outside_their_interval`: those whose own 95 %
        interval excludes 0, of which about `expected_by_chance` would if no label differed; `different`: those that
        differ even so, judged together, `better` and `worse` of them; `up` and `down`: the tested labels that moved
        most, by the end of their interval that is nearer to 0, as {label, name, vertical, positives, a, b,
        difference, low, high, different}.
    """
    gains, margins = labels.differences, labels.margins
    tested, different = labels.tested, labels.different
    outside = np.abs(gains[tested]) > margins[tested]
    return {
        "least_positives": LEAST_POSITIVES,
        "tested": int(np.count_nonzero(tested)),
        "outside_their_interval": int(np.count_nonzero(outside)),
        "expected_by_chance": round(0.05 * float(np.count_nonzero(tested)), 1),
        "different": int(np.count_nonzero(different)),
        "better": int(np.count_nonzero(different & (gains > 0))),
        "worse": int(np.count_nonzero(different & (gains < 0))),
        "up": [_label(labels, label, positives, facts) for label in _moved(tested, gains, margins)],
        "down": [_label(labels, label, positives, facts) for label in _moved(tested, -gains, margins)],
    }


def _moved(tested: np.ndarray, gains: np.ndarray, margins: np.ndarray) -> list[int]:
    candidates = np.flatnonzero(tested & (gains > 0))
    nearest = (gains - margins)[candidates]
    chosen: list[int] = candidates[np.argsort(-nearest, kind="stable")[:MOST]].tolist()
    return chosen


def _label(labels: LabelDifferences, label: int, positives: np.ndarray, facts: LabelInfo) -> dict[str, Any]:
    gain, margin = float(labels.differences[label]), float(labels.margins[label])
    return {
        "label": label,
        "name": facts.names[label],
        "vertical": facts.verticals[label],
        "positives": int(positives[label]),
        "a": float(labels.a[label]),
        "b": float(labels.b[label]),
        "difference": gain,
        "low": max(-1.0, gain - margin),
        "high": min(1.0, gain + margin),
        "different": bool(labels.different[label]),
    }


def _points(labels: LabelDifferences, positives: np.ndarray, facts: LabelInfo) -> dict[str, Any]:
    """The tested labels as points of a plot."""
    chosen = np.flatnonzero(labels.tested)
    return {
        "positives": positives[chosen],
        "differences": labels.differences[chosen],
        "names": [facts.names[label] for label in chosen.tolist()],
    }


def _sources(a: ScoredPredictions, b: ScoredPredictions, facts: LabelInfo) -> dict[str, Any]:
    return {
        "simulated": bool(a.predictions.metadata["simulated"] or b.predictions.metadata["simulated"]),
        "index": a.predictions.metadata.get("index"),
        "training_index": facts.training_fingerprint,
        "vocabulary": facts.vocabulary_fingerprint,
    }
