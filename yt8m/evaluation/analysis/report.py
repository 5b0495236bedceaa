"""The page of the error analysis: what the findings say, in the order in which a reader asks."""

from typing import Any

from yt8m.evaluation.analysis.figures import (
    calibration_plot,
    causes_plot,
    count_groups_plot,
    imbalance_plot,
    index_groups_plot,
    labels_per_video_plot,
    missed_plot,
    quality_plot,
    rank_plot,
    stakes_plot,
    verticals_plot,
)
from yt8m.evaluation.analysis.report_input import ReportInput
from yt8m.evaluation.analysis.summary import summarize, tripling_answer
from yt8m.evaluation.analysis.tables import (
    cause_table,
    confusion_table,
    cured_table,
    group_table,
    label_ranking,
    missed_table,
    most_missed_table,
    tripling_table,
    vertical_table,
)
from yt8m.evaluation.metrics import RARE_FROM
from yt8m.pages.page import Section, Tile, count, decimal, fragment, page, share

PACKAGE = "yt8m.evaluation.analysis"


def render_report(given: ReportInput) -> str:
    """The report as one HTML page."""
    findings = given.findings
    makers = [_missed, _imbalance, _quality, _groups, _by_name, _instead, _calibration, _examples]
    if findings["missed"]["labels"]:
        makers[1:1] = [_causes, _tripling]
    if findings["cured"]:
        makers[1:1] = [_cured]
    return page(
        "Error analysis",
        [make(given) for make in makers],
        subtitle=_subtitle(findings),
        tiles=_tiles(findings),
        summary=summarize(findings),
        simulated=findings["simulated"],
        provenance=_provenance(findings),
    )


def _subtitle(findings: dict[str, Any]) -> str:
    metrics, names = findings["metrics"], [str(model.get("name", "a model")) for model in findings["models"]]
    by = " and ".join(names) if names else "a model"
    return f"Predictions of {by} for {count(metrics['videos'])} videos"


def _tiles(findings: dict[str, Any]) -> list[Tile]:
    metrics, missed = findings["metrics"], findings["missed"]
    return [
        Tile(
            "GAP@20",
            decimal(metrics["gap"]),
            f"1 is perfect; {decimal(metrics['gap_low'])} to {decimal(metrics['gap_high'])} with 95 % confidence",
        ),
        Tile("Hit@1", share(metrics["hit_at_1"]), "the first label is right"),
        Tile("PERR", share(metrics["perr"]), "precision at as many labels as the video has"),
        Tile("MAP@20", decimal(metrics["map"]), "mean over the labels here, of pairs in a top 20"),
        Tile("MAP@20, rare", decimal(metrics["map_rare"]), f"of the labels from {RARE_FROM} on"),
        Tile("Missing a label", share(missed["ours"]["missed_share"]), "videos with a true label outside their top 20"),
        Tile("Labels missed", share(missed["label_share"]), f"of {count(metrics['positives'])} true labels"),
    ]


def _provenance(findings: dict[str, Any]) -> dict[str, str]:
    inputs = {
        "predictions": "Predictions", "index": "Predicted index", "training_index": "Training index",
        "vocabulary": "Vocabulary",
    }  # fmt: skip
    lines = {title: str(findings["inputs"][key]) for key, title in inputs.items() if findings["inputs"][key]}
    for model in findings["models"]:
        lines[f"Model {model.get('name', '')}".strip()] = str(model.get("fingerprint", "unknown"))
    return {**lines, "Analysis": findings["fingerprint"]}


def _missed(given: ReportInput) -> Section:
    return Section(
        "Videos with a missed label",
        "A label is missed when it is true but not among the video's 20 most confident labels: it then earns nothing. "
        "This is the analysis of the paper, beside the paper's own figures for its validation set.",
        [missed_plot(given), missed_table(given), rank_plot(given)],
    )


def _cured(given: ReportInput) -> Section:
    return Section(
        "What was cured",
        f"Held against the predictions of {' and '.join(given.findings['cured']['models'])} for the same videos, which "
        "labels that these missed are found now, and which are missed that these found.",
        [cured_table(given)],
    )


def _causes(given: ReportInput) -> Section:
    source = given.findings["causes"]["co_occurrences"]
    return Section(
        "Why labels are missed",
        "Each missed label has exactly one cause, found by fixed rules from its rank, its training videos and what was "
        f"said instead; which labels usually come together was counted in {source}.",
        [stakes_plot(given), causes_plot(given), cause_table(given)],
    )


def _tripling(given: ReportInput) -> Section:
    causes = given.findings["causes"]
    return Section("Would it help to repeat the hard videos?", tripling_answer(causes), [tripling_table(given)])


def _imbalance(given: ReportInput) -> Section:
    imbalance = given.findings["imbalance"]
    at = "; ".join(
        f"{share(value)} on the labels below index {count(int(index))}"
        for index, value in imbalance["share_below_index"].items()
    )
    lead = (
        f"Counted in {imbalance['source']}: {count(imbalance['occurrences'])} label occurrences"
        + (f", {at}." if at else ".")
        + (f" {count(imbalance['labels_without'])} labels never occur there." if imbalance["labels_without"] else "")
    )
    return Section("Label imbalance", lead, [imbalance_plot(given)])


def _quality(given: ReportInput) -> Section:
    least = given.findings["least_positives"]
    some = "" if least <= 1 else f", among labels with at least {least} videos here"
    return Section(
        "Quality of each label",
        "Average precision says how well a label's videos are ranked before others: 1 is perfect, 0 means that the "
        "label was never given rightly. All labels are in labels.csv.",
        [
            quality_plot(given),
            label_ranking(given, "worst", f"The weakest labels{some}"),
            label_ranking(given, "best", f"The best labels{some}"),
        ],
    )


def _groups(given: ReportInput) -> Section:
    by_count = given.findings["by_training_count"]
    parts = [labels_per_video_plot(given), index_groups_plot(given)]
    if by_count:
        parts.append(count_groups_plot(given))
    parts.append(group_table(given))
    if given.findings["by_vertical"]:
        parts.append(vertical_table(given))
    return Section(
        "Where the score is lost",
        "GAP of parts of the data. A group of videos is scored alone; a group of labels is scored over all videos, "
        "with the other labels left out.",
        parts,
    )


def _by_name(given: ReportInput) -> Section:
    return Section(
        "Missed labels by name",
        "The labels that are missed most often, and what the model says instead: the figure after a name is its mean "
        "confidence over the videos that miss the label, counted where it is wrong.",
        [most_missed_table(given)],
    )


def _instead(given: ReportInput) -> Section:
    parts = [confusion_table(given)]
    if given.evaluated.labels.has_verticals and given.findings["missed"]["labels"]:
        parts.insert(0, verticals_plot(given))
    return Section(
        "What is said instead",
        "When a label is missed, wrong labels stand in its video's top 20. Confident ones that return from video to "
        "video are confusions.",
        parts,
    )


def _calibration(given: ReportInput) -> Section:
    return Section(
        "Do confidences mean what they say?",
        "Of all labels given with a confidence of about 60 %, 60 % should be true. Below the diagonal the model is too "
        "sure, above it too careful.",
        [calibration_plot(given)],
    )


def _examples(given: ReportInput) -> Section:
    return Section(
        "Example videos",
        "Open a video to see its true labels, where the model ranks them, and the 10 most confident labels. "
        "✓ true and found; ✗ true but missed; · not among the true labels.",
        [fragment(PACKAGE, "examples.html", kinds=given.examples)],
    )
