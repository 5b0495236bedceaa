"""What each command reads and writes, so that none writes over what it reads, nor into a folder that another holds.

A file is told by what it is (device and inode) and not by its name: links and other spellings are the same file.
"""

import argparse
import fnmatch
import glob
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from yt8m.errors import InputError
from yt8m.registry.manifest import MANIFEST, SAVED_MODEL, WEIGHTS
from yt8m.storage import SHARD_PATTERN, alone_in, clear_leftovers, clear_scratch, is_remote, join

MODEL = "model"
MODEL_FILES = [
    os.path.join(*parts) for parts in ((MODEL,), (MANIFEST,), (WEIGHTS,), (MODEL, MANIFEST), (MODEL, WEIGHTS))
]
SAVED_MODELS = [SAVED_MODEL, os.path.join(MODEL, SAVED_MODEL)]


@dataclass(frozen=True)
class Files:
    """The files of a command, by the names of its arguments.

    Attributes:
        reads: arguments that name inputs: files, folders, globs or gs:// addresses.
        writes: arguments that name outputs.
        makes: for an output that is a folder, what may be replaced in it; shards by a pattern.
        brief: whether it takes seconds, so that another one in the same folder is waited for.
    """

    reads: tuple[str, ...]
    writes: tuple[str, ...] = ("output",)
    makes: tuple[str, ...] = ()
    brief: bool = False


FILES = {
    "analyze": Files(
        ("predictions", "index", "vocabulary", "before"),
        makes=("report.html", "errors.parquet", "labels.csv", "analysis.json"), brief=True,
    ),
    "blend": Files(("predictions", "training_set")),
    "compare": Files(("a", "b", "index", "vocabulary"), makes=("compare.html", "compare.json"), brief=True),
    "crossfit": Files(("model", "training_set", "source")),
    "download": Files((), makes=(SHARD_PATTERN,)),
    "evaluate": Files(("predictions", "index", "vocabulary"), makes=("metrics.json",), brief=True),
    "export": Files(("training_set", "source"), makes=(SHARD_PATTERN, "export.json")),
    "index": Files(("sources",)),
    "models": Files((), ()),
    "predict": Files(("models", "index", "source", "blend")),
    "promote": Files(("model", "index", "predictions", "vocabulary", "training_set", "source"), ("card",)),
    "rebalance": Files(("index", "recipe", "exclude")),
    "reproduce": Files(("train", "validation", "vocabulary", "plan"), makes=("paper.html", "paper.json")),
    "rerank": Files(("predictions", "training_set", "reranker")),
    "simulate": Files(("sources", "evidence"), makes=(SHARD_PATTERN, "simulation.json")),
    "statistics": Files(("index", "vocabulary"), makes=("statistics.json", "statistics.html"), brief=True),
    "submission": Files(("predictions", "index", "model")),
    "train": Files(
        ("training_set", "validation", "preset", "source", "validation_source", "vocabulary", "init_from", "teacher"),
        makes=(MODEL, "history.csv", "timing.csv", "training.html"),
    ),
    "validate": Files(
        ("index", "validation", "test", "vocabulary", "baseline", "source"),
        makes=("validation.json", "validation.html", "data_profile.json"), brief=True,
    ),
}  # fmt: skip
PIPELINE_FILES = {
    "compile": Files(("candidates", "settings"), makes=("yt8m-kfp.yaml", "yt8m-vertex.yaml")),
    "run": Files(
        ("candidates", "settings", "vocabulary", "recipe"),
        makes=("report.html", "statistics.html", "submission.csv", "summary.json", "summary.html", "run.json",
               "run.log"),
    ),
}  # fmt: skip
"""Those of `pipeline.py`."""
NAMES = {"preset", "recipe"}  # arguments that may also be the name of one that comes with the package


@contextmanager
def files_of(command: str, arguments: argparse.Namespace) -> Iterator[None]:
    """Prepare the outputs of a command: they are none of its inputs, and what killed commands left is cleared.

    Raises:
        InputError: an output is an input, or lies where it would become one.
    """
    files = FILES[command]
    outputs = _outputs(files, arguments)
    refuse_inputs(files, arguments)
    with ExitStack() as stack:
        if outputs:
            clear_scratch()
        for output in outputs:
            if not is_remote(output):
                clear_leftovers(Path(output) if files.makes else Path(output).parent)
            if files.brief:
                stack.enter_context(alone_in(output, command, wait=True))
        yield


