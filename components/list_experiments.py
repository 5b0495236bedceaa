"""Step list-experiments."""

from typing import Any, Dict, List

from kfp import dsl


@dsl.component(base_image="yt8m-data", install_kfp_package=False)
def list_experiments(
    trained: List[str], trainings: List[Dict[str, Any]], work_root: str, job_name: str, job_id: str
) -> List[Dict[str, Any]]:
    """List the experiments to judge, when their trainings are there.

    Args:
        trained: Of each training, why it could not be made; empty when it was made.
        trainings: As prepare-reproduction returned them, with the settings of all.
        work_root: Folder or gs:// address that outlives the run; trainings and results are kept there.
        job_name: Name of this run, as the backend has it.
        job_id: Its id, as the backend has it.

    Returns:
        Output: The experiments, each {name, settings}.
    """
    from yt8m.paper.steps import experiments_of
    from yt8m.runs.records import recorded, run_name

    with recorded("list-experiments", work_root, [], run=run_name(job_name, job_id)):
        return experiments_of(trainings[0]["settings"], work_root)
