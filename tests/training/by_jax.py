"""In a process that computes by JAX, with four virtual devices: steps on one of them and on all, and what they leave.

`test_jax.py` runs this file beside the tests that hold for every engine.
"""

import numpy as np
import pytest

from tests.training.few_steps import FEW, MANY, QUICK, SIZE, distance, make, train
from yt8m.errors import InputError
from yt8m.training import engines
from yt8m.training.engines import jax as engine
from yt8m.training.variables import learner_arrays

pytestmark = pytest.mark.any_engine


@pytest.fixture(scope="module")
def few(plain_steps: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """What few steps leave on one device. Where it began and what many leave is kept, to compare TensorFlow with it."""
    folder = tmp_path_factory.getbasetemp().parent
    replicas = engine.find_replicas(1)
    learner = make(replicas, **QUICK)
    np.savez(folder / "begin.npz", **learner_arrays(learner))
    few = train(learner, replicas, SIZE, FEW)
    np.savez(folder / "end.npz", **train(learner, replicas, SIZE, MANY, FEW))
    return few


def test_four_devices_equal_one(few: dict[str, np.ndarray]) -> None:
    """Weights, moments, average, statistics of the whole batch, dropout, loss and predictions."""
    replicas = engine.find_replicas(4)
    assert distance(train(make(replicas, **QUICK), replicas, SIZE, FEW), few) < 1e-5


def test_so_do_four_that_have_cut_the_state(few: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each holds a quarter of the widest kernels, and of their moments and averages."""
    monkeypatch.setattr(engine, "SHARDED", 4096)
    replicas = engines.find_replicas("jax", 4, shard_state=True)
    learner = make(replicas, **QUICK)
    assert distance(train(learner, replicas, SIZE, FEW), few) < 1e-5
    assert learner.optimizer is not None
    wide = [v for v in (*learner.model.variables, *learner.optimizer.variables) if np.prod(v.shape) >= 4096]
    assert len(wide) == 4 * len([v for v in learner.model.variables if np.prod(v.shape) >= 4096]) > 0
    for variable in wide:
        assert {shard.data.shape[0] for shard in variable.value.addressable_shards} == {variable.shape[0] // 4}


def test_more_devices_than_there_are_are_refused() -> None:
    with pytest.raises(InputError, match="--replicas 5: it can be 1 to 4, the CPUs"):
        engine.find_replicas(5)
