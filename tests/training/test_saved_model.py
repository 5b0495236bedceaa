"""SavedModels are loaded where yt8m cannot be imported, and agree with `yt8m predict`."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from yt8m import models
from yt8m.data.records.video_index import read_index
from yt8m.errors import InputError
from yt8m.loader import Batch, FrameSampling, RecordReader
from yt8m.models.float16 import round_to_float16
from yt8m.prediction.predict import TrainedModel, confidences
from yt8m.prediction.top_k import top_k
from yt8m.training.export import check_sampling, write_weights
from yt8m.training.saved_model import write_saved_model

SMALL: dict[str, dict[str, Any]] = {
    "moe": {},
    "netvlad": {"clusters": 4, "hidden": 8},
    "netfv": {"clusters": 4, "hidden": 8},
    "nextvlad-mixture": {"clusters": 4, "hidden": 8, "groups": 2, "branches": 2},
}
CLASSES = 40
ALONE = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "yt8m":
            raise ModuleNotFoundError(f"no module {name} in this environment", name=name)

sys.meta_path.insert(0, Refuse())
import numpy as np
import tensorflow as tf

def python(saved, given):
    answer = tf.saved_model.load(saved).signatures["serving_default"](**{k: tf.constant(v) for k, v in given.items()})
    return {name: value.numpy() for name, value in answer.items()}

def session(saved, given):
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        signature = tf.compat.v1.saved_model.load(session, ["serve"], saved).signature_def["serving_default"]
        feed = {signature.inputs[name].name: value for name, value in given.items()}
        return session.run({name: tensor.name for name, tensor in signature.outputs.items()}, feed)

for number, folder in enumerate(sys.argv[1:]):
    given = dict(np.load(folder + "/inputs.npz"))
    for loader in (python, session)[: 2 if number < 2 else 1]:
        np.savez(f"{folder}/{loader.__name__}.npz", **loader(folder + "/saved", given))
"""


def ask(*folders: Path) -> None:
    """Have a process that knows TensorFlow alone answer the `inputs.npz` of folders by the SavedModel `saved`.

    The first two are answered by both loaders, all by the one of Python.
    """
    done = subprocess.run([sys.executable, "-c", ALONE, *map(str, folders)], cwd=folders[0], capture_output=True,
                          text=True, timeout=300)  # fmt: skip
    assert done.returncode == 0, done.stderr


def answers(folder: Path) -> list[dict[str, np.ndarray]]:
    """Those of each loader that was asked."""
    asked = [folder / f"{loader}.npz" for loader in ("python", "session")]
    return [dict(np.load(path)) for path in asked if path.exists()]


def made(name: str, level: str) -> keras.Model:
    model = models.create(name, CLASSES, level=level, **SMALL[name])
    for weight in model.trainable_variables:
        weight.assign(weight + 0.3 * keras.random.normal(weight.shape, seed=1))
    round_to_float16(model)
    return model


def expect(answer: dict[str, np.ndarray], scores: np.ndarray) -> None:
    """The answer is the top 20 of all confidences."""
    labels, values = top_k(scores, 20)
    assert (answer["labels"].dtype, answer["confidences"].dtype) == (np.int32, np.float32)
    np.testing.assert_allclose(answer["confidences"], values, rtol=0, atol=1e-5)
    np.testing.assert_allclose(np.take_along_axis(scores, answer["labels"], axis=1), values, rtol=0, atol=1e-5)
    assert labels.shape == answer["labels"].shape


CASES: list[tuple[str, Any, str]] = [
    ("moe", "all", "float32"), ("netvlad", "even", "float16"), ("netfv", "even", "float16"),
    ("nextvlad-mixture", "all", "float32"),
]  # fmt: skip


