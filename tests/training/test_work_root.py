"""Models at the work root: trained once, found again, predicted through their small manifest."""

import json
from pathlib import Path
from typing import Any

import pytest

from yt8m.artifacts import fingerprint
from yt8m.data.rebalance.build import build_training_set
from yt8m.data.records.build import build_index
from yt8m.errors import InputError
from yt8m.prediction.table import read_predictions
from yt8m.presets import load_preset
from yt8m.registry import identity
from yt8m.registry.candidates import check_candidate
from yt8m.registry.files import local_model
from yt8m.registry.manifest import NEEDED
from yt8m.storage import list_files
from yt8m.training import work_root
from yt8m.training.work_root import predict_model, train_candidate

pytestmark = pytest.mark.usefixtures("plain_steps")

SAMPLE = Path(__file__).parents[2] / "sample"
CANDIDATE = {"name": "quick", "preset": "logistic", "overrides": {"epochs": 0.1, "batch_size": 32.0}}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A training set and a validation index of real video-level records."""
    folder = tmp_path_factory.mktemp("data")
    build_index([str(SAMPLE / "train" / "validate0000.tfrecord")], folder / "train.parquet")
    build_index([str(SAMPLE / "validate" / "validate0050.tfrecord")], folder / "validation.parquet")
    build_training_set(folder / "train.parquet", "all", folder / "training_set.parquet")
    return {"training_set": folder / "training_set.parquet", "validation": folder / "validation.parquet"}


def trained(data: dict[str, Path], work_root: str, output: Path, **changes: Any) -> dict[str, Any]:
    arguments = {"candidate": CANDIDATE, **data, "work_root": work_root, "output": output, **changes}
    return train_candidate(**arguments)


def test_a_candidate_is_trained_once_and_found_again(data: dict[str, Path], tmp_path: Path) -> None:
    first = trained(data, str(tmp_path / "work"), tmp_path / "a.json", seed=3)
    weights = Path(first["uri"]) / "model.weights.h5"
    written = weights.stat().st_mtime_ns
    manifest = json.loads((tmp_path / "a.json").read_text())
    assert manifest["candidate"] == {"name": "quick", "preset": "logistic", "overrides": {"epochs": 0.1,
                                                                                         "batch_size": 32}}  # fmt: skip
    assert manifest["uri"] == first["uri"]
    assert first["candidate"] == "quick"
    assert first["size_mb"] == pytest.approx(weights.stat().st_size / 1e6, abs=0.01)
    assert (tmp_path / "a.json").stat().st_size < 10_000
    went_by = fingerprint([manifest["identity"], identity.written_as(manifest["preset"])])
    assert first["uri"] == str(tmp_path / "work" / "models" / went_by / "model"), "the training has its own address"

    again = trained(data, str(tmp_path / "work"), tmp_path / "b.json", seed=3, candidate={**CANDIDATE, "name": "other"})
    assert {**again, "candidate": "quick"} == first
    assert weights.stat().st_mtime_ns == written

    result = predict_model(tmp_path / "b.json", data["validation"], tmp_path / "predictions.parquet")
    predictions = read_predictions(tmp_path / "predictions.parquet")
    assert result["videos"] == len(predictions) > 200
    assert predictions.metadata["models"][0]["fingerprint"] == first["fingerprint"]


def address(data: dict[str, Path], **changes: Any) -> str:
    candidate = {**CANDIDATE, "overrides": {**CANDIDATE["overrides"], **changes.pop("overrides", {})}}
    candidate = check_candidate(candidate)
    preset = load_preset(candidate["preset"], candidate["overrides"])
    how = {"seed": 0, "vocabulary": None, **changes}
    return work_root._address(preset, data["training_set"], data["validation"], **how)


def test_seed_overrides_code_and_libraries_each_make_another_model(
    data: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [address(data), address(data, seed=1), address(data, overrides={"epochs": 0.2})]
    assert address(data) == made[0] == address(data, overrides={"max_model_bytes": 2**31})
    made.append(address(data, overrides={"export_dtype": "float16"}))
    with monkeypatch.context() as patch:
        patch.setattr(identity, "training_code", lambda engine: "other code")
        made.append(address(data))
    monkeypatch.setattr(identity, "installed_libraries", lambda engine: {"keras": "4"})
    assert len({*made, address(data)}) == 6


def test_another_vocabulary_is_another_model_also_under_the_same_name(data: dict[str, Path], tmp_path: Path) -> None:
    """The labels mean other things, or there are fewer: the model that is there is not the one that is asked for."""
    rows = (SAMPLE / "vocabulary.csv").read_text().splitlines(keepends=True)
    file = tmp_path / "vocabulary.csv"
    file.write_text("".join(rows))
    made = [address(data), address(data, vocabulary=str(file))]
    assert rows[1].count("Game")
    file.write_text("".join([rows[0], rows[1].replace("Game", "Play"), *rows[2:]]))
    made.append(address(data, vocabulary=str(file)))
    file.write_text("".join(rows[:-1]))
    made.append(address(data, vocabulary=str(file)))
    assert len(set(made)) == 4
    (tmp_path / "copy.csv").write_text("".join(rows[:-1]))
    assert address(data, vocabulary=str(tmp_path / "copy.csv")) == made[-1]


def test_a_work_root_on_object_storage(data: dict[str, Path], tmp_path: Path, gcs: Any) -> None:
    made = trained(data, "gs://bucket/work", tmp_path / "a.json")
    assert made["uri"].startswith("gs://bucket/work/models/")
    written = sorted(list_files(f"{made['uri']}/*"), key=lambda file: file.generation or 0)
    assert written[-1].path == f"{made['uri']}/model.json"
    assert trained(data, "gs://bucket/work", tmp_path / "b.json") == made
    with local_model(made["uri"]) as folder:
        assert {file.name for file in folder.iterdir()} == {"model.json", "model.weights.h5"}
    predict_model(tmp_path / "b.json", data["validation"], tmp_path / "predictions.parquet")


def test_what_is_no_manifest_or_has_lost_its_weights_is_named(data: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text('{"a": 1}')
    with pytest.raises(InputError, match=r"other\.json: this does not describe a model"):
        predict_model(tmp_path / "other.json", data["validation"], tmp_path / "p.parquet")
    manifest = {**dict.fromkeys(NEEDED, ""), "kind": "model", "uri": str(tmp_path / "work" / "models" / "x"),
                "weights": {"file": "model.weights.h5"}}  # fmt: skip
    (tmp_path / "lost.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=r"model\.weights\.h5: the weights are gone from the work root; run again"):
        predict_model(tmp_path / "lost.json", data["validation"], tmp_path / "p.parquet")


def test_a_wrong_candidate_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'overrides' is missing"):
        train_candidate({"name": "a", "preset": "logistic"}, "no", "no", str(tmp_path), tmp_path / "x.json")
    assert not list(tmp_path.iterdir())
