"""Step evaluate."""

from kfp import dsl


@dsl.component(base_image="yt8m-data", install_kfp_package=False)
def evaluate(
    predictions: dsl.Input[dsl.Dataset],
    work_root: str,
    metrics: dsl.Output[dsl.Metrics],
) -> None:
    """Measure exact GAP, MAP, Hit@1 and PERR of predictions.

    Args:
        predictions: Predictions of labelled videos.
        work_root: Folder or gs:// address that outlives the run; the step's record goes there.

    Returns:
        metrics: Folder with metrics.json; the numbers are shown in the user interface.
    """
    from yt8m.artifacts import scalars
    from yt8m.evaluation.evaluate import evaluate
    from yt8m.runs.records import recorded

    with recorded(f"evaluate {predictions.metadata['candidate']}", work_root, [metrics], [predictions]):
        metrics.metadata.update(scalars(evaluate(predictions.path, metrics.path)))
