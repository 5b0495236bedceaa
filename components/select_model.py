"""Step select-model."""

from typing import List

from kfp import dsl


@dsl.component(base_image="yt8m-data", install_kfp_package=False)
def select_model(
    models: dsl.Input[List[dsl.Model]],
    predictions: dsl.Input[List[dsl.Dataset]],
    metrics: dsl.Input[List[dsl.Metrics]],
    work_root: str,
    model: dsl.Output[dsl.Model],
    validation_predictions: dsl.Output[dsl.Dataset],
) -> None:
    """Choose the candidate with the highest GAP on the selection half of the videos; of equals the smaller model.

    Args:
        models: model.json of each candidate.
        predictions: Validation predictions of each candidate.
        metrics: Metrics of each candidate.
        work_root: Folder or gs:// address that outlives the run; the step's record goes there.

    Returns:
        model: model.json of the winner.
        validation_predictions: Validation predictions of the winner.
    """
    from yt8m.evaluation.select_model import select_model
    from yt8m.runs.records import recorded

    with recorded("select-model", work_root, [model, validation_predictions], [*models, *predictions, *metrics]):
        selected = select_model(
            [artifact.path for artifact in models],
            [artifact.path for artifact in predictions],
            [f"{artifact.path}/metrics.json" for artifact in metrics],
            model.path,
            validation_predictions.path,
        )
        model.metadata.update(selected)
