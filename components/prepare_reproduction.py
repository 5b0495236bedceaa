"""Step prepare-reproduction."""

from typing import Any, Dict, List

from kfp import dsl


@dsl.component(base_image="yt8m-data", install_kfp_package=False)
def prepare_reproduction(
    scale: str,
    train_source: str,
    validation_source: str,
    vocabulary: str,
    experiments: List[str],
    seeds: int,
    plan: str,
    work_root: str,
    job_name: str,
    job_id: str,
) -> List[Dict[str, Any]]:
    """Make the data of the paper's experiments: simulated frames where the scale has them, indexes, training sets.

    Args:
        scale: How large the experiments are; a scale of the library's paper.yaml, or of the plan.
        train_source: Shards of the train partition; a folder, a glob or a gs:// address.
        validation_source: Shards of the validation partition.
        vocabulary: The dataset's vocabulary.csv, for the label imbalance and the names of labels; empty for none.
        experiments: Names of the experiments; none for all.
        seeds: Trainings a run; 0 for as many as the scale has.
        plan: File or gs:// address of experiments of your own; empty for the library's.
        work_root: Folder or gs:// address that outlives the run; trainings and results are kept there.
        job_name: Name of this run, as the backend has it.
        job_id: Its id, as the backend has it.

    Returns:
        Output: The trainings to make, each {name, run, seed, settings}.
    """
    from yt8m.paper.steps import prepare
    from yt8m.runs.records import recorded, run_name

    settings = {
        "scale": scale,
        "train": train_source,
        "validation": validation_source,
        "vocabulary": vocabulary,
        "experiments": experiments,
        "seeds": seeds,
        "plan": plan,
    }
    with recorded("prepare-reproduction", work_root, [], run=run_name(job_name, job_id)):
        return prepare(settings, work_root)
