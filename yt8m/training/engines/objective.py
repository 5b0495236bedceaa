"""What a step minimises, and what it tells of itself: the same arithmetic for every engine."""

from typing import Any

from keras import ops

from yt8m.prediction.top_k import TOP
from yt8m.training.engines import Loss


class Objective:
    """The loss of a training.

    Args:
        loss: of the labels.
        distillation: compares the predictions with a teacher's, and the weight of that; the loss gets the rest.
    """

    def __init__(self, loss: Loss, distillation: tuple[Loss, float] | None):
        self._loss, self._distillation = loss, distillation

    def __call__(self, labels: Any, predictions: Any, penalties: list[Any], taught: Any) -> tuple[Any, dict[str, Any]]:
        """Of one batch.

        Args:
            labels: multi-hot uint8 `[B, V]`.
            predictions: probabilities `[B, V]`.
            penalties: the model's, scalars.
            taught: a teacher's probabilities `[B, V]`, where there is a distillation.

        Returns:
            What is to be minimised, and the logs of `Learner.step`.
        """
        targets = ops.cast(labels, "float32")
        loss = self._loss(targets, predictions)
        if self._distillation is not None:
            divergence, weight = self._distillation
            loss = (1.0 - weight) * loss + weight * divergence(taught, predictions)
        penalty = sum(penalties, start=ops.zeros_like(loss))
        confidences, places = ops.top_k(predictions, min(TOP, predictions.shape[-1]))
        logs = {
            "loss": loss,
            "penalty": penalty,
            "confidences": confidences,
            "hits": ops.cast(ops.take_along_axis(labels, places, axis=1), "bool"),
            "positives": ops.sum(targets),
        }
        return loss + penalty, logs
