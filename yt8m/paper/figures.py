"""The plots of the page: the paper's Figures 1 to 5 with our curves, and differences with their intervals."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from yt8m.pages.plots import Axis, Estimates, Line, Mark, interval_plot, line_plot
from yt8m.paper.answers import VERDICT_WORDS, bucket_name
from yt8m.paper.experiments import Experiment, Paper

COLOURS = ("c1", "c2", "c3", "c4", "c5")
VERDICT_COLOURS = {"better": "c3", "worse": "c2", "cannot tell": "c6"}
EPOCHS = Axis("examples read, in epochs of all training videos")
GAP, VALIDATION_GAP = Axis("GAP@20"), Axis("GAP@20 of the validation videos")
TRAINING_GAP = (
    " Training GAP is that of an epoch's examples as they were learned from, with dropout and by weights that were "
    "still changing: it lies lower than a GAP of the same videos by the finished weights."
)
Result = Mapping[str, Any]


def figures(paper: Paper, experiment: Experiment, result: Result) -> list[Markup]:
    """The plots of an experiment."""
    if experiment.kind == "imbalance":
        return [_imbalance(result)]
    parts = []
    if result.get("curves"):
        parts.append(_curves(paper, experiment, result["curves"]))
    if experiment.name == "figure-2":
        parts.append(_rates(paper, result["curves"]))
    if result.get("buckets"):
        parts.append(_differences(result))
    return parts


def _imbalance(result: Result) -> Markup:
    curve = result["curve"]
    marks = [
        Mark(int(key.removeprefix("below_")), value, f"first {key.removeprefix('below_')} labels: {100 * value:.1f} %")
        for key, value in result["ours"].items()
    ]
    return line_plot(
        "Share of all label occurrences that falls on the first labels",
        Axis("label index (nearly the order of frequency)"),
        Axis("share of all label occurrences", "share", limits=(0, 1)),
        [Line("", curve["labels"], curve["share"])], marks=marks,
        caption="From the training counts of the official vocabulary.",
    )  # fmt: skip


def _curves(paper: Paper, experiment: Experiment, curves: Mapping[str, Any]) -> Markup:
    """Validation GAP of each run, a line a seed; the training GAP dashed where the paper shows it."""
    lines = []
    with_training = experiment.kind in ("curve", "difference")
    shown = {run: seeds for run, seeds in curves.items() if paper.level_of(paper.runs[run]) == "frame"}
    for colour, (run, seeds) in zip(COLOURS, shown.items(), strict=False):
        title = paper.runs[run].title + (": validation" if with_training else "")
        for number, curve in enumerate(seeds):
            name = "" if number else title
            lines.append(Line(name, curve["epoch"], curve["validation_gap"], colour, marked=True))
            if with_training:
                name = "" if number else "training"
                lines.append(Line(name, curve["epoch"], curve["training_gap"], colour, dashed=True))
    caption = "A line for each seed; trainings that begin alike lie on each other." + with_training * TRAINING_GAP
    return line_plot("GAP@20 while training", EPOCHS, GAP if with_training else VALIDATION_GAP, lines, caption=caption)


def _rates(paper: Paper, curves: Mapping[str, Any]) -> Markup:
    lines = [
        Line(paper.runs[run].title, seeds[0]["epoch"], seeds[0]["learning_rate"], colour, marked=True)
        for colour, (run, seeds) in zip(COLOURS, curves.items(), strict=False)
    ]
    return line_plot(
        "Learning rate", EPOCHS, Axis("learning rate", log=True), lines, height=260,
        caption="As it was at each validation; between these it falls in steps.",
    )  # fmt: skip


def _differences(result: Result) -> Markup:
    rows = [("All labels", result["ours"]["difference"], result["interval"], result["verdict"])]
    rows += [(bucket_name(row), row["difference"], row["interval"], row["verdict"]) for row in result["buckets"]]
    names, values, intervals, verdicts = zip(*rows, strict=True)
    return interval_plot(
        "Difference in GAP@20, by label frequency", [name[0].upper() + name[1:] for name in names],
        Axis("difference with its interval (right of 0: better)"),
        Estimates(values, [i[0] for i in intervals], [i[1] for i in intervals],
                  [VERDICT_WORDS[verdict] for verdict in verdicts], [VERDICT_COLOURS[verdict] for verdict in verdicts]),
        category="",
    )  # fmt: skip
