"""Trained models at the work root, and the small manifest that steps hand on in their place.

A model is kept at `{work_root}/models/{fingerprint}`, where the fingerprint is of all that decides it (see
`model_identity`) and of how it is written. A step that is run again (a retried pod, a resubmitted run)
finds the finished model there, or the checkpoint of an unfinished one at `{work_root}/checkpoints`, on whatever machine
it runs. What a pipeline passes around is a copy of `model.json` with the key `uri` (the folder of the weights) and the
candidate that asked for the model; pipelines download every byte under an artifact, so the weights stay where they are.
"""

import contextlib
from functools import partial
from pathlib import Path
from typing import Any

from yt8m.artifacts import fingerprint, read_table
from yt8m.errors import InputError
from yt8m.loader import DEFAULT_STAGING
from yt8m.prediction.top_k import TOP
from yt8m.presets import load_preset
from yt8m.progress import log
from yt8m.quiet import quiet_start
from yt8m.registry.candidates import check_candidate
from yt8m.registry.champions import Registry
from yt8m.registry.files import local_model
from yt8m.registry.identity import model_identity, window_of, written_as
from yt8m.registry.manifest import MANIFEST, LocatedModel, locate_model, summary_of
from yt8m.storage import (
    StrPath,
    atomic_file,
    delete,
    exists,
    is_remote,
    join,
    list_tree,
    read_json,
    scratch_folder,
    write_json,
)
from yt8m.vocabulary import classes_of

NOTHING, CHAMPION = STARTS = ("nothing", "champion")


def train_candidate(
    candidate: dict[str, Any],
    training_set: StrPath,
    validation: StrPath,
    work_root: str,
    output: StrPath,
    *,
    seed: int = 0,
    vocabulary: str | None = None,
    start_from: str = NOTHING,
    registry: str | None = None,
) -> dict[str, Any]:
    """Train a candidate at the work root, unless it is there already, and write its manifest.

    Args:
        candidate: `{name, preset, overrides}`.
        training_set, validation: files of a training set and of a video index.
        work_root: a folder or gs:// address that outlives the machine.
        output: the manifest to write: `model.json`, `uri` and `candidate`.
        seed: of initial weights, order and frame choice.
        vocabulary: the vocabulary file that the labels belong to.
        start_from: `nothing`, or `champion` for the weights of the registry's champion, if it is of the same kind.
        registry: of champions.

    Returns:
        What a list of models shows: candidate, gap, size_mb, parameters, uri, fingerprint.

    Raises:
        InputError: a wrong candidate or file.
    """
    candidate = check_candidate(candidate)
    preset = load_preset(candidate["preset"], candidate["overrides"])
    champion = _champion(start_from, registry, preset)
    address = _address(preset, training_set, validation, seed=seed, vocabulary=vocabulary, champion=champion)
    home = join(work_root, "models", address)
    uri = join(home, "model")
    if exists(join(uri, MANIFEST)):
        log(f"{candidate['name']}: the model is there already, {uri}")
        model = read_json(join(uri, MANIFEST))
        _clear_checkpoint(work_root, model)
    else:
        with contextlib.ExitStack() as stack:
            start = {"init_from": stack.enter_context(local_model(champion.uri))} if champion else {}
            how = {"seed": seed, "vocabulary": vocabulary or None, **start}
            model = _train(candidate, training_set, validation, home, work_root=work_root, **how)
    write_json(output, {**model, "candidate": candidate, "uri": uri})
    return summary_of({**model, "candidate": candidate, "uri": uri})


def _clear_checkpoint(work_root: str, manifest: dict[str, Any]) -> None:
    """Delete what a training that was killed after it had published its model has left of its checkpoint."""
    if "identity" not in manifest:
        return
    from yt8m.training.checkpoint import clear_finished
    from yt8m.training.train import checkpoint_home

    clear_finished(checkpoint_home(work_root, manifest["identity"]), manifest["identity"])


