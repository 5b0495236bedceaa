"""The findings in plain sentences, each written by rule from the figures of `analysis.json`."""

from typing import Any

from yt8m.report.page import count, decimal, share

WEAK_COUNT = 100
NOTABLE_CALIBRATION = 0.01
NOTABLE_RATIO = 1.2


def summarize(findings: dict[str, Any]) -> list[str]:
    """Sentences in the order of their weight; only those that the figures carry."""
    sentences = [
        _score(findings["metrics"]),
        _missed(findings["missed"]),
        _frequency(findings),
        _most_missed(findings["most_missed"]),
        _weakest(findings["worst"], findings["least_positives"]),
        _never_found(findings["labels"]),
        _calibration(findings["calibration"]),
    ]
    return [sentence for sentence in sentences if sentence]


def _score(metrics: dict[str, Any]) -> str:
    return (
        f"GAP@20 is {decimal(metrics['gap'])} over {count(metrics['videos'])} videos with "
        f"{count(metrics['positives'])} true labels. The most confident label is right for "
        f"{share(metrics['hit_at_1'])} of the videos."
    )


def _missed(missed: dict[str, Any]) -> str:
    ours, paper = missed["ours"], missed["paper"]
    if not ours["missed"]:
        return "Every true label of every video is among its 20 most confident labels."
    return (
        f"{count(ours['missed'])} videos ({share(ours['missed_share'])}) have a true label that is not among their 20 "
        f"most confident ones; in the paper it was {share(paper['missed_share'])}. Of these videos "
        f"{share(ours['one_label_share'])} have exactly one label and {share(ours['four_or_more_share'])} have four or "
        f"more (paper: {share(paper['one_label_share'])} and {share(paper['four_or_more_share'])})."
    )


def _frequency(findings: dict[str, Any]) -> str:
    rows = [row for row in findings["by_training_count"] if row["positives"]]
    few = [row for row in rows if row["last"] < WEAK_COUNT]
    if few and len(few) < len(rows):
        return _compare_groups(few, rows, f"Labels with fewer than {WEAK_COUNT} training videos")
    rows = [row for row in findings["by_label_index"] if row["positives"]]
    if len(rows) < 2:
        return ""
    return _compare_groups(rows[-1:], rows, f"The rarest labels (index {rows[-1]['group']})")


def _compare_groups(some: list[dict[str, Any]], rows: list[dict[str, Any]], name: str) -> str:
    positives, missed = (sum(row[key] for row in some) for key in ("positives", "missed"))
    all_positives, all_missed = (sum(row[key] for row in rows) for key in ("positives", "missed"))
    if not all_missed:
        return ""
    rate, others = missed / positives, (all_missed - missed) / max(1, all_positives - positives)
    rates = f"{share(rate)} of their occurrences are missed, against {share(others)} of all others."
    if rate < NOTABLE_RATIO * others:
        return f"{name} are not missed notably more often than the others: {rates}"
    return (
        f"{name} make up {share(positives / all_positives)} of the true labels but {share(missed / all_missed)} of the "
        f"missed ones: {rates}"
    )


def _most_missed(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return ""
    named = [f"{row['name']} ({count(row['missed'])} of {count(row['positives'])})" for row in rows[:3]]
    return f"Most often missed: {', '.join(named)}."


def _weakest(rows: list[dict[str, Any]], least: int) -> str:
    if not rows or least < 2:  # one video says nothing about a label
        return ""
    named = [f"{row['name']} ({decimal(row['average_precision'], 2)})" for row in rows[:3]]
    return f"Lowest average precision among labels with at least {count(least)} videos here: {', '.join(named)}."


def _never_found(labels: dict[str, Any]) -> str:
    if not labels["never_found"]:
        return ""
    return (
        f"{count(labels['never_found'])} of the {count(labels['with_positives'])} labels that occur here never reach "
        "the top 20 of a video that carries them."
    )


def _calibration(calibration: dict[str, Any]) -> str:
    difference = calibration["mean_confidence"] - calibration["share_true"]
    error = calibration["expected_error"]
    if error < NOTABLE_CALIBRATION:
        return f"Confidences mean what they say: they are off by {share(error, 2)} points on average."
    direction = "too high" if difference > 0 else "too low"
    return (
        f"Confidences are off by {100 * error:.1f} percentage points on average; over the top 20 of all videos they "
        f"are {100 * abs(difference):.1f} points {direction}."
    )
