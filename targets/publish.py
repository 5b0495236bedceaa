"""What a person gets of a local run: files at fixed names, and a short table."""

import shutil
from pathlib import Path
from typing import Any

from targets.local import LOG, LocalRun
from yt8m.runs.finish import SUMMARY
from yt8m.storage import atomic_file, read_json

FILES = ("report.html", "statistics.html", "validation.html", "submission.csv", "summary.html", "summary.json")
NAMES = {
    "report.html": "report",
    "statistics.html": "statistics",
    "submission.csv": "submission",
    "summary.html": "run",
    "summary.json": "summary",
}


def report_run(run: LocalRun | None, folder: Path, output: Path) -> str:
    """Copy the results of a run to the user's folder, each whole or not at all; the text to print at the end.

    What a run that failed could not make is not there afterwards, either: an earlier run's is in that run's folder.

    Args:
        run: how it went; None for one that failed after its results were published.
        folder: of its results at the work root.
        output: the user's.
    """
    made = [name for name in FILES if (folder / name).exists()]
    for name in FILES:
        if name in made:
            with atomic_file(output / name) as copy:
                shutil.copyfile(folder / name, copy)
        else:
            (output / name).unlink(missing_ok=True)
    summary = read_json(output / "summary.json")
    lines = ["", *_table(summary), "", *_choice(summary), ""]
    if summary["simulated"]:
        lines += ["The frames are simulated from video-level features; read the numbers with that in mind.", ""]
    lines += [f"{NAMES[name]:<11} {output / name}" for name in made if name in NAMES]
    lines += [f"{'log':<11} {output / LOG}"]
    if run and run.reused:
        steps = run.reused + run.executed
        lines += ["", f"{run.reused} of {steps} steps were not repeated: nothing that they depend on has changed."]
    return "\n".join(lines)


def has_results(folder: Path) -> bool:
    """Whether a run came to publish its results."""
    return "candidates" in read_json(folder / SUMMARY)


def latest_run(work_root: Path) -> Path:
    """The folder of the run that ended last: names of local runs are times, and runs of a folder never overlap."""
    return max(runs_at(work_root))


def runs_at(work_root: Path) -> set[Path]:
    """The folders of the runs that have ended."""
    return {path.parent for path in (work_root / "runs").glob(f"*/{SUMMARY}")}


def _choice(summary: dict[str, Any]) -> list[str]:
    """How the winner was chosen, and what became of it."""
    selection, promotion = summary["selection"], summary.get("promotion")
    gaps = ", ".join(f"{name} {gap:.4f}" for name, gap in selection["gaps"].items())
    chosen = [f"Chosen on the {selection['videos']:,} videos of one half (GAP: {gaps})."] if len(
        selection["gaps"]) > 1 else []  # fmt: skip
    if promotion is None:
        return [*chosen, "Not promoted: that could not be done."]
    return [*chosen, f"{'Promoted' if promotion['promoted'] else 'Not promoted'}: {promotion['reason']}."]


def _table(summary: dict[str, Any]) -> list[str]:
    """The candidates, best first."""
    width = max(len(row["name"]) for row in summary["candidates"])
    lines = [f"{'model':<{width}}     GAP   Hit@1       MB  seconds"]
    for row in summary["candidates"]:
        chosen = "  <- selected" if row["name"] == summary["selected"] else ""
        lines.append(
            f"{row['name']:<{width}}  {row['gap']:.4f}  {row['hit_at_1']:.4f}"
            f"  {row['size_mb']:7.1f}  {row['seconds']:7.1f}{chosen}"
        )
    return lines
