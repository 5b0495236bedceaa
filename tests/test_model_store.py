"""Models at the work root: trained once, found again, predicted through their small manifest."""

import json
from pathlib import Path
from typing import Any

import pytest

from yt8m import model_store
from yt8m.candidates import check_candidate
from yt8m.code_version import code_version
from yt8m.errors import InputError
from yt8m.model_store import predict_model, stage_model, train_candidate
from yt8m.predictions import read_predictions
from yt8m.presets import load_preset
from yt8m.rebalance.build import build_training_set
from yt8m.records.build import build_index
from yt8m.storage import list_files

SAMPLE = Path(__file__).parents[1] / "sample"
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
    first = trained(data, str(tmp_path / "work"), tmp_path / "a.json")
    weights = Path(first["uri"]) / "model.weights.h5"
    written = weights.stat().st_mtime_ns
    manifest = json.loads((tmp_path / "a.json").read_text())
    assert manifest["candidate"] == {"name": "quick", "preset": "logistic", "overrides": {"epochs": 0.1,
                                                                                         "batch_size": 32}}  # fmt: skip
    assert manifest["uri"] == first["uri"]
    assert first["candidate"] == "quick"
    assert first["size_mb"] == pytest.approx(weights.stat().st_size / 1e6, abs=0.01)
    assert (tmp_path / "a.json").stat().st_size < 10_000

    again = trained(data, str(tmp_path / "work"), tmp_path / "b.json", candidate={**CANDIDATE, "name": "other"})
    assert {**again, "candidate": "quick"} == first
    assert weights.stat().st_mtime_ns == written

    result = predict_model(tmp_path / "b.json", data["validation"], tmp_path / "predictions.parquet")
    predictions = read_predictions(tmp_path / "predictions.parquet")
    assert result["videos"] == len(predictions) > 200
    assert predictions.metadata["models"][0]["fingerprint"] == first["fingerprint"]


def test_seed_overrides_and_code_each_make_another_model(
    data: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def home(**changes: Any) -> str:
        candidate = {**CANDIDATE, "overrides": {**CANDIDATE["overrides"], **changes.pop("overrides", {})}}
        candidate = check_candidate(candidate)
        preset = load_preset(candidate["preset"], candidate["overrides"])
        files = data["training_set"], data["validation"]
        return model_store._fingerprint(preset, *files, changes.get("seed", 0), None)

    names = [home(), home(seed=1), home(overrides={"epochs": 0.2})]
    assert home() == names[0]
    monkeypatch.setattr(model_store, "code_version", lambda *packages: code_version(*packages) + "x")
    assert len({*names, home()}) == 4


def test_a_work_root_on_object_storage(data: dict[str, Path], tmp_path: Path, gcs: Any) -> None:
    made = trained(data, "gs://bucket/work", tmp_path / "a.json")
    assert made["uri"].startswith("gs://bucket/work/models/")
    written = sorted(list_files(f"{made['uri']}/*"), key=lambda file: file.generation or 0)
    assert written[-1].path == f"{made['uri']}/model.json"
    assert trained(data, "gs://bucket/work", tmp_path / "b.json") == made
    (tmp_path / "staged").mkdir()
    folder = stage_model(tmp_path / "b.json", tmp_path / "staged")
    assert {file.name for file in folder.iterdir()} == {"model.json", "model.weights.h5"}
    predict_model(tmp_path / "b.json", data["validation"], tmp_path / "predictions.parquet")


def test_what_is_no_manifest_or_has_lost_its_weights_is_named(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text('{"a": 1}')
    with pytest.raises(InputError, match=r"other\.json: not the manifest of a trained model"):
        stage_model(tmp_path / "other.json", tmp_path)
    manifest = {"uri": str(tmp_path / "work" / "models" / "x"), "weights": {"file": "model.weights.h5"}}
    (tmp_path / "lost.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=r"model\.weights\.h5: the weights are gone from the work root; run again"):
        stage_model(tmp_path / "lost.json", tmp_path)


def test_a_wrong_candidate_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'overrides' is missing"):
        train_candidate({"name": "a", "preset": "logistic"}, "no", "no", str(tmp_path), tmp_path / "x.json")
    assert not list(tmp_path.iterdir())
