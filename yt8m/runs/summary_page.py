"""The page of a run's summary."""

from typing import Any

from markupsafe import Markup

from yt8m.evaluation.metrics import RARE_FROM
from yt8m.pages.page import Column, Section, Tile, count, decimal, page, share, table
from yt8m.runs.summary import FAILED, KILLED, one_line

STATES = {"succeeded": "Succeeded", "failed": "Failed", "unchanged": "Nothing to do"}


def render_summary(summary: dict[str, Any]) -> str:
    """The page as HTML."""
    sections = []
    if summary["what_to_do"]:
        sections.append(Section("What to do", "", [_list(summary["what_to_do"])]))
    if summary.get("candidates"):
        sections.append(Section("Results", _chosen(summary), [_candidates(summary)]))
    sections.append(Section("Steps", "In their order. A reused step had the same inputs and code in an earlier run.",
                            [_steps(summary)]))  # fmt: skip
    return page(
        "Run of the pipeline", sections, subtitle=summary["run"], tiles=_tiles(summary),
        summary=[one_line(summary) + "."], simulated=bool(summary.get("simulated")),
        provenance={"Run": summary["run"], "Code": summary["code_version"],
                    **({"State at the backend": summary["backend"]} if summary["backend"] else {}),
                    **({"Message": summary["message"]} if summary["message"] else {})},
    )  # fmt: skip


def _tiles(summary: dict[str, Any]) -> list[Tile]:
    statuses = [row["status"] for row in summary["steps"]]
    tiles = [
        Tile("Run", STATES[summary["state"]], summary["started"] or ""),
        Tile("Steps run", count(sum(status in ("succeeded", FAILED, KILLED) for status in statuses)),
             f"{statuses.count('reused')} reused, {statuses.count('not run')} not run"),
        Tile("Time", _time(summary["seconds"]), "of all steps together"),
    ]  # fmt: skip
    if summary["cost"]:
        tiles.append(Tile("Cost", f"{summary['cost']['total']:.2f} {summary['cost']['currency']}",
                          "by the hour, of steps that ran"))  # fmt: skip
    return tiles


def _chosen(summary: dict[str, Any]) -> str:
    promotion = summary.get("promotion")
    chosen = f"{summary['selected']} was chosen."
    if not promotion:
        return chosen
    return f"{chosen} {'Promoted' if promotion['promoted'] else 'Not promoted'}: {promotion['reason']}."


def _candidates(summary: dict[str, Any]) -> Markup:
    columns = [Column("Model"), Column("GAP@20", True), Column(f"MAP@20 from label {RARE_FROM}", True),
               Column("Hit@1", True), Column("MB", True), Column("Training", True)]  # fmt: skip
    return table(columns, [
        [row["name"], decimal(row["gap"], 4), decimal(row["map_rare"], 4), share(row["hit_at_1"]),
         f"{row['size_mb']:,.1f}", _time(row["seconds"])]
        for row in summary["candidates"]
    ])  # fmt: skip


def _steps(summary: dict[str, Any]) -> Markup:
    columns = [Column("Step"), Column("Status"), Column("Time", True), Column("Memory, GB", True),
               Column("Attempt", True), Column("Cost", True), Column("What it said", wide=True)]  # fmt: skip
    return table(columns, [
        [row["step"], row["status"], _time(row["seconds"]), _gigabytes(row["peak_memory_bytes"]),
         "–" if row["attempt"] is None else str(row["attempt"]), decimal(row["cost"], 2),
         row["error"] or _results(row["results"])]
        for row in summary["steps"]
    ])  # fmt: skip


def _results(results: dict[str, Any]) -> str:
    shown = [f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in results.items()
             if key not in ("fingerprint", "uri", "display_name")]  # fmt: skip
    return ", ".join(shown[:6]) or "–"


def _list(lines: list[str]) -> Markup:
    return Markup("<ul>{}</ul>").format(Markup("").join(Markup("<li>{}</li>").format(line) for line in lines))


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


def _gigabytes(size: int | None) -> str:
    return "–" if size is None else f"{size / 1e9:.1f}"
