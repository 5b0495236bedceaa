import csv
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from yt8m.data.rebalance.training_set import Phase, Until
from yt8m.data.records.video_index import read_index, write_index
from yt8m.errors import InputError
from yt8m.evaluation.evaluate import evaluate
from yt8m.evaluation.holdout_split import in_half
from yt8m.prediction.predict import predict
from yt8m.quiet import engine_of_environment
from yt8m.registry import identity
from yt8m.registry.manifest import read_manifest
from yt8m.training import checkpoint
from yt8m.training.train import train

pytestmark = pytest.mark.usefixtures("plain_steps")

CLASSES = 40  # as in conftest


class Killed(Exception):
    """In the place of a kill."""


@pytest.fixture
def kill_at(monkeypatch: pytest.MonkeyPatch) -> Any:
    """kill_at(n): the training dies right after its n-th checkpoint."""

    def arm(number: int) -> None:
        saves = 0
        save = checkpoint.Checkpoints.save

        def dying(self: checkpoint.Checkpoints, *args: Any) -> None:
            nonlocal saves
            save(self, *args)
            saves += 1
            if saves == number:
                monkeypatch.undo()
                raise Killed

        monkeypatch.setattr(checkpoint.Checkpoints, "save", dying)

    return arm


def run(files: Any, preset: Path, output: Path, **options: Any) -> dict[str, Any]:
    options = {"num_classes": CLASSES, "checkpoint_minutes": 0, **options}
    return train(files.training_set, files.validation, preset, output, **options)


def rows(output: Path) -> list[dict[str, str]]:
    with open(output / "history.csv") as file:
        return list(csv.DictReader(file))


def content(output: Path) -> tuple[bytes, str]:
    return (output / "model" / "model.weights.h5").read_bytes(), (output / "history.csv").read_text()


def test_it_learns_a_few_videos_by_heart(video_files: Any, presets: Any, tmp_path: Path) -> None:
    manifest = run(video_files, presets["logistic"], tmp_path, overrides={"epochs": 40, "validate_every": 10},
                   checkpoint_minutes=10)  # fmt: skip
    assert manifest["metrics"]["gap"] > 0.99
    history = rows(tmp_path)
    assert [row["epoch"] for row in history] == ["10", "20", "30", "40"]
    assert float(history[-1]["training_gap"]) > 0.9
    assert float(history[-1]["loss"]) < float(history[0]["loss"]) / 3


def test_the_folder_holds_what_the_manifest_says(video_files: Any, presets: Any, tmp_path: Path) -> None:
    manifest = run(video_files, presets["logistic"], tmp_path, seed=3)
    assert manifest == json.loads((tmp_path / "model" / "model.json").read_text()) == read_manifest(tmp_path)
    assert manifest["parameters"] == 1153 * CLASSES
    assert manifest["weights"]["bytes"] == (tmp_path / "model" / "model.weights.h5").stat().st_size
    assert manifest["training"]["steps"] == 8  # 2.5 epochs of 48 videos in batches of 16 are 7.5 steps
    assert {path.name for path in tmp_path.iterdir()} == {"model", "history.csv", "timing.csv", "logs"}
    assert [row["step"] for row in rows(tmp_path)] == ["2", "3", "5", "6", "8"]
    best = max(rows(tmp_path), key=lambda row: float(row["validation_gap"]))
    assert manifest["metrics"]["gap"] == pytest.approx(float(best["validation_gap"]))
    assert manifest["training"]["exported_step"] == int(best["step"])


@pytest.mark.usefixtures("compiled_steps")
def test_the_same_seed_gives_the_same_bytes_also_after_a_kill_and_another_seed_others(
    video_files: Any, presets: Any, tmp_path: Path, kill_at: Any
) -> None:
    for name, seed in (("a", 1), ("c", 2)):
        run(video_files, presets["logistic"], tmp_path / name, seed=seed, checkpoint_minutes=10, export="last")
    kill_at(4)
    with pytest.raises(Killed):
        run(video_files, presets["logistic"], tmp_path / "b", seed=1, export="last")
    run(video_files, presets["logistic"], tmp_path / "b", seed=1, export="last")
    assert content(tmp_path / "a") == content(tmp_path / "b")
    assert content(tmp_path / "a")[0] != content(tmp_path / "c")[0]


