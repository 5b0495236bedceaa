"""The files of a model in the registry: copied whole, each verified by its CRC32C, so that no work root is needed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from yt8m.artifacts import fingerprint
from yt8m.errors import InputError
from yt8m.registry.champions import MODELS
from yt8m.registry.manifest import MANIFEST, LocatedModel
from yt8m.storage import (  # fmt: skip
    FileInfo,
    atomic_directory,
    copy_file,
    exists,
    file_crc32c,
    is_remote,
    join,
    list_tree,
    read_json,
    scratch_folder,
    stage,
    write_json,
)

FILES = "files.json"
REMEDY = "promote a model that is whole, or roll back"


def keep_model(model: LocatedModel, root: str) -> str:
    """Copy a model into the registry unless it is there; returns its folder, relative to the registry.

    The folder's name follows from the content, so that it never changes once it is there.

    Args:
        model: the model, local or on gs://.
        root: the registry.

    Raises:
        InputError: the model's files are missing or damaged, or a copy differs from its source.
    """
    entries = _describe(model)
    content = [[entry[key] for key in ("name", "bytes", "crc32c")] for entry in entries]
    folder = f"{MODELS}/{model.fingerprint}-{fingerprint(content)[:8]}"
    home = join(root, *folder.split("/"))
    was_there = not is_remote(home) and Path(home).exists()  # folders appear whole, so one that is not is damaged
    if _is_whole(home, entries):
        return folder
    if is_remote(home):
        _fill(home, model.uri, entries)
        return folder
    try:
        with atomic_directory(home, replace=was_there) as temporary:
            _fill(str(temporary), model.uri, entries)
    except OSError:  # another one that keeps the same model was faster
        if not _is_whole(home, entries):
            raise
    return folder


def check_kept(root: str, folder: str) -> list[dict[str, Any]]:
    """The files of a kept model, `{name, bytes, crc32c}` each, once they are seen to be whole.

    Raises:
        InputError: a file is missing or damaged.
    """
    home = join(root, *folder.split("/"))
    entries: list[dict[str, Any]] = read_json(join(home, FILES), REMEDY)["files"]
    found = list_tree(home)
    for entry in entries:
        problem = _problem(found.get(entry["name"]), entry)
        if problem:
            raise InputError(f"{join(home, entry['name'])}: {problem}; {REMEDY}")
    return entries


@contextmanager
def local_model(uri: str) -> Iterator[Path]:
    """A local folder with the model's `model.json` and weights: its own, or a copy that is removed afterwards."""
    if not is_remote(uri):
        yield Path(uri)
        return
    weights = read_json(join(uri, MANIFEST), REMEDY)["weights"]["file"]
    with scratch_folder() as scratch:
        for name in (MANIFEST, weights):
            stage(join(uri, name), scratch)
        yield scratch


def _describe(model: LocatedModel) -> list[dict[str, Any]]:
    """`{name, bytes, crc32c}` of each file; the weights are those that `model.json` vouches for."""
    found = list_tree(model.uri)
    entries = [
        {"name": name, "bytes": file.size, "crc32c": file.crc32c or file_crc32c(file.path)}
        for name, file in found.items()
        if name != FILES
    ]
    weights = model.manifest["weights"]
    if MANIFEST not in found:
        raise InputError(f"{model.uri}: the files of the model are gone; train it again, or name where they are")
    problem = _problem(found.get(weights["file"]), weights)
    if problem:
        raise InputError(f"{join(model.uri, weights['file'])}: {problem}; copy the whole folder of the model again")
    return entries


def _problem(file: FileInfo | None, expected: dict[str, Any]) -> str:
    if file is None:
        return "the file is missing"
    if file.size != expected["bytes"]:
        return f"{file.size} bytes, the model has {expected['bytes']}"
    found = file.crc32c or file_crc32c(file.path)
    return "" if found == expected["crc32c"] else f"CRC32C {found}, the model has {expected['crc32c']}"


def _is_whole(home: str, entries: list[dict[str, Any]]) -> bool:
    if not exists(join(home, FILES)):
        return False
    found = list_tree(home)
    return not any(_problem(found.get(entry["name"]), entry) for entry in entries)


def _fill(home: str, source: str, entries: list[dict[str, Any]]) -> None:
    """Copy the files, then write their list: it says that all are there."""
    for entry in entries:
        names = entry["name"].split("/")
        target = join(home, *names)
        copy_file(join(source, *names), target)
        found = file_crc32c(target)
        if found != entry["crc32c"]:
            raise InputError(
                f"{join(source, *names)}: the copy has CRC32C {found}, the file {entry['crc32c']}; it changed while "
                "it was copied, or the copy went wrong: run the command again"
            )
    write_json(join(home, FILES), {"files": entries})
