"""What holds for every engine, by JAX: in forks of a warm process with KERAS_BACKEND=jax and four virtual devices.

The tests marked `any_engine` run again in one of them, with those of `by_jax.py`. What one training compiles the others
find in JAX's cache on disk, as nearly all of the time would go into that.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.forks import Fork, Forks
from tests.training.few_steps import MANY, QUICK, SIZE, distance, make, train
from tests.training.test_killed import LONG, content, run, start, stop_and_kill
from yt8m.errors import InputError
from yt8m.prediction.predict import predict
from yt8m.prediction.table import read_predictions
from yt8m.registry.manifest import read_manifest
from yt8m.training import engines
from yt8m.training.variables import restore_learner

pytestmark = pytest.mark.usefixtures("plain_steps")

HERE = Path(__file__).parent
FILES = [str(HERE / name) for name in ("test_train.py", "test_export.py", "by_jax.py")]


@pytest.fixture(scope="module")
def jax_forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    environment = {
        "KERAS_BACKEND": "jax", "XLA_FLAGS": "--xla_force_host_platform_device_count=4",
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path_factory.mktemp("cache")),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0", "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }  # fmt: skip
    with Forks(tmp_path_factory.mktemp("forks"), **environment) as forks:
        yield forks


@pytest.fixture(scope="module")
def tested(jax_forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Fork]:
    """The run of the tests, and the folder of what they leave."""
    folder = tmp_path_factory.mktemp("by_jax")
    options = ["-n", "0", "-p", "no:cacheprovider", "-m", "any_engine", "-o", "python_files=test_*.py by_jax.py"]
    process = jax_forks.start([*options, "--basetemp", folder / "tests", *FILES], "tests.forks:run_tests")
    process.wait()
    return folder, process


def test_the_contract_of_a_training_holds(tested: tuple[Path, Fork]) -> None:
    """Kills in any phase, stopping rules, float16, an infinite loss; one device, and four."""
    _, process = tested
    assert process.poll() == 0, process.stdout + process.stderr
    (passed,) = re.findall(r"^(\d+) passed", process.stdout, re.MULTILINE)
    assert int(passed) >= 7


def test_a_training_goes_as_it_does_by_tensorflow(tested: tuple[Path, Fork]) -> None:
    """From the same weights: weights, moments, average, statistics, loss and predictions after 20 steps."""
    folder, _ = tested
    begin, end = (dict(np.load(folder / f"{name}.npz")) for name in ("begin", "end"))
    replicas = engines.find_replicas("tensorflow", 1)
    learner = make(replicas, **QUICK)
    restore_learner(learner, begin)
    assert distance(train(learner, replicas, SIZE, MANY), end) < 1e-4
    assert distance(begin, {name: end[name] for name in begin}) > 1e-2


def test_stopped_and_killed_it_continues_to_the_bit(
    jax_forks: Forks, frame_files: Any, presets: Any, tmp_path: Path
) -> None:
    """SIGTERM, then kill -9, with an average of the weights.

    Its checkpoint is not for TensorFlow; its model is, and predicts the same by both.
    """
    killed, straight = tmp_path / "killed", tmp_path / "straight"
    stop_and_kill(jax_forks, frame_files, presets["mlp"], killed, kills=1, ema=0.9)
    with pytest.raises(InputError, match=r'preset\.engine is "jax" there and "tensorflow" here'):
        run(frame_files, presets["mlp"], killed, overrides={**LONG, "ema": 0.9})
    for output in (killed, straight):
        process = start(jax_forks, frame_files, presets["mlp"], output, minutes=10, ema=0.9)
        assert process.wait() == 0, process.stderr
    assert content(killed) == content(straight)
    assert read_manifest(killed)["identity"]["preset"]["engine"] == "jax"
    jax_forks.run(["predict", killed, frame_files.validation, "-o", tmp_path / "jax.parquet"])
    predict([killed], frame_files.validation, tmp_path / "tensorflow.parquet")
    ours, theirs = (read_predictions(tmp_path / f"{engine}.parquet") for engine in ("jax", "tensorflow"))
    np.testing.assert_allclose(ours.label_confidences, theirs.label_confidences, atol=1e-5)