def test_a_finished_training_is_not_repeated(
    video_files: Any, presets: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(video_files, presets["logistic"], tmp_path)
    before = content(tmp_path)
    monkeypatch.setattr("yt8m.training.trainer.Trainer", None)
    assert run(video_files, presets["logistic"], tmp_path) == first
    assert content(tmp_path) == before
    with pytest.raises(InputError, match=r"another training is there \(preset\.epochs is 2\.5 there and 3 here\)"):
        run(video_files, presets["logistic"], tmp_path, overrides={"epochs": 3})
    with pytest.raises(InputError, match="seed is 0 there and 1 here"):
        run(video_files, presets["logistic"], tmp_path, seed=1)


def test_a_model_of_other_code_or_libraries_is_not_taken_for_this_one(
    video_files: Any, presets: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill_at: Any
) -> None:
    run(video_files, presets["logistic"], tmp_path / "finished")
    kill_at(2)
    with pytest.raises(Killed):
        run(video_files, presets["logistic"], tmp_path / "killed")
    installed = identity.installed_libraries(engine_of_environment())
    monkeypatch.setattr(identity, "installed_libraries", lambda engine: {**installed, "keras": "2.0"})
    for name, says in (("finished", "a model of another training"), ("killed", "this checkpoint is of another")):
        with pytest.raises(InputError, match=rf'{says}.*libraries\.keras is "[^"]+" there and "2\.0" here'):
            run(video_files, presets["logistic"], tmp_path / name)
    monkeypatch.undo()
    manifest = tmp_path / "finished" / "model" / "model.json"
    old = json.loads(manifest.read_text())
    del old["identity"]
    manifest.write_text(json.dumps(old))
    with pytest.raises(InputError, match="an earlier version of yt8m trained is there"):
        run(video_files, presets["logistic"], tmp_path / "finished")


def test_a_checkpoint_of_another_training_is_refused_by_name(
    video_files: Any, presets: Any, tmp_path: Path, kill_at: Any
) -> None:
    kill_at(2)
    with pytest.raises(Killed):
        run(video_files, presets["logistic"], tmp_path / "run")
    with pytest.raises(InputError, match=r"checkpoint\.json: .*preset\.schedule\.base is 0\.05 there and 0\.1 here"):
        run(video_files, presets["logistic"], tmp_path / "run", overrides={"schedule.base": 0.1})
    other = video_files.with_phases(tmp_path / "other.parquet", Phase(), Phase())
    with pytest.raises(InputError, match="training_set is "):
        run(other, presets["logistic"], tmp_path / "run")


def test_phases_run_in_order_each_with_its_schedule(video_files: Any, presets: Any, tmp_path: Path) -> None:
    """Three epochs of 48 videos, then two of 48 others; the learning rate falls by a tenth an epoch."""
    phases = (Phase("first", until=Until(epochs=3)), Phase("second", until=Until(epochs=2)))
    options: dict[str, Any] = {"overrides": {"validate_every": 1}, "checkpoint_minutes": 10}
    files = video_files.with_phases(tmp_path / "restart.parquet", *phases)
    run(files, presets["logistic"], tmp_path / "restart", **options)
    restarted = rows(tmp_path / "restart")
    assert [row["phase"] for row in restarted] == ["first"] * 3 + ["second"] * 2
    assert [row["step"] for row in restarted] == ["3", "6", "9", "12", "15"]
    rates = [float(row["learning_rate"]) for row in restarted]
    assert rates == pytest.approx([0.05, 0.045, 0.0405, 0.05, 0.045], rel=1e-5)

    kept = (phases[0], Phase("second", until=Until(epochs=2), restart=()))
    files = video_files.with_phases(tmp_path / "kept.parquet", *kept)
    run(files, presets["logistic"], tmp_path / "kept", **options)
    rates = [float(row["learning_rate"]) for row in rows(tmp_path / "kept")]
    assert rates == pytest.approx([0.05, 0.045, 0.0405, 0.03645, 0.032805], rel=1e-5)
    assert rows(tmp_path / "kept")[:3] == restarted[:3]
    assert rows(tmp_path / "kept")[4]["loss"] != restarted[4]["loss"]


@pytest.mark.parametrize(
    "restart", [("schedule", "optimizer"), pytest.param((), marks=pytest.mark.any_engine)], ids=["both", "none"]
)
def test_a_kill_in_any_phase_changes_nothing(
    video_files: Any, presets: Any, tmp_path: Path, kill_at: Any, restart: tuple[str, ...]
) -> None:
    """The first phase ends at its training GAP, well before its limit; kills fall before and after its end."""
    phases = (
        Phase("first", until=Until(training_gap=0.6, max_epochs=10)),
        Phase("second", until=Until(epochs=2), restart=restart),
    )
    files = video_files.with_phases(tmp_path / "training_set.parquet", *phases)
    run(files, presets["logistic"], tmp_path / "straight", checkpoint_minutes=10)
    end = max(int(row["step"]) for row in rows(tmp_path / "straight") if row["phase"] == "first")
    assert end < 30
    for saves in (end - 1, 2):
        kill_at(saves)
        with pytest.raises(Killed):
            run(files, presets["logistic"], tmp_path / "killed")
    run(files, presets["logistic"], tmp_path / "killed")
    assert content(tmp_path / "killed") == content(tmp_path / "straight")


@pytest.mark.any_engine
def test_a_phase_ends_when_its_training_gap_has_converged(
    video_files: Any, presets: Any, tmp_path: Path, capsys: Any
) -> None:
    """The rule judges each epoch by itself; the history has the GAP of the last examples, whatever their epoch."""
    phases = (Phase("first", until=Until(training_gap="converged", max_epochs=200)),)
    files = video_files.with_phases(tmp_path / "training_set.parquet", *phases)
    run(files, presets["logistic"], tmp_path / "run", overrides={"validate_every": 1}, checkpoint_minutes=10)
    (line,) = [text for text in capsys.readouterr().err.splitlines() if "of each whole one: " in text]
    gaps = [float(gap) for gap in line.partition("of each whole one: ")[2].split(", ")]
    assert len(gaps) == len(rows(tmp_path / "run"))
    assert 3 < len(gaps) < 200
    gains = [b - max(gaps[: i + 1]) for i, b in enumerate(gaps[1:])]
    assert gains[-1] < 0.001
    assert min(gains[:-1]) >= 0.001


def test_last_and_best_weights(video_files: Any, presets: Any, tmp_path: Path) -> None:
    """The second phase forgets the half of the videos that it does not see."""
    phases = (Phase(until=Until(epochs=3)), Phase(until=Until(epochs=6)))
    files = video_files.with_phases(tmp_path / "training_set.parquet", *phases)
    options = {"overrides": {"schedule.base": 3.0, "validate_every": 1}, "checkpoint_minutes": 10}
    best = run(files, presets["logistic"], tmp_path / "best", **options)
    last = run(files, presets["logistic"], tmp_path / "last", export="last", **options)
    gaps = [float(row["validation_gap"]) for row in rows(tmp_path / "best")]
    assert gaps[-1] < max(gaps) - 0.01
    assert best["metrics"]["gap"] == pytest.approx(max(gaps), rel=1e-6)
    assert last["metrics"]["gap"] == pytest.approx(gaps[-1], rel=1e-6)
    assert best["training"]["exported_step"] < last["training"]["exported_step"] == 27


@pytest.mark.parametrize("name", ["netvlad", pytest.param("logistic", marks=pytest.mark.any_engine)])
def test_a_loss_that_is_not_finite_stops_with_step_and_quantity(
    frame_files: Any, video_files: Any, presets: Any, tmp_path: Path, name: str
) -> None:
    files = frame_files if name == "netvlad" else video_files
    with pytest.raises(InputError) as error:
        run(files, presets[name], tmp_path, overrides={"schedule.base": 1e30, "epochs": 20})
    message = str(error.value)
    assert "\n" not in message
    assert any(name in message for name in ("the loss is", "the penalty is", "the model's validation is"))
    assert "at step" in message
    assert "schedule.base" in message
    assert not (tmp_path / "model").exists()


def test_a_bad_record_is_named_and_no_model_is_left(video_files: Any, presets: Any, tmp_path: Path) -> None:
    shard = video_files.validation.parent / "few.tfrecord"
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "few.tfrecord").write_bytes(data)
    with pytest.raises(InputError, match=r"few\.tfrecord: record \d+ at byte"):
        run(video_files, presets["logistic"], tmp_path / "run", source=str(tmp_path))
    assert not (tmp_path / "run" / "model").exists()


