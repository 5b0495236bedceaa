"""Step statistics."""

from kfp import dsl


@dsl.component(base_image="yt8m-data", install_kfp_package=False)
def statistics(
    video_index: dsl.Input[dsl.Dataset],
    vocabulary: str,
    statistics: dsl.Output[dsl.Artifact],
    page: dsl.Output[dsl.HTML],
) -> None:
    """Measure label imbalance, labels a video and frames a video.

    Args:
        video_index: The videos to describe.
        vocabulary: Vocabulary file (CSV) for the labels' names; empty for none.

    Returns:
        statistics: Folder with statistics.json and statistics.html.
        page: The page, for the user interface.
    """
    import shutil

    from yt8m.rebalance.statistics import build_statistics

    build_statistics(video_index.path, statistics.path, vocabulary=vocabulary or None)
    shutil.copyfile(f"{statistics.path}/statistics.html", page.path)
