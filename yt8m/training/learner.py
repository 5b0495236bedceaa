"""A model with its loss: the step that Keras `fit` jits, with the optimizer inside."""

from typing import Any, Protocol

import keras
import tensorflow as tf
from keras import ops

TOP = 20


class Loss(Protocol):
    """Multi-hot labels and probabilities `[B, V]` -> a scalar."""

    def __call__(self, y_true: Any, y_pred: Any) -> Any: ...


class Learner(keras.Model):
    """Trains a model; what is saved and exported is `model` itself.

    A step takes `(inputs, labels)`: the model's input dict as the loader makes it (uint8 frames) and multi-hot uint8
    labels `[B, V]`. Its logs are `loss`, `penalty` (regularisation), and what the training GAP needs: the top
    `confidences` and `hits` `[B, 20]` of each example, and the number of `positives`.

    Args:
        model: inputs -> probabilities `[B, V]`.
        loss: to be minimised together with the model's penalties.
    """

    def __init__(self, model: keras.Model, loss: Loss):
        super().__init__()
        self.model, self.data_loss = model, loss
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return self.model(inputs, training=training)

    def train_step(self, data: Any) -> dict[str, Any]:
        inputs, labels = data
        targets = ops.cast(labels, "float32")
        with tf.GradientTape() as tape:
            predictions = self.model(inputs, training=True)
            loss = self.data_loss(targets, predictions)
            penalty = sum(self.model.losses, start=ops.zeros_like(loss))
            total = loss + penalty
        variables = self.model.trainable_variables
        self.optimizer.apply(tape.gradient(total, variables), variables)
        confidences, places = ops.top_k(predictions, min(TOP, predictions.shape[-1]))
        return {
            "loss": loss,
            "penalty": penalty,
            "confidences": confidences,
            "hits": ops.cast(ops.take_along_axis(labels, places, axis=1), "bool"),
            "positives": ops.sum(targets),
        }


def make_optimizer(settings: dict[str, Any], schedule: Any) -> keras.optimizers.Optimizer:
    """The optimizer of a preset.

    `clipnorm` clips the gradient of each variable to that norm by itself (Keras' `global_clipnorm` would be the norm
    of all together).

    Args:
        settings: `{name: adam, epsilon, beta_1, beta_2, clipnorm, weight_decay}`; checked by the preset's rules.
        schedule: the learning rate, of optimizer steps.
    """
    options = {key: value for key, value in settings.items() if key != "name"}
    return keras.optimizers.Adam(learning_rate=schedule, **options)


@keras.saving.register_keras_serializable("yt8m")
class ShiftedSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule that began `steps` before (or, when negative, after) the optimizer's own count."""

    def __init__(self, schedule: Any, steps: int):
        self.schedule, self.steps = schedule, steps

    def __call__(self, step: Any) -> Any:
        return self.schedule(step + self.steps)

    def get_config(self) -> dict[str, Any]:
        return {"schedule": self.schedule, "steps": self.steps}
