"""Step index-videos."""

from kfp import dsl


@dsl.component(base_image="yt8m-data", install_kfp_package=False)
def index_videos(
    source: str,
    partition: str,
    source_fingerprint: str,
    code_version: str,
    skip_bad_records: bool,
    work_root: str,
    video_index: dsl.Output[dsl.Dataset],
) -> None:
    """List the videos of a source in a table: id, position, frame count and labels of each.

    Args:
        source: Folder of shards, glob, or gs:// address.
        partition: Which partition this is; train, validate or test.
        source_fingerprint: What fingerprint-source found; another value means another index.
        code_version: Fingerprint of the library; another value means that cached results are stale.
        skip_bad_records: Leave bad records out and count them, instead of stopping at the first.
        work_root: Folder or gs:// address that outlives the run; the step's record goes there.

    Returns:
        video_index: The table (Parquet).
    """
    from yt8m.artifacts import scalars
    from yt8m.data.records.build import build_index
    from yt8m.runs.records import recorded

    with recorded(f"index-videos {partition}", work_root, [video_index]):
        made = build_index([source], video_index.path, skip_bad_records=skip_bad_records)
        video_index.metadata.update(scalars(made))
