"""Statistics of an index: how unbalanced its labels are, labels and frames a video, verticals, co-occurrence."""

import os
from typing import Any

import numpy as np

from yt8m import storage
from yt8m.data.rebalance.build import RARE_ABOVE, gini, head_tail_ratio
from yt8m.data.rebalance.facts import Facts, Pairs, count_pairs, matrix, most_frequent, strongest
from yt8m.data.rebalance.statistics_page import render_statistics
from yt8m.data.records.video_index import read_index
from yt8m.errors import InputError
from yt8m.storage import StrPath
from yt8m.vocabulary import Vocabulary, read_vocabulary

CUTS = (300, 900)
CURVE_POINTS, HEAD_POINTS = 200, 50
LISTED_LABELS = 20
LISTED_PAIRS = 30
FRAMES_A_BIN = 10


def build_statistics(
    index: StrPath,
    output_dir: StrPath,
    *,
    vocabulary: StrPath | None = None,
) -> dict[str, Any]:
    """Compute the statistics of an index; write `statistics.json` and `statistics.html` into a folder.

    Args:
        index: an index file.
        output_dir: the folder to write to.
        vocabulary: the official vocabulary.csv, for names, verticals, and the counts of the full train partition.

    Returns:
        What `statistics.json` holds; see `compute_statistics`.

    Raises:
        InputError: a file is missing or something else, or a label is not in the vocabulary.
    """
    words = None if vocabulary is None else read_vocabulary(vocabulary)
    facts = Facts(read_index(index))
    if not len(facts):
        raise InputError(f"{index}: the index holds no video; index a folder that holds some")
    if words is not None and len(facts.label_counts) > len(words):
        largest = len(facts.label_counts) - 1
        raise InputError(f"{index}: label {largest} is not among the {len(words)} of {vocabulary}; give its vocabulary")
    statistics = compute_statistics(facts, words)
    html = render_statistics(statistics)
    storage.write_json(storage.join(os.fspath(output_dir), "statistics.json"), statistics)
    storage.write_text(storage.join(os.fspath(output_dir), "statistics.html"), html)
    return statistics


def compute_statistics(facts: Facts, vocabulary: Vocabulary | None = None) -> dict[str, Any]:
    """The statistics as JSON values; shares are fractions, None where there is nothing to divide by.

    Keys: `videos, label_occurrences, distinct_labels, level, simulated, index_fingerprint`; `labels_per_video` (mean)
    and `labels_per_video_histogram` (`labels`, `videos`); `share_below_index` (of the occurrences, by label index),
    `share_videos_with_one_label, share_videos_with_four_or_more, share_videos_hard` (one, or four and more),
    `rare_above` (the threshold), `share_videos_with_rare_label, rare_label_occurrences, share_rare_occurrences`;
    `cumulative_share` (`by_index`, `by_rank`: the share of the occurrences in the first `labels` labels);
    `label_counts` (videos of each label, by index), `top_labels, bottom_labels`; `imbalance` (`gini`,
    `head_tail_ratio`, see build.py); `frames_per_video` (None unless frame level), `verticals` and `vocabulary`
    (None without one), `co_occurrence` (`pairs` on the most videos, `strongest_pairs` by lift, `matrix`).
    """
    counts, per_video = facts.label_counts, facts.labels_per_video
    rare = facts.count_per_video(facts.index.labels > RARE_ABOVE)
    one, many = np.mean(per_video == 1), np.mean(per_video >= 4)
    histogram = np.bincount(per_video)
    return {
        "videos": len(facts),
        "label_occurrences": int(counts.sum()),
        "distinct_labels": int(np.count_nonzero(counts)),
        "level": facts.index.level,
        "simulated": facts.index.simulated,
        "index_fingerprint": facts.index.fingerprint(),
        "labels_per_video": float(per_video.mean()),
        "labels_per_video_histogram": {"labels": list(range(len(histogram))), "videos": histogram.tolist()},
        "share_below_index": _shares_below(counts),
        "share_videos_with_one_label": float(one),
        "share_videos_with_four_or_more": float(many),
        "share_videos_hard": float(one + many),
        "rare_above": RARE_ABOVE,
        "share_videos_with_rare_label": float(np.mean(rare > 0)),
        "rare_label_occurrences": int(rare.sum()),
        "share_rare_occurrences": _ratio(rare.sum(), counts.sum()),
        "cumulative_share": _cumulative_shares(counts),
        "label_counts": counts.tolist(),
        **_extreme_labels(facts, vocabulary),
        "imbalance": _imbalance(counts),
        "frames_per_video": _frames(facts),
        "verticals": None if vocabulary is None else _verticals(facts, vocabulary),
        "co_occurrence": _co_occurrence(facts, vocabulary),
        "vocabulary": None if vocabulary is None else _vocabulary(vocabulary),
    }


def _ratio(part: Any, whole: Any) -> float | None:
    return float(part / whole) if whole else None


def _shares_below(counts: np.ndarray) -> dict[str, float | None]:
    return {str(cut): _ratio(counts[:cut].sum(), counts.sum()) for cut in CUTS}


