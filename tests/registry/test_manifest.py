import json
from pathlib import Path
from typing import Any

import pytest

from yt8m.errors import InputError
from yt8m.registry.manifest import check_weights, describe_weights, find_model, model_fingerprint, read_manifest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of the form of a trained model; its weights are not looked into here."""
    model = tmp_path / "run" / "model"
    model.mkdir(parents=True)
    (model / "model.weights.h5").write_bytes(b"weights" * 1000)
    manifest: dict[str, Any] = {
        "kind": "model",
        "architecture": "logistic",
        "settings": {},
        "level": "video",
        "num_classes": 5,
        "weights": describe_weights(model / "model.weights.h5", "float32"),
        "preset": {"frames": {"predict": {"kind": "all", "count": 300}}},
    }
    manifest["fingerprint"] = model_fingerprint(manifest)
    (model / "model.json").write_text(json.dumps(manifest))
    return model


def test_a_model_is_found_in_its_folder_and_above(folder: Path) -> None:
    assert find_model(folder) == find_model(folder.parent) == folder
    manifest = read_manifest(folder.parent)
    assert check_weights(folder, manifest) == folder / "model.weights.h5"
    assert manifest["weights"] == {
        "file": "model.weights.h5", "bytes": 7000, "crc32c": manifest["weights"]["crc32c"], "dtype": "float32",
    }  # fmt: skip


def test_no_model_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no model\.json, so this is not a trained model"):
        find_model(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: b"x" + data[1:], "CRC32C"),
        (lambda data: data[:-1], "6999 bytes, the model has 7000"),
        (lambda data: None, "a file of the model is missing"),
    ],
)
def test_damaged_weights_are_refused(folder: Path, damage: Any, message: str) -> None:
    weights = folder / "model.weights.h5"
    data = damage(weights.read_bytes())
    weights.unlink() if data is None else weights.write_bytes(data)
    with pytest.raises(InputError, match=message):
        check_weights(folder, read_manifest(folder))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"kind": "model"', "not a JSON file"),
        ('{"kind": "champion"}', "does not describe a model"),
        ("[]", "does not describe a model"),
        ('{"kind": "model", "architecture": "moe"}', "'settings' is missing"),
    ],
)
def test_a_wrong_manifest_is_refused(folder: Path, text: str, message: str) -> None:
    (folder / "model.json").write_text(text)
    with pytest.raises(InputError, match=message):
        read_manifest(folder)


def test_the_fingerprint_is_of_what_decides_predictions(folder: Path) -> None:
    manifest = read_manifest(folder)
    assert model_fingerprint({**manifest, "name": "other", "seed": 3}) == manifest["fingerprint"]
    assert model_fingerprint({**manifest, "settings": {"l2": 0.1}}) != manifest["fingerprint"]
    assert model_fingerprint({**manifest, "weights": {"crc32c": "00000000"}}) != manifest["fingerprint"]
