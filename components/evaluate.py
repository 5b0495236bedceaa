"""Step evaluate."""

from kfp import dsl


@dsl.component(base_image="yt8m-data", install_kfp_package=False)
def evaluate(
    predictions: dsl.Input[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
) -> None:
    """Measure exact GAP, MAP, Hit@1 and PERR of predictions.

    Args:
        predictions: Predictions of labelled videos.

    Returns:
        metrics: Folder with metrics.json; the numbers are shown in the user interface.
    """
    from yt8m.artifacts import scalars
    from yt8m.evaluation import evaluate

    metrics.metadata.update(scalars(evaluate(predictions.path, metrics.path)))
