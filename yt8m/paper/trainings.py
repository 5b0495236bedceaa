"""The trainings of a run and their predictions, each made once and kept by its fingerprint.

A training has a folder of its own, named by its run, its seed and the fingerprint of all that decides the result. The
libraries that compute are part of that; who only reads results may have none, and asks `libraries.json`, where whoever
trains says what is installed there. What stays in the folder is the history, the predictions and `done.json`, which
comes last and says that the others are whole; or `failed.json`, which says why it did not come to its end. On gs:// it
is made in scratch space and copied there.
"""

import io
import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from yt8m.artifacts import fingerprint
from yt8m.data.rebalance.build import build_training_set
from yt8m.data.rebalance.recipe import load_recipe
from yt8m.data.rebalance.training_set import read_training_set
from yt8m.data.records.build import build_index
from yt8m.data.records.listing import fingerprint_source
from yt8m.data.records.simulate import simulate
from yt8m.data.records.video_index import read_index
from yt8m.errors import InputError, Interrupted, one_line
from yt8m.loader import DEFAULT_STAGING
from yt8m.paper.experiments import Paper, Run, Scale
from yt8m.paper.subprocess_train import carry_out_in_subprocess
from yt8m.presets import load_preset
from yt8m.progress import log
from yt8m.quiet import ENGINES, engine_of_environment, quiet_start
from yt8m.registry.identity import installed_libraries, model_identity, training_code, window_of
from yt8m.storage import atomic_file, delete, exists, is_remote, join, read_bytes, read_json, scratch_folder, write_json
from yt8m.vocabulary import classes_of

PARTITIONS = ("train", "validation")


@dataclass(frozen=True)
class Sources:
    """Shards: folders, globs or files of each partition; and the vocabulary, if there is one."""

    train: Sequence[str]
    validation: Sequence[str]
    vocabulary: str | None


class Data:
    """Makes what is asked for when it is first asked for; what was made of the same shards is not made again.

    Args:
        folder: or gs:// address; below it each state of the shards has a folder of indexes, training sets and
            simulated shards.
        scale: says whether frames are simulated.
        sources: the shards: video-level ones where frames are simulated, else frame-level ones.
    """

    def __init__(self, folder: str, scale: Scale, sources: Sources):
        self._home, self._scale, self.sources = folder, scale, sources

    @cached_property
    def fingerprint(self) -> str:
        """Of the shards' names and content, and of how frames are simulated.

        Raises:
            InputError: no shards of a partition.
        """
        partitions = [
            [fingerprint_source(source) for source in getattr(self.sources, partition)] for partition in PARTITIONS
        ]
        return fingerprint([partitions, self._scale.simulate])

    @property
    def folder(self) -> str:
        """Of what is made of the shards as they are now."""
        return join(self._home, self.fingerprint)

    def index(self, partition: str, level: str) -> str:
        """The index of a partition (`train` or `validation`) at a level (`frame` or `video`).

        Raises:
            InputError: no shards, bad shards.
        """
        path = join(self.folder, f"{partition}-{level}.parquet")
        if not exists(path):
            build_index(self._shards(partition, level), path)
        return path

    def training_set(self, recipe: str, level: str) -> str:
        """The training set of a recipe; videos of the validation index are excluded.

        Raises:
            InputError: the recipe selects nothing, or there is no such recipe.
        """
        found = load_recipe(recipe)
        path = join(self.folder, f"{found.name}-{level}-{fingerprint(found.source)}.parquet")
        if not exists(path):
            exclude = [self.index("validation", level)]
            build_training_set(self.index("train", level), recipe, path, exclude=exclude)
        return path

    def videos(self, partition: str) -> int:
        """How many videos a partition has."""
        return len(read_index(self.index(partition, "frame")))

    def indexed(self, partition: str) -> int | None:
        """How many videos a partition has, if it was indexed already."""
        return self.videos(partition) if exists(join(self.folder, f"{partition}-frame.parquet")) else None

    def _shards(self, partition: str, level: str) -> list[str]:
        sources = list(getattr(self.sources, partition))
        if self._scale.simulate is None or level == "video":
            return sources
        output = join(self.folder, "frames", partition)
        log(f"{partition}: simulating frames")
        evidence = list(self.sources.train) if self._scale.simulate["localized"] else None
        simulate(sources, output, evidence=evidence, **self._scale.simulate)
        return [output]


