"""Train a model by a preset: the whole of `yt8m train`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from yt8m.artifacts import fingerprint
from yt8m.errors import InputError
from yt8m.loader import DEFAULT_STAGING, Staging, Verify
from yt8m.presets import wants_saved_model
from yt8m.progress import log
from yt8m.quiet import quiet_start
from yt8m.registry.manifest import MANIFEST, SAVED_MODEL, check_files, read_manifest
from yt8m.storage import StrPath, alone_in, join
from yt8m.training.checkpoint import Checkpoints, first_difference, holds_checkpoint
from yt8m.training.interruption import Interruption
from yt8m.training.job import Job, read_job

MODEL, CHECKPOINT = "model", "checkpoint"


def train(
    training_set: StrPath,
    validation: StrPath,
    preset: StrPath,
    output_dir: StrPath,
    *,
    overrides: dict[str, Any] | None = None,
    seed: int = 0,
    source: str | None = None,
    validation_source: str | None = None,
    vocabulary: StrPath | None = None,
    num_classes: int | None = None,
    export: str = "best",
    checkpoint_minutes: float = 10.0,
    work_root: str | None = None,
    init_from: StrPath | None = None,
    teacher: StrPath | None = None,
    replicas: int | None = None,
    publish: Callable[[Path], None] = lambda folder: None,
    write_page: Callable[[Path, dict[str, Any]], None] | None = None,
    staging: Staging = DEFAULT_STAGING,
    verify: Verify = "first",
) -> dict[str, Any]:
    """Train a model and write it; a killed run continues, a finished one returns at once.

    The model of a finished run is written again where the preset's `EXPORT_KEYS` ask for something else.

    Args:
        training_set: file of a training set.
        validation: file of a video index to validate on.
        preset: name of a preset, or a YAML file.
        output_dir: gets `model/`, `history.csv`, `timing.csv`, `logs/`, and in the meantime `checkpoint/`.
        overrides: dotted keys of the preset -> values.
        seed: of weights, order, frame choice and dropout; on one machine it decides the result to the bit.
        source: the folder of the training shards, if not where the training set says.
        validation_source: the same for the validation index.
        vocabulary: file of the labels' names; their number is the number of classes.
        num_classes: labels of the model; without it and a vocabulary, the 3,862 of the 2018 edition.
        export: the weights of the `best` validation GAP, or the `last` ones.
        checkpoint_minutes: at least this long between two checkpoints.
        work_root: a folder or gs:// address that outlives this machine; the checkpoint then lies below it, at
            `checkpoints/` and the fingerprint of all that decides the result, instead of in `output_dir`.
        init_from: folder of a trained model of the same kind, whose weights it starts from.
        teacher: folder of a trained model, or predictions of the training videos, to learn from beside the labels.
        replicas: devices of this machine to train on; all visible GPUs by default.
        write_page: writes the training's page into the output folder, such as `report.training_page` does.
        publish: called with the finished output folder, while the checkpoint is still there, to copy it elsewhere.
        staging: how shards on gs:// are staged.
        verify: whether a record's checksum is computed each time that it is read, the first time, or never.

    Returns:
        The content of `model.json`.

    Raises:
        InputError: wrong input; a loss that is not finite; or `output_dir` holds another training.
        Interrupted: by SIGTERM or Ctrl-C; a checkpoint was written, and the same call continues.
    """
    job = read_job(
        training_set,
        validation,
        preset,
        overrides=overrides or {},
        seed=seed,
        vocabulary=vocabulary,
        num_classes=num_classes,
        export=export,
        init_from=init_from,
        teacher=teacher,
        source=source,
        staging=staging,
    )
    folder = Path(output_dir)
    manifest = _finished(folder / MODEL, job)
    home = checkpoint_home(work_root, job.configuration) if work_root else join(folder, CHECKPOINT)
    if manifest is None:
        _check(job)
    if manifest is None or holds_checkpoint(home):
        _make(folder)
        with (
            Checkpoints(home, job.configuration) as checkpoints,
            alone_in(folder, "a training"),  # another one may have its checkpoints elsewhere
            Interruption() as interruption,
        ):
            manifest = _finished(folder / MODEL, job)  # by the one that the lease was waited for
            if manifest is None:
                with quiet_start(job.preset["engine"]):  # it comes in here, when there is something to do
                    from yt8m.models.devices import release_memory
                    from yt8m.training.export import write_model
                    from yt8m.training.trainer import Trainer

                trainer = Trainer(
                    job,
                    folder,
                    checkpoints,
                    interruption,
                    replicas=replicas,
                    source=source,
                    validation_source=validation_source,
                    checkpoint_seconds=checkpoint_minutes * 60,
                    staging=staging,
                    verify=verify,
                    write_page=write_page,
                )
                manifest = write_model(folder / MODEL, job, trainer.run())
                del trainer
                release_memory()
            publish(folder)
            checkpoints.remove()
    if not is_as_asked(manifest, job.preset):
        with quiet_start(job.preset["engine"]):
            from yt8m.training.export import write_again

        manifest = write_again(folder / MODEL, job.preset)
    return manifest


def checkpoint_home(work_root: str, configuration: dict[str, Any]) -> str:
    """Where the checkpoint of a training lies at a work root."""
    return join(work_root, "checkpoints", fingerprint(configuration))


def _check(job: Job) -> None:
    """Whether the model can be trained here and written in the end; before anything is made."""
    with quiet_start(job.preset["engine"]):
        from yt8m.training.export import check_export

    if job.preset["saved_model"] and not wants_saved_model(job.preset):
        log(f"engine {job.preset['engine']}: no SavedModel is written, which takes TensorFlow")
    check_export(job.preset, job.num_classes)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: the folder cannot be made ({error.strerror}); choose another with -o") from error


def _finished(folder: Path, job: Job) -> dict[str, Any] | None:
    """The manifest of this job's model if it is there already.

    Raises:
        InputError: a model of another job is there.
    """
    if not (folder / MANIFEST).exists():
        return None
    manifest = read_manifest(folder)
    if "identity" not in manifest:
        raise InputError(f"{folder}: a model that an earlier version of yt8m trained is there, which does not say all "
                         "that decided it; choose another output folder")  # fmt: skip
    difference = first_difference(manifest["identity"], job.configuration)
    if difference:
        raise InputError(f"{folder}: a model of another training is there ({difference}); choose another output folder")
    check_files(folder, manifest)
    log(f"{folder}: trained already")
    return manifest


def is_as_asked(manifest: dict[str, Any], preset: dict[str, Any]) -> bool:
    """Whether a trained model was written as a preset wants it: the dtype, and the SavedModel if it wants one."""
    has_saved_model = any(entry["file"].startswith(f"{SAVED_MODEL}/") for entry in manifest["files"])
    return manifest["weights"]["dtype"] == preset["export_dtype"] and has_saved_model >= wants_saved_model(preset)
