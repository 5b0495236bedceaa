"""A disk that is full while a training writes: the output is named, whichever library writes."""

import errno
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import pytest

from tests.forks import Forks
from yt8m import storage
from yt8m.training.export import write_weights
from yt8m.training.reporter import SCALARS, TIMING_SCALARS, Scalars

pytestmark = pytest.mark.usefixtures("plain_steps")


@contextmanager
def full_after(size: int) -> Iterator[None]:
    """No file grows beyond so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_the_events_for_tensorboard(tmp_path: Path) -> None:
    scalars = Scalars(tmp_path / "logs", [], [])
    row, timing = dict.fromkeys((*SCALARS, "step"), 1), dict.fromkeys(TIMING_SCALARS, 1.0)
    with full_after(64), pytest.raises(OSError, match="File too large") as error:
        for _ in range(100):
            scalars.write(row, timing)
    assert (error.value.errno, Path(error.value.filename).parent) == (errno.EFBIG, tmp_path / "logs")


def test_the_weights(forks: Forks, tmp_path: Path) -> None:
    forks.run([tmp_path], "tests.training.test_full_disk:fill_by_weights")


def fill_by_weights(argv: list[str]) -> None:
    """In a process of its own: HDF5 keeps what it could not write, and ends a process that goes on working."""
    place = Path(argv[0])
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(64)])
    for size in (512, 4096, 9000):
        with (
            full_after(size),
            pytest.raises(OSError, match="File too large") as error,
            storage.atomic_directory(place / "model") as folder,
        ):
            write_weights(folder / "model.weights.h5", model, "float32")
        assert (error.value.errno, error.value.filename) == (errno.EFBIG, str(place / "model"))
        assert not list(place.iterdir())


def test_a_saved_model(forks: Forks, tmp_path: Path) -> None:
    forks.run([tmp_path], "tests.training.test_full_disk:fill_by_a_saved_model")


def fill_by_a_saved_model(argv: list[str]) -> None:
    """Likewise for TensorFlow."""
    place = Path(argv[0])
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(64)])
    with (
        full_after(4096),
        pytest.raises(OSError, match="File too large") as error,
        storage.atomic_directory(place / "model") as folder,
    ):
        model.export(folder / "saved_model", verbose=False)
    assert (error.value.errno, error.value.filename) == (errno.EFBIG, str(place / "model"))
    assert not list(place.iterdir())
