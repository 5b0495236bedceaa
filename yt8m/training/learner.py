"""A model with its loss: one compiled step with the optimizer inside, on one replica or several."""

from collections.abc import Callable
from typing import Any, Protocol

import keras
import tensorflow as tf
from keras import ops

from yt8m.models.batch_norm import BatchNorm
from yt8m.models.dropout import rows_from
from yt8m.prediction.top_k import TOP
from yt8m.training.replicas import Replicas


@keras.saving.register_keras_serializable("yt8m")
class AveragingAdam(keras.optimizers.Adam):
    """Adam that takes the mean of the replicas' gradients before it clips.

    Keras clips what each replica found by itself, and then sums. Here several replicas with a part of the batch each
    take the step of one with the whole batch.

    Source: Kingma and Ba 2015, algorithm 1 with the step size of section 2, https://arxiv.org/abs/1412.6980
    """

    def _clip_gradients(self, grads: list[Any]) -> list[Any]:
        context = tf.distribute.get_replica_context()
        if context is not None and context.num_replicas_in_sync > 1:
            grads = list(context.all_reduce(tf.distribute.ReduceOp.MEAN, list(grads)))
        return super()._clip_gradients(grads)

    def _all_reduce_sum_gradients(self, grads_and_vars: Any) -> Any:
        return grads_and_vars  # they are the same on every replica by now


def make_optimizer(settings: dict[str, Any], schedule: Any, ema: float | None = None) -> AveragingAdam:
    """The optimizer of a preset.

    `clipnorm` clips the gradient of each variable to that norm by itself (Keras' `global_clipnorm` would be the norm
    of all together).

    Args:
        settings: `{name: adam, epsilon, beta_1, beta_2, clipnorm, weight_decay}`; checked by the preset's rules.
        schedule: the learning rate, of optimizer steps.
        ema: share of the old average that a step keeps, for an average of the weights; None for no average.
    """
    options = {key: value for key, value in settings.items() if key != "name"}
    if ema is not None:
        options |= {"use_ema": True, "ema_momentum": ema, "ema_overwrite_frequency": None}
    return AveragingAdam(learning_rate=schedule, **options)


@keras.saving.register_keras_serializable("yt8m")
class ShiftedSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule that began `steps` before (or, when negative, after) the optimizer's own count."""

    def __init__(self, schedule: Any, steps: int):
        self.schedule, self.steps = schedule, steps

    def __call__(self, step: Any) -> Any:
        return self.schedule(step + self.steps)

    def get_config(self) -> dict[str, Any]:
        return {"schedule": self.schedule, "steps": self.steps}


LABELS, TEACHER = "labels", "teacher"
XLA = True
"""Whether steps are compiled. Tests of what surrounds a step do without: its first run takes a fifth of the time."""

Tensors = dict[str, tf.Tensor]


class Loss(Protocol):
    """Multi-hot labels and probabilities `[B, V]` -> a scalar."""

    def __call__(self, y_true: Any, y_pred: Any) -> Any: ...


