"""The training GAP: the exact GAP of the last examples seen, from what the training steps predicted anyway."""

from collections import deque
from typing import Any

import numpy as np

from yt8m.evaluation.metrics import gap

EXAMPLES = 20_000


class RunningGap:
    """The most confident labels of the last examples, whole batches of them.

    Args:
        batch_size: examples a step; as many steps are kept as hold `examples` of them.
        examples: how many are judged.
    """

    def __init__(self, batch_size: int, examples: int = EXAMPLES):
        self._batch_size = batch_size
        self._steps: deque[tuple[Any, Any, Any]] = deque(maxlen=max(1, examples // batch_size))

    def add(self, confidences: Any, hits: Any, positives: Any) -> None:
        """Keep a step's results; they may be tensors on a device, and are fetched when they are needed.

        Args:
            confidences: float32 [B, K], descending.
            hits: bool [B, K], whether each is a label of its video.
            positives: int, labels of the batch's videos.
        """
        self._steps.append((confidences, hits, positives))

    def gap(self, examples: int | None = None) -> float:
        """GAP of the kept examples, or of about the last so many of them; 0 when there are none."""
        return gap(*self._pairs(examples)) if self._steps else 0.0

    def clear(self) -> None:
        """Forget them all."""
        self._steps.clear()

    def arrays(self) -> dict[str, np.ndarray]:
        """What a checkpoint keeps: all steps, stacked."""
        if not self._steps:
            return {}
        columns = zip(*self._steps, strict=True)
        names = ("recent/confidences", "recent/hits", "recent/positives")
        return {name: np.stack([np.asarray(v) for v in column]) for name, column in zip(names, columns, strict=True)}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """The inverse of `arrays`; others among them are passed over."""
        self._steps.clear()
        if "recent/hits" in arrays:
            names = ("recent/confidences", "recent/hits", "recent/positives")
            self._steps.extend(zip(*(arrays[name] for name in names), strict=True))

    def _pairs(self, examples: int | None) -> tuple[np.ndarray, np.ndarray, int]:
        steps = len(self._steps) if examples is None else -(-examples // self._batch_size)
        arrays = {name: values[-steps:] for name, values in self.arrays().items()}
        confidences, hits = arrays["recent/confidences"], arrays["recent/hits"]
        width = confidences.shape[-1]
        return confidences.reshape(-1, width), hits.reshape(-1, width), int(arrays["recent/positives"].sum())
