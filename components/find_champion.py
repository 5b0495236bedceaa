"""Step find-champion."""

from kfp import dsl


@dsl.component(base_image="yt8m-data", install_kfp_package=False)
def find_champion(
    registry: str, work_root: str, step: str, job_name: str, job_id: str, start_from: str = "champion"
) -> str:
    """Say who is champion, so that steps that depend on it notice a new one; never cached.

    Args:
        registry: Folder or gs:// address of the champions; empty for registry below the work root.
        work_root: Folder or gs:// address that outlives the run; the step's record goes there.
        step: What the step is called.
        job_name: Name of this run, as the backend has it.
        job_id: Its id, as the backend has it.
        start_from: Weights that a training starts from; with nothing no champion concerns it.

    Returns:
        Output: Fingerprint of the champion; empty for none.
    """
    from yt8m.runs.changes import champion_of
    from yt8m.runs.records import recorded, run_name

    with recorded(step, work_root, [], run=run_name(job_name, job_id)):
        return champion_of(registry, work_root, start_from)
