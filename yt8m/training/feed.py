"""The loader's batches as a TensorFlow dataset: order kept, shapes static, frames uint8."""

from collections.abc import Iterable, Iterator
from typing import Any

import tensorflow as tf

from yt8m.loader import Batch

AHEAD = 2  # batches converted while a step runs; the loader itself reads further ahead


class Feed:
    """Feeds `fit`; what goes wrong in the loader is kept, for TensorFlow would wrap it beyond recognition.

    Args:
        batches: of one size, with labels; at least one.

    Attributes:
        dataset: of `(inputs, labels)`.
        error: what the loader raised, if it did.
    """

    def __init__(self, batches: Iterable[Batch]):
        self.error: BaseException | None = None
        self._batches = iter(batches)
        self._first = next(self._batches)
        signature = tf.nest.map_structure(lambda array: tf.TensorSpec(array.shape, array.dtype), _tensors(self._first))
        options = tf.data.Options()
        options.autotune.enabled = False  # its thread holds up the end of the process for up to a minute
        dataset = tf.data.Dataset.from_generator(self._elements, output_signature=signature)
        self.dataset = dataset.prefetch(AHEAD).with_options(options)

    def _elements(self) -> Iterator[Any]:
        try:
            yield _tensors(self._first)
            for batch in self._batches:
                yield _tensors(batch)
        except BaseException as error:
            self.error = error
            raise


def _tensors(batch: Batch) -> Any:
    return batch.inputs(), batch.labels
