"""The optimizer of a preset, and its learning rate; the arithmetic is the engine's."""

from typing import Any

import keras


def make_optimizer(
    kind: type[keras.optimizers.Adam], settings: dict[str, Any], schedule: Any, ema: float | None = None
) -> keras.optimizers.Adam:
    """The optimizer of a preset.

    `clipnorm` clips the gradient of each variable to that norm by itself (Keras' `global_clipnorm` would be the norm
    of all together).

    Args:
        kind: the Adam of an engine.
        settings: `{name: adam, epsilon, beta_1, beta_2, clipnorm, weight_decay}`; checked by the preset's rules.
        schedule: the learning rate, of optimizer steps.
        ema: share of the old average that a step keeps, for an average of the weights; None for no average.
    """
    options = {key: value for key, value in settings.items() if key != "name"}
    if ema is not None:
        options |= {"use_ema": True, "ema_momentum": ema, "ema_overwrite_frequency": None}
    return kind(learning_rate=schedule, **options)


@keras.saving.register_keras_serializable("yt8m")
class ShiftedSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule that began `steps` before (or, when negative, after) the optimizer's own count."""

    def __init__(self, schedule: Any, steps: int):
        self.schedule, self.steps = schedule, steps

    def __call__(self, step: Any) -> Any:
        return self.schedule(step + self.steps)

    def get_config(self) -> dict[str, Any]:
        return {"schedule": self.schedule, "steps": self.steps}
