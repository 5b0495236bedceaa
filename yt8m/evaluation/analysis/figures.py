"""The plots of the error analysis."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from yt8m.evaluation.analysis.confusions import between_verticals
from yt8m.evaluation.analysis.report_input import ReportInput
from yt8m.evaluation.analysis.tables import range_text
from yt8m.pages.page import count, decimal, share
from yt8m.pages.plots import Axis, Bars, Line, Mark, Points, bar_plot, column_plot, line_plot, matrix_plot, scatter_plot

UNIT = (0.0, 1.03)
MARKED_INDICES = (300, 900)
TREND_BINS = 12
TREND_LEAST = 5
FEW_PAIRS = 10


def missed_plot(given: ReportInput) -> Markup:
    """Shares of the paper's analysis, ours beside the paper's."""
    missed = given.findings["missed"]
    keys = ("missed_share", "one_label_share", "four_or_more_share")
    names = (
        "videos with a missed label\n(of all videos)",
        "of these: exactly one label",
        "of these: four or more labels",
    )
    groups = []
    for name, source, colour in (("here", "ours", "c1"), ("in the paper", "paper", "c2")):
        values = [missed[source][key] for key in keys]
        texts = [share(value) for value in values]
        groups.append(Bars(name, [value or 0 for value in values], texts, colour))
    all_videos = missed["all_videos"]
    return bar_plot(
        "Videos whose top 20 misses a true label", names, Axis("share of videos", "share"), groups, category="",
        caption=f"For comparison: of all videos here, {share(all_videos['one_label_share'])} have exactly one label "
        f"and {share(all_videos['four_or_more_share'])} have four or more.",
    )  # fmt: skip


def causes_plot(given: ReportInput) -> Markup:
    """Shares of the missed labels by cause, of all videos and of the paper's two groups."""
    rows = given.findings["causes"]["rows"]
    groups = []
    for name, key, colour in (
        ("all missed labels", "share", "c1"),
        ("in videos with exactly one label", "one_label_share", "c2"),
        ("with four or more", "four_or_more_share", "c4"),
    ):
        if all(row[key] is not None for row in rows):
            values = [row[key] for row in rows]
            groups.append(Bars(name, values, [share(value) for value in values], colour))
    return bar_plot(
        "Missed labels by cause", [row["name"] for row in rows], Axis("share of the missed labels", "share"), groups,
        category="", caption="Every missed label has one cause; bars of a colour add up to 100 %.",
    )  # fmt: skip


def stakes_plot(given: ReportInput) -> Markup:
    """The GAP at stake by cause, most first."""
    causes = given.findings["causes"]
    rows = sorted(causes["rows"], key=lambda row: -row["at_stake"])
    values = [row["at_stake"] for row in rows]
    texts = [f"+{decimal(row['at_stake'], 4)} → {decimal(row['gap_if_cured'])}" for row in rows]
    return bar_plot(
        "GAP at stake by cause", [row["name"] for row in rows],
        Axis("gain of GAP@20 if the cause were cured", limits=(0, 1.28 * max(*values, 1e-4))),
        [Bars("", values, texts)], category="",
        caption="Recomputed over all videos with the labels missed by the cause found: each with the confidence at "
        "which the same label is typically found, in the place of its video's least confident wrong label. For "
        "annotation gaps: with the blamed wrong label counted as true. The figure after the arrow is the GAP itself; "
        f"with every missed label found it would be {decimal(causes['all_found'])}. The model's own "
        f"score is only known within {_interval(given.findings['metrics'])} (95 % over videos).",
    )  # fmt: skip


def _interval(metrics: dict[str, Any]) -> str:
    return f"{decimal(metrics['gap_low'])} to {decimal(metrics['gap_high'])}"


def rank_plot(given: ReportInput) -> Markup:
    """At which ranks the true labels stand."""
    rows = given.findings["ranks"]
    names = [_rank_range(row["first"], row["last"]) for row in rows]
    return column_plot(
        "Where the true labels stand among all classes", names, Axis("share of the true labels", "share"),
        [Bars("", [row["share"] for row in rows], [share(row["share"]) for row in rows])],
        category="rank of a true label by confidence (1 = most confident)",
        caption="Ranks up to 20 count. Labels at 21 to 50 were crowded out where the model sees anything in the video; "
        "those far down were not recognised at all.",
    )  # fmt: skip


def imbalance_plot(given: ReportInput) -> Markup:
    """Cumulative share of the label occurrences by label index (the paper's Figure 3)."""
    counts = given.evaluated.frequencies
    cumulative = np.concatenate(([0.0], np.cumsum(counts) / max(1, counts.sum())))
    places = np.unique(np.linspace(0, len(counts), 400).astype(int))
    marks = [
        Mark(at, cumulative[at], f"first {at} labels: {share(cumulative[at])}")
        for at in MARKED_INDICES
        if at < len(counts)
    ]
    return line_plot(
        "Share of all label occurrences that falls on the first labels",
        Axis("label index (nearly the order of frequency)"),
        Axis("share of all label occurrences", "share", limits=UNIT),
        [
            Line("labels as they are", places, cumulative[places]),
            Line("if all labels were equally frequent", [0, len(counts)], [0, 1], "c6", dashed=True),
        ],
        marks=marks, caption="The paper's Figure 3; there the first 900 labels carry 89 %.",
    )  # fmt: skip


