"""The page of a training, `training.html`: its curves, its numbers at each validation, and where its time went."""

from pathlib import Path
from typing import Any

from markupsafe import Markup

from yt8m.pages.page import Column, Section, Tile, count, decimal, page, share, table
from yt8m.pages.plots import Axis, Line, Mark, line_plot
from yt8m.storage import write_text

PAGE = "training.html"
FEW = 60  # points that are marked one by one


def write_training_page(folder: Path, record: dict[str, Any]) -> None:
    """Write `training.html` of a record (see `render_training`) into a folder."""
    write_text(folder / PAGE, render_training(record))


def render_training(record: dict[str, Any]) -> str:
    """The page as HTML.

    Args:
        record: `rows` and `timing` of the history, at least one each, as `history.csv` and `timing.csv` have them;
            `curve`, a list of `[step, loss, learning rate]`; `title`; `facts` (name -> text) for the foot; `simulated`.
    """
    sections = [
        Section("Quality", "GAP@20 on the last examples seen, and on the validation videos.", [_gaps(record)]),
        Section("Loss and learning rate", "", [_losses(record), _rates(record)]),
        Section(
            "Speed", "The first step of each run compiles, and is left out.", [_throughput(record), _waiting(record)]
        ),
        Section("Every validation", "", [_table(record)]),
    ]
    return page(
        record["title"], sections, subtitle=_subtitle(record), tiles=_tiles(record), simulated=record["simulated"],
        provenance=record["facts"],
    )  # fmt: skip


def _subtitle(record: dict[str, Any]) -> str:
    last = record["rows"][-1]
    return (
        f"{count(last['step'])} steps, {count(last['examples'])} examples, {_duration(record['timing'][-1]['seconds'])}"
    )


def _tiles(record: dict[str, Any]) -> list[Tile]:
    best = max(record["rows"], key=lambda row: row["validation_gap"])
    last, timing = record["rows"][-1], record["timing"]
    waited = sum(row["waited_seconds"] for row in timing)
    trained = sum(row["waited_seconds"] / row["waiting_share"] for row in timing if row["waiting_share"])
    return [
        Tile(
            "Best validation GAP",
            decimal(best["validation_gap"], 4),
            f"at step {count(best['step'])}; the best of {count(len(record['rows']))} flatters",
        ),
        Tile("Training GAP", decimal(last["training_gap"], 4), "last 20,000 examples"),
        Tile("Loss", decimal(last["loss"], 3), "since the validation before"),
        Tile("Examples a second", count(timing[-1]["examples_per_second"]), "last stretch"),
        Tile("Waiting for input", share(waited / trained if trained else 0.0), "of the training time"),
        Tile("Validation", share(timing[-1]["validation_share"]), "of the whole time"),
    ]


def _gaps(record: dict[str, Any]) -> Markup:
    steps = _column(record["rows"], "step")
    full = [row for row in record["rows"] if row["all_gap"] is not None]
    marked = len(steps) <= FEW
    lines = [
        Line("training", steps, _column(record["rows"], "training_gap"), "c2", marked=marked),
        Line("validation", steps, _column(record["rows"], "validation_gap"), "c1", marked=marked),
    ]
    marks = [
        Mark(row["step"], row["all_gap"], f"all videos: {decimal(row['all_gap'], 4)}", "right") for row in full
    ]  # fmt: skip
    return line_plot(
        "GAP on training and validation videos", Axis("step"), Axis("GAP@20"), lines, marks=marks,
        caption="Validation is on a fixed sample of the videos that candidates are chosen on; those that decide on a "
        "promotion have no part in it. A mark is the GAP on all, at the end of a phase. Where training rises on and "
        "validation falls, the model learns by heart.",
    )  # fmt: skip


def _losses(record: dict[str, Any]) -> Markup:
    points = record["curve"] or [[row["step"], row["loss"], row["learning_rate"]] for row in record["rows"]]
    line = Line("", [p[0] for p in points], [p[1] for p in points], marked=len(points) <= FEW)
    return line_plot("Loss", Axis("step"), Axis("loss", log=min(line.y) > 0), [line],
                     caption="Mean between the points, without penalties on the weights.")  # fmt: skip


def _rates(record: dict[str, Any]) -> Markup:
    points = record["curve"] or [[row["step"], row["loss"], row["learning_rate"]] for row in record["rows"]]
    line = Line("", [p[0] for p in points], [p[2] for p in points], "c3", marked=len(points) <= FEW)
    return line_plot("Learning rate", Axis("step"), Axis("learning rate", log=min(line.y) > 0), [line])


def _throughput(record: dict[str, Any]) -> Markup:
    steps = _column(record["timing"], "step")
    line = Line("", steps, _column(record["timing"], "examples_per_second"), "c4", marked=len(steps) <= FEW)
    top = max(line.y, default=1.0) * 1.1 or 1.0
    return line_plot("Throughput", Axis("step"), Axis("examples a second", limits=(0, top)), [line], height=260)


def _waiting(record: dict[str, Any]) -> Markup:
    steps = _column(record["timing"], "step")
    lines = [
        Line("waiting for input, of the stretch", steps, _column(record["timing"], "waiting_share"), "c5"),
        Line("validating, of the whole time so far", steps, _column(record["timing"], "validation_share"), "c6"),
    ]
    return line_plot("Time that is not training", Axis("step"), Axis("share", "share"), lines, height=260)


def _table(record: dict[str, Any]) -> Markup:
    columns = [
        Column("Phase"), Column("Step", True), Column("Epoch", True), Column("Learning rate", True),
        Column("Loss", True), Column("Training GAP", True), Column("Validation GAP", True, "on the fixed sample"),
        Column("GAP, all videos", True, "at the end of a phase"), Column("Hit@1", True), Column("MAP", True),
        Column("Examples a second", True), Column("Waiting", True),
    ]  # fmt: skip
    return table(columns, map(_cells, record["rows"], record["timing"]))


def _cells(row: dict[str, Any], timing: dict[str, Any]) -> list[str]:
    gaps = [decimal(row[name], 4) for name in ("training_gap", "validation_gap", "all_gap")]
    return [
        row["phase"], count(row["step"]), decimal(row["epoch"], 2), f"{row['learning_rate']:.3g}",
        decimal(row["loss"], 3), *gaps, decimal(row["validation_hit_at_1"], 4), decimal(row["validation_map"], 4),
        count(timing["examples_per_second"]), share(timing["waiting_share"]),
    ]  # fmt: skip


def _column(rows: list[dict[str, Any]], name: str) -> list[float]:
    return [row[name] for row in rows]


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{seconds:.0f} s" if seconds < 120 else f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"
