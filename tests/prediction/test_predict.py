import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.forks import Forks
from yt8m.data.records.build import build_index
from yt8m.data.records.simulate import simulate
from yt8m.data.records.tfrecord import RecordWriter, read_payload
from yt8m.data.records.video_index import VideoIndex, read_index, write_index
from yt8m.errors import InputError
from yt8m.loader import PADDING, FrameSampling, RecordReader
from yt8m.models import create
from yt8m.prediction.partial_results import PartialResults
from yt8m.prediction.predict import confidences, load_model, predict
from yt8m.prediction.table import read_predictions
from yt8m.registry.manifest import MANIFEST, WEIGHTS, describe_weights, model_fingerprint
from yt8m.storage import list_files

SAMPLE = Path(__file__).parents[2] / "sample"
CLASSES, VIDEOS = 3862, 21
NETVLAD = {"clusters": 4, "hidden": 4, "head": "logistic"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few real videos: `video.parquet` and, with simulated frames, `frame.parquet`."""
    folder = tmp_path_factory.mktemp("data")
    shard = SAMPLE / "validate" / "validate0051.tfrecord"
    build_index([str(shard)], folder / "all.parquet")
    index, content = read_index(folder / "all.parquet"), shard.read_bytes()
    (folder / "video").mkdir()
    with RecordWriter(folder / "video" / "few.tfrecord") as writer:
        for row in range(VIDEOS):
            writer.write(bytes(read_payload(content, int(index.offsets[row]), int(index.lengths[row]))))
    simulate([str(folder / "video")], folder / "frame", max_frames=7, workers=1)
    for level in ("video", "frame"):
        build_index([str(folder / level)], folder / f"{level}.parquet")
    return folder


def make_model(
    folder: Path, name: str = "logistic", level: str = "video", seed: int = 0, count: int = 5, **settings: Any
) -> Path:
    """A model folder with random weights, as training writes it."""
    model = create(name, CLASSES, level=level, seed=seed, **settings)
    for variable in model.trainable_variables:
        variable.assign(keras.random.normal(variable.shape, seed=seed) * 0.5)
    folder.mkdir(parents=True)
    model.save_weights(folder / WEIGHTS)
    manifest: dict[str, Any] = {
        "kind": "model", "name": name, "architecture": name, "settings": settings, "level": level,
        "num_classes": CLASSES, "weights": describe_weights(folder / WEIGHTS, "float32"),
        "preset": {"frames": {"predict": {"kind": "even", "count": count}}},
        "vocabulary_fingerprint": None, "training_set_fingerprint": "t",
    }  # fmt: skip
    manifest["fingerprint"] = model_fingerprint(manifest)
    (folder / MANIFEST).write_text(json.dumps(manifest))
    return folder


@pytest.fixture(scope="module")
def logistic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of video-level records, which no test changes."""
    return make_model(tmp_path_factory.mktemp("models") / "logistic")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of other weights."""
    return make_model(tmp_path_factory.mktemp("models") / "other", seed=1)


def dense(folder: Path, index: VideoIndex) -> np.ndarray:
    """All confidences of all videos at once."""
    trained = load_model(folder)
    with_frames = RecordReader(index).read(np.arange(len(index)), trained.sampling)
    return np.asarray(trained.model(with_frames.inputs(), training=False))


def expect(scores: np.ndarray, index: VideoIndex, file: Path, top: int, tolerance: float = 0.0) -> None:
    """The file holds what a sort of all confidences gives."""
    predictions = read_predictions(file)
    order = np.argsort(-scores, axis=1, kind="stable")
    best = np.take_along_axis(scores, order[:, :top], axis=1)
    np.testing.assert_allclose(predictions.top_confidences, best, rtol=0, atol=tolerance)
    assert list(predictions.video_ids) == list(index.video_ids)
    np.testing.assert_array_equal(predictions.labels, index.labels)
    ranks = np.argsort(order, axis=1) + 1
    rows = np.repeat(np.arange(len(index)), index.labels_per_video)
    own = scores[rows, index.labels]
    np.testing.assert_allclose(predictions.label_confidences, own, rtol=0, atol=tolerance)
    if not tolerance:
        np.testing.assert_array_equal(predictions.top_labels, order[:, :top])
        np.testing.assert_array_equal(predictions.label_ranks, ranks[rows, index.labels])


@pytest.mark.parametrize("batch_size", [5, 256])
def test_predictions_are_the_sorted_outputs_of_the_model(
    data: Path, logistic: Path, tmp_path: Path, batch_size: int
) -> None:
    index = read_index(data / "video.parquet")
    result = predict([logistic], data / "video.parquet", tmp_path / "p.parquet", batch_size=batch_size)
    assert result["videos"] == VIDEOS
    assert result["models"] == ["logistic"]
    expect(dense(logistic, index), index, tmp_path / "p.parquet", 20, tolerance=1e-6)


def test_ranks_and_top_labels_agree_with_a_full_sort(data: Path, logistic: Path, tmp_path: Path) -> None:
    """To the last bit, on the confidences of the same compiled function."""
    index = read_index(data / "video.parquet")
    predict([logistic], data / "video.parquet", tmp_path / "p.parquet", top=30)
    batch = RecordReader(index).read(np.arange(VIDEOS), FrameSampling("even", 5))
    expect(confidences(load_model(logistic), batch), index, tmp_path / "p.parquet", 30)


def test_ties_go_to_the_lower_label(data: Path, tmp_path: Path) -> None:
    """All confidences are equal under zero weights."""
    folder, index = make_model(tmp_path / "m"), read_index(data / "video.parquet")
    model = create("logistic", CLASSES, level="video")
    for variable in model.trainable_variables:
        variable.assign(np.zeros(variable.shape))
    model.save_weights(folder / WEIGHTS)
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["weights"] = describe_weights(folder / WEIGHTS, "float32")
    (folder / MANIFEST).write_text(json.dumps(manifest))
    predict([folder], data / "video.parquet", tmp_path / "p.parquet")
    predictions = read_predictions(tmp_path / "p.parquet")
    np.testing.assert_array_equal(predictions.top_labels, np.tile(np.arange(20), (VIDEOS, 1)))
    np.testing.assert_array_equal(predictions.label_ranks, index.labels + 1)


def test_several_models_are_averaged_over_all_classes(data: Path, tmp_path: Path) -> None:
    """Also when they look at different frames."""
    index = read_index(data / "frame.parquet")
    models = [
        make_model(tmp_path / "a", "netvlad", "frame", seed=1, **NETVLAD),
        make_model(tmp_path / "b", "netvlad", "frame", seed=2, **NETVLAD),
        make_model(tmp_path / "c", "logistic", "frame", seed=3, count=2),
    ]
    result = predict(models, data / "frame.parquet", tmp_path / "p.parquet", batch_size=8)
    assert result["models"] == ["netvlad", "netvlad", "logistic"]
    assert result["simulated"] is True
    mean = np.mean([dense(model, index) for model in models], axis=0, dtype=np.float64).astype(np.float32)
    expect(mean, index, tmp_path / "p.parquet", 20, tolerance=1e-5)
    single = predict(models[:1], data / "frame.parquet", tmp_path / "q.parquet")
    assert single["fingerprint"] != result["fingerprint"]


def test_the_file_says_what_made_it_and_is_the_same_each_time(data: Path, tmp_path: Path) -> None:
    model = make_model(tmp_path / "run" / "model")
    predict([model], data / "video.parquet", tmp_path / "p.parquet")
    predict([tmp_path / "run"], data / "video.parquet", tmp_path / "q.parquet")
    assert (tmp_path / "p.parquet").read_bytes() == (tmp_path / "q.parquet").read_bytes()
    metadata = read_predictions(tmp_path / "p.parquet").metadata
    manifest = json.loads((model / MANIFEST).read_text())
    assert metadata["models"] == [{"name": "logistic", "fingerprint": manifest["fingerprint"], "training_set": "t"}]
    assert metadata["index"] == read_index(data / "video.parquet").fingerprint()
    assert metadata["num_classes"] == CLASSES
    assert metadata["level"] == "video"
    assert metadata["simulated"] is False


def test_videos_without_labels_are_predicted(logistic: Path, tmp_path: Path) -> None:
    build_index([str(SAMPLE / "test")], tmp_path / "test.parquet")
    index = read_index(tmp_path / "test.parquet").take(np.arange(10))
    write_index(tmp_path / "few.parquet", index)
    predict([logistic], tmp_path / "few.parquet", tmp_path / "p.parquet", top=3)
    predictions = read_predictions(tmp_path / "p.parquet")
    assert predictions.top_labels.shape == (10, 3)
    assert len(predictions.labels) == 0


def test_bad_records_stop_or_are_left_out_and_listed(data: Path, logistic: Path, tmp_path: Path) -> None:
    shutil.copytree(data / "video", tmp_path / "video")
    shard, index = tmp_path / "video" / "few.tfrecord", read_index(data / "video.parquet")
    content = bytearray(shard.read_bytes())
    content[int(index.offsets[4]) + 500] ^= 1
    shard.write_bytes(content)
    arguments = {"source": str(tmp_path / "video")}
    with pytest.raises(InputError, match=r"few\.tfrecord: record 4 at byte"):
        predict([logistic], data / "video.parquet", tmp_path / "p.parquet", **arguments)
    assert not (tmp_path / "p.parquet").exists()
    result = predict([logistic], data / "video.parquet", tmp_path / "p.parquet", skip_bad_records=True, **arguments)
    assert result["videos"] == VIDEOS - 1
    assert [(entry["record"], entry["video_id"]) for entry in result["skipped"]] == [(4, index.video_ids[4].decode())]
    left = [i for i in range(VIDEOS) if i != 4]
    expect(dense(logistic, index.take(np.array(left))), index.take(np.array(left)), tmp_path / "p.parquet", 20, 1e-6)


def test_what_does_not_fit_is_refused_in_one_line(data: Path, logistic: Path, tmp_path: Path) -> None:
    cases: list[tuple[Any, Any, str, dict[str, Any]]] = [
        ([], "video", "no model is given", {}),
        ([tmp_path / "no"], "video", r"there is no model\.json", {}),
        ([logistic], "frame", "a model of video-level records, but .* holds frame-level ones", {}),
        ([logistic], "video", "--top 0", {"top": 0}),
        ([logistic], "none", "no such file", {}),
    ]
    for models, level, message, options in cases:
        with pytest.raises(InputError, match=message) as error:
            predict(models, data / f"{level}.parquet", tmp_path / "p.parquet", **options)
        assert "\n" not in str(error.value)
    assert not (tmp_path / "p.parquet").exists()


def test_models_of_different_vocabularies_are_not_averaged(data: Path, logistic: Path, tmp_path: Path) -> None:
    two = shutil.copytree(logistic, tmp_path / "b")
    manifest = json.loads((two / MANIFEST).read_text())
    (two / MANIFEST).write_text(json.dumps({**manifest, "vocabulary_fingerprint": "other"}))
    with pytest.raises(InputError, match="its vocabulary_fingerprint is other"):
        predict([logistic, two], data / "video.parquet", tmp_path / "p.parquet")


def test_weights_of_another_architecture_are_refused(data: Path, logistic: Path, tmp_path: Path) -> None:
    model = shutil.copytree(logistic, tmp_path / "m")
    manifest = json.loads((model / MANIFEST).read_text())
    (model / MANIFEST).write_text(json.dumps({**manifest, "architecture": "moe"}))
    with pytest.raises(InputError, match=r"not the weights of what model\.json describes"):
        predict([model], data / "video.parquet", tmp_path / "p.parquet")


def test_weights_decide_the_average(data: Path, logistic: Path, other: Path, tmp_path: Path) -> None:
    index, models = read_index(data / "video.parquet"), [logistic, other]
    predict(models, data / "video.parquet", tmp_path / "p.parquet", weights=[3, 1])
    one, two = (dense(model, index) for model in models)
    expect(0.75 * one + 0.25 * two, index, tmp_path / "p.parquet", 20, tolerance=1e-6)
    named = read_predictions(tmp_path / "p.parquet").metadata["models"]
    assert [model["weight"] for model in named] == [3.0, 1.0]
    equal = [predict(models, data / "video.parquet", tmp_path / f"{weights}.parquet", weights=weights)["fingerprint"]
             for weights in (None, [1, 1])]  # fmt: skip
    assert len({*equal, read_predictions(tmp_path / "p.parquet").metadata["fingerprint"]}) == 3
    expect((one + two) / 2, index, tmp_path / "[1, 1].parquet", 20, tolerance=1e-6)


@pytest.mark.parametrize(
    ("weights", "message"),
    [([1], "1 are given for 2 models"), ([1, 0], "the weight of .*other is 0; it must be above 0"),
     ([1, -2], "is -2"), ([float("nan"), 1], "is nan"), ([1, float("inf")], "is inf")],
)  # fmt: skip
def test_wrong_weights_are_refused(
    data: Path, logistic: Path, other: Path, tmp_path: Path, weights: list[float], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        predict([logistic, other], data / "video.parquet", tmp_path / "p.parquet", weights=weights)


@dataclass
class Straight:
    """A prediction that nothing interrupted: its models, how they were asked, the result, and the file."""

    models: list[Path]
    options: dict[str, Any]
    result: dict[str, Any]
    file: Path


class Killed(Exception):
    """In the place of a kill."""


def die_at(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """The prediction dies after so many parts."""
    saves = 0
    save = PartialResults.save

    def dying(self: PartialResults, part: Any) -> None:
        nonlocal saves
        save(self, part)
        saves += 1
        if saves == number:
            monkeypatch.undo()
            raise Killed

    monkeypatch.setattr(PartialResults, "save", dying)


@pytest.fixture(scope="module")
def straight(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Straight:
    """Of two models, with a bad record in each half; 21 videos are 11 batches of two."""
    folder = tmp_path_factory.mktemp("straight")
    shutil.copytree(data / "frame", folder / "frame")
    (shard,) = (folder / "frame").glob("*.tfrecord")
    index, content = read_index(data / "frame.parquet"), bytearray(shard.read_bytes())
    for row in (4, 17):
        content[int(index.offsets[row]) + 500] ^= 1
    shard.write_bytes(content)
    models = [
        make_model(folder / "a", "netvlad", "frame", **NETVLAD),
        make_model(folder / "b", level="frame", count=2),
    ]
    options: dict[str, Any] = {"batch_size": 2, "source": str(folder / "frame"), "skip_bad_records": True}
    result = predict(models, data / "frame.parquet", folder / "straight.parquet", **options)
    return Straight(models, options, result, folder / "straight.parquet")


@pytest.mark.parametrize("deaths", [[1], [4], [3, 1], [11]])
def test_a_killed_prediction_goes_on_to_the_same_bytes(
    data: Path, straight: Straight, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deaths: list[int]
) -> None:
    output = tmp_path / "killed.parquet"
    for number in deaths:
        die_at(monkeypatch, number)
        with pytest.raises(Killed):
            predict(straight.models, data / "frame.parquet", output, part_seconds=0, **straight.options)
        assert not output.exists()
    read: list[int] = []
    fill = RecordReader.fill
    monkeypatch.setattr(
        RecordReader, "fill", lambda self, batch, *rest: (read.extend(batch.rows), fill(self, batch, *rest))
    )
    result = predict(straight.models, data / "frame.parquet", output, part_seconds=0, **straight.options)
    assert result == straight.result
    assert min((row for row in read if row != PADDING), default=VIDEOS) >= min(2 * sum(deaths), VIDEOS)
    assert output.read_bytes() == straight.file.read_bytes()
    assert [entry["record"] for entry in result["skipped"]] == [4, 17]
    assert not (tmp_path / "killed.parquet.parts").exists()


def of_another_user(folder: Path) -> dict[str, str]:
    """An environment, with a keras.json, that has the libraries compute in another way."""
    configured = {"floatx": "float16", "epsilon": 0.1, "backend": "torch", "image_data_format": "channels_first"}
    (folder / ".keras").mkdir()
    (folder / ".keras" / "keras.json").write_text(json.dumps(configured))
    return {
        "HOME": str(folder), "KERAS_MAX_EPOCHS": "x", "KERAS_NNX_ENABLED": "1", "TF_ENABLE_ONEDNN_OPTS": "0",
        "XLA_FLAGS": "--xla_cpu_enable_fast_math=true", "TF_XLA_FLAGS": "--tf_xla_auto_jit=2", "PYTHONHASHSEED": "7",
        "NVIDIA_TF32_OVERRIDE": "0", "ONEDNN_DEFAULT_FPMATH_MODE": "BF16",
    }  # fmt: skip


def test_what_a_program_around_it_configured_changes_no_byte(data: Path, logistic: Path, tmp_path: Path) -> None:
    predict([logistic], data / "video.parquet", tmp_path / "p.parquet")
    try:
        keras.config.set_floatx("float16")
        keras.config.set_epsilon(0.1)
        keras.config.set_dtype_policy("mixed_bfloat16")
        predict([logistic], data / "video.parquet", tmp_path / "q.parquet")
    finally:
        keras.config.set_floatx("float32")
        keras.config.set_epsilon(1e-7)
        keras.config.set_dtype_policy("float32")
    assert (tmp_path / "p.parquet").read_bytes() == (tmp_path / "q.parquet").read_bytes()


def test_a_prediction_killed_by_a_signal_goes_on(forks: Forks, data: Path, tmp_path: Path) -> None:
    model = make_model(tmp_path / "m", "netvlad", "frame", **NETVLAD)
    script = ("import sys\nfrom yt8m.quiet import quiet_start\nwith quiet_start():\n    from yt8m.prediction.predict "
              "import predict\npredict(*[[sys.argv[1]], *sys.argv[2:]], batch_size=1, part_seconds=0)")  # fmt: skip
    # Each in a process of its own: threads of one that has run other models may add up in another order.
    command = [str(model), str(data / "frame.parquet")]
    process = forks.start([*command, str(tmp_path / "p.parquet")], "tests.forks:predict_by_video")
    parts = tmp_path / "p.parquet.parts"
    process.wait_until(lambda: list(parts.glob("*-*.npz")))
    assert process.kill() == -signal.SIGKILL
    assert not (tmp_path / "p.parquet").exists()
    forks.run([*command, str(tmp_path / "p.parquet")], "tests.forks:predict_by_video")
    subprocess.run([sys.executable, "-c", script, *command, str(tmp_path / "q.parquet")], check=True,
                   stderr=subprocess.DEVNULL, env={**os.environ, **of_another_user(tmp_path)})  # fmt: skip
    assert (tmp_path / "p.parquet").read_bytes() == (tmp_path / "q.parquet").read_bytes()
    assert not parts.exists()


def test_parts_of_another_prediction_are_not_used(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = [make_model(tmp_path / "a", seed=1), make_model(tmp_path / "b", seed=2)]
    die_at(monkeypatch, 2)
    with pytest.raises(Killed):
        predict(models[:1], data / "video.parquet", tmp_path / "p.parquet", batch_size=4, part_seconds=0)
    for name in ("p", "q"):
        predict(models[1:], data / "video.parquet", tmp_path / f"{name}.parquet", batch_size=4)
    assert (tmp_path / "p.parquet").read_bytes() == (tmp_path / "q.parquet").read_bytes()


def test_parts_may_lie_on_object_storage(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gcs: Any) -> None:
    model, parts = make_model(tmp_path / "m"), "gs://bucket/work/predictions/x"
    die_at(monkeypatch, 2)
    with pytest.raises(Killed):
        predict([model], data / "video.parquet", tmp_path / "p.parquet", batch_size=4, part_seconds=0, parts=parts)
    assert [file.path.rpartition("/")[2] for file in list_files(f"{parts}/*")] == [
        "00000000-00000001.npz", "00000001-00000002.npz", "job.json",
    ]  # fmt: skip
    predict([model], data / "video.parquet", tmp_path / "p.parquet", batch_size=4, parts=parts)
    predict([model], data / "video.parquet", tmp_path / "q.parquet", batch_size=4)
    assert (tmp_path / "p.parquet").read_bytes() == (tmp_path / "q.parquet").read_bytes()
    with pytest.raises(InputError, match="no object"):
        list_files(f"{parts}/*")


def test_an_index_that_holds_a_video_twice_is_refused_before_anything_is_predicted(data: Path, tmp_path: Path) -> None:
    index = read_index(data / "video.parquet")
    write_index(tmp_path / "twice.parquet", index.take(np.array([0, 1, 0])))
    with pytest.raises(InputError, match=r"twice\.parquet: 1 id occurs more than once .*; index each shard once"):
        predict([tmp_path / "no model"], tmp_path / "twice.parquet", tmp_path / "p.parquet")
