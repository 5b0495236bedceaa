"""The end of a run, however it went: its summary written, and told to whoever waits."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from yt8m.progress import log
from yt8m.runs import webhook
from yt8m.runs.records import run_folder
from yt8m.runs.summary import one_line, summarize
from yt8m.runs.summary_page import render_summary
from yt8m.storage import join, write_json, write_text

SUMMARY, PAGE = "summary.json", "summary.html"
StrPath = str | os.PathLike[str]


def finish_run(
    work_root: str,
    run: str,
    *,
    candidates: Sequence[str],
    succeeded: bool,
    message: str = "",
    rates: Mapping[str, float] | None = None,
    address: str = "",
    copies: Mapping[str, StrPath] | None = None,
) -> dict[str, Any]:
    """Write the summary of a run beside its records, as JSON and as a page, and post it.

    Args:
        work_root, run, candidates, succeeded, message, rates: as in `yt8m.runs.summary.summarize`.
        address: of a webhook that takes `{"text", "summary"}` as JSON; empty for none. That it does not answer is
            noted in the summary and is no failure.
        copies: further files to write: `summary.json` and `summary.html` -> path.

    Returns:
        The summary, with `webhook` (None without one, `posted`, or why not).
    """
    summary = summarize(
        work_root, run, candidates=candidates, succeeded=succeeded, message=message, rates=rates
    )  # fmt: skip
    summary["webhook"] = _post(address, summary) if address else None
    folder = run_folder(work_root, run)
    targets = [*((name, join(folder, name)) for name in (SUMMARY, PAGE)), *(copies or {}).items()]
    page = render_summary(summary)
    for name, target in targets:
        if name == SUMMARY:
            write_json(target, summary)
        else:
            write_text(target, page)
    log(one_line(summary))
    return summary


def _post(address: str, summary: dict[str, Any]) -> str:
    problem = webhook.post(address, {"text": one_line(summary), "summary": summary})
    if problem:
        log(f"the webhook was not told: {problem}")
    return problem or "posted"