def test_shards_that_were_moved_are_found_by_their_source(video_files: Any, presets: Any, tmp_path: Path) -> None:
    shard = video_files.validation.parent / "few.tfrecord"
    (tmp_path / "few.tfrecord").write_bytes(shard.read_bytes())
    options = {"source": str(tmp_path), "validation_source": str(tmp_path), "checkpoint_minutes": 10}
    assert run(video_files, presets["logistic"], tmp_path / "run", **options)["training"]["steps"] == 8


def test_the_end_of_a_phase_is_judged_on_all_videos(video_files: Any, presets: Any, tmp_path: Path) -> None:
    """The sample's metrics are the same whether the sample is judged alone or with all the others."""
    phases = (Phase(until=Until(epochs=2)), Phase(until=Until(epochs=1)))
    files = video_files.with_phases(tmp_path / "training_set.parquet", *phases)
    settings = {"validation_videos": 16, "validate_every": 1}
    manifest = run(files, presets["logistic"], tmp_path / "run", overrides=settings, checkpoint_minutes=10)
    history = rows(tmp_path / "run")
    assert [row["all_gap"] != "" for row in history] == [False, True, True]
    assert all(row["all_gap"] != row["validation_gap"] for row in history if row["all_gap"])
    assert manifest["training"]["validation_videos"] == 16

    everything = run(files, presets["logistic"], tmp_path / "all", overrides={**settings, "validation_videos": 99},
                     checkpoint_minutes=10)  # fmt: skip
    ids = read_index(files.validation).video_ids
    assert everything["training"]["validation_videos"] == np.count_nonzero(in_half(ids, "selection")) < len(ids)
    for row, whole in zip(history, rows(tmp_path / "all"), strict=True):
        assert row["all_gap"] == whole["all_gap"]
        assert whole["validation_gap"] != whole["all_gap"]


