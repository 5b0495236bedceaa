"""The end of a run, however it went: its summary written, and told to whoever waits."""

from collections.abc import Mapping, Sequence
from typing import Any

from yt8m.errors import InputError
from yt8m.progress import log
from yt8m.runs import webhook
from yt8m.runs.changes import note_finished, state_of
from yt8m.runs.records import run_folder
from yt8m.runs.summary import FAILED, SUCCEEDED, one_line, summarize
from yt8m.runs.summary_page import render_summary
from yt8m.storage import StrPath, exists, join, read_json, write_json, write_text

SUMMARY, PAGE = "summary.json", "summary.html"
POSTED = "posted"


def finish_run(
    work_root: str,
    run: str,
    *,
    steps: Sequence[Mapping[str, Any]],
    candidates: Sequence[str],
    backend: str = "",
    message: str = "",
    rates: Mapping[str, float] | None = None,
    address: str = "",
    copies: Mapping[str, StrPath] | None = None,
) -> dict[str, Any]:
    """Write the summary of a run beside its records, as JSON and as a page, and post it.

    Args:
        work_root, run, steps, candidates, backend, message, rates: as in `yt8m.runs.summary.summarize`.
        address: of a webhook that takes `{"text", "summary"}` as JSON; empty for none. That it does not answer is
            noted in the summary and is no failure.
        copies: further files to write: `summary.json` and `summary.html` -> path.

    Returns:
        The summary, with `webhook` (None without one, `posted`, or why not).

    Raises:
        InputError, RuntimeError: the run came to its end, but a step could not be done that kept the others from
            nothing; so that the backend does not take the run for a success.
    """
    summary = summarize(
        work_root, run, steps=steps, candidates=candidates, backend=backend, message=message, rates=rates
    )  # fmt: skip
    folder = run_folder(work_root, run)
    summary["webhook"] = _post(address, summary, join(folder, SUMMARY)) if address else None
    targets = [*((name, join(folder, name)) for name in (SUMMARY, PAGE)), *(copies or {}).items()]
    page = render_summary(summary)
    for name, target in targets:
        if name == SUMMARY:
            write_json(target, summary)
        else:
            write_text(target, page)
    log(one_line(summary))
    if summary["state"] == SUCCEEDED:
        note_finished(work_root, run, state_of(work_root, run))
    if summary["complete"] and summary["state"] == FAILED:
        failed = [row for row in summary["steps"] if row["step"] in summary["failed"]]
        causes = "; ".join(f"{row['step']}: {row['error']}" for row in failed)
        told = f"the run did not do all that it should: {causes}"
        raise InputError(told) if all(row["wrong_input"] for row in failed) else RuntimeError(told)
    return summary


def _ended(summary: dict[str, Any]) -> dict[str, Any]:
    return {key: summary[key] for key in ("state", "failed")}


def _post(address: str, summary: dict[str, Any], written: str) -> str:
    """Post the summary, once: a step that fails the run is tried again by the backend."""
    before = read_json(written) if exists(written) else {}
    if all(before.get(key) == value for key, value in {"webhook": POSTED, **_ended(summary)}.items()):
        return POSTED
    problem = webhook.post(address, {"text": one_line(summary), "summary": summary})
    if problem:
        log(f"the webhook was not told: {problem}")
    return problem or POSTED