DONE, FAILED, SIZES, LIBRARIES = "done.json", "failed.json", "sizes.json", "libraries.json"
EXPORT = "last"
HISTORY, PREDICTIONS = "history.csv", "predictions.parquet"


class TrainingFailed(InputError):
    """A training or a prediction that did not come to its end."""


@dataclass(frozen=True)
class Trained:
    """A run with one seed.

    Attributes:
        folder: of the training, or gs:// address.
        record: `seconds`, `bytes` (of the weights), `parameters`, `steps`, `examples`, `code`.
    """

    folder: str
    record: dict[str, Any]

    @property
    def predictions(self) -> str:
        """The file of the predictions of the validation videos."""
        return join(self.folder, PREDICTIONS)

    def history(self) -> pd.DataFrame:
        """The rows of `history.csv`."""
        return pd.read_csv(io.BytesIO(read_bytes(join(self.folder, HISTORY))))


class Trainings:
    """Trains what is not there yet.

    Args:
        folder: or gs:// address, with a folder for each training.
        paper: the experiments at a scale.
        data: of the scale.
        may_train: whether what is not there is trained; else it is reported as missing.
    """

    def __init__(self, folder: str, paper: Paper, data: Data, *, may_train: bool = True):
        self._folder, self._paper, self._data, self._may_train = folder, paper, data, may_train
        self._failed: dict[str, str] = {}

    def run(self, name: str) -> list[Trained]:
        """The trainings of a run, one for each seed of the scale.

        Raises:
            InputError: one of them cannot be had; what is done stays.
        """
        return [self.train(name, seed) for seed in self._paper.scale.seeds]

    def train(self, name: str, seed: int) -> Trained:
        """The training of a run with one seed.

        Raises:
            InputError: it cannot be done, or is not there and may not be done here.
        """
        run = self._paper.runs[name]
        folder = join(self._folder, f"{name}-seed{seed}-{fingerprint(self._identity(run, seed))}")
        if exists(join(folder, DONE)):
            return Trained(folder, read_json(join(folder, DONE)))
        if not self._may_train and folder not in self._failed:
            cause = join(folder, FAILED)
            self._failed[folder] = read_json(cause)["cause"] if exists(cause) else f"{name}, seed {seed}: not trained"
        if folder in self._failed:
            raise TrainingFailed(self._failed[folder])
        return self._attempt(run, seed, folder)

    def sizes(self, presets: dict[str, str]) -> dict[str, dict[str, Any]]:
        """The full-size models of presets: `preset`, `parameters`, `megabytes`, `under_limit` of each; kept.

        Raises:
            InputError: they are not there, and may not be computed here (that takes Keras).
        """
        resolved = [load_preset(preset, {"engine": self.engine}) for preset in presets.values()]
        path = join(self._folder, f"{fingerprint([presets, *resolved, training_code(self.engine)])}-{SIZES}")
        if not exists(path):
            if not self._may_train:
                raise InputError("the sizes of the full models are not there yet; they are computed before a training")
            write_json(path, _full_sizes(presets))
        found: dict[str, dict[str, Any]] = read_json(path)
        return found

    def _attempt(self, run: Run, seed: int, folder: str) -> Trained:
        log(f"{run.title}, seed {seed}")
        delete(join(folder, FAILED))
        try:
            manifest = self._carry_out(run, seed, folder)
        except Interrupted:
            raise
        except Exception as error:
            self._failed[folder] = f"{run.name}, seed {seed}: {_cause(error)}"
            write_json(join(folder, FAILED), {"cause": self._failed[folder]})
            raise TrainingFailed(self._failed[folder]) from error
        record = {
            "run": run.name, "seed": seed, "parameters": manifest["parameters"], "bytes": manifest["weights"]["bytes"],
            **{key: manifest["training"][key] for key in ("steps", "examples", "seconds")},
            "simulated": manifest["simulated"], "code": training_code(self.engine),
        }  # fmt: skip
        write_json(join(folder, DONE), record)
        return Trained(folder, record)

    def _identity(self, run: Run, seed: int) -> dict[str, Any]:
        """All that decides the result."""
        level = self._paper.level_of(run)
        examples = read_training_set(self._data.training_set(run.recipe, level))
        num_classes, vocabulary = classes_of(None)
        return model_identity(
            self.preset(run),
            training_set=examples.fingerprint(),
            validation=read_index(self._data.index("validation", level)).fingerprint(),
            num_classes=num_classes,
            vocabulary=vocabulary,
            seed=seed,
            export=EXPORT,
            window_bytes=window_of(examples.index.source_root, DEFAULT_STAGING.window_bytes),
            libraries=self.libraries(),
        )

    def preset(self, run: Run) -> dict[str, Any]:
        """The preset of a run, resolved, of the engine that trains."""
        name, settings = self._paper.preset_of(run)
        return load_preset(name, {"engine": self.engine, **settings})

    @property
    def engine(self) -> str:
        """That trains: the one that the environment asks for, or, where nothing is trained, the noted one."""
        if self._may_train:
            return engine_of_environment()
        noted = self.libraries()
        return next((engine for engine in ENGINES if engine in noted), ENGINES[0])

    def libraries(self) -> dict[str, str]:
        """Versions of the libraries that train: those installed here, or, where nothing is trained, the noted ones."""
        path = join(self._folder, LIBRARIES)
        noted: dict[str, str] = read_json(path) if exists(path) else {}
        if not self._may_train:
            return noted
        installed = installed_libraries(self.engine)
        if installed != noted:
            write_json(path, installed)
        return installed

    def _carry_out(self, run: Run, seed: int, folder: str) -> dict[str, Any]:
        """Train and predict; the content of `model.json`."""
        level = self._paper.level_of(run)
        preset, settings = self._paper.preset_of(run)
        inputs = self._data.training_set(run.recipe, level), self._data.index("validation", level)
        work_root = self._folder if is_remote(folder) else None
        carry_out = carry_out_in_subprocess if self._paper.scale.separate_processes else carry_out_here
        with _local(folder) as local:
            manifest = carry_out(inputs, preset, settings, seed, local, work_root)
            shutil.rmtree(local / "logs", ignore_errors=True)
        return manifest


