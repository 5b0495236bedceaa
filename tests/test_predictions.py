"""The predictions file comes back as it went in."""

from pathlib import Path

import numpy as np
import pytest

from yt8m.predictions import Predictions, read_predictions, write_predictions


def predictions(videos: int = 3, top: int = 2) -> Predictions:
    return Predictions(
        video_ids=np.array([b"id%02d" % row for row in range(videos)], dtype="S4"),
        labels=np.arange(videos, dtype=np.int32),
        label_ranks=np.ones(videos, np.int32),
        label_confidences=np.full(videos, 0.25, np.float32),
        bounds=np.array([0, 0, *([videos] * (videos - 1))], dtype=np.int64)[: videos + 1],
        top_labels=np.arange(videos * top, dtype=np.int32).reshape(videos, top),
        top_confidences=np.linspace(1, 0, videos * top, dtype=np.float32).reshape(videos, top),
        metadata={"num_classes": 10, "simulated": False, "models": []},
    )


@pytest.mark.parametrize(("videos", "top"), [(3, 2), (5, 20), (1, 1)])
def test_round_trip(tmp_path: Path, videos: int, top: int) -> None:
    ours = predictions(videos, top)
    write_predictions(tmp_path / "p.parquet", ours)
    back = read_predictions(tmp_path / "p.parquet")
    for name in ("video_ids", "bounds", "top_labels", "top_confidences"):
        np.testing.assert_array_equal(getattr(back, name), getattr(ours, name))
        assert getattr(back, name).dtype == getattr(ours, name).dtype
    used = ours.labels[: ours.bounds[-1]]
    np.testing.assert_array_equal(back.labels, used)
    assert back.metadata["num_classes"] == 10
    np.testing.assert_array_equal(back.label_rows, np.repeat(np.arange(videos), ours.labels_per_video))
