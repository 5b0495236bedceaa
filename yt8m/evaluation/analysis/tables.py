"""The tables of the error analysis; every one has a bounded number of rows."""

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from yt8m.evaluation.analysis.causes import CAUSES
from yt8m.evaluation.analysis.confusions import strongest
from yt8m.evaluation.analysis.explanation import WORDS
from yt8m.evaluation.analysis.report_input import ReportInput
from yt8m.pages.page import Column, count, decimal, share, table

NAME = Column("Label")
VERTICAL = Column("Vertical")
TRAINING = Column("Training videos", True, "Videos of the training set with the label")
POSITIVES = Column("Videos here", True, "Evaluated videos with the label")
PRECISION = Column("Average precision", True)
WEAKEST_SHOWN = 0.005


def missed_table(given: ReportInput) -> Markup:
    """The paper's counts, ours beside the paper's."""
    ours, paper = given.findings["missed"]["ours"], given.findings["missed"]["paper"]
    rows = [
        ["all", count(ours["videos"]), "", count(paper["videos"]), ""],
        _compared("with a missed label", ours, paper, "missed", "missed_share"),
        _compared("… and exactly one label", ours, paper, "one_label", "one_label_share"),
        _compared("… and four or more labels", ours, paper, "four_or_more", "four_or_more_share"),
    ]
    columns = [
        Column("Videos"),
        Column("Here", True),
        Column("Share", True),
        Column("Paper", True),
        Column("Share", True),
    ]
    return table(columns, rows, caption="Counts of videos; the last two rows are shares of the second.")


def cured_table(given: ReportInput) -> Markup:
    """What became of the labels that other predictions missed, by the cause."""
    rows = [
        [row["name"], *(count(row[key]) for key in ("missed_before", "cured", "newly_missed", "missed_now"))]
        for row in given.findings["cured"]["rows"]
    ]
    columns = [
        Column("Cause"), Column("Missed before", True), Column("Cured", True, "Of these, found now"),
        Column("Newly missed", True, "Found before; by the cause that they have now"), Column("Missed now", True),
    ]  # fmt: skip
    return table(columns, rows, caption="Missed labels before and now; what is cured of one cause may stay by another.")


TRIPLING = (
    "The labels missed by each cause, if hard videos were seen three times in training. Weight: what the share of "
    "these labels in all that is trained on would be multiplied by, on average."
)
VERDICTS = {"no": "no", "hardly": "hardly", "perhaps": "perhaps", None: "–"}


def cause_table(given: ReportInput) -> Markup:
    """What each cause means, how much of it there is, and what would help."""
    rows = [
        [
            row["name"], _sentence(row["meaning"]), count(row["labels"]), share(row["share"]),
            decimal(row["at_stake"], 4), f"{_sentence(row['remedy'])}: {row['how']}.",
        ]
        for row in given.findings["causes"]["rows"]
    ]  # fmt: skip
    columns = [
        Column("Cause"), Column("Rule", wide=True), Column("Missed labels", True), Column("Share", True),
        Column("GAP at stake", True, "How much higher GAP@20 would be if the cause were cured"),
        Column("What would help", wide=True),
    ]  # fmt: skip
    return table(
        columns, rows, caption="The rules are tried from top to bottom, and the first that fits gives the cause"
    )


def tripling_table(given: ReportInput) -> Markup:
    """What tripling the hard videos would do to the labels of each cause."""
    rows = [
        [
            WORDS[CAUSES.index(row["cause"])].name,
            share(row["missed_share"]),
            _times(row["weight"]),
            VERDICTS[row["verdict"]],
        ]
        for row in given.findings["causes"]["tripling"]["causes"]
    ]
    columns = [
        Column("Cause"),
        Column("In hard videos", True, "Of the labels missed by this cause, the share that lies in hard videos"),
        Column("Weight of these labels", True, "How much their share of all that is trained on would grow, on average"),
        Column("Would it help?"),
    ]
    return table(columns, rows, caption=TRIPLING)


def label_ranking(given: ReportInput, key: str, caption: str) -> Markup:
    """The best or the worst labels."""
    rows = [
        [
            row["name"], row["vertical"], _count(row["training_count"]), count(row["positives"]),
            decimal(row["average_precision"]), share(row["precision_at_20"]), share(row["recall_at_20"]),
        ]
        for row in given.findings[key]
    ]  # fmt: skip
    columns = [
        NAME, VERTICAL, TRAINING, POSITIVES, PRECISION,
        Column("Precision at 20", True, "Of the videos with the label among their top 20, the share where it is true"),
        Column("Recall at 20", True, "Of the videos with the label, the share with it among their top 20"),
    ]  # fmt: skip
    return table(columns, rows, caption=caption)


