"""Training steps by TensorFlow: one graph compiled by XLA with the optimizer inside, on one replica or several.

One replica is the plain case: no strategy, one device. Several are kept equal by `tf.distribute.MirroredStrategy`:
batches are cut into parts, and gradients averaged. A preset's batch size is that of a step on all replicas together, so
that neither the order of the examples nor the schedule depends on how many there are, and a training may continue with
another number of them.
"""

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import tensorflow as tf
from keras import ops

from yt8m.errors import InputError
from yt8m.models.batch_norm import BatchNorm
from yt8m.models.devices import check_devices
from yt8m.models.dropout import rows_from
from yt8m.models.frame_heads import without_heads
from yt8m.progress import log
from yt8m.training import engines
from yt8m.training.engines import LABELS, TEACHER, Loss
from yt8m.training.engines.objective import Objective

Tensors = dict[str, tf.Tensor]


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


@dataclass(frozen=True)
class Replicas:
    """See `yt8m.training.engines`.

    Attributes:
        devices: names of the devices, one a replica.
        strategy: that keeps the replicas equal; None for a single one.
    """

    Adam: ClassVar = AveragingAdam
    whole_batch: ClassVar = False

    devices: tuple[str, ...]
    strategy: tf.distribute.Strategy | None = None

    @property
    def count(self) -> int:
        return len(self.devices)

    def scope(self) -> AbstractContextManager[Any]:
        return self.strategy.scope() if self.strategy else nullcontext()

    def place(self, arrays: dict[str, Any]) -> Any:
        """Arrays `[B, ...]` as tensors on the devices: one dict of tensors, or one for each replica with its part."""
        parts = [self._part(arrays, number) for number in range(self.count)]
        if self.strategy is None:
            return parts[0]
        return self.strategy.experimental_distribute_values_from_function(
            lambda context: parts[context.replica_id_in_sync_group]
        )

    def _part(self, arrays: dict[str, Any], number: int) -> dict[str, tf.Tensor]:
        with tf.device(self.devices[number]):
            return {
                name: tf.convert_to_tensor(values[number * len(values) // self.count :][: len(values) // self.count])
                for name, values in arrays.items()
            }

    def run(self, function: Callable[..., Any], argument: Any) -> list[Any]:
        """Call a function on every replica with its part of what `place` made; the results in order."""
        if self.strategy is None:
            return [function(argument)]
        results = self.strategy.run(function, args=(argument,))
        local = tf.nest.map_structure(self.strategy.experimental_local_results, results)
        return [_pick(local, number) for number in range(self.count)]

    def learner(self, model: keras.Model, loss: Loss, **options: Any) -> "Learner":
        return Learner(model, loss, self, **options)


def _pick(local: Any, number: int) -> Any:
    return {name: parts[number] for name, parts in local.items()} if isinstance(local, dict) else local[number]


def find_replicas(wanted: int | None = None, shard_state: bool = False) -> Replicas:
    """See `yt8m.training.engines.find_replicas`."""
    if shard_state:
        raise InputError("shard_state: engine tensorflow keeps all variables on each device; take engine jax, or leave "
                         "it out with --set shard_state=false")  # fmt: skip
    log(f"training on {check_devices()}")
    kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
    devices = [device.name for device in tf.config.list_logical_devices(kind)]
    count = wanted or (len(devices) if kind == "GPU" else 1)
    if not 1 <= count <= len(devices):
        raise InputError(f"--replicas {wanted}: it can be 1 to {len(devices)}, the {kind}s that are visible here")
    chosen = tuple(devices[:count])
    return Replicas(chosen, _strategy(chosen) if count > 1 else None)


@functools.cache  # two of the same devices would take each other's collective operations for their own
def _strategy(devices: tuple[str, ...]) -> tf.distribute.Strategy:
    return tf.distribute.MirroredStrategy(list(devices))


class Learner:
    """See `yt8m.training.engines`; made by `Replicas.learner`."""

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
        self._objective, self._teacher = Objective(loss, distillation), teacher
        self._statistics = _moving_statistics(model)
        self._predict = self._on_replicas(self._probabilities, compiled=True)
        self.optimizer: AveragingAdam | None = None
        self.synchronized = any(layer.synchronized for layer in _batch_norms(model))

    def use(self, optimizer: AveragingAdam) -> None:
        self.optimizer = optimizer
        one = self.replicas.count == 1
        self._gradients = self._differentiate if self.synchronized else self._compiled(self._differentiate)
        self._step = self._on_replicas(self._train if one else self._train_replica, compiled=one)

    def step(self, data: Any) -> Tensors:
        parts = self._step(data)
        if len(parts) == 1:
            return parts[0]
        means = {name: sum(part[name] for part in parts) / len(parts) for name in ("loss", "penalty")}
        joined = {name: tf.concat([part[name] for part in parts], 0) for name in ("confidences", "hits")}
        return {**means, **joined, "positives": sum(part["positives"] for part in parts)}

    def predict(self, inputs: dict[str, Any]) -> Any:
        parts = self._predict(self.replicas.place(inputs))
        return tf.concat([part["p"] for part in parts], 0) if len(parts) > 1 else parts[0]["p"]

    def _probabilities(self, inputs: Tensors) -> Tensors:
        return {"p": self.model(without_heads(inputs), training=False)}

    def _on_replicas(self, function: Callable[[Tensors], Tensors], compiled: bool) -> Callable[[Any], list[Tensors]]:
        """Run a function on every replica, as one graph; `compiled` by XLA, on each replica by itself."""
        inner = self._compiled(function) if compiled else function
        if self.replicas.count == 1:
            return lambda data: [inner(data)]
        return tf.function(lambda data: self.replicas.run(inner, data), autograph=False)

    def _compiled(self, function: Callable[[Tensors], Any]) -> Callable[[Tensors], Any]:
        """Compile a function by XLA, which wants to be told the device that the variables of a replica are on."""
        # without autograph: nothing here branches in Python on a tensor, and it leaves its sources behind when killed
        inner = tf.function(function, jit_compile=engines.XLA, autograph=False)
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
        inputs = without_heads({name: value for name, value in data.items() if name not in (LABELS, TEACHER)})
        with tf.GradientTape() as tape, rows_from(_replica() * int(labels.shape[0])):
            predictions = self.model(inputs, training=True)
            taught = self._taught(inputs, data.get(TEACHER))
            total, logs = self._objective(labels, predictions, self.model.losses, taught)
        return tape.gradient(total, self.model.trainable_variables), logs

    def _taught(self, inputs: Tensors, read: Any) -> Any:
        """A teacher's predictions, if there is one: those that were read, or those of its model."""
        if read is None and self._teacher is not None:
            return ops.stop_gradient(self._teacher(inputs, training=False))
        return read


def _replica() -> int:
    """The number of the replica that is being traced."""
    context = tf.distribute.get_replica_context()
    number = context.replica_id_in_sync_group if context else 0
    return int(tf.get_static_value(number))


def _batch_norms(model: keras.Model) -> list[BatchNorm]:
    return [layer for layer in model._flatten_layers(include_self=False) if isinstance(layer, BatchNorm)]


def _moving_statistics(model: keras.Model) -> list[Any]:
    return [moving for layer in _batch_norms(model) for moving in (layer.moving_mean, layer.moving_variance)]