def quality_plot(given: ReportInput) -> Markup:
    """Frequency against average precision, a point for each label that occurs."""
    labels, source = given.labels, given.evaluated.labels.source
    table = labels.assign(frequency=given.evaluated.frequencies)[labels["positives"] > 0]
    unseen = int((table["frequency"] == 0).sum())
    table = table[table["frequency"] > 0]
    x, y = table["frequency"].to_numpy(np.float64), table["average_precision"].to_numpy()
    names = [
        f"{name}: average precision {ap:.2f}, {times:,.0f} times"
        for name, ap, times in zip(table["name"], y, x, strict=True)
    ]
    return scatter_plot(
        "Frequency and average precision of each label",
        Axis(f"occurrences in {source or 'the evaluated videos'}", log=True),
        Axis("average precision", limits=(-0.03, UNIT[1])), Points(x, y, names), lines=_trend(x, y),
        caption=f"Each of the {count(len(table))} points is a label that occurs here; point at one to see its name. "
        "The line is the mean over labels of similar frequency. Labels with very few videos here scatter widely."
        + (f" {count(unseen)} labels that occur here but never in {source} are left out." if unseen else ""),
    )  # fmt: skip


def labels_per_video_plot(given: ReportInput) -> Markup:
    """GAP by the number of true labels of the videos."""
    return _gap_columns(
        "GAP by number of true labels", given.findings["by_number_of_labels"], "true labels of the video", "videos"
    )


def index_groups_plot(given: ReportInput) -> Markup:
    """GAP by label index."""
    return _gap_columns("GAP by label index", given.findings["by_label"], "label index", "positives")


def count_groups_plot(given: ReportInput) -> Markup:
    """GAP by training count of the labels."""
    rows = given.findings["by_training_count"]
    return _gap_columns("GAP by training videos of the label", rows, "training videos with the label", "positives")


def verticals_plot(given: ReportInput) -> Markup:
    """Which verticals the wrong labels belong to, by the vertical of the missed label."""
    names, shares, missed = between_verticals(given.evaluated, given.confusions)
    texts = [[f"{100 * value:.0f}" if value >= 0.01 else "" for value in row] for row in shares]
    rows = [f"{name or 'unknown'} ({count(number)})" for name, number in zip(names, missed, strict=True)]
    return matrix_plot(
        "Verticals of the wrong labels, by the vertical of the missed label", rows,
        [name or "unknown" for name in names], np.sqrt(shares), texts,
        row_label="vertical of the missed label (labels missed)", column_label="vertical of the wrong labels",
        caption="Percent of the confidence given to wrong labels in videos that miss a label of the row's vertical; "
        "each row adds up to 100, shares below 1 are left blank.",
    )  # fmt: skip


def calibration_plot(given: ReportInput) -> Markup:
    """Share of right pairs by confidence."""
    calibration = given.findings["calibration"]
    rows = [row for row in calibration["bins"] if row["pairs"] >= FEW_PAIRS]
    return line_plot(
        "Share of labels that are true, by confidence", Axis("confidence", "share", limits=(0, 1)),
        Axis("share that is true", "share", limits=UNIT),
        [
            Line("this model", [r["mean_confidence"] for r in rows], [r["share_true"] for r in rows], marked=True),
            Line("confidences that mean what they say", [0, 1], [0, 1], "c6", dashed=True),
        ],
        caption=f"Over the {count(sum(row['pairs'] for row in calibration['bins']))} pairs of all top 20, in steps of "
        f"5 points (steps with fewer than {FEW_PAIRS} pairs are left out). Expected calibration error: "
        f"{decimal(calibration['expected_error'], 4)}.",
    )  # fmt: skip


def _gap_columns(title: str, rows: Sequence[dict[str, Any]], category: str, weight: str) -> Markup:
    what = {"videos": "videos", "positives": "true labels"}[weight]
    names = [f"{range_text(row)}\n{count(row[weight])} {what}" for row in rows]
    values = [row["gap"] for row in rows]
    return column_plot(
        title, names, Axis("GAP@20", limits=UNIT), [Bars("", values, [decimal(row["gap"]) for row in rows])],
        category=category,
    )  # fmt: skip


def _trend(x: np.ndarray, y: np.ndarray) -> list[Line]:
    """The mean of y in bins of equal width of log x, where enough points fall."""
    if len(x) < 2 * TREND_LEAST or x.min() == x.max():
        return []
    logs = np.log10(x)
    bins = np.minimum(((logs - logs.min()) / np.ptp(logs) * TREND_BINS).astype(int), TREND_BINS - 1)
    sizes = np.bincount(bins, minlength=TREND_BINS)
    kept = sizes >= TREND_LEAST
    centres = 10 ** (np.bincount(bins, logs, TREND_BINS)[kept] / sizes[kept])
    return [Line("", centres, np.bincount(bins, y, TREND_BINS)[kept] / sizes[kept], "c2", marked=True)]


def _rank_range(first: int, last: int | None) -> str:
    if last is None:
        return f"over {first - 1}"
    return str(first) if first == last else f"{first}–{last}"
