"""The optimizer of a preset, and the learning rate it follows from phase to phase."""

from typing import Any

import keras
import tensorflow as tf


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
