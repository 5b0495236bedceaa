"""Checkpoints in a folder and on gs://: whole or not at all, of one training, of one writer."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fault_points import Run, Warm, tree
from yt8m import storage
from yt8m.errors import InputError
from yt8m.storage.lease import Lease, LeaseLost
from yt8m.training.checkpoint import Checkpoints, clear_finished, first_difference, holds_checkpoint
from yt8m.training.state import State

CONFIGURATION = {"training_set": "abc", "preset": {"batch_size": 64, "model": {"name": "moe"}}}
ARRAYS = {"model/0": np.arange(6, dtype=np.float32), "optimizer/0": np.int64(3)}


def checkpoints(folder: str, **changes: object) -> Checkpoints:
    return Checkpoints(folder, {**CONFIGURATION, **changes})


@pytest.fixture(params=["local", "gs"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A place for a checkpoint."""
    if request.param == "local":
        return str(tmp_path / "checkpoint")
    request.getfixturevalue("gcs")
    return "gs://bucket/work/checkpoints/abc"


def names(folder: str) -> list[str]:
    return [name for name in storage.list_names(folder) if not name.startswith(storage.PARTIAL)]


def test_what_is_saved_is_loaded(folder: str) -> None:
    state = State(phase=1, step=5, ended=[7], epoch_gaps=[0.25], rows=[{"step": 7, "loss": 0.1}], loss_sum=0.3)
    with checkpoints(folder) as store:
        assert store.load() is None
        state.best = {"gap": 0.5, "step": 7, "file": store.save_best(7, ARRAYS)}
        store.save(state, ARRAYS)
    with checkpoints(folder) as store:
        loaded = store.load()
        assert loaded is not None
        assert loaded[0] == state
        assert loaded[1].keys() == ARRAYS.keys()
        np.testing.assert_array_equal(loaded[1]["model/0"], ARRAYS["model/0"])
        np.testing.assert_array_equal(store.load_best(state.best["file"])["model/0"], ARRAYS["model/0"])


def test_only_what_the_pointer_names_is_kept(folder: str) -> None:
    with checkpoints(folder) as store:
        store.save_best(3, ARRAYS)
        store.save(State(step=4), ARRAYS)
        store.save(State(step=8, best={"gap": 0.1, "step": 6, "file": store.save_best(6, ARRAYS)}), ARRAYS)
        kinds = [name.rpartition("-")[0] or name for name in names(folder)]
        assert kinds == ["best-6", "checkpoint.json", "lease.json", "state-8"]
        store.remove()
    assert names(folder) == []
    if not storage.is_remote(folder):
        assert not Path(folder).exists()


def test_a_kill_before_the_pointer_leaves_the_old_checkpoint(tmp_path: Path) -> None:
    with checkpoints(str(tmp_path)) as store:
        store.save(State(step=4), ARRAYS)
    (tmp_path / "state-8-00000000.npz").write_bytes(b"half a fi")
    (tmp_path / ".partial-state-9.npz-x").write_bytes(b"")
    with checkpoints(str(tmp_path)) as store:
        loaded = store.load()
        assert loaded is not None
        assert loaded[0].step == 4
        kinds = [name.rpartition("-")[0] or name for name in names(str(tmp_path))]
        assert kinds == ["checkpoint.json", "lease.json", "state-4"]