def test_both_levels_give_what_predict_gives(frame_files: Any, video_files: Any, tmp_path: Path) -> None:
    """Frames as they lie in the records, padded to the longest, which predict reads by its sampling; and means."""
    expected = {}
    for name, kind, dtype in CASES:
        (tmp_path / name).mkdir()
        model, index = made(name, "frame"), read_index(frame_files.validation)
        save(tmp_path / name, model, "frame", FrameSampling(kind, 6), dtype)
        reader = RecordReader(index)
        whole = reader.read(np.arange(len(index)), FrameSampling("all", 8))
        whole.num_frames[:] = np.arange(len(index)) % 8 + 1  # as if shorter: what is behind must not matter
        np.savez(tmp_path / name / "inputs.npz", **whole.inputs())  # type: ignore[arg-type]
        expected[name] = confidences(TrainedModel(model, {}), as_predict_reads(reader, whole, FrameSampling(kind, 6)))
    (tmp_path / "means").mkdir()
    model, index = made("moe", "video"), read_index(video_files.validation)
    save(tmp_path / "means", model, "video", FrameSampling("all", 300), "float32")
    batch = RecordReader(index).read(np.arange(len(index)), FrameSampling("all", 300))
    np.savez(tmp_path / "means" / "inputs.npz", rgb=batch.rgb[:, 0], audio=batch.audio[:, 0])
    expected["means"] = confidences(TrainedModel(model, {}), batch)

    ask(*(tmp_path / name for name in reversed(expected)))  # first the means, and the most layers
    assert [len(answers(tmp_path / name)) for name in expected] == [1, 1, 1, 2, 2]
    for name, scores in expected.items():
        for answer in answers(tmp_path / name):
            expect(answer, scores)


def save(folder: Path, model: keras.Model, level: str, sampling: FrameSampling, dtype: str) -> None:
    how = {"kind": sampling.kind, "count": sampling.count}
    write_saved_model(folder / "saved", model, level=level, sampling=how, dtype=dtype, unique=f"{folder.name} {dtype}")


def as_predict_reads(reader: RecordReader, whole: Batch, sampling: FrameSampling) -> Batch:
    """The batch that a reader makes of videos of as many frames as `whole` says."""
    batch = reader.start(whole.rows, sampling)
    for row, num_frames in enumerate(whole.num_frames):
        frames = np.arange(8)[sampling.choose(int(num_frames), np.empty(0))]
        batch.num_frames[row] = len(frames)
        for part, source in ((batch.rgb, whole.rgb), (batch.audio, whole.audio)):
            part[row, : len(frames)], part[row, len(frames) :] = source[row, frames], 0
    return batch


def test_long_videos_and_wrong_counts(tmp_path: Path) -> None:
    """Frames beyond 300 do not count, and a count beyond the frames that are there is that of the frames."""
    model, random = made("netvlad", "frame"), np.random.default_rng(0)
    long = {name: random.integers(0, 256, (2, 310, width)).astype(np.uint8)
            for name, width in (("rgb", 1024), ("audio", 128))}  # fmt: skip
    save(tmp_path, model, "frame", FrameSampling("even", 4), "float32")
    answer = tf.saved_model.load(tmp_path / "saved").signatures["serving_default"]

    def of(frames: int, count: int) -> dict[str, np.ndarray]:
        given = {name: tf.constant(values[:, :frames]) for name, values in long.items()}
        return {name: value.numpy() for name, value in answer(**given, num_frames=tf.constant([count, count])).items()}

    longer, whole, five, short = of(310, 310), of(300, 300), of(300, 5), of(5, 9)
    for one, other in ((longer, whole), (five, short)):
        np.testing.assert_array_equal(one["labels"], other["labels"])
        np.testing.assert_allclose(one["confidences"], other["confidences"], atol=1e-6)
    assert not np.array_equal(whole["confidences"], five["confidences"])


def test_float16_halves_the_files(tmp_path: Path) -> None:
    model = made("netvlad", "frame")
    sizes = {}
    for dtype in ("float32", "float16"):
        folder = tmp_path / dtype
        write_saved_model(folder / "saved", model, level="frame", sampling={"kind": "even", "count": 4}, dtype=dtype,
                          unique=dtype)  # fmt: skip
        write_weights(folder / "m.weights.h5", model, dtype)
        sizes[dtype] = (folder / "saved" / "variables" / "variables.data-00000-of-00001").stat().st_size
    assert sizes["float32"] == pytest.approx(4 * model.count_params(), rel=2e-2)
    assert 0.5 < sizes["float16"] / sizes["float32"] < 0.6


def test_a_sampling_that_depends_on_the_index_is_refused() -> None:
    with pytest.raises(InputError, match=r"frames\.predict\.kind is contiguous.*--no-saved-model"):
        check_sampling({"kind": "contiguous", "count": 4})
