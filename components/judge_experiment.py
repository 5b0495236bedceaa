"""Step judge-experiment."""

from typing import Any, Dict

from kfp import dsl


@dsl.component(base_image="yt8m-data", install_kfp_package=False)
def judge_experiment(experiment: Dict[str, Any], work_root: str, job_name: str, job_id: str) -> Dict[str, Any]:
    """Judge an experiment by its trainings: ours beside the paper's, with an interval and a verdict.

    Args:
        experiment: Exactly name and settings, as list-experiments returned it.
        work_root: Folder or gs:// address that outlives the run; the result is kept there.
        job_name: Name of this run, as the backend has it.
        job_id: Its id, as the backend has it.

    Returns:
        Output: The verdict, whether it agrees with the paper, and the cause where it could not be judged.
    """
    from yt8m.paper.steps import judge
    from yt8m.runs.records import recorded, run_name

    with recorded(f"judge-experiment {experiment['name']}", work_root, [], run=run_name(job_name, job_id)):
        return judge(experiment, work_root)
