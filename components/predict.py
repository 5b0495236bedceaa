"""Step predict."""

from kfp import dsl


@dsl.component(base_image="yt8m-trainer", install_kfp_package=False)
def predict(
    model: dsl.Input[dsl.Model],
    video_index: dsl.Input[dsl.Dataset],
    predictions: dsl.Output[dsl.Dataset],
) -> None:
    """Predict the most confident labels of each video of an index.

    Args:
        model: model.json with the address of the weights.
        video_index: The videos to predict.

    Returns:
        predictions: Top labels of each video, and how its true labels fared (Parquet).
    """
    from yt8m.artifacts import scalars
    from yt8m.model_store import predict_model

    predictions.metadata.update(scalars(predict_model(model.path, video_index.path, predictions.path)))
    predictions.metadata["candidate"] = model.metadata["candidate"]
