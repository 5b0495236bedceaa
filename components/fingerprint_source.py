"""Step fingerprint-source."""

from kfp import dsl


@dsl.component(base_image="yt8m-data", install_kfp_package=False)
def fingerprint_source(source: str, partition: str, work_root: str, job_name: str, job_id: str) -> str:
    """Fingerprint the shards of a source, so that a new or changed shard is noticed; never cached.

    Args:
        source: Folder of shards, glob, or gs:// address.
        partition: Which partition this is; train, validate or test.
        work_root: Folder or gs:// address that outlives the run; the step's record goes there.
        job_name: Name of this run, as the backend has it.
        job_id: Its id, as the backend has it.

    Returns:
        Output: Fingerprint of the shards' names, sizes and content.
    """
    from yt8m.data.records.listing import fingerprint_source
    from yt8m.runs.records import recorded, run_name

    with recorded(f"fingerprint-source {partition}", work_root, [], run=run_name(job_name, job_id)):
        return fingerprint_source(source)
