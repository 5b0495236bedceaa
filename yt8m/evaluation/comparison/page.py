"""The page of a comparison: the verdict first, then where the difference comes from."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from yt8m.evaluation.influence import LEAST_VIDEOS
from yt8m.evaluation.metrics import RARE_FROM
from yt8m.pages.page import NO_BREAK, Column, Section, Tile, count, decimal, page, table
from yt8m.pages.plots import Axis, Estimates, Line, Points, interval_plot, scatter_plot

COLOURS = {"better": "c3", "worse": "c5", "cannot tell": "c6"}
VERDICTS = {"better": "B is better", "worse": "B is worse", "cannot tell": "cannot tell"}
HINTS = {"better": "a hint that B is better", "worse": "a hint that B is worse", "cannot tell": "cannot tell"}
PARTS = {
    "by_number_of_labels": ("videos with {}", " label", " labels", "Videos by their number of labels"),
    "by_label": ("labels {}", "", "", "Labels by index, from frequent to rare"),
    "by_training_count": ("labels with {}", " training video", " training videos", "Labels by training videos"),
    "by_vertical": ("{}", "", "", "Labels by vertical"),
}
METRICS = {
    "gap": "GAP@20",
    "hit_at_1": "Hit@1",
    "perr": "PERR",
    "map": "MAP@20",
    "map_rare": f"MAP@20 from label {RARE_FROM}",
}
MINUS = "\N{MINUS SIGN}"
WIDEST = 6
FEW = 500
NAMED = 5


def render_page(result: dict[str, Any], points: dict[str, Any]) -> str:
    """The comparison as one HTML page.

    Args:
        result: what `compare.json` holds.
        points: of the tested labels, `positives`, `differences` (arrays) and `names`.
    """
    return page(
        "Is B better than A?",
        [_metrics(result), _parts(result), _labels(result, points), _method(result)],
        subtitle=f"A: {_name(result['a'])} · B: {_name(result['b'])} · the same {count(result['videos'])} videos",
        tiles=_tiles(result),
        summary=summarize(result),
        simulated=result["simulated"],
        provenance=_provenance(result),
    )


def summarize(result: dict[str, Any]) -> list[str]:
    """The findings, a plain sentence each, the verdict first."""
    return [_verdict(result), *_parts_in_short(result), _labels_in_short(result["labels"])]


def _verdict(result: dict[str, Any]) -> str:
    scores = f"GAP@20 {decimal(result['b']['gap'], 5)} of B against {decimal(result['a']['gap'], 5)} of A"
    ends = f"95 % interval {_ends(result)}"
    if result["verdict"] != "cannot tell":
        return f"B is {result['verdict']} than A: {scores}, a difference of {signed(result['difference'])} ({ends})."
    if not result["difference"]:
        return f"Cannot tell B from A: {scores}, the same ({ends})."
    needed = result["videos_needed"]
    videos = count(float(f"{needed:.2g}")) if needed else ""
    more = f" A true difference of this size is told with a chance of 80 % by about {videos} videos." if needed else ""
    return (
        f"Cannot tell whether B is better: {scores}. The difference of {signed(result['difference'])} is no larger "
        f"than what other videos would change ({ends}): do not report it as a gain or a loss.{more}"
    )


def _parts_in_short(result: dict[str, Any]) -> list[str]:
    rows = [(key, row) for key in PARTS for row in result[key] if row["tested"]]
    if not rows:
        return [f"No part of the data has the {LEAST_VIDEOS} videos that it takes to judge it by itself."]
    named = [f"{part_name(key, row)} ({signed(row['difference'])})" for key, row in rows if row["different"]]
    if not named:
        return [
            f"None of the {len(rows)} parts of the data with at least {LEAST_VIDEOS} videos can be told to differ, by "
            "number of labels or by label."
        ]
    more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
    return [
        f"{len(named)} of {len(rows)} parts of the data with at least {LEAST_VIDEOS} videos differ: "
        f"{', '.join(named[:NAMED])}{more}."
    ]


def _labels_in_short(labels: dict[str, Any]) -> str:
    if not labels["tested"]:
        return f"No label has the {labels['least_positives']} videos that it takes to judge it by itself."
    tested = f"Of {count(labels['tested'])} labels with at least {labels['least_positives']} videos"
    if not labels["different"]:
        return f"{tested} none can be told to have changed once it is allowed for how many were looked at."
    return (
        f"{tested}, {count(labels['better'])} are ranked better by B and {count(labels['worse'])} worse, even when it "
        "is allowed for how many were looked at."
    )


def _tiles(result: dict[str, Any]) -> list[Tile]:
    labels = result["labels"]
    return [
        Tile("Verdict", VERDICTS[result["verdict"]], "at 95 % confidence"),
        Tile("Difference", signed(result["difference"]), f"GAP@20, {_ends(result)}"),
        Tile("GAP@20 of A", decimal(result["a"]["gap"], 5), _interval_of_gap(result["a"])),
        Tile("GAP@20 of B", decimal(result["b"]["gap"], 5), _interval_of_gap(result["b"])),
        Tile("Labels changed", count(labels["different"]), f"of {count(labels['tested'])} with enough videos"),
    ]


def _metrics(result: dict[str, Any]) -> Section:
    judged = {"gap": result, **result["metrics"]}
    rows = [
        [name, *_scores(result["a"][key], result["b"][key], judged[key], VERDICTS[judged[key]["verdict"]])]
        for key, name in METRICS.items()
    ]
    return Section(
        "All videos",
        "Both models are scored on the same videos, so what both find hard cancels: the interval of the difference is "
        "much narrower than those of the two scores. The verdict is that of GAP@20. Each verdict is about these two "
        "models. MAP@20 is the mean, over the labels that any of these videos has, of the average precision among the "
        "videos that have the label in their top 20; a true label outside it counts as never found. Each label weighs "
        "the same there, and most have a handful of videos.",
        [table([Column("Metric"), *_score_columns()], rows)],
    )


def _parts(result: dict[str, Any]) -> Section:
    columns = [Column("Part"), Column("True labels", True), *_score_columns()]
    parts = [_parts_plot(result)]
    for key, (*_, caption) in PARTS.items():
        if result[key]:
            parts.append(table(columns, [_part(key, row) for row in result[key]], caption=caption))
    return Section(
        "Where the difference comes from",
        "GAP@20 of parts of the data. A group of videos is scored alone; a group of labels as if there were no other "
        "labels. All parts are judged together, as among many some intervals exclude 0 by chance: where only a part's "
        "own interval does so it is called a hint. "
        f"A part of fewer than {LEAST_VIDEOS} videos is not judged: so few do not tell how far its score would vary.",
        parts,
    )


def _part(key: str, row: dict[str, Any]) -> list[str]:
    cells = [_first_upper(part_name(key, row)), count(row["positives"])]
    scores = _scores(row["gap_a"], row["gap_b"], row, _judgement(row))
    if not row["tested"]:
        scores[3] = "–"
    return [*cells, *scores]


def _judgement(row: dict[str, Any]) -> str:
    if not row["tested"]:
        return "too few videos"
    return (VERDICTS if row["different"] else HINTS)[row["verdict"]]


def _parts_plot(result: dict[str, Any]) -> Markup:
    plotted = ((key, row) for key in PARTS if key != "by_vertical" for row in result[key] if row["tested"])
    rows = [(_first_upper(part_name(key, row)), row) for key, row in plotted]
    judged = [result, *(row for _, row in rows)]
    ends = [max(abs(row["low"]), abs(row["high"])) for row in judged]
    limit = 1.08 * max(min(max(ends), WIDEST * float(np.median(ends))), 1e-6)
    told = [True, *(row["different"] for _, row in rows)]
    estimates = Estimates(
        [row["difference"] for row in judged],
        [row["low"] for row in judged],
        [row["high"] for row in judged],
        [VERDICTS[result["verdict"]], *(_judgement(row) for _, row in rows)],
        [COLOURS[row["verdict"] if sure else "cannot tell"] for row, sure in zip(judged, told, strict=True)],
    )
    cut = "Lines that meet the edge go on beyond it." if max(ends) > limit else ""
    return interval_plot(
        "Difference in GAP@20, B minus A", ["All videos", *(name for name, _ in rows)],
        Axis("difference with its 95 % interval (right of 0: B is better)", limits=(-limit, limit)), estimates,
        category="", caption=cut,
    )  # fmt: skip


def _labels(result: dict[str, Any], points: dict[str, Any]) -> Section:
    labels = result["labels"]
    if not labels["tested"]:
        return Section("Labels", _labels_in_short(labels))
    lead = (
        f"{count(labels['tested'])} labels have at least {labels['least_positives']} videos here. By itself the "
        f"interval of {count(labels['outside_their_interval'])} of them excludes 0, but about "
        f"{labels['expected_by_chance']:g} would do so if no label had changed. Judged together, "
        f"{count(labels['different'])} differ: the chance that even one of these is noise is at most 5 %. "
        "The others may have moved by chance."
    )
    parts = [_labels_plot(points)]
    parts += [
        _moved(labels[key], caption)
        for key, caption in (("up", "Labels that B ranks better"), ("down", "Labels that B ranks worse"))
        if labels[key]
    ]
    return Section("Labels that moved most", lead, parts)


def _labels_plot(points: dict[str, Any]) -> Markup:
    x, y = points["positives"].astype(np.float64), points["differences"]
    names = [f"{name}: {signed(gain, 3)}" for name, gain in zip(points["names"], y.tolist(), strict=True)]
    return scatter_plot(
        "Change of each label by its number of videos", Axis("videos with the label", log=True),
        Axis("average precision, B minus A"), Points(x, y, names),
        lines=[Line("", [x.min(), x.max()], [0, 0], "c6", dashed=True)],
        caption="Point at a label to see its name. Labels with few videos scatter widely without having changed.",
    )  # fmt: skip


def _moved(rows: Sequence[dict[str, Any]], caption: str) -> Markup:
    known = any(row["vertical"] for row in rows)
    columns = [
        Column("Label", wide=True), *([Column("Vertical")] if known else []), Column("Videos", True),
        Column("A", True, "Average precision of A"), Column("B", True, "Average precision of B"),
        Column("Difference", True), Column("Its own 95 % interval", True), Column("Judged with all others"),
    ]  # fmt: skip
    cells = [
        [
            row["name"], *([row["vertical"]] if known else []), count(row["positives"]), decimal(row["a"]),
            decimal(row["b"]), signed(row["difference"], 3), _ends(row, 3),
            "different" if row["different"] else "may be chance",
        ]
        for row in rows
    ]  # fmt: skip
    return table(columns, cells, caption=f"{caption}, by the end of the interval that is nearer to 0")


def _method(result: dict[str, Any]) -> Section:
    few = ""
    if result["videos"] < LEAST_VIDEOS:
        few = f" {LEAST_VIDEOS} videos and more tell how far a score would vary; with fewer there is no verdict."
    elif result["videos"] < FEW:
        few = f" With only {count(result['videos'])} videos the intervals are rough."
    return Section(
        "How to read this",
        "The videos are a sample of all that there could be; another sample would give other scores. The 95 % interval "
        "says how far: of a hundred such intervals about five miss the true difference. It covers the choice of the "
        "videos, not that of the random seed of the training. A verdict is about these two models, not about the two "
        "recipes that made them: of 39 pairs of models that differed in nothing but the seed 15 % were told "
        "apart, rightly so, as two seeds do make a better and a worse model. Where the recipe matters, train each with "
        "several seeds and see whether the difference stays." + few,
    )


def part_name(key: str, row: dict[str, Any]) -> str:
    """What a part is called: `videos with 4–5 labels`, `labels 978 and up`, or its vertical."""
    what, one, many, _ = PARTS[key]
    if "vertical" in row:
        return row["vertical"] or "Unknown vertical"
    first, last = row["first"], row["last"]
    if last is None:
        return what.format(f"{count(first)}{many} and up")
    return what.format(
        f"{count(first)}{one if first == 1 else many}" if first == last else f"{count(first)}–{count(last)}{many}"
    )


def _first_upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def signed(value: float, digits: int = 5) -> str:
    """`0.01234` as `+0.01234`, with a true minus sign; 0 without a sign."""
    text = f"{abs(value):.{digits}f}"
    if not float(text):
        return text
    return f"{'+' if value > 0 else MINUS}{text}"


def _ends(row: dict[str, Any], digits: int = 5) -> str:
    return f"{signed(row['low'], digits)} to {signed(row['high'], digits)}".replace(" ", NO_BREAK)


def _interval_of_gap(side: dict[str, Any]) -> str:
    return f"{decimal(side['gap_low'], 4)} to {decimal(side['gap_high'], 4)}"


def _score_columns() -> list[Column]:
    return [
        Column("A", True), Column("B", True), Column("Difference", True), Column("95 % interval", True),
        Column("Verdict"),
    ]  # fmt: skip


def _scores(a: float, b: float, row: dict[str, Any], judgement: str) -> list[str]:
    return [decimal(a, 5), decimal(b, 5), signed(row["difference"]), _ends(row), judgement]


def _name(side: dict[str, Any]) -> str:
    models = " + ".join(side["models"])
    file = os.path.basename(side["path"])
    return f"{models} ({file})" if models else file


def _provenance(result: dict[str, Any]) -> dict[str, str]:
    lines = {
        "Predictions A": result["a"]["fingerprint"], "Predictions B": result["b"]["fingerprint"],
        "Predicted index": result["index"], "Training index": result["training_index"],
        "Vocabulary": result["vocabulary"],
    }  # fmt: skip
    return {name: str(value) for name, value in lines.items() if value}
