"""Step train-run."""

from typing import Any, Dict

from kfp import dsl


@dsl.component(base_image="yt8m-trainer", install_kfp_package=False)
def train_run(training: Dict[str, Any], work_root: str, job_name: str, job_id: str) -> str:
    """Make a training of the paper's experiments and its predictions, or find them at the work root.

    Args:
        training: Exactly name, run, seed and settings, as prepare-reproduction returned it.
        work_root: Folder or gs:// address that outlives the run; the training is kept there.
        job_name: Name of this run, as the backend has it.
        job_id: Its id, as the backend has it.

    Returns:
        Output: Why it could not be made, which its experiments report too; empty when it was made.
    """
    from yt8m.paper.steps import train_run
    from yt8m.runs.records import recorded, run_name

    with recorded(f"train-run {training['name']}", work_root, [], kind="train", run=run_name(job_name, job_id)):
        return train_run(training, work_root)
