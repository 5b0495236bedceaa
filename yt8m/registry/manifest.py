"""The folder of a trained model: `model.json`, which says what it is, and the files it vouches for.

The weights are in Keras' own layout (`model.load_weights` of any Keras reads them, and casts what is in float16); the
folder `saved_model` beside them is a TensorFlow SavedModel. `model.json` lists all files with bytes and CRC32C. It is
written last and the folder appears whole, so a folder that has a `model.json` has these files, or is damaged.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yt8m.artifacts import fingerprint
from yt8m.errors import InputError
from yt8m.storage import StrPath, exists, file_crc32c, is_remote, join, read_json

MANIFEST = "model.json"
WEIGHTS = "model.weights.h5"
SAVED_MODEL = "saved_model"
REMEDY = "name the folder that `yt8m train` made"
NEEDED = ("architecture", "settings", "level", "num_classes", "weights", "preset", "fingerprint")


def find_model(path: StrPath) -> Path:
    """The folder with `model.json`: `path`, or `model` in it.

    Raises:
        InputError: neither has one.
    """
    for folder in (Path(path), Path(path) / "model"):
        if (folder / MANIFEST).is_file():
            return folder
    raise InputError(f"{path}: there is no {MANIFEST}, so this is not a trained model; {REMEDY}")


@dataclass(frozen=True)
class LocatedModel:
    """A model: the folder or address of its files, and what its `model.json` says.

    Attributes:
        uri: folder or gs:// address that holds `model.json` and the weights.
        manifest: the content of `model.json`; of a pipeline's manifest with `uri` and `candidate` in addition.
    """

    uri: str
    manifest: dict[str, Any]

    @property
    def fingerprint(self) -> str:
        """Of what decides its predictions."""
        return str(self.manifest["fingerprint"])


def locate_model(path: StrPath) -> LocatedModel:
    """The model of a folder (or of `model` in it), of a gs:// address, or of a pipeline's manifest file.

    Raises:
        InputError: no model is there, or the file does not describe one.
    """
    file = _manifest_of(path)
    manifest = read_json(file, REMEDY)
    if not isinstance(manifest, dict) or manifest.get("kind") != "model":
        raise InputError(f"{file}: this does not describe a model; {REMEDY}")
    for key in NEEDED:
        if key not in manifest:
            raise InputError(f"{file}: the key '{key}' is missing; {REMEDY}")
    return LocatedModel(str(manifest.get("uri") or file.rpartition("/")[0] or "."), manifest)


def _manifest_of(path: StrPath) -> str:
    path = os.fspath(path)
    if not is_remote(path):
        return path if os.path.isfile(path) else str(find_model(path) / MANIFEST)
    places = [path] if path.endswith(".json") else [join(path, MANIFEST), join(path, "model", MANIFEST)]
    for place in places:
        if exists(place):
            return place
    raise InputError(f"{path}: there is no {MANIFEST}, so this is not a trained model; {REMEDY}")


def read_manifest(path: StrPath) -> dict[str, Any]:
    """What `model.json` of a local model folder (or of the folder above it) says; see `locate_model`."""
    return locate_model(find_model(path)).manifest


def check_weights(folder: Path, manifest: dict[str, Any]) -> Path:
    """The weights file, if it is the one that the manifest describes.

    Raises:
        InputError: it is missing, or its size or checksum differs.
    """
    return _check(folder, manifest["weights"])


def check_files(folder: Path, manifest: dict[str, Any]) -> None:
    """Check all files of a model as `check_weights` does one."""
    for expected in manifest["files"]:
        _check(folder, expected)


def _check(folder: Path, expected: dict[str, Any]) -> Path:
    """A file, if it is the one that an entry of the manifest describes."""
    file = folder / expected["file"]
    remedy = "copy the whole folder of the model again, or train it again"
    if not file.is_file():
        raise InputError(f"{file}: a file of the model is missing; {remedy}")
    if file.stat().st_size != expected["bytes"]:
        raise InputError(f"{file}: {file.stat().st_size} bytes, the model has {expected['bytes']}; {remedy}")
    found = file_crc32c(file)
    if found != expected["crc32c"]:
        raise InputError(f"{file}: CRC32C {found}, the model has {expected['crc32c']}; {remedy}")
    return file


def describe_weights(file: Path, dtype: str) -> dict[str, Any]:
    """The manifest's entry on a weights file."""
    return {"file": file.name, "bytes": file.stat().st_size, "crc32c": file_crc32c(file), "dtype": dtype}


def describe_files(folder: Path) -> list[dict[str, Any]]:
    """The manifest's entries on all files of a folder and the folders in it: `{file, bytes, crc32c}`, by name."""
    files = sorted((file for file in folder.rglob("*") if file.is_file()), key=lambda file: file.as_posix())
    return [
        {"file": file.relative_to(folder).as_posix(), "bytes": file.stat().st_size, "crc32c": file_crc32c(file)}
        for file in files
    ]


def model_fingerprint(manifest: dict[str, Any]) -> str:
    """Of what decides a model's predictions: architecture, classes, frames used, weights."""
    parts = {key: manifest[key] for key in ("architecture", "settings", "level", "num_classes")}
    frames = manifest["preset"]["frames"]["predict"]
    return fingerprint({**parts, "frames": frames, "weights": manifest["weights"]["crc32c"]})


def summary_of(manifest: dict[str, Any]) -> dict[str, Any]:
    """The few facts of a manifest that a user interface shows beside a model."""
    return {
        "candidate": manifest["candidate"]["name"],
        "gap": manifest["metrics"].get("gap"),
        "size_mb": size_mb(manifest),
        "parameters": manifest["parameters"],
        "uri": manifest["uri"],
        "fingerprint": manifest["fingerprint"],
    }


def size_mb(manifest: dict[str, Any]) -> float:
    """Size of the weights file in megabytes (10^6 bytes)."""
    return round(manifest["weights"]["bytes"] / 1e6, 2)
