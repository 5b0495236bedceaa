"""Where a trained model lies, however it is named: its folder, a gs:// address, or a manifest that a step wrote."""

import os
from dataclasses import dataclass
from typing import Any

from yt8m.errors import InputError
from yt8m.registry.manifest import MANIFEST, NEEDED, REMEDY, find_model
from yt8m.storage import exists, is_remote, join, read_json

StrPath = str | os.PathLike[str]


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