class Learner:
    """Trains a model; what is saved and exported is `model` itself.

    Args:
        model: inputs -> probabilities `[B, V]`; made in the scope of the replicas.
        loss: to be minimised together with the model's penalties.
        replicas: the devices.
        distillation: compares the predictions with a teacher's, and the weight of that; the loss gets the rest.
        teacher: a model that gives the teacher's predictions, where the data of a step does not hold them.
    """

    def __init__(
        self,
        model: keras.Model,
        loss: Loss,
        replicas: Replicas,
        *,
        distillation: tuple[Loss, float] | None = None,
        teacher: keras.Model | None = None,
    ):
        self.model, self.replicas = model, replicas
        self._loss, self._distillation, self._teacher = loss, distillation, teacher
        self._statistics = _moving_statistics(model)
        self._predict = self._on_replicas(lambda inputs: {"p": self.model(inputs, training=False)}, compiled=True)
        self.optimizer: AveragingAdam | None = None
        self.synchronized = any(layer.synchronized for layer in _batch_norms(model))

    def use(self, optimizer: AveragingAdam) -> None:
        """Take an optimizer that is built for the model's variables; the next step compiles."""
        self.optimizer = optimizer
        one = self.replicas.count == 1
        self._gradients = self._differentiate if self.synchronized else self._compiled(self._differentiate)
        self._step = self._on_replicas(self._train if one else self._train_replica, compiled=one)

    def step(self, data: Any) -> Tensors:
        """Learn from one batch as `Feed` gives it: the model's inputs and multi-hot uint8 `labels` `[B, V]`.

        Returns:
            `loss`, `penalty` (regularisation), and what the training GAP needs: the top `confidences` and `hits`
            `[B, 20]` of each example, and the number of `positives`.
        """
        parts = self._step(data)
        if len(parts) == 1:
            return parts[0]
        means = {name: sum(part[name] for part in parts) / len(parts) for name in ("loss", "penalty")}
        joined = {name: tf.concat([part[name] for part in parts], 0) for name in ("confidences", "hits")}
        return {**means, **joined, "positives": sum(part["positives"] for part in parts)}

    def predict(self, inputs: dict[str, Any]) -> Any:
        """Probabilities float32 `[B, V]` of inputs as the loader makes them; B is a multiple of the replicas."""
        parts = self._predict(self.replicas.place(inputs))
        return tf.concat([part["p"] for part in parts], 0) if len(parts) > 1 else parts[0]["p"]

    def _on_replicas(self, function: Callable[[Tensors], Tensors], compiled: bool) -> Callable[[Any], list[Tensors]]:
        """Run a function on every replica, as one graph; `compiled` by XLA, on each replica by itself."""
        inner = self._compiled(function) if compiled else function
        if self.replicas.count == 1:
            return lambda data: [inner(data)]
        return tf.function(lambda data: self.replicas.run(inner, data), autograph=False)

    def _compiled(self, function: Callable[[Tensors], Any]) -> Callable[[Tensors], Any]:
        """Compile a function by XLA, which wants to be told the device that the variables of a replica are on."""
        # without autograph: nothing here branches in Python on a tensor, and it leaves its sources behind when killed
        inner = tf.function(function, jit_compile=XLA, autograph=False)
        if self.replicas.count == 1:
            return inner

        def on_own_device(data: Tensors) -> Any:
            with tf.device(self.replicas.devices[_replica()]):
                return inner(data)

        return on_own_device

    def _train(self, data: Tensors) -> Tensors:
        gradients, logs = self._differentiate(data)
        assert self.optimizer is not None
        self.optimizer.apply(gradients, self.model.trainable_variables)
        return logs

    def _train_replica(self, data: Tensors) -> Tensors:
        """One of several replicas: its gradients are compiled, unless batch norm has to wait for the others."""
        gradients, logs = self._gradients(data)
        assert self.optimizer is not None
        self.optimizer.apply(gradients, self.model.trainable_variables)
        self._average_statistics()
        return logs

    def _average_statistics(self) -> None:
        """Keep the replicas' moving statistics equal: the mean of what each has recorded."""
        context = tf.distribute.get_replica_context()
        values = [variable.value for variable in self._statistics]
        if values and not self.synchronized:
            means = context.all_reduce(tf.distribute.ReduceOp.MEAN, [tf.identity(value) for value in values])
            for value, mean in zip(values, means, strict=True):
                value.assign(mean)

    def _differentiate(self, data: Tensors) -> tuple[list[Any], Tensors]:
        """Gradients of the trainable variables on this replica's examples, and the logs."""
        labels = data[LABELS]
        targets = ops.cast(labels, "float32")
        inputs = {name: value for name, value in data.items() if name not in (LABELS, TEACHER)}
        with tf.GradientTape() as tape, rows_from(_replica() * int(labels.shape[0])):
            predictions = self.model(inputs, training=True)
            loss = self._distilled(self._loss(targets, predictions), predictions, inputs, data.get(TEACHER))
            penalty = sum(self.model.losses, start=ops.zeros_like(loss))
            total = loss + penalty
        gradients = tape.gradient(total, self.model.trainable_variables)
        confidences, places = ops.top_k(predictions, min(TOP, predictions.shape[-1]))
        logs = {
            "loss": loss,
            "penalty": penalty,
            "confidences": confidences,
            "hits": ops.cast(ops.take_along_axis(labels, places, axis=1), "bool"),
            "positives": ops.sum(targets),
        }
        return gradients, logs

    def _distilled(self, loss: Any, predictions: Any, inputs: Tensors, taught: Any) -> Any:
        """The loss, with the divergence from the teacher mixed in."""
        if self._distillation is None:
            return loss
        divergence, weight = self._distillation
        if taught is None:
            assert self._teacher is not None
            taught = ops.stop_gradient(self._teacher(inputs, training=False))
        return (1.0 - weight) * loss + weight * divergence(taught, predictions)


def _replica() -> int:
    """The number of the replica that is being traced."""
    context = tf.distribute.get_replica_context()
    number = context.replica_id_in_sync_group if context else 0
    return int(tf.get_static_value(number))


def _batch_norms(model: keras.Model) -> list[BatchNorm]:
    return [layer for layer in model._flatten_layers(include_self=False) if isinstance(layer, BatchNorm)]


def _moving_statistics(model: keras.Model) -> list[Any]:
    return [moving for layer in _batch_norms(model) for moving in (layer.moving_mean, layer.moving_variance)]