def test_what_it_says_of_itself(video_files: Any, presets: Any, tmp_path: Path, capsys: Any) -> None:
    import tensorflow as tf

    seen: list[dict[str, Any]] = []
    run(video_files, presets["logistic"], tmp_path, checkpoint_minutes=10,
        write_page=lambda folder, record: seen.append(record))  # fmt: skip
    lines = capsys.readouterr().err.splitlines()
    first = next(line for line in lines if "step 1 of 8" in line)
    assert re.search(r"took [\d.]+ s, loss \d+\.\d+, GAP 0\.\d+, [\d.]+% waiting", first)
    assert [point[0] for point in seen[-1]["curve"]] == list(range(1, 9))
    assert [row["step"] for row in seen[-1]["rows"]] == [2, 3, 5, 6, 8]
    events = [event for file in (tmp_path / "logs").iterdir()
              for event in tf.compat.v1.train.summary_iterator(str(file))]  # fmt: skip
    tags = {value.tag for event in events for value in event.summary.value}
    assert {"loss", "training_gap", "validation_gap", "learning_rate", "examples_per_second", "waiting_share"} <= tags
    with open(tmp_path / "timing.csv") as file:
        for timing in csv.DictReader(file):
            assert 0 <= float(timing["waiting_share"]) <= 1
            assert 0 < float(timing["validation_share"]) <= 1


def test_the_average_of_the_weights_is_what_is_judged_and_exported(
    video_files: Any, presets: Any, tmp_path: Path
) -> None:
    """An average that keeps nothing is the weights themselves; one that keeps nearly all lags behind."""
    options: dict[str, Any] = {"checkpoint_minutes": 10, "export": "last"}
    plain = run(video_files, presets["logistic"], tmp_path / "plain", **options)
    same = run(video_files, presets["logistic"], tmp_path / "same", overrides={"ema": 0.0}, **options)
    lagging = run(video_files, presets["logistic"], tmp_path / "lagging", overrides={"ema": 0.99}, **options)
    assert same["metrics"] == plain["metrics"]
    assert content(tmp_path / "same") == content(tmp_path / "plain")
    assert lagging["metrics"]["gap"] < plain["metrics"]["gap"] - 0.01
    assert [row["loss"] for row in rows(tmp_path / "lagging")] == [row["loss"] for row in rows(tmp_path / "plain")]
    index = str(video_files.validation)
    predict([tmp_path / "lagging"], index, tmp_path / "p.parquet")
    measured = evaluate(tmp_path / "p.parquet", tmp_path / "metrics")
    assert measured["gap"] == pytest.approx(float(rows(tmp_path / "lagging")[-1]["all_gap"]), abs=1e-6)


