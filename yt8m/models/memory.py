"""What finished models leave in memory."""

import itertools

import keras

EVERY = 4  # collecting takes some tenths of a second
_calls = itertools.count(1)


def release_memory() -> None:
    """Give back what models leave that are not used any more; called after each use, it acts every fourth time.

    TensorFlow keeps a kernel for each compiled function that was ever called, and Keras' models, being cycles, wait
    for a collection. A process that predicts or trains again and again would grow by 3 MB a prediction and 80 MB a
    training. Models that are still in use stay.
    """
    if next(_calls) % EVERY == 0:
        keras.backend.clear_session()
