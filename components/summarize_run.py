"""Step summarize-run."""

from typing import Any, Dict, List

from kfp import dsl


@dsl.component(base_image="yt8m-data", install_kfp_package=False)
def summarize_run(
    status: dsl.PipelineTaskFinalStatus,
    work_root: str,
    steps: List[Dict[str, Any]],
    candidates: List[Dict[str, Any]],
    rates: Dict[str, float],
    webhook: str,
    job_name: str,
    job_id: str,
    run_summary: dsl.Output[dsl.Artifact],
    page: dsl.Output[dsl.HTML],
) -> None:
    """Sum a run up, whether it succeeded or not, and tell a webhook; never cached.

    It fails if a step could not be done that kept the others from nothing, so that the run does not pass for a success.

    Args:
        status: How the run ended, by the backend; it is shown, and the records of the steps decide.
        work_root: Folder or gs:// address with the records of the run's steps.
        steps: The pipeline's steps, each exactly {name, kind, after, each}.
        candidates: Models to train, each exactly {name, preset, overrides}.
        rates: Price of an hour by kind of step (data, train, predict); empty for no cost.
        webhook: Address that the summary is posted to as JSON; empty for none.
        job_name: Name of this run, as the backend has it.
        job_id: Its id, as the backend has it.

    Returns:
        run_summary: What ran, what came out, what it cost, what failed, and what to do (JSON).
        page: The same as a page, for the user interface.
    """
    from yt8m.runs.finish import finish_run
    from yt8m.runs.records import run_name

    summary = finish_run(
        work_root,
        run_name(job_name, job_id),
        steps=steps,
        candidates=[str(candidate.get("name")) for candidate in candidates],
        backend=str(status.state or ""),
        message=status.error_message or "",
        rates=rates,
        address=webhook,
        copies={"summary.json": run_summary.path, "summary.html": page.path},
    )
    run_summary.metadata.update({"state": summary["state"], "seconds": summary["seconds"]})