def test_netvlad_continues_to_the_bit_and_learns_as_well_in_bfloat16(
    frame_files: Any, presets: Any, tmp_path: Path, kill_at: Any
) -> None:
    """Killed after 33 of its 60 steps, when its moving statistics are far from those of the start."""
    options: dict[str, Any] = {"overrides": {"epochs": 20, "validate_every": 10}}
    full = run(frame_files, presets["netvlad"], tmp_path / "a", checkpoint_minutes=10, **options)
    kill_at(33)
    with pytest.raises(Killed):
        run(frame_files, presets["netvlad"], tmp_path / "killed", **options)
    run(frame_files, presets["netvlad"], tmp_path / "killed", **options)
    assert content(tmp_path / "killed") == content(tmp_path / "a")
    half = run(frame_files, presets["netvlad"], tmp_path / "b", checkpoint_minutes=10,
               overrides={**options["overrides"], "precision": "bfloat16"})  # fmt: skip
    assert content(tmp_path / "a")[0] != content(tmp_path / "b")[0]
    assert half["metrics"]["gap"] == pytest.approx(full["metrics"]["gap"], abs=0.05)


def test_it_starts_from_a_trained_model(video_files: Any, presets: Any, tmp_path: Path) -> None:
    options: dict[str, Any] = {"checkpoint_minutes": 10}
    first = run(video_files, presets["logistic"], tmp_path / "first", overrides={"epochs": 20, "validate_every": 20},
                **options)  # fmt: skip
    still = {"epochs": 0.3, "schedule.base": 1e-9, "validate_every": 1}
    second = run(video_files, presets["logistic"], tmp_path / "second", overrides=still,
                 init_from=tmp_path / "first", **options)  # fmt: skip
    assert second["metrics"]["gap"] == pytest.approx(first["metrics"]["gap"], abs=1e-6)
    assert second["initial_model"] == first["fingerprint"]
    with pytest.raises(InputError, match=r"--init-from .*: it has 40 classes, the model to be trained 41"):
        run(video_files, presets["logistic"], tmp_path / "third", init_from=tmp_path / "first", num_classes=41)
    with pytest.raises(InputError, match=r"architecture logistic, the preset logistic trains moe"):
        run(video_files, presets["logistic"], tmp_path / "third", init_from=tmp_path / "first",
            overrides={"model": {"name": "moe"}})  # fmt: skip
    with pytest.raises(InputError, match=r"initial is null there and .* here"):
        run(video_files, presets["logistic"], tmp_path / "first", overrides={"epochs": 20, "validate_every": 20},
            init_from=tmp_path / "second")  # fmt: skip


def test_another_size_is_no_start(frame_files: Any, presets: Any, tmp_path: Path) -> None:
    few = {"epochs": 0.3, "validate_every": 1}
    run(frame_files, presets["mlp"], tmp_path / "first", overrides=few, checkpoint_minutes=10)
    with pytest.raises(InputError, match=r"is \(.*\) there and \(.*\) here; give both the same settings"):
        run(frame_files, presets["mlp"], tmp_path / "second", overrides={**few, "model.hidden": 9},
            init_from=tmp_path / "first")  # fmt: skip


def test_it_learns_from_a_teacher(video_files: Any, presets: Any, tmp_path: Path) -> None:
    """By a teacher alone, a model comes to agree with it; the model itself and its predictions teach alike."""
    teacher, index = tmp_path / "teacher", str(video_files.validation)
    run(video_files, presets["logistic"], teacher, overrides={"epochs": 30, "validate_every": 30})
    predict([teacher], index, tmp_path / "p.parquet", top=CLASSES)
    only = {"epochs": 30, "validate_every": 30, "distillation.weight": 1.0, "start_at_label_rates": False}
    options: dict[str, Any] = {"overrides": only, "checkpoint_minutes": 10}
    taught = run(video_files, presets["logistic"], tmp_path / "by-model", teacher=teacher, **options)
    again = run(
        video_files, presets["logistic"], tmp_path / "by-predictions", teacher=tmp_path / "p.parquet", **options
    )
    assert taught["metrics"]["gap"] > 0.9
    assert again["metrics"]["gap"] == pytest.approx(taught["metrics"]["gap"], abs=0.005)
    losses = [[float(row["loss"]) for row in rows(tmp_path / name)] for name in ("by-model", "by-predictions")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
    few = read_index(video_files.validation).take(np.arange(10))
    write_index(tmp_path / "few.parquet", few)
    predict([teacher], tmp_path / "few.parquet", tmp_path / "few-p.parquet")
    with pytest.raises(InputError, match=r"--teacher .*few-p\.parquet: no prediction of 38 of the 48 training videos"):
        run(video_files, presets["logistic"], tmp_path / "x", teacher=tmp_path / "few-p.parquet", **options)
