"""What a training is asked to do: read, checked against each other, and summed up as a configuration."""

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from yt8m.artifacts import refuse_repeated
from yt8m.data.rebalance.training_set import TrainingSet, read_training_set
from yt8m.data.records.video_index import EACH_ONCE, VideoIndex, read_index, warn_of_shared
from yt8m.errors import InputError
from yt8m.evaluation.holdout_split import in_half
from yt8m.loader import DEFAULT_STAGING, Staging
from yt8m.presets import level_problem, load_preset
from yt8m.registry.identity import model_identity, window_of
from yt8m.seeds import check_seed
from yt8m.storage import StrPath
from yt8m.training.plan import PhasePlan, plan_phases
from yt8m.training.warm_start import InitialModel, Teacher, read_initial_model, read_teacher
from yt8m.vocabulary import classes_of

EXPORTS = ("best", "last")


@dataclass(frozen=True)
class Job:
    """A training to be done.

    Attributes:
        preset: resolved.
        training_set: what to learn from.
        plans: of its phases.
        validation: the videos to validate on, all of them.
        sample: rows of the fixed sample of these that most validations use and that picks the best step; all of it is
            of the selection half.
        validation_fingerprint: of the validation index.
        num_classes: labels V.
        seed: of weights, order, frame choice and dropout.
        vocabulary_fingerprint: None without a vocabulary.
        export: `best` (by validation GAP) or `last`.
        initial: the trained model whose weights it starts from, if any.
        teacher: whose predictions it learns from beside the labels, if any.
        window_bytes: of the shards that are shuffled together; None for all of them.
    """

    preset: dict[str, Any]
    training_set: TrainingSet
    plans: list[PhasePlan]
    validation: VideoIndex
    sample: np.ndarray
    validation_fingerprint: str
    num_classes: int
    seed: int
    vocabulary_fingerprint: str | None
    export: str
    initial: InitialModel | None = None
    teacher: Teacher | None = None
    window_bytes: int | None = None

    @property
    def configuration(self) -> dict[str, Any]:
        """All that decides the result, as JSON; two equal ones give equal weights (on one kind of machine)."""
        return model_identity(
            self.preset,
            training_set=self.training_set.fingerprint(),
            validation=self.validation_fingerprint,
            num_classes=self.num_classes,
            vocabulary=self.vocabulary_fingerprint,
            seed=self.seed,
            export=self.export,
            initial=self.initial.fingerprint if self.initial else None,
            teacher=self.teacher.fingerprint if self.teacher else None,
            window_bytes=self.window_bytes,
        )


def read_job(
    training_set: StrPath,
    validation: StrPath,
    preset: StrPath,
    *,
    overrides: dict[str, Any],
    seed: int,
    vocabulary: StrPath | None,
    num_classes: int | None,
    export: str,
    init_from: StrPath | None = None,
    teacher: StrPath | None = None,
    source: str | None = None,
    staging: Staging = DEFAULT_STAGING,
) -> Job:
    """Read all inputs and check that they belong together.

    Raises:
        InputError: a missing or wrong file, a preset of another level, a label beyond the classes, or a validation
            video twice.
    """
    resolved = load_preset(preset, overrides)
    if export not in EXPORTS:
        raise InputError(f"--export {export}: it can be {' or '.join(EXPORTS)}")
    check_seed(seed)
    labelled, vocabulary_fingerprint = classes_of(vocabulary)
    classes = labelled if num_classes is None else num_classes
    if classes < 1:
        raise InputError(f"--num-classes {classes}: at least 1 is needed")
    examples, judged = read_training_set(training_set), read_index(validation)
    for path, index in ((training_set, examples.index), (validation, judged)):
        _check_index(path, index, resolved, classes)
    refuse_repeated(judged.video_ids, validation, EACH_ONCE)
    warn_of_shared(validation, judged.video_ids, training_set, examples.index.video_ids)
    for number, phase in enumerate(examples.phases):
        if not examples.phase_size(number):
            raise InputError(f"{training_set}: its phase '{phase.name}' selects no video; choose another recipe")
    owner = classes, vocabulary_fingerprint
    return Job(
        preset=resolved,
        training_set=examples,
        plans=plan_phases(examples, resolved),
        validation=judged,
        sample=choose_sample(validation, judged, resolved["validation_videos"]),
        validation_fingerprint=judged.fingerprint(),
        num_classes=classes,
        seed=seed,
        vocabulary_fingerprint=vocabulary_fingerprint,
        export=export,
        initial=read_initial_model(init_from, resolved, *owner) if init_from else None,
        teacher=read_teacher(teacher, examples.index, resolved["level"], *owner) if teacher else None,
        window_bytes=window_of(source or examples.index.source_root, staging.window_bytes),
    )


def choose_sample(path: StrPath, index: VideoIndex, count: int) -> np.ndarray:
    """Rows of at most `count` videos that pick the best step of a training; in the order of the index.

    They are of the selection half alone (see `yt8m.evaluation.holdout_split`): on the other half the trained model
    meets the champion, and the step that does best there would go into that contest with what was luck.

    Raises:
        InputError: no video of the half has a label, so nothing can be picked.
    """
    half = np.flatnonzero(in_half(index.video_ids, "selection"))
    videos = index.take(half)
    if not len(videos.labels):
        raise InputError(
            f"{path}: none of its {len(index):,} videos is a labelled one of the selection half, which picks the best "
            "step; index more validation videos"
        )
    return half[choose_videos(videos, count)]


def choose_videos(index: VideoIndex, count: int) -> np.ndarray:
    """Rows of at most `count` videos, those whose ids have the smallest CRC32; in the order of the index."""
    if len(index) <= count:
        return np.arange(len(index))
    hashes = np.fromiter((zlib.crc32(video_id) for video_id in index.video_ids.tolist()), np.uint32, len(index))
    return np.sort(np.argsort(hashes, kind="stable")[:count])


def _check_index(path: StrPath, index: VideoIndex, preset: dict[str, Any], num_classes: int) -> None:
    if not len(index):
        raise InputError(f"{path}: there are no videos in it; index the shards of a whole partition")
    if index.level != preset["level"]:
        raise InputError(f"{path}: {level_problem(index.level, preset)}")
    if not len(index.labels):
        raise InputError(f"{path}: its videos have no labels; train and validate on labelled partitions")
    worst = int(np.argmax(index.labels))
    if index.labels[worst] >= num_classes:
        video = index.video_ids[np.searchsorted(index.bounds, worst, side="right") - 1].decode()
        raise InputError(
            f"{path}: video {video} has the label {index.labels[worst]}, the model has {num_classes} classes; "
            "give the vocabulary of this edition with --vocabulary, or --num-classes"
        )
