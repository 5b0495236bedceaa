from pathlib import Path

import numpy as np
import pytest

from yt8m.errors import InputError
from yt8m.training.checkpoint import Checkpoints, first_difference
from yt8m.training.state import State

CONFIGURATION = {"training_set": "abc", "preset": {"batch_size": 64, "model": {"name": "moe"}}}
ARRAYS = {"model/0": np.arange(6, dtype=np.float32), "optimizer/0": np.int64(3)}


def checkpoints(folder: Path, **changes: object) -> Checkpoints:
    return Checkpoints(folder / "checkpoint", {**CONFIGURATION, **changes})


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    store = checkpoints(tmp_path)
    assert store.load() is None
    state = State(phase=1, step=5, ended=[7], epoch_gaps=[0.25], rows=[{"step": 7, "loss": 0.1}], loss_sum=0.3)
    state.best = {"gap": 0.5, "step": 7, "file": store.save_best(7, ARRAYS)}
    store.save(state, ARRAYS)
    loaded = checkpoints(tmp_path).load()
    assert loaded is not None
    assert loaded[0] == state
    assert loaded[1].keys() == ARRAYS.keys()
    np.testing.assert_array_equal(loaded[1]["model/0"], ARRAYS["model/0"])
    np.testing.assert_array_equal(store.load_best("best-7.npz")["model/0"], ARRAYS["model/0"])


def test_only_what_the_pointer_names_is_kept(tmp_path: Path) -> None:
    store = checkpoints(tmp_path)
    store.save_best(3, ARRAYS)
    store.save(State(step=4), ARRAYS)
    store.save(State(step=8, best={"gap": 0.1, "step": 6, "file": store.save_best(6, ARRAYS)}), ARRAYS)
    assert sorted(file.name for file in store.folder.iterdir()) == ["best-6.npz", "checkpoint.json", "state-8.npz"]
    store.remove()
    assert not store.folder.exists()
    store.remove()


def test_a_kill_before_the_pointer_leaves_the_old_checkpoint(tmp_path: Path) -> None:
    store = checkpoints(tmp_path)
    store.save(State(step=4), ARRAYS)
    (store.folder / "state-8.npz").write_bytes(b"half a fi")
    (store.folder / ".partial-state-9.npz-x").write_bytes(b"")
    loaded = store.load()
    assert loaded is not None
    assert loaded[0].step == 4


def test_a_foreign_checkpoint_is_refused_by_name(tmp_path: Path) -> None:
    checkpoints(tmp_path).save(State(), ARRAYS)
    with pytest.raises(InputError, match='training_set is "abc" there and "xyz" here'):
        checkpoints(tmp_path, training_set="xyz").load()
    other = {"batch_size": 32, "model": {"name": "moe"}}
    with pytest.raises(InputError, match=r"preset\.batch_size is 64 there and 32 here"):
        checkpoints(tmp_path, preset=other).load()


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    store = checkpoints(tmp_path)
    store.save(State(step=4), ARRAYS)
    (store.folder / "state-4.npz").write_bytes(b"not a zip")
    with pytest.raises(InputError, match=r"state-4\.npz: the checkpoint is damaged"):
        store.load()


def test_first_difference() -> None:
    assert first_difference({"a": {"b": [1, 2]}}, {"a": {"b": [1, 2]}}) is None
    assert first_difference({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}}) == "a.c is null there and 2 here"
    assert first_difference({"a": {"b": 1}}, {"a": 3}) == 'a is {"b": 1} there and 3 here'
