"""The findings in plain sentences, each written by rule from the figures of `analysis.json`."""

from typing import Any

from yt8m.pages.page import count, decimal, share

WEAK_COUNT = 100
NOTABLE_CALIBRATION = 0.01
NOTABLE_RATIO = 1.2


def summarize(findings: dict[str, Any]) -> list[str]:
    """Sentences in the order of their weight; only those that the figures carry."""
    sentences = [
        _score(findings["metrics"]),
        _missed(findings["missed"]),
        _causes(findings["causes"]),
        _first_step(findings["causes"], findings["metrics"]),
        _tripling_in_short(findings["causes"]["tripling"]),
        _frequency(findings),
        _most_missed(findings["most_missed"]),
        _weakest(findings["worst"], findings["least_positives"]),
        _never_found(findings["labels"]),
        _calibration(findings["calibration"]),
    ]
    return [sentence for sentence in sentences if sentence]


def _score(metrics: dict[str, Any]) -> str:
    return (
        f"GAP@20 is {decimal(metrics['gap'])} (95 % interval {decimal(metrics['gap_low'])} to "
        f"{decimal(metrics['gap_high'])}) over {count(metrics['videos'])} videos with "
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


def _causes(causes: dict[str, Any]) -> str:
    rows = sorted((row for row in causes["rows"] if row["labels"]), key=lambda row: -row["labels"])
    if not rows:
        return ""
    parts = [f"{_lower(row['name'])} {share(row['share'])}" for row in rows]
    return f"Why labels are missed: {', '.join(parts)}."


def _first_step(causes: dict[str, Any], metrics: dict[str, Any]) -> str:
    row = next((row for row in causes["rows"] if row["cause"] == causes["first"]), None)
    if row is None:
        return ""
    return (
        f"First thing to do: {row['remedy']}. {share(row['share'])} of the missed labels come of this cause "
        f"({_lower(row['name'])}); without it GAP@20 would be {decimal(row['gap_if_cured'])} instead of "
        f"{decimal(metrics['gap'])}. The table of causes says how to go about it."
    )


def _tripling_in_short(tripling: dict[str, Any]) -> str:
    """What the figures say about the paper's experiment; empty without a training index or missed labels."""
    weights = [row["weight"] for row in tripling["causes"] if row["weight"] is not None]
    if not weights:
        return ""
    training = tripling["training"]
    helped = [row for row in tripling["causes"] if row["verdict"] == "perhaps"]
    verdict = "might help" if helped else "would hardly help"
    return (
        f"To triple the hard videos (one label, or four and more), as the paper did, {verdict}: they already carry "
        f"{share(training['label_share'])} of all label occurrences in training, so that the labels missed here would, "
        f"by cause, weigh {min(weights):.2f} to {max(weights):.2f} times what they weigh now."
    )


def tripling_answer(causes: dict[str, Any]) -> str:
    """The paper's open question, answered as far as the figures carry it."""
    tripling = causes["tripling"]
    where = (
        "The paper showed each hard video (exactly one label, or four and more) three times in training and gained "
        f"0.0001. Here {share(tripling['missed_share'])} of the missed labels lie in hard videos, beside "
        f"{share(tripling['label_share'])} of all true labels. "
    )
    training = tripling["training"]
    if training is None:
        return where + "With the index of the training videos (--index) this page says what each cause would gain."
    return where + (
        f"Of the training videos {share(training['video_share'])} are hard and carry {share(training['label_share'])} "
        f"of the label occurrences. To triple them multiplies all occurrences by {training['growth']:.2f}, so no "
        f"label's share of them can grow more than {training['largest_weight']:.2f} times. Repetition adds no video "
        "that was not there; it cannot bring signal into a video, nor mend an annotation."
    )


def _lower(name: str) -> str:
    return name[0].lower() + name[1:]


def _frequency(findings: dict[str, Any]) -> str:
    rows = findings["by_training_count"]
    few = [row for row in rows if row["last"] is not None and row["last"] < WEAK_COUNT]
    if few and len(few) < len(rows):
        return _compare_groups(few, rows, f"Labels with fewer than {WEAK_COUNT} training videos")
    rows = findings["by_label"]
    if len(rows) < 2:
        return ""
    return _compare_groups(rows[-1:], rows, f"The rarest labels (index {count(rows[-1]['first'])} and up)")


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
