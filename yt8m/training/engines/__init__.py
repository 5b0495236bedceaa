"""What computes a training's steps: an engine for TensorFlow, and one for JAX, each a module of this package.

Phases, loop, checkpoints, history and pages are the same for all of them. What they ask of an engine is said here: the
devices, which take the data of a step, and a learner, which takes the steps. Everything else that a training touches
(the variables of the model, and those of the optimizer: moments, step count, average of the weights) is Keras', of
whichever backend.

Of an engine's module `find_replicas` is called: the devices of this machine, checked.
"""

import importlib
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Protocol, cast

import keras

LABELS, TEACHER = "labels", "teacher"
"""What the data of a step hold beside the model's inputs: multi-hot labels, and a teacher's confidences if there is one
whose predictions are read."""
XLA = True
"""Whether steps are compiled for speed. Tests of what surrounds a step do without: its first run takes a fifth of the
time."""


class Loss(Protocol):
    """Multi-hot labels and probabilities `[B, V]` -> a scalar."""

    def __call__(self, y_true: Any, y_pred: Any) -> Any: ...


class Learner(Protocol):
    """A model that takes steps.

    Attributes:
        model: what is saved and exported; its variables hold what the steps so far have made of them.
        optimizer: that of the next step, likewise; None until there is one.
    """

    @property
    def model(self) -> keras.Model: ...

    @property
    def optimizer(self) -> keras.optimizers.Optimizer | None: ...

    def use(self, optimizer: Any) -> None:
        """Take an optimizer of the replicas' kind that is built for the model's variables; the next step compiles."""

    def step(self, data: Any) -> dict[str, Any]:
        """Learn from one batch as `Replicas.place` makes it of inputs as they were read and multi-hot `labels`.

        Returns:
            `loss`, `penalty` (regularisation), and what the training GAP needs: the top `confidences` and `hits`
            `[B, 20]` of each example, and the number of `positives`. NumPy takes them; until it does, they may lie on
            a device, and the step may still be going on there.
        """

    def predict(self, inputs: dict[str, Any]) -> Any:
        """Probabilities float32 `[B, V]` of inputs as they were read; B is a multiple of the replicas."""


class Replicas(Protocol):
    """The devices that a training runs on.

    Attributes:
        Adam: the optimizer of this engine.
        whole_batch: whether a step sees the batch as one, however many devices share it: batch norm's statistics are
            then those of all examples. Otherwise they are of each part by itself, unless the model's layers are told.
    """

    Adam: ClassVar[type[keras.optimizers.Adam]]
    whole_batch: ClassVar[bool]

    @property
    def count(self) -> int:
        """How many there are."""

    def scope(self) -> AbstractContextManager[Any]:
        """Variables made inside exist on every replica."""

    def place(self, arrays: dict[str, Any]) -> Any:
        """Arrays `[B, ...]` on the devices, each with its part of the batch."""

    def learner(
        self,
        model: keras.Model,
        loss: Loss,
        *,
        distillation: tuple[Loss, float] | None = None,
        teacher: keras.Model | None = None,
    ) -> Learner:
        """A learner on these devices.

        Args:
            model: inputs -> probabilities `[B, V]`; made in the scope of the replicas.
            loss: to be minimised together with the model's penalties.
            distillation: compares the predictions with a teacher's, and the weight of that; the loss gets the rest.
            teacher: a model that gives the teacher's predictions, where the data of a step does not hold them.
        """


def find_replicas(engine: str, wanted: int | None = None, shard_state: bool = False) -> Replicas:
    """The devices of this machine to train on by an engine.

    Args:
        engine: `tensorflow` or `jax`, the backend that Keras runs on.
        wanted: how many; None for all visible GPUs, or the CPU where there is none.
        shard_state: cut large variables over them.

    Raises:
        InputError: there are fewer, a GPU is asked for that cannot be used, or the engine cuts no variables.
    """
    return cast(Replicas, importlib.import_module(f"{__name__}.{engine}").find_replicas(wanted, shard_state))
