"""What a person gets of a local run: files at fixed names, and a short table."""

import shutil
from pathlib import Path
from typing import Any

from targets.local import LOG, LocalRun
from yt8m.storage import atomic_file, read_json

FILES = {
    "report": "report.html",
    "statistics": "statistics.html",
    "submission": "submission.csv",
    "run_summary": "summary.json",
}


def report_run(run: LocalRun, output: Path) -> str:
    """Copy a run's outputs to their names in a folder, each whole or not at all; the text to print at the end."""
    for key, name in FILES.items():
        with atomic_file(output / name) as copy:
            shutil.copyfile(run.outputs[key], copy)
    summary = read_json(output / FILES["run_summary"])
    lines = ["", *_table(summary), ""]
    if summary["simulated"]:
        lines += ["The frames are simulated from video-level features; read the numbers with that in mind.", ""]
    lines += [f"{key.replace('run_', ''):<11} {output / name}" for key, name in FILES.items()]
    lines += [f"{'log':<11} {output / LOG}"]
    if run.reused:
        steps = run.reused + run.executed
        lines += ["", f"{run.reused} of {steps} steps were not repeated: nothing that they depend on has changed."]
    return "\n".join(lines)


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
