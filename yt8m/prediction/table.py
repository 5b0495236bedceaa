"""The predictions file: for each video its most confident labels, and how its true labels fared.

Columns: `video_id` string, `labels` list<int32> (true), `label_ranks` list<int32> (rank of each true label among all
classes, 1 = most confident), `label_confidences` list<float32>, `top_labels` fixed list<int32>[K] and
`top_confidences` fixed list<float32>[K], descending. Equal confidences rank by the lower label index.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from yt8m.artifacts import (
    EQUAL_LISTS,
    ids_from_arrow,
    ids_to_arrow,
    lists_from_arrow,
    lists_to_arrow,
    read_table,
    refuse_repeated,
    write_table,
)
from yt8m.errors import InputError
from yt8m.ragged import ragged_positions
from yt8m.storage import StrPath

KIND = "predictions"


@dataclass(frozen=True)
class Predictions:
    """A predictions file in memory, over n videos; true labels of video i are `labels[bounds[i]:bounds[i + 1]]`.

    Attributes:
        video_ids: bytes [n] (NumPy `S`).
        labels, label_ranks: int32 [occurrences]; label_confidences: float32 [occurrences]; bounds: int64 [n + 1].
        top_labels: int32 [n, K]; top_confidences: float32 [n, K], descending.
        metadata: `num_classes`, `simulated`, `level`, `models` (a list of {name, fingerprint, training_set}),
            `index` (fingerprint of the predicted index), `fingerprint`; of re-ranked ones also `reranker` (its
            fingerprint) and `reranker_bytes`; of cross-fitted ones each model has `folds`.
    """

    video_ids: np.ndarray
    labels: np.ndarray
    label_ranks: np.ndarray
    label_confidences: np.ndarray
    bounds: np.ndarray
    top_labels: np.ndarray
    top_confidences: np.ndarray
    metadata: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.video_ids)

    @property
    def labels_per_video(self) -> np.ndarray:
        """int64 [n]: how many true labels each video has."""
        return np.diff(self.bounds)

    @property
    def label_rows(self) -> np.ndarray:
        """int64 [occurrences]: the video of each true label."""
        return np.repeat(np.arange(len(self)), self.labels_per_video)


def made_by(predictions: Predictions) -> list[str]:
    """What made a table: the fingerprint of each model, and what else had a hand in it.

    One model's own predictions are known by its fingerprint and nothing more: neither cross-fitted, which its like
    made, nor re-ranked.
    """
    metadata = predictions.metadata
    models = [f"{model['fingerprint']}{' cross-fitted' if model.get('folds') else ''}" for model in metadata["models"]]
    return [*models, f"the re-ranker {metadata['reranker']}"] if "reranker" in metadata else models


def taken(predictions: Predictions, rows: np.ndarray) -> Predictions:
    """The predictions of some videos, in that order: rows int [m]."""
    sizes = predictions.labels_per_video[rows]
    bounds = np.concatenate(([0], np.cumsum(sizes)))
    places = ragged_positions(predictions.bounds[rows], sizes)
    return replace(
        predictions,
        video_ids=predictions.video_ids[rows],
        labels=predictions.labels[places],
        label_ranks=predictions.label_ranks[places],
        label_confidences=predictions.label_confidences[places],
        bounds=bounds,
        top_labels=predictions.top_labels[rows],
        top_confidences=predictions.top_confidences[rows],
    )


def write_predictions(path: StrPath, predictions: Predictions) -> None:
    """Write a predictions file, atomically."""
    width = predictions.top_labels.shape[1]

    def ragged(values: np.ndarray) -> pa.ListArray:
        return lists_to_arrow(values, predictions.bounds)

    def fixed(values: np.ndarray) -> pa.FixedSizeListArray:
        return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), width)

    table = pa.table({
        "video_id": ids_to_arrow(predictions.video_ids),
        "labels": ragged(predictions.labels.astype(np.int32)),
        "label_ranks": ragged(predictions.label_ranks.astype(np.int32)),
        "label_confidences": ragged(predictions.label_confidences.astype(np.float32)),
        "top_labels": fixed(predictions.top_labels.astype(np.int32)),
        "top_confidences": fixed(predictions.top_confidences.astype(np.float32)),
    })  # fmt: skip
    write_table(path, table, KIND, predictions.metadata)


def read_predictions(path: StrPath) -> Predictions:
    """Read a predictions file; raises InputError when it is missing, something else, or holds a video twice."""
    table, metadata = read_table(path, KIND)
    columns = {name: table[name].combine_chunks() for name in table.column_names}
    labels, bounds = lists_from_arrow(table["labels"])
    for name in ("label_ranks", "label_confidences"):
        if not np.array_equal(lists_from_arrow(columns[name])[1], bounds):
            raise InputError(f"{path}: its lists of {name} are not as long as its labels; make one with `yt8m predict`")
    widths = {columns[name].type.list_size for name in EQUAL_LISTS}
    if len(widths) > 1:
        raise InputError(f"{path}: its top_labels and top_confidences differ in length; make one with `yt8m predict`")
    (width,) = widths

    def flat(name: str) -> np.ndarray:
        return columns[name].flatten().to_numpy(zero_copy_only=False)

    video_ids = ids_from_arrow(table["video_id"])
    refuse_repeated(video_ids, path, "predict an index that holds each video once")
    return Predictions(
        video_ids=video_ids,
        labels=labels,
        label_ranks=flat("label_ranks"),
        label_confidences=flat("label_confidences"),
        bounds=bounds,
        top_labels=flat("top_labels").reshape(-1, width),
        top_confidences=flat("top_confidences").reshape(-1, width),
        metadata=metadata,
    )