@pytest.mark.parametrize("failing", ["state-8", "checkpoint.json"])
def test_a_save_that_fails_on_gs_leaves_the_old_checkpoint(
    gcs: Any, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    from yt8m.storage import cloud

    upload = cloud.upload

    def refusing(path: Path, address: str, *args: Any) -> int:
        if failing in address:
            raise InputError(f"{address}: still failing")
        return upload(path, address, *args)

    with checkpoints("gs://bucket/c") as store:
        store.save(State(step=4), ARRAYS)
        monkeypatch.setattr(cloud, "upload", refusing)
        with pytest.raises(InputError, match="still failing"):
            store.save(State(step=8), ARRAYS)
    monkeypatch.setattr(cloud, "upload", upload)
    with checkpoints("gs://bucket/c") as store:
        loaded = store.load()
        assert loaded is not None
        assert loaded[0].step == 4
        np.testing.assert_array_equal(loaded[1]["model/0"], ARRAYS["model/0"])


def test_a_foreign_checkpoint_is_refused_by_name(folder: str) -> None:
    with checkpoints(folder) as store:
        store.save(State(), ARRAYS)
    expected = 'training_set is "abc" there and "xyz" here'
    with checkpoints(folder, training_set="xyz") as store, pytest.raises(InputError, match=expected):
        store.load()
    other = {"batch_size": 32, "model": {"name": "moe"}}
    expected = r"preset\.batch_size is 64 there and 32 here"
    with checkpoints(folder, preset=other) as store, pytest.raises(InputError, match=expected):
        store.load()


@pytest.mark.parametrize("damage", ["not a zip", "a flipped bit", "a cut", "gone"])
def test_a_damaged_checkpoint_is_named(tmp_path: Path, damage: str) -> None:
    with checkpoints(str(tmp_path)) as store:
        store.save(State(step=4), {"model/0": np.arange(5000, dtype=np.float32)})
    file = next(tmp_path.glob("state-4-*.npz"))
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    contents = {"not a zip": b"not a zip", "a flipped bit": bytes(data), "a cut": bytes(data[:-300])}
    file.unlink()
    if damage in contents:
        file.write_bytes(contents[damage])
    expected = r"state-4-\w+\.npz: (the checkpoint is damaged|no such file)"
    with checkpoints(str(tmp_path)) as store, pytest.raises(InputError, match=expected):
        store.load()


def test_a_second_training_is_kept_out(folder: str) -> None:
    with checkpoints(folder) as store:
        store.save(State(step=4), ARRAYS)
        with pytest.raises(InputError, match=r"lease\.json: process \d+ on .* is at work here \(training\)"):
            checkpoints(folder).__enter__()
        store.save(State(step=8), ARRAYS)


def test_a_trainer_that_was_taken_for_dead_cannot_save(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It sleeps; another one takes over, loads and goes on; then it wakes up."""
    monkeypatch.setattr(Lease, "_keep", lambda self: None)
    monkeypatch.setattr("yt8m.storage.lease.SECONDS", 0.2)
    monkeypatch.setattr(Lease, "_refuse_neighbour", lambda self, content: None)
    asleep = checkpoints(folder)
    asleep.__enter__()
    asleep.save(State(step=4), ARRAYS)
    with checkpoints(folder) as awake:
        loaded = awake.load()
        assert loaded is not None
        assert loaded[0].step == 4
        with pytest.raises(LeaseLost, match="another process has taken over training here"):
            asleep.save(State(step=8), ARRAYS)
        monkeypatch.setattr(asleep._lease, "check", lambda: None)  # it falls asleep after the check, before the pointer
        with pytest.raises(InputError, match="somebody else changed"):
            asleep.save(State(step=8), ARRAYS)
        asleep.__exit__()
        awake.save(State(step=5), ARRAYS)
    with checkpoints(folder) as store:
        loaded = store.load()
        assert loaded is not None
        assert loaded[0].step == 5


def test_a_kill_before_any_operation_leaves_a_whole_checkpoint_and_in_the_end_nothing(tmp_path: Path) -> None:
    """Every eleventh operation; `long_checkpoint.py` takes all."""
    sweep(tmp_path, slice(0, None, 11))


def sweep(place: Path, only: slice) -> None:
    """Kill a small training before its operations on files, look at what it leaves, and run it again to its end."""
    with Warm("tests.training.saving") as warm:

        def run(name: str, kill_before: int | None = None) -> Run:
            (place / name / "folder").mkdir(parents=True, exist_ok=True)
            argv = [str(place / name / "folder")]
            return warm.run(argv, place / name, kill_before=kill_before, call="tests.training.saving:main")

        undisturbed = run("undisturbed")
        assert undisturbed.status == 0, undisturbed.output
        wanted = tree(place / "undisturbed")
        assert list(wanted) == ["folder", "folder/result.json", "scratch"]
        operations = undisturbed.operations
        assert len(operations) > 60
        for number in range(len(operations))[only]:
            killed = run(str(number), number)
            where = f"killed before operation {number}: {operations[number]}"
            assert killed.was_killed, where
            pointer = place / str(number) / "folder" / "checkpoint" / "checkpoint.json"
            if pointer.exists():
                named = json.loads(pointer.read_text())
                best = named["state"]["best"]
                for file in filter(None, (named["file"], best and best["file"])):
                    assert pointer.with_name(file).exists(), where
            again = run(str(number))
            assert again.status == 0, f"{where}, then: {again.output}"
            found = tree(place / str(number))
            found.pop("folder/checkpoint", None)
            assert found == wanted, where


def test_one_that_was_stopped_before_it_clears_deletes_nothing_of_its_heir(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped between moving the pointer and clearing, for longer than its lease: as a machine that is migrated."""
    monkeypatch.setattr(Lease, "_keep", lambda self: None)
    monkeypatch.setattr("yt8m.storage.lease.SECONDS", 0.2)
    monkeypatch.setattr(Lease, "_refuse_neighbour", lambda self, content: None)
    asleep, heir = checkpoints(folder), checkpoints(folder)
    asleep.__enter__()
    assert asleep.load() is None
    asleep.save(State(step=4), ARRAYS)
    move, moved = asleep._pointer.write, []

    def move_and_sleep(content: bytes, version: Any) -> Any:
        found = move(content, version)
        heir.__enter__()
        loaded = heir.load()
        assert loaded is not None
        moved.append(loaded[0].step)
        best = {"gap": 0.1, "step": 9, "file": heir.save_best(9, ARRAYS)}
        heir.save(State(step=9, best=best), {**ARRAYS, "model/0": np.arange(9)})
        return found

    monkeypatch.setattr(asleep._pointer, "write", move_and_sleep)
    with pytest.raises(LeaseLost):
        asleep.save(State(step=8), ARRAYS)
    assert moved == [8]
    asleep.remove()  # as a training that had just ended would
    asleep.__exit__()
    heir.save(State(step=10, best={"gap": 0.1, "step": 9, "file": heir._named and sorted(heir._named)[0]}), ARRAYS)
    heir.__exit__()
    with checkpoints(folder) as store:
        loaded = store.load()
        assert loaded is not None
        assert loaded[0].step == 10
        assert store.load_best(str((loaded[0].best or {})["file"])).keys() == ARRAYS.keys()
        assert [name.split("-")[0] for name in names(folder)] == ["best", "checkpoint.json", "lease.json", "state"]


def test_a_file_that_the_pointer_refuses_is_not_left(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sleeper writes its arrays after its heir has taken over, and finds the pointer moved."""
    monkeypatch.setattr(Lease, "_keep", lambda self: None)
    monkeypatch.setattr("yt8m.storage.lease.SECONDS", 0.2)
    monkeypatch.setattr(Lease, "_refuse_neighbour", lambda self, content: None)
    asleep = checkpoints(folder)
    asleep.__enter__()
    asleep.load()
    with checkpoints(folder) as heir:
        assert heir.load() is None
        monkeypatch.setattr(asleep._lease, "check", lambda: None)
        asleep.save_best(3, ARRAYS)
        with pytest.raises(InputError, match="somebody else"):  # also where neither had saved before
            asleep.save(State(step=3), ARRAYS)
        assert names(folder) == ["checkpoint.json", "lease.json"]


@pytest.mark.parametrize("left", ["all", "no pointer", "no files"])
def test_what_a_finished_training_left_is_cleared(folder: str, left: str) -> None:
    with checkpoints(folder) as store:
        store.save(State(step=3, best={"gap": 0.1, "step": 3, "file": store.save_best(3, ARRAYS)}), ARRAYS)
    for name in names(folder):
        if (left, name.endswith(".npz")) in (("no pointer", False), ("no files", True)):
            storage.delete(storage.join(folder, name))
    assert holds_checkpoint(folder)
    clear_finished(folder, CONFIGURATION)
    assert names(folder) == []
    assert not holds_checkpoint(folder)


def test_what_somebody_works_on_is_not_cleared(folder: str) -> None:
    with checkpoints(folder) as store:
        store.save(State(step=3), ARRAYS)
        clear_finished(folder, CONFIGURATION)
        store.save(State(step=4), ARRAYS)


def test_first_difference() -> None:
    assert first_difference({"a": {"b": [1, 2]}}, {"a": {"b": [1, 2]}}) is None
    assert first_difference({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}}) == "a.c is null there and 2 here"
    assert first_difference({"a": {"b": 1}}, {"a": 3}) == 'a is {"b": 1} there and 3 here'
