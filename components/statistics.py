"""Step statistics."""

from kfp import dsl


@dsl.component(base_image="yt8m-data", install_kfp_package=False)
def statistics(
    video_index: dsl.Input[dsl.Dataset],
    vocabulary: str,
    vocabulary_fingerprint: str,
    work_root: str,
    statistics: dsl.Output[dsl.Artifact],
    page: dsl.Output[dsl.HTML],
) -> None:
    """Measure label imbalance, labels a video and frames a video.

    Args:
        video_index: The videos to describe.
        vocabulary: Vocabulary file (CSV) for the labels' names; empty for none.
        vocabulary_fingerprint: Of its content; another one means that cached results are stale; empty for none.
        work_root: Folder or gs:// address that outlives the run; the step's record goes there.

    Returns:
        statistics: Folder with statistics.json and statistics.html.
        page: The page, for the user interface.
    """
    import shutil

    from yt8m.artifacts import scalars
    from yt8m.data.rebalance.statistics import build_statistics
    from yt8m.runs.records import recorded

    with recorded("statistics", work_root, [statistics, page], [video_index]):
        statistics.metadata.update(
            scalars(build_statistics(video_index.path, statistics.path, vocabulary=vocabulary or None))
        )
        shutil.copyfile(f"{statistics.path}/statistics.html", page.path)