def most_missed_table(given: ReportInput) -> Markup:
    """The labels that are missed most often, with what is said instead."""
    instead = confusion_texts(given)
    rows = [
        [
            row["name"], row["vertical"], _count(row["training_count"]), count(row["positives"]), count(row["missed"]),
            count(row["mean_rank_when_missed"]),
            WORDS[CAUSES.index(row["main_cause"])].name,
            instead.get(row["label"], "–"),
        ]
        for row in given.findings["most_missed"]
    ]  # fmt: skip
    columns = [
        NAME, VERTICAL, TRAINING, POSITIVES, Column("Missed", True),
        Column("Mean rank", True, "Mean rank among all classes in the videos that miss it"),
        Column("Main cause"), Column("Said instead", wide=True),
    ]  # fmt: skip
    return table(columns, rows)


def confusion_table(given: ReportInput) -> Markup:
    """The confusions with the most weight."""
    rows = [
        [row["name"], row["instead_name"], count(row["videos"]), decimal(row["strength"], 2), decimal(row["weight"], 2)]
        for row in given.findings["confusions"]
    ]
    columns = [
        Column("Missed label"), Column("Wrong label"),
        Column("Videos", True, "Videos that miss the one and have the other among their top 20"),
        Column("Mean confidence", True, "Of the wrong label, over all videos that miss the first"),
        Column("Weight", True, "Sum of the wrong label's confidence over these videos"),
    ]  # fmt: skip
    return table(columns, rows, caption="The strongest confusions, by the confidence they take in all")


def group_table(given: ReportInput) -> Markup:
    """Groups of labels, by index and by training count."""
    findings = given.findings
    rows = [_group("index " + range_text(row), row) for row in findings["by_label"]]
    rows += [_group(f"{range_text(row)} training videos", row) for row in findings["by_training_count"]]
    return table([Column("Labels with"), *_group_columns()], rows, caption="Groups of labels, from frequent to rare")


def vertical_table(given: ReportInput) -> Markup:
    """Groups of labels, by vertical."""
    rows = [_group(row["vertical"] or "unknown", row) for row in given.findings["by_vertical"]]
    return table([Column("Vertical"), *_group_columns()], rows, caption="Labels by their vertical")


def confusion_texts(given: ReportInput) -> dict[int, str]:
    """For each label that is missed: `name confidence, ...` of its strongest confusions."""
    names = given.evaluated.labels.names
    texts: dict[int, list[str]] = {}
    for row in strongest(given.confusions).itertuples(index=False):
        if row.strength >= WEAKEST_SHOWN:
            texts.setdefault(row.label, []).append(f"{names[row.instead]} {row.strength:.2f}")
    return {label: ", ".join(parts) for label, parts in texts.items()}


def range_text(row: dict[str, Any]) -> str:
    """The range `first` to `last` of a row, e.g. `4–5`; `978 and up` where it is open."""
    first, last = row["first"], row["last"]
    if last is None:
        return f"{count(first)} and up"
    return count(first) if first == last else f"{count(first)}–{count(last)}"


def _group_columns() -> Sequence[Column]:
    return (
        Column("Labels", True, "How many labels the group has"),
        Column("True labels here", True), Column("GAP", True), Column("95 % interval", True, "Of GAP, over videos"),
        Column("MAP@20", True, "Mean over the labels here of the average precision among the pairs in a top 20"),
        Column("Missed", True, "Share of the true labels that are outside the top 20"),
    )  # fmt: skip


def _group(name: str, row: dict[str, Any]) -> list[str]:
    return [
        name, count(row["labels"]), count(row["positives"]), decimal(row["gap"]),
        f"{decimal(row['gap_low'])}–{decimal(row['gap_high'])}", decimal(row["map"]),
        share(row["missed"] / row["positives"]),
    ]  # fmt: skip


def _compared(name: str, ours: dict[str, Any], paper: dict[str, Any], key: str, share_key: str) -> list[str]:
    return [name, count(ours[key]), share(ours[share_key]), count(paper[key]), share(paper[share_key])]


def _count(value: int | None) -> str:
    return "–" if value is None else count(value)


def _times(value: float | None) -> str:
    return "–" if value is None else f"× {value:.2f}"


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]