def _imbalance(counts: np.ndarray) -> dict[str, float | None]:
    return {"gini": gini(counts[counts > 0]), "head_tail_ratio": head_tail_ratio(counts, counts)}


def _cumulative_shares(counts: np.ndarray) -> dict[str, Any]:
    return {"by_index": _curve(counts), "by_rank": _curve(np.sort(counts)[::-1])}


def _curve(counts: np.ndarray) -> dict[str, list[Any]]:
    """Points of the cumulative share: evenly spaced, closer at the head, and the cuts that the paper names."""
    size, total = len(counts), counts.sum()
    if not total:
        return {"labels": [], "share": []}
    marks = [cut for cut in (*CUTS, RARE_ABOVE + 1) if cut <= size]
    even, head = np.linspace(0, size, CURVE_POINTS), np.geomspace(1, size, HEAD_POINTS)
    places = np.unique(np.concatenate((even.round(), head.round(), marks))).astype(np.int64)
    shares = np.concatenate(([0], np.cumsum(counts)))[places] / total
    return {"labels": places.tolist(), "share": shares.tolist()}


def _name(vocabulary: Vocabulary | None, label: int) -> str:
    return f"label {label}" if vocabulary is None else vocabulary.names[label]


def _extreme_labels(facts: Facts, vocabulary: Vocabulary | None) -> dict[str, list[dict[str, Any]]]:
    counts = facts.label_counts
    present = np.flatnonzero(counts)
    order = present[np.argsort(-counts[present], kind="stable")]

    def row(label: int) -> dict[str, Any]:
        videos = int(counts[label])
        return {"label": label, "name": _name(vocabulary, label), "videos": videos, "share": videos / len(facts)}

    return {
        "top_labels": [row(label) for label in order[:LISTED_LABELS].tolist()],
        "bottom_labels": [row(label) for label in order[::-1][:LISTED_LABELS].tolist()],
    }


def _frames(facts: Facts) -> dict[str, Any] | None:
    if facts.index.level != "frame":
        return None
    frames = facts.index.num_frames
    bins = frames.max() // FRAMES_A_BIN + 1
    videos = np.bincount(frames // FRAMES_A_BIN, minlength=bins)
    return {
        "min": int(frames.min()),
        "median": float(np.median(frames)),
        "mean": float(frames.mean()),
        "max": int(frames.max()),
        "total": int(frames.sum(dtype=np.int64)),
        "histogram": {"edges": (np.arange(bins + 1) * FRAMES_A_BIN).tolist(), "videos": videos.tolist()},
    }


def _verticals(facts: Facts, vocabulary: Vocabulary) -> list[dict[str, Any]]:
    """Verticals by occurrences, descending: their labels, their occurrences, and the videos that carry one at least."""
    names = np.array(vocabulary.verticals)[: len(facts.label_counts)]
    rows = []
    for name in np.unique(names):
        member = names == name
        occurrences = int(facts.label_counts[member].sum())
        videos = int(np.count_nonzero(facts.count_per_video(facts.of_labels(member))))
        rows.append({
            "vertical": str(name) or "(none)",
            "labels": vocabulary.verticals.count(str(name)),
            "label_occurrences": occurrences,
            "videos": videos,
            "share_of_videos": videos / len(facts),
        })  # fmt: skip
    return sorted(rows, key=lambda row: -row["label_occurrences"])


def _co_occurrence(facts: Facts, vocabulary: Vocabulary | None) -> dict[str, Any]:
    pairs = count_pairs(facts)
    least_videos = max(5, len(facts) // 10_000)
    top = np.argsort(-facts.label_counts, kind="stable")[:LISTED_LABELS]
    top = top[facts.label_counts[top] > 0]
    return {
        "distinct_pairs": len(pairs.videos),
        "pairs": _pair_rows(most_frequent(pairs, LISTED_PAIRS), vocabulary),
        "strongest_pairs": _pair_rows(strongest(pairs, LISTED_PAIRS, least_videos), vocabulary),
        "strongest_pairs_least_videos": least_videos,
        "matrix": {
            "labels": top.tolist(),
            "names": [_name(vocabulary, label) for label in top.tolist()],
            "videos": matrix(pairs, facts, top).tolist(),
        },
    }


def _pair_rows(pairs: Pairs, vocabulary: Vocabulary | None) -> list[dict[str, Any]]:
    columns = zip(pairs.first.tolist(), pairs.second.tolist(), pairs.videos.tolist(), pairs.lift.tolist(), strict=True)
    return [
        {
            "labels": [first, second],
            "names": [_name(vocabulary, first), _name(vocabulary, second)],
            "videos": videos,
            "lift": lift,
        }
        for first, second, videos, lift in columns
    ]


def _vocabulary(vocabulary: Vocabulary) -> dict[str, Any]:
    """The same shares over the vocabulary's counts, which are those of the full train partition."""
    counts = vocabulary.counts
    return {
        "labels": len(vocabulary),
        "label_occurrences": int(counts.sum()),
        "rare_label_occurrences": int(counts[RARE_ABOVE + 1 :].sum()),
        "share_below_index": _shares_below(counts),
        "cumulative_share": _cumulative_shares(counts),
        "imbalance": _imbalance(counts),
        "fingerprint": vocabulary.fingerprint(),
    }
