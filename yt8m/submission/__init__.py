"""The challenge's submission: `VideoId,LabelConfidencePairs`, then one line a video with its 20 best labels (all of
them, where the model has fewer).

A line is `id,label confidence label confidence ...`, most confident first. Confidences are rounded to 6 decimals in
float64 (half to even, as `%.6f` does). What the challenge would refuse or score wrongly is refused here: a video that
is missing, twice or unknown to the index, confidences that are no probabilities or do not descend, a label twice.
"""

import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from yt8m.artifacts import refuse_repeated
from yt8m.data.records.video_index import EACH_ONCE, read_index
from yt8m.prediction.table import Predictions, read_predictions
from yt8m.prediction.top_k import TOP
from yt8m.progress import Progress
from yt8m.storage import StrPath, atomic_file
from yt8m.submission.checks import check_ids, check_rows, check_same_videos, check_size, refuse
from yt8m.submission.ensemble import HEADER, average, check_ensemble, lines

__all__ = ["write_csv", "write_submission"]

_ROWS = 8192  # the text of a chunk (3 MB) stays in the cache


def write_submission(
    predictions: list[str],
    output: StrPath,
    *,
    index: StrPath | None = None,
    models: Sequence[str] = (),
) -> dict[str, Any]:
    """Write the submission of a predictions file, or of the mean of several.

    Args:
        predictions: predictions files. Several are averaged video by video, each with the same weight; they must hold
            the top 100 or more, and a pair that is missing from one counts 0 in it (`yt8m predict` with several
            models averages all confidences).
        output: the CSV; lines are in the order of the first file.
        index: the index of the partition; when given, the submission holds each of its videos exactly once.
        models: the models that made the predictions, as folders or manifests; when given, they must be all of them
            and keep within the challenge's limit of 2^30 bytes.

    Returns:
        `videos`, `pairs` (of each video), `bytes` of the CSV, `models` (names), `files` (how many were averaged),
        `simulated`, `complete`: whether the videos were checked against an index, and `model_bytes`: what the models
        weigh together, None when they were not given.

    Raises:
        InputError: a file is missing or no predictions file, holds too few labels a video, a wrong id, confidence or
            label, or not the videos of the index or of the other files, or the models are others or too large; then
            nothing is written.
    """
    tables = [read_predictions(path) for path in predictions]
    names = [os.fspath(path) for path in predictions]
    for name, table in zip(names, tables, strict=True):
        _check_table(name, table)
    if index is not None:
        expected = read_index(index).video_ids
        refuse_repeated(expected, index, EACH_ONCE)
        check_same_videos(names[0], tables[0].video_ids, os.fspath(index), expected)
    check_ensemble(names, tables)
    used = [model for table in tables for model in table.metadata["models"]]
    rerankers = {
        str(table.metadata["reranker"]): int(table.metadata["reranker_bytes"])
        for table in tables
        if "reranker" in table.metadata
    }
    model_bytes = check_size(models, used, rerankers) if models else None
    return {
        "videos": len(tables[0]),
        "pairs": pairs_of(tables[0]),
        "bytes": write_csv(names, tables, output),
        "models": [model["name"] for model in used],
        "files": len(tables),
        "simulated": any(table.metadata["simulated"] for table in tables),
        "complete": index is not None,
        "model_bytes": model_bytes,
    }


def write_csv(names: list[str], tables: list[Predictions], output: StrPath) -> int:
    """Write the CSV of tables that are known to belong together; checks every row, and returns the bytes written.

    Args:
        names: the files that the tables came from, for errors.
        tables: one, or several to average.
        output: the CSV.

    Raises:
        InputError: a wrong confidence or label; nothing is written.
    """
    with atomic_file(output) as temporary, Progress("writing", len(tables[0]), "videos") as progress:
        with open(temporary, "wb") as file:
            file.write(HEADER)
            for ids, labels, confidences in _chunks(names, tables):
                file.write(lines(ids, labels, confidences, tables[0].metadata["num_classes"]))
                progress.advance(len(ids))
        return temporary.stat().st_size


def pairs_of(table: Predictions) -> int:
    """Pairs of a video in the submission: 20, or all classes of a model that has fewer."""
    return min(TOP, int(table.metadata["num_classes"]))


def _check_table(name: str, table: Predictions) -> None:
    width = table.top_labels.shape[1]
    if not len(table):
        refuse(name, "it holds no videos; predict the test index")
    needed = pairs_of(table)
    if width < needed:
        refuse(name, f"it holds the top {width} labels of a video, {needed} are needed; predict with --top {needed}")
    check_ids(name, table.video_ids)


def _chunks(names: list[str], tables: list[Predictions]) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Ids, labels int32 [n, 20] and confidences float32 [n, 20] of consecutive videos, checked."""
    first = tables[0]
    if len(tables) > 1:
        yield from average(names, tables, TOP)
        return
    for start in range(0, len(first), _ROWS):
        rows = slice(start, start + _ROWS)
        labels, confidences = first.top_labels[rows, :TOP], first.top_confidences[rows, :TOP]
        check_rows(names[0], first.video_ids[rows], labels, confidences, first.metadata["num_classes"])
        yield first.video_ids[rows], labels, confidences
