"""Replicas of a model on the devices of one machine: batches cut into parts, gradients averaged.

One replica is the plain case: no strategy, one device. Several are kept equal by `tf.distribute.MirroredStrategy`. A
preset's batch size is that of a step on all replicas together, so that neither the order of the examples nor the
schedule depends on how many there are, and a training may continue with another number of them.
"""

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from yt8m.errors import InputError
from yt8m.models.devices import check_devices
from yt8m.progress import log


@dataclass(frozen=True)
class Replicas:
    """The devices that a training runs on.

    Attributes:
        devices: names of the devices, one a replica.
        strategy: that keeps the replicas equal; None for a single one.
    """

    devices: tuple[str, ...]
    strategy: tf.distribute.Strategy | None = None

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.devices)

    def scope(self) -> AbstractContextManager[Any]:
        """Variables made inside exist on every replica."""
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

    def check_batch_size(self, batch_size: int) -> None:
        """Raise InputError unless a batch can be cut into equal parts."""
        if batch_size % self.count:
            raise InputError(
                f"batch_size {batch_size} cannot be cut into equal parts for {self.count} replicas; choose a multiple "
                f"with --set batch_size=..., or --replicas 1"
            )


def _pick(local: Any, number: int) -> Any:
    return {name: parts[number] for name, parts in local.items()} if isinstance(local, dict) else local[number]


def find_replicas(wanted: int | None = None) -> Replicas:
    """The devices of this machine to train on.

    Args:
        wanted: how many; None for all visible GPUs, or the CPU where there is none.

    Raises:
        InputError: there are fewer, or a GPU is asked for that cannot be used.
    """
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