def predict_model(manifest: StrPath, index: StrPath, output: StrPath, *, top: int = TOP) -> dict[str, Any]:
    """Predict the videos of an index with the model of a manifest; see `yt8m.prediction.predict.predict`.

    What is finished of it is kept beside the model at the work root, so that a retried step goes on where it was.

    Raises:
        InputError: not a manifest, or the weights are gone from the work root.
    """
    with quiet_start():
        from yt8m.prediction.predict import predict

    model = locate_model(manifest)
    weights = join(model.uri, model.manifest["weights"]["file"])
    if not exists(weights):
        raise InputError(f"{weights}: the weights are gone from the work root; run again without cached results (of a "
                         "run on this machine: remove its folder kfp)")  # fmt: skip
    index_fingerprint = read_table(index, "video_index")[1]["fingerprint"]
    parts = join(model.uri.rstrip("/").rpartition("/")[0], "predictions", f"{index_fingerprint}-{top}")
    with local_model(model.uri) as folder:
        return predict([folder], index, output, top=top, parts=parts)


def _champion(start_from: str, registry: str | None, preset: dict[str, Any]) -> LocatedModel | None:
    """The champion to start from: None to start from nothing, also when it is of another kind than the candidate."""
    if start_from not in STARTS:
        raise InputError(f"start_from is {start_from!r}; it can be {' or '.join(STARTS)}")
    if start_from == NOTHING or not registry:
        return None
    records = Registry(registry)
    change = records.champion()
    if change is None:
        log(f"{registry}: there is no champion to start from yet, so training starts from nothing")
        return None
    champion = locate_model(records.path(*change.model.split("/")))
    there = champion.manifest["preset"]
    if (there["model"], there["level"]) != (preset["model"], preset["level"]):
        log(f"the champion {change.name} is of another kind than this candidate, so training starts from nothing")
        return None
    return champion


def _address(
    preset: dict[str, Any],
    training_set: StrPath,
    validation: StrPath,
    *,
    seed: int,
    vocabulary: str | None,
    champion: LocatedModel | None = None,
) -> str:
    """Fingerprint of all that decides a model and its files."""
    read, judged = (
        read_table(path, kind)[1] for path, kind in ((training_set, "training_set"), (validation, "video_index"))
    )
    num_classes, names = classes_of(vocabulary)
    identity = model_identity(
        preset,
        training_set=read["fingerprint"],
        validation=judged["fingerprint"],
        num_classes=num_classes,
        vocabulary=names,
        seed=seed,
        initial=champion.fingerprint if champion else None,
        window_bytes=window_of(read["index"]["source_root"], DEFAULT_STAGING.window_bytes),
    )
    return fingerprint([identity, written_as(preset)])


def _train(candidate: dict[str, Any], training_set: StrPath, validation: StrPath, home: str, **how: Any) -> Any:
    from yt8m.training.train import train
    from yt8m.training.training_page import write_training_page

    arguments = (training_set, validation, candidate["preset"])
    how |= {"overrides": candidate["overrides"], "write_page": write_training_page}
    if not is_remote(home):
        return train(*arguments, home, **how)
    with scratch_folder() as folder:
        publish = partial(_upload, home=home)
        return train(*arguments, folder, publish=publish, **how)


def _upload(folder: Path, home: str) -> None:
    """Copy what training made to a remote home; `model.json` last, for it says that the model is whole.

    What an upload that was killed has left under other names (TensorBoard's files are named by time) is deleted.
    """
    files = {file.relative_to(folder).as_posix(): file for file in folder.rglob("*") if file.is_file()}
    for name, left in list_tree(home).items():
        if name not in files:
            delete(left.path)
    for name, file in sorted(files.items(), key=lambda entry: (entry[1].name == MANIFEST, entry)):
        with atomic_file(join(home, name)) as copy:
            copy.write_bytes(file.read_bytes())