def carry_out_here(
    inputs: tuple[str, str], preset: str, settings: dict[str, Any], seed: int, folder: Path, work_root: str | None
) -> dict[str, Any]:
    """Train and predict in this process.

    Args:
        inputs: files of the training set and of the index of the validation videos.
        preset: of the training, and `settings` over it.
        settings: dotted keys of the preset -> values.
        seed: of everything random.
        folder: gets the model, `history.csv` and `predictions.parquet`.
        work_root: where the checkpoint goes, if not there.
    """
    with quiet_start():
        from yt8m.prediction.predict import predict
        from yt8m.training.train import train

    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns of several models in one process
    training_set, validation = inputs
    manifest = train(
        training_set, validation, preset, folder, overrides=settings, seed=seed, export=EXPORT, work_root=work_root
    )
    predict([folder], validation, folder / PREDICTIONS)
    return manifest


@contextmanager
def _local(folder: str) -> Iterator[Path]:
    """A local folder: this one, or one whose history and predictions are copied there in the end."""
    if not is_remote(folder):
        yield Path(folder)
        return
    with scratch_folder() as scratch:
        yield scratch
        for name in (HISTORY, PREDICTIONS):
            with atomic_file(join(folder, name)) as copy:
                shutil.copyfile(os.path.join(scratch, name), copy)


def _cause(error: Exception) -> str:
    text = one_line(error)[:400]
    if isinstance(error, MemoryError):
        return f"the memory does not suffice ({text})"
    return text if isinstance(error, InputError) else f"{type(error).__name__}: {text}"


def _full_sizes(presets: dict[str, str]) -> dict[str, dict[str, Any]]:
    with quiet_start():
        from yt8m.models.table import model_table

    rows = {row["name"]: row for row in model_table()["models"] if row["preset"]}
    return {
        name: {"preset": preset, **{key: rows[preset][key] for key in ("parameters", "megabytes", "under_limit")}}
        for name, preset in presets.items()
    }
