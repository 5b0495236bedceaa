"""The page of `yt8m statistics`: how unbalanced the labels of an index are, and what its videos look like."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from yt8m.pages.page import Column, Section, Tile, count, decimal, page, share, table
from yt8m.pages.plots import Axis, Bars, Line, Mark, bar_plot, column_plot, histogram, line_plot, matrix_plot

UNIT = (0.0, 1.03)
MARKED_INDICES = (300, 900)
MOST_LABELS = 12
MOST_VERTICALS = 12
CURVE_POINTS = 200
FRAMES = {"frame": "frames", "video": "video-level records (a mean over the frames)", "labels": "labels alone"}


def render_statistics(statistics: dict[str, Any]) -> str:
    """The statistics as one HTML page.

    Args:
        statistics: what `statistics.json` holds; see `yt8m.data.rebalance.statistics.compute_statistics`.
    """
    makers = (_imbalance, _labels_per_video, _frames, _verticals, _extreme_labels, _co_occurrence)
    sections = [make(statistics) for make in makers]
    return page(
        "Statistics of the videos and their labels",
        [section for section in sections if section.parts],
        subtitle=f"{count(statistics['videos'])} videos; the index holds {FRAMES[statistics['level']]}",
        tiles=_tiles(statistics),
        summary=_summary(statistics),
        simulated=statistics["simulated"],
        provenance=_provenance(statistics),
    )


def _tiles(statistics: dict[str, Any]) -> list[Tile]:
    return [
        Tile("Videos", count(statistics["videos"])),
        Tile("Label occurrences", count(statistics["label_occurrences"])),
        Tile("Labels that occur", count(statistics["distinct_labels"]), _of_vocabulary(statistics)),
        Tile("Labels a video", decimal(statistics["labels_per_video"], 2), "mean"),
        Tile("Exactly one label", share(statistics["share_videos_with_one_label"]), "of the videos"),
        Tile("Four or more", share(statistics["share_videos_with_four_or_more"]), "of the videos"),
    ]


def _of_vocabulary(statistics: dict[str, Any]) -> str:
    vocabulary = statistics["vocabulary"]
    return f"of {count(vocabulary['labels'])} in the vocabulary" if vocabulary else ""


def _provenance(statistics: dict[str, Any]) -> dict[str, str]:
    lines = {"Index": statistics["index_fingerprint"]}
    if statistics["vocabulary"]:
        lines["Vocabulary"] = statistics["vocabulary"]["fingerprint"]
    return lines


def _summary(statistics: dict[str, Any]) -> list[str]:
    if not statistics["label_occurrences"]:
        return ["These videos have no labels, as in the test partition."]
    rare = statistics["rare_above"]
    cuts = [f"{share(part)} on those below {count(int(cut))}" for cut, part in statistics["share_below_index"].items()]
    sentences = [
        f"The first labels by index carry most of the occurrences: {', '.join(cuts)}.",
        f"{share(statistics['share_videos_with_rare_label'])} of the videos carry a rare label (index above {rare}); "
        f"rare labels are {share(statistics['share_rare_occurrences'])} of the occurrences.",
        f"{share(statistics['share_videos_hard'])} of the videos are of the kinds that the paper calls hard: exactly "
        f"one label ({share(statistics['share_videos_with_one_label'])}), or four and more "
        f"({share(statistics['share_videos_with_four_or_more'])}).",
    ]
    frames = statistics["frames_per_video"]
    if frames:
        sentences.append(
            f"The median video has {count(frames['median'])} frames, one a second; the shortest has "
            f"{count(frames['min'])}, the longest {count(frames['max'])}."
        )
    return sentences


def _imbalance(statistics: dict[str, Any]) -> Section:
    curves, vocabulary = statistics["cumulative_share"], statistics["vocabulary"]
    if not curves["by_index"]["labels"]:
        return Section("Label imbalance")
    imbalance = statistics["imbalance"]
    parts = [_cumulative_by_index(curves["by_index"], vocabulary), _cumulative_by_rank(statistics["label_counts"])]
    lead = (
        "How much of all label occurrences falls on a few labels. The Gini coefficient is "
        f"{decimal(imbalance['gini'], 2)} (0: all labels equally often, 1: one label only)."
    )
    return Section("Label imbalance", lead, parts)


def _cumulative_by_index(curve: dict[str, list[Any]], vocabulary: dict[str, Any] | None) -> Markup:
    x, y = curve["labels"], curve["share"]
    lines = [Line("this index", x, y)]
    if vocabulary:
        whole = vocabulary["cumulative_share"]["by_index"]
        lines.append(Line("full train partition (vocabulary)", whole["labels"], whole["share"], "c2", dashed=True))
    lines.append(Line("if all labels were equally frequent", [0, x[-1]], [0, 1], "c6", dashed=True))
    marks = [
        Mark(at, y[x.index(at)], f"first {at} labels: {share(y[x.index(at)])}") for at in MARKED_INDICES if at in x
    ]
    return line_plot(
        "Share of all label occurrences that falls on the first labels",
        Axis("label index (nearly the order of frequency)"),
        Axis("share of all label occurrences", "share", limits=UNIT),
        lines, marks=marks, caption="The paper's Figure 3; there the first 900 labels carry 89 %.",
    )  # fmt: skip


def _cumulative_by_rank(label_counts: list[int]) -> Markup:
    counts = np.sort([number for number in label_counts if number])[::-1]
    shares = np.cumsum(counts) / counts.sum()
    half = int(np.searchsorted(shares, 0.5)) + 1
    x = np.unique(np.geomspace(1, len(counts), CURVE_POINTS).astype(int))
    return line_plot(
        "Share of all label occurrences that falls on the most frequent labels",
        Axis("number of labels, from the most frequent", log=True),
        Axis("share of all label occurrences", "share", limits=UNIT), [Line("", x, shares[x - 1])],
        caption=f"{count(half)} labels carry half of the occurrences.",
    )  # fmt: skip


def _labels_per_video(statistics: dict[str, Any]) -> Section:
    sizes = statistics["labels_per_video_histogram"]
    videos, total = sizes["videos"], max(1, statistics["videos"])
    names = [str(number) for number in sizes["labels"][:MOST_LABELS]]
    counts = list(videos[:MOST_LABELS])
    if len(videos) > MOST_LABELS:
        names.append(f"{MOST_LABELS}+")
        counts.append(sum(videos[MOST_LABELS:]))
    if not counts[0]:
        names, counts = names[1:], counts[1:]
    shares = [number / total for number in counts]
    plot = column_plot(
        "Videos by their number of labels", names, Axis("share of the videos", "share"),
        [Bars("", shares, [share(value) for value in shares])], category="labels of the video",
    )  # fmt: skip
    lead = (
        f"A video has {decimal(statistics['labels_per_video'], 2)} labels on average, {count(len(videos) - 1)} at most."
    )
    return Section("Labels a video", lead, [plot])


def _frames(statistics: dict[str, Any]) -> Section:
    frames = statistics["frames_per_video"]
    if not frames:
        return Section("Frames a video")
    bins = frames["histogram"]
    lead = f"{decimal(frames['mean'], 1)} frames on average, one frame a second."
    plot = histogram(
        "Videos by their number of frames", Axis("frames of the video"), Axis("videos"), bins["edges"], bins["videos"]
    )
    return Section("Frames a video", lead, [plot])


def _verticals(statistics: dict[str, Any]) -> Section:
    rows = sorted(statistics["verticals"] or [], key=lambda row: (-row["videos"], row["vertical"]))
    if not rows:
        return Section("Verticals")
    first = rows[:MOST_VERTICALS]
    shares = [row["share_of_videos"] for row in first]
    plot = bar_plot(
        "Videos that carry a label of a vertical", [row["vertical"] for row in first],
        Axis("share of the videos", "share"), [Bars("", shares, [share(value) for value in shares])],
        category="vertical",
    )  # fmt: skip
    columns = [
        Column("Vertical"), Column("Labels", True), Column("Occurrences", True), Column("Videos", True),
        Column("Share of videos", True),
    ]  # fmt: skip
    cells = [
        [row["vertical"], count(row["labels"]), count(row["label_occurrences"]), count(row["videos"]),
         share(row["share_of_videos"])]
        for row in rows
    ]  # fmt: skip
    return Section(
        "Verticals", "The subject areas of the labels; a video can be in several.", [plot, table(columns, cells)]
    )


def _extreme_labels(statistics: dict[str, Any]) -> Section:
    top, bottom = statistics["top_labels"], statistics["bottom_labels"]
    if not top:
        return Section("Most frequent and rarest labels")
    parts = [_label_rows(top, "The most frequent labels"), _label_rows(bottom, "The rarest labels that occur")]
    return Section("Most frequent and rarest labels", "", parts)


def _label_rows(rows: Sequence[dict[str, Any]], caption: str) -> Markup:
    columns = [Column("Label"), Column("Index", True), Column("Videos", True), Column("In a million videos", True)]
    cells = [[row["name"], str(row["label"]), count(row["videos"]), count(1e6 * row["share"])] for row in rows]
    return table(columns, cells, caption=caption)


def _co_occurrence(statistics: dict[str, Any]) -> Section:
    found = statistics["co_occurrence"]
    if not found["pairs"]:
        return Section("Labels that occur together")
    least = count(found["strongest_pairs_least_videos"])
    return Section(
        "Labels that occur together",
        "The lift of a pair says how many times more often it occurs than it would if its labels were independent.",
        [
            _matrix(found["matrix"]),
            _pair_rows(found["pairs"], "The most frequent pairs"),
            _pair_rows(found["strongest_pairs"], f"The closest pairs (by lift), on at least {least} videos"),
        ],
    )


def _matrix(matrix: dict[str, Any]) -> Markup:
    together = np.array(matrix["videos"], dtype=np.float64)
    shares = together / np.maximum(together.diagonal()[:, None], 1)
    texts = [
        ["" if i == j or value < 0.005 else f"{100 * value:.0f}" for j, value in enumerate(row)]
        for i, row in enumerate(shares)
    ]
    np.fill_diagonal(shares, 0)
    return matrix_plot(
        "Of the videos with one label, the percentage that also has another", matrix["names"], matrix["names"],
        shares, texts, row_label="of the videos with this label", column_label="percentage that also has this one",
        caption=f"The {len(texts)} most frequent labels; shares below 0.5 % are left blank.",
    )  # fmt: skip


def _pair_rows(rows: Sequence[dict[str, Any]], caption: str) -> Markup:
    columns = [Column("Label"), Column("Other label"), Column("Videos with both", True), Column("Lift", True)]
    cells = [[*row["names"], count(row["videos"]), decimal(row["lift"], 1)] for row in rows]
    return table(columns, cells, caption=caption)
