"""Training steps by JAX: one jitted function of the training's state, which it takes over and gives back.

A step is that of the whole batch, however many devices there are: batches are cut by their first axis, variables lie on
every device, and XLA exchanges what the mathematics asks for (gradients, batch norm's statistics). With `shard_state`,
large variables, their moments and their averages are cut as well, and each device keeps and updates its part alone, as
ZeRO has it; nothing but where they lie changes.

Source: Rajbhandari et al. 2020, "ZeRO: memory optimizations toward training trillion parameter models",
https://arxiv.org/abs/1910.02054, sections 5.1 to 5.3
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import keras
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from yt8m.errors import InputError
from yt8m.models.devices import check_devices
from yt8m.models.frame_heads import without_heads
from yt8m.progress import log
from yt8m.training import engines
from yt8m.training.engines import LABELS, TEACHER, Loss
from yt8m.training.engines.objective import Objective

BATCH = "batch"
SHARDED = 1 << 22
"""Values of a variable from which `shard_state` cuts it: the hidden layer's kernel, the matrices of a large head."""

QUICK = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}

Arrays = dict[str, Any]
State = tuple[list[Any], list[Any], list[Any]]
"""Values of the model's trainable variables, of its others (statistics, states of draws), and of the optimizer's."""


@dataclass(frozen=True)
class Replicas:
    """See `yt8m.training.engines`.

    Attributes:
        mesh: the devices, along one axis.
        shard_state: whether large variables are cut.
    """

    Adam: ClassVar = keras.optimizers.Adam
    whole_batch: ClassVar = True

    mesh: Mesh
    shard_state: bool = False

    @property
    def count(self) -> int:
        return int(self.mesh.size)

    def scope(self) -> AbstractContextManager[Any]:
        return nullcontext()

    def place(self, arrays: Arrays) -> Arrays:
        placed: Arrays = jax.device_put(arrays, NamedSharding(self.mesh, PartitionSpec(BATCH)))
        return placed

    @property
    def everywhere(self) -> NamedSharding:
        """The layout of what lies on every device."""
        return NamedSharding(self.mesh, PartitionSpec())

    def layout(self, value: Any) -> NamedSharding:
        """Where a variable's value lies: on every device, or a large one cut along its first axis."""
        if self.shard_state and value.size >= SHARDED and value.shape[0] % self.count == 0:
            return NamedSharding(self.mesh, PartitionSpec(BATCH))
        return self.everywhere

    def learner(self, model: keras.Model, loss: Loss, **options: Any) -> "Learner":
        return Learner(model, loss, self, **options)


def find_replicas(wanted: int | None = None, shard_state: bool = False) -> Replicas:
    """See `yt8m.training.engines.find_replicas`."""
    log(f"training on {check_devices()}")
    devices = jax.local_devices()
    kind = devices[0].platform.upper()
    count = wanted or (1 if kind == "CPU" else len(devices))
    if not 1 <= count <= len(devices):
        raise InputError(f"--replicas {wanted}: it can be 1 to {len(devices)}, the {kind}s that are visible here")
    return Replicas(Mesh(np.array(devices[:count]), (BATCH,)), shard_state)


class Learner:
    """See `yt8m.training.engines`; made by `Replicas.learner`.

    From one step to the next the state is handed on as it is, and Keras' variables, whose memory it has taken, hold
    nothing. Whoever asks for the model or the optimizer gives their variables the state back, and the next step takes
    it from them: so they can be read and set in between.
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
        self.replicas = replicas
        self._model = model
        self._optimizer: keras.optimizers.Optimizer | None = None
        self._objective, self._teacher = Objective(loss, distillation), teacher
        self._state: State | None = None
        self._predict = self._compiled(self._probabilities)

    @property
    def model(self) -> keras.Model:
        self._give_back()
        return self._model

    @property
    def optimizer(self) -> keras.optimizers.Optimizer | None:
        self._give_back()
        return self._optimizer

    def use(self, optimizer: keras.optimizers.Optimizer) -> None:
        self._give_back()
        self._optimizer = optimizer
        layout = tuple([self.replicas.layout(variable.value) for variable in part] for part in self._variables())
        self._step = self._compiled(self._train, donate_argnums=0, out_shardings=(layout, self.replicas.everywhere))

    def step(self, data: Arrays) -> Arrays:
        if self._state is None:
            trainable, others, moments = map(self._read, self._variables())
            self._state = trainable, others, moments
        self._state, logs = self._step(self._state, self._teacher_values(), data)
        return logs

    def predict(self, inputs: Arrays) -> Any:
        self._give_back()
        trainable, others, _ = map(self._read, self._variables())
        return self._predict(trainable, others, self.replicas.place(inputs))

    def _compiled(self, function: Any, **options: Any) -> Any:
        return jax.jit(function, compiler_options=None if engines.XLA else QUICK, **options)

    def _train(self, state: State, teacher: list[list[Any]], data: Arrays) -> tuple[State, Arrays]:
        """The state after a step, and the logs."""
        trainable, others, moments = state
        inputs = without_heads({name: value for name, value in data.items() if name not in (LABELS, TEACHER)})
        taught = data.get(TEACHER)
        if taught is None and self._teacher is not None:
            taught = self._teacher.stateless_call(*teacher, inputs, training=False)[0]

        def minimised(trainable: list[Any]) -> tuple[Any, tuple[Arrays, list[Any]]]:
            predictions, after, penalties = self._model.stateless_call(
                trainable, others, inputs, training=True, return_losses=True
            )
            total, logs = self._objective(data[LABELS], predictions, penalties, taught)
            return total, (logs, after)

        gradients, (logs, others) = jax.grad(minimised, has_aux=True)(trainable)
        assert self._optimizer is not None
        trainable, moments = self._optimizer.stateless_apply(moments, gradients, trainable)
        return (trainable, others, moments), logs

    def _probabilities(self, trainable: list[Any], others: list[Any], inputs: Arrays) -> Any:
        return self._model.stateless_call(trainable, others, without_heads(inputs), training=False)[0]

    def _variables(self) -> tuple[list[Any], list[Any], list[Any]]:
        moments: list[Any] = [] if self._optimizer is None else self._optimizer.variables
        return self._model.trainable_variables, self._model.non_trainable_variables, moments

    def _teacher_values(self) -> list[list[Any]]:
        if self._teacher is None:
            return []
        return [self._read(part) for part in (self._teacher.trainable_variables, self._teacher.non_trainable_variables)]

    def _read(self, variables: list[Any]) -> list[Any]:
        """The values of variables, which from now on lie where they belong."""
        for variable in variables:
            layout = self.replicas.layout(variable.value)
            if variable.value.sharding != layout:
                variable.assign(jax.device_put(variable.value, layout))
        return [variable.value for variable in variables]

    def _give_back(self) -> None:
        if self._state is not None:
            for variables, values in zip(self._variables(), self._state, strict=True):
                for variable, value in zip(variables, values, strict=True):
                    variable.assign(value)
            self._state = None
