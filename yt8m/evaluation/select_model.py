"""The better of several candidates: the highest GAP on the selection half of the validation videos.

The other half decides on a promotion (see `yt8m.evaluation.holdout_split`). The metrics that are shown of a candidate
are of all videos.
"""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from yt8m.errors import InputError
from yt8m.evaluation.comparison import gap_of
from yt8m.evaluation.holdout_split import half_of
from yt8m.prediction.table import Predictions, made_by, read_predictions
from yt8m.registry.manifest import size_mb, summary_of
from yt8m.storage import StrPath, atomic_file, read_json, write_json


@dataclass(frozen=True)
class Result:
    """A candidate, and how it did on the validation videos.

    Attributes:
        name: of the candidate.
        manifest: what `yt8m.training.work_root.train_candidate` wrote.
        predictions: path of its predictions of the validation index.
        metrics: the content of its `metrics.json`, of all validation videos.
        selection_gap: its GAP@20 on the videos of the selection half; by it candidates are chosen.
        selection_videos: how many these are.
    """

    name: str
    manifest: dict[str, Any]
    predictions: str
    metrics: dict[str, Any]
    selection_gap: float
    selection_videos: int

    def row(self) -> dict[str, Any]:
        """`{name, gap, map_rare, hit_at_1, size_mb, seconds}`: megabytes of weights, seconds of training."""
        return {
            "name": self.name,
            "gap": self.metrics["gap"],
            "map_rare": self.metrics["map_rare"],
            "hit_at_1": self.metrics["hit_at_1"],
            "size_mb": size_mb(self.manifest),
            "seconds": round(self.manifest["training"]["seconds"], 1),
        }


def gather_results(
    manifests: Sequence[StrPath], predictions: Sequence[StrPath], metrics: Sequence[StrPath]
) -> list[Result]:
    """Join what the candidates' steps wrote, by fingerprints (a pipeline may hand them over in any order).

    Returns:
        The results, ordered by name.

    Raises:
        InputError: a candidate without predictions or metrics, predictions of different indexes, or no labelled video
            in the selection half.
    """
    models = {manifest["fingerprint"]: manifest for manifest in map(read_json, manifests)}
    measured = {content["predictions"]: content for content in map(read_json, metrics)}
    results, indexes = [], set()
    for path in predictions:
        table = read_predictions(path)
        metadata = table.metadata
        makers = made_by(table)
        if len(makers) != 1 or makers[0] not in models:
            raise InputError(f"{path}: predictions of {makers}, which is not one candidate; predict each by itself")
        if metadata["fingerprint"] not in measured:
            raise InputError(f"{path}: its metrics are missing; evaluate it")
        manifest = models.pop(makers[0])
        indexes.add(metadata["index"])
        score = measured[metadata["fingerprint"]]
        judged = half_of(table, "selection", path)
        results.append(
            Result(
                manifest["candidate"]["name"], manifest, os.fspath(path), score, _gap(judged, path), len(judged),
            )
        )  # fmt: skip
    if models:
        names = ", ".join(manifest["candidate"]["name"] for manifest in models.values())
        raise InputError(f"no predictions of {names}; predict the validation index with each candidate")
    if len(indexes) > 1:
        raise InputError("the candidates predicted different indexes; predict the same one with each")
    return sorted(results, key=lambda result: result.name)


def ranked(results: Sequence[Result]) -> list[Result]:
    """Best first: the highest GAP on the selection half; of equals the smaller model, then the first name."""
    return sorted(results, key=lambda r: (-r.selection_gap, r.manifest["weights"]["bytes"], r.name))


def best(results: Sequence[Result]) -> Result:
    """The first of `ranked`.

    Raises:
        InputError: there is none.
    """
    if not results:
        raise InputError("there is no candidate to choose from; train at least one")
    return ranked(results)[0]


def select_model(
    manifests: Sequence[StrPath],
    predictions: Sequence[StrPath],
    metrics: Sequence[StrPath],
    manifest_output: StrPath,
    predictions_output: StrPath,
) -> dict[str, Any]:
    """Hand on the manifest and the validation predictions of the best candidate.

    Args:
        manifests, predictions, metrics: what the candidates' train, predict and evaluate steps wrote.
        manifest_output, predictions_output: where the winner's go.

    Returns:
        What a list of models shows of the winner.

    Raises:
        InputError: files that do not belong together, or no labels to judge by.
    """
    winner = best(gather_results(manifests, predictions, metrics))
    write_json(manifest_output, winner.manifest)
    with atomic_file(predictions_output) as copy:
        shutil.copyfile(winner.predictions, copy)
    return summary_of(winner.manifest)


def _gap(table: Predictions, path: StrPath) -> float:
    try:
        return gap_of(table)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
