"""Step predict."""

from kfp import dsl


@dsl.component(base_image="yt8m-trainer", install_kfp_package=False)
def predict(
    model: dsl.Input[dsl.Model],
    video_index: dsl.Input[dsl.Dataset],
    partition: str,
    work_root: str,
    predictions: dsl.Output[dsl.Dataset],
) -> None:
    """Predict the most confident labels of each video of an index.

    Args:
        model: model.json with the address of the weights.
        video_index: The videos to predict.
        partition: What is predicted, for the run's summary; validate or test.
        work_root: Folder or gs:// address that outlives the run; the step's record goes there.

    Returns:
        predictions: Top labels of each video, and how its true labels fared (Parquet).
    """
    from yt8m.artifacts import scalars
    from yt8m.runs.records import predict_step, recorded
    from yt8m.training.work_root import predict_model

    step = predict_step(partition, model.metadata["candidate"])
    with recorded(step, work_root, [predictions], [model, video_index], kind="predict"):
        predictions.metadata.update(scalars(predict_model(model.path, video_index.path, predictions.path)))
        predictions.metadata["candidate"] = model.metadata["candidate"]
