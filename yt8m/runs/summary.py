"""The summary of a run, whether it succeeded or not: what ran, what came out, what it cost, and what to do now.

It is written from the records that the steps left at the work root. What the backend says of the run is shown and
decides nothing: Kubeflow calls a run that went well COMPLETE, leaves RUNNING where the last step came from its cache or
a condition did not hold, and keeps no message of an error (kubeflow/pipelines 2.17.0, backend/src/v2/driver/resolve.go
lines 472 to 475, component/launcher_v2.go line 227). The steps that no other waits for are never reused; so a run came
to its end when each of these has a record of its own end.

A step without a record was reused from an earlier run, if the run came to its end or a later step has a record (what it
said stands in that run's record); otherwise it did not run: it was never begun, or it was reused and nothing after it
ran to show that, as with the steps of a candidate beside one that fails.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from yt8m.code_version import code_version
from yt8m.runs.records import read_records, records_behind, run_folder
from yt8m.runs.results import PROMOTION, RESULTS
from yt8m.runs.steps import Step, before, steps_of
from yt8m.storage import join, read_json

SUCCEEDED, FAILED, KILLED, REUSED, NEVER = "succeeded", "failed", "killed", "reused", "not run"
UNCHANGED = "unchanged"


def summarize(
    work_root: str,
    run: str,
    *,
    steps: Sequence[Mapping[str, Any]],
    candidates: Sequence[str],
    backend: str = "",
    message: str = "",
    rates: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """The summary of a run.

    Args:
        work_root: where its records lie.
        run: its name.
        steps: of the pipeline; see `yt8m.runs.steps.steps_of`.
        candidates: their names.
        backend: the state of the run as the backend has it.
        message: what the backend says of a failure.
        rates: price of an hour by kind of machine; empty for no cost.

    Returns:
        What `publish-results` collected, if it came to that (`candidates`, `selected`, ...), the `promotion` (None
        where none was decided), and `run`, `state` (succeeded, failed, unchanged), `complete` (whether it came to its
        end, well or not), `started`, `ended`, `seconds` (of all steps), `steps` (`{step, kind, status, seconds,
        attempt, results, bytes, error, cost, reused_from}`; of a reused step `results`, `bytes` and `reused_from` are
        of the run that made it), `cost` (None without rates), `failed`, `never_started`, `what_to_do` (sentences),
        `backend` and `message`.
    """
    folder, expanded = run_folder(work_root, run), steps_of(steps, candidates)
    records = read_records(folder, [step.name for step in expanded])
    unchanged = records.get("check-changes", {}).get("results", {}).get("changed") is False
    complete = unchanged or _is_complete(expanded, records)
    missing, earlier = _missing(expanded, records, complete, unchanged), records_behind(records)
    rows = [_row(step, records, missing, earlier, rates or {}) for step in expanded]
    failed = [row["step"] for row in rows if row["status"] in (FAILED, KILLED)]
    state = FAILED if failed or not complete else UNCHANGED if unchanged else SUCCEEDED
    done = {name for name, record in records.items() if record["status"] == SUCCEEDED}
    summary = {
        **(read_json(join(folder, RESULTS)) if "publish-results" in done else {}),
        "promotion": read_json(join(folder, PROMOTION)) if "promote-model" in done else None,
        "run": run,
        "state": state,
        "complete": complete,
        **_times(records),
        "seconds": round(sum(row["seconds"] or 0 for row in rows), 1),
        "steps": rows,
        "cost": _cost(rows, rates),
        "failed": failed,
        "never_started": [row["step"] for row in rows if row["status"] == NEVER],
        "backend": backend,
        "message": message,
        "code_version": code_version(),
    }
    return {**summary, "what_to_do": _advice(summary)}


def one_line(summary: dict[str, Any]) -> str:
    """The summary as a sentence."""
    run, state = summary["run"], summary["state"]
    if state == UNCHANGED:
        return f"run {run}: nothing has changed since the last run, so nothing was done"
    if state == FAILED:
        kept = "; its report and results are published all the same" if "candidates" in summary else ""
        started = f"before {summary['never_started'][0]} started" if summary["never_started"] else "at an unknown step"
        where = f"at {', '.join(summary['failed'])}" if summary["failed"] else started
        return f"run {run} failed {where}{kept}"
    first = next((row for row in summary.get("candidates", []) if row["name"] == summary["selected"]), None)
    chosen = f": {first['name']} with GAP {first['gap']:.4f}" if first else ""
    promotion = summary.get("promotion")
    return f"run {run} succeeded{chosen}" + (f"; {promotion['reason']}" if promotion else "")


def _is_complete(steps: Sequence[Step], records: Mapping[str, dict[str, Any]]) -> bool:
    """Whether each step that no other waits for has come to its end."""
    waited_for = {name for step in steps for name in step.after}
    ends = (SUCCEEDED, FAILED)
    return all(records.get(step.name, {}).get("status") in ends for step in steps if step.name not in waited_for)


def _missing(steps: Sequence[Step], records: Mapping[str, Any], complete: bool, unchanged: bool) -> dict[str, str]:
    """What a step without a record is."""
    if unchanged:
        return {step.name: NEVER for step in steps}
    if complete:
        return {step.name: REUSED for step in steps}
    used = before(steps, set(records))
    return {step.name: REUSED if step.name in used else NEVER for step in steps}


def _row(
    step: Step,
    records: Mapping[str, dict[str, Any]],
    missing: Mapping[str, str],
    earlier: Mapping[str, dict[str, Any]],
    rates: Mapping[str, float],
) -> dict[str, Any]:
    record = records.get(step.name, {})
    reused = earlier.get(step.name, {}) if not record and missing[step.name] == REUSED else {}
    status = record.get("status", missing[step.name])
    seconds = record.get("seconds")
    rate = rates.get(step.kind)
    return {
        "step": step.name,
        "kind": step.kind,
        "status": KILLED if status == "running" else status,
        "seconds": seconds,
        "attempt": record.get("attempt"),
        "results": (record or reused).get("results", {}),
        "bytes": (record or reused).get("bytes"),
        "reused_from": reused.get("run"),
        "error": record.get("error"),
        "wrong_input": record.get("wrong_input", False),
        "peak_memory_bytes": record.get("peak_memory_bytes"),
        "cost": None if seconds is None or rate is None else round(seconds / 3600 * rate, 4),
    }


def _times(records: Mapping[str, dict[str, Any]]) -> dict[str, str | None]:
    started = [record["started"] for record in records.values()]
    ended = [record["ended"] for record in records.values() if record.get("ended")]
    return {
        "started": min(started, key=datetime.fromisoformat, default=None),
        "ended": max(ended, key=datetime.fromisoformat, default=None),
    }


def _cost(rows: Sequence[dict[str, Any]], rates: Mapping[str, float] | None) -> dict[str, Any] | None:
    """Of the time that steps ran, not of machines that wait to start or attempts that were killed."""
    if not rates:
        return None
    kinds = {kind: sum(row["cost"] or 0 for row in rows if row["kind"] == kind) for kind in rates}
    return {"currency": "USD", "total": round(sum(kinds.values()), 4), "by_kind": kinds, "rates_an_hour": dict(rates)}


def _advice(summary: dict[str, Any]) -> list[str]:
    """What to do, by rule."""
    advice = []
    for row in summary["steps"]:
        if row["status"] == KILLED:
            advice.append(
                f"{row['step']} was killed from outside: for want of memory, by a lost machine, or by its time limit. "
                f"See the pod's last state; give steps of kind {row['kind']} more in settings.yaml if that is it; then "
                "run again: what is finished is reused, and training goes on from its last checkpoint."
            )
        elif row["status"] == FAILED and row["wrong_input"]:
            advice.append(f"{row['step']} found its input wrong: {row['error']}. Mend that and run again; what is "
                          "finished is reused.")  # fmt: skip
        elif row["status"] == FAILED:
            advice.append(f"{row['step']} failed: {row['error']}. Its log says where; run again once that is mended.")
    if summary["state"] == FAILED and not advice:
        advice.append("No step left a record of a failure, so it lies before the code of the first step that never "
                      "started: an image that cannot be pulled, a machine that cannot be had, a work root that cannot "
                      "be written, or the run was stopped.")  # fmt: skip
    return advice