def refuse_inputs(files: Files, arguments: argparse.Namespace) -> None:
    """See that no output of a command is one of its inputs.

    Raises:
        InputError: one is, or lies where it would become one.
    """
    inputs = [text for name in files.reads for text in _texts(name, getattr(arguments, name))]
    for output in _outputs(files, arguments):
        for text in inputs:
            _refuse(output, files.makes, text)


def _outputs(files: Files, arguments: argparse.Namespace) -> list[str]:
    return [os.fspath(path) for name in files.writes if (path := getattr(arguments, name)) is not None]


def _texts(name: str, value: str | Path | list[str] | None) -> list[str]:
    values = [os.fspath(value)] if isinstance(value, str | Path) else value or []
    return [text for text in values if name not in NAMES or os.sep in text or text.endswith((".yaml", ".yml"))]


def _refuse(output: str, makes: tuple[str, ...], given: str) -> None:
    """Raise InputError if writing an output would change an input."""
    if is_remote(output) != is_remote(given):
        return
    written = [output] if not makes else [join(output, name) for name in makes if name != SHARD_PATTERN]
    found = _remote_conflict(written, given) if is_remote(output) else _local_conflict(written, given)
    if found is None and SHARD_PATTERN in makes and _is_same(output, _folder_of(given)):
        found = f"is the folder of its input {given}"
    if found is not None:
        raise InputError(f"{output}: {found}; name another output")


def _remote_conflict(written: list[str], given: str) -> str | None:
    given = given.rstrip("/")
    for path in (path.rstrip("/") for path in written):
        if path == given or given.startswith(f"{path}/"):
            return f"would be written over the input {given} of this command"
        if fnmatch.fnmatchcase(path, given) or fnmatch.fnmatchcase(path, f"{given}/{SHARD_PATTERN}"):
            return f"would be taken for a shard of the input {given} of this command"
    return None


def _local_conflict(written: list[str], given: str) -> str | None:
    read = [given, *_listed(given)]
    known = {identity for path in read if (identity := _identity(path))}
    for path in written:
        if _identity(path) in known or (os.path.basename(path) == MODEL and _is_within(given, path)):
            return f"would be written over the input {given} of this command"
        if _is_shard_of(path, given):
            return f"would be taken for a shard of the input {given} of this command"
        if any(_is_within(path, os.path.join(given, name)) for name in SAVED_MODELS):
            return f"lies in the model {given}, an input of this command"
    return None


def _listed(given: str) -> list[str]:
    """What a folder or a glob stands for: shards, a model in it, the files of a model."""
    if os.path.isdir(given):
        shards = glob.glob(os.path.join(glob.escape(given), SHARD_PATTERN))
        return [*shards, *(os.path.join(given, name) for name in MODEL_FILES)]
    return glob.glob(given) if glob.has_magic(given) else []


def _identity(path: str) -> tuple[int, int] | None:
    try:
        known = os.stat(path)
    except OSError:
        return None
    return known.st_dev, known.st_ino


def _is_same(path: str, other: str) -> bool:
    if is_remote(path):
        return path.rstrip("/") == other.rstrip("/")
    return os.path.realpath(path) == os.path.realpath(other) or (
        os.path.isdir(path) and _identity(path) == _identity(other)
    )


def _folder_of(given: str) -> str:
    """The folder of the shards that an input stands for."""
    is_folder = not given.endswith(".tfrecord") if is_remote(given) else os.path.isdir(given)
    return given if is_folder else os.path.dirname(given) or "."


def _is_within(path: str, folder: str) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def _is_shard_of(path: str, given: str) -> bool:
    """Whether a new file would belong to the shards of a folder or a glob."""
    if os.path.isdir(given):
        return fnmatch.fnmatch(path, SHARD_PATTERN) and _is_same(os.path.dirname(path) or ".", given)
    return glob.has_magic(given) and fnmatch.fnmatch(os.path.abspath(path), os.path.abspath(given))
