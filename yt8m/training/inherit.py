"""The weights of a trained model, given to the one that is to be trained."""

import keras

from yt8m.errors import InputError
from yt8m.prediction.predict import load_model


def inherit_weights(model: keras.Model, path: str) -> None:
    """Set a model's weights to those of a trained one.

    Raises:
        InputError: the folder is damaged, or a weight has another shape there.
    """
    theirs = load_model(path).model.weights
    if len(theirs) != len(model.weights):
        raise InputError(f"--init-from {path}: {len(theirs)} weights, this preset's model has {len(model.weights)}; "
                         "give both the same settings")  # fmt: skip
    for source, target in zip(theirs, model.weights, strict=True):
        if tuple(source.shape) != tuple(target.shape):
            raise InputError(f"--init-from {path}: the weight {source.path} is {tuple(source.shape)} there and "
                             f"{tuple(target.shape)} here; give both the same settings")  # fmt: skip
    for source, target in zip(theirs, model.weights, strict=True):
        target.assign(keras.ops.convert_to_numpy(source.value))
