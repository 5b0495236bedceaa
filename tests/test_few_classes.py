"""Models of fewer than 20 classes: every step takes all of them, from prediction to the submission."""

from pathlib import Path

import numpy as np
import pytest

from yt8m.evaluation.analysis.analyze import analyze
from yt8m.evaluation.comparison.compare import compare
from yt8m.evaluation.evaluate import evaluate
from yt8m.prediction.table import Predictions, write_predictions
from yt8m.prediction.top_k import label_ranks, top_k
from yt8m.promotion.contest import measure
from yt8m.submission import write_submission

VIDEOS = 60


def predictions_of(classes: int, seed: int) -> Predictions:
    """Of videos with one to three labels of so many classes."""
    truth, model = np.random.default_rng(1), np.random.default_rng(seed)
    sizes = truth.integers(1, min(3, classes) + 1, VIDEOS)
    labels = np.concatenate([np.sort(truth.permutation(classes)[:size]) for size in sizes]).astype(np.int32)
    bounds = np.concatenate(([0], np.cumsum(sizes)))
    scores = model.random((VIDEOS, classes), dtype=np.float32)
    ids = np.array([f"{row:04d}".encode() for row in range(VIDEOS)], "S4")
    models = [{"name": "logistic", "fingerprint": f"{seed:016d}", "training_set": "t"}]
    metadata = {"num_classes": classes, "simulated": False, "level": "frame", "index": "i", "models": models,
                "fingerprint": f"{seed}"}  # fmt: skip
    return Predictions(ids, labels, *label_ranks(scores, labels, bounds), bounds, *top_k(scores, 20), metadata)


@pytest.mark.parametrize("classes", [2, 19])
def test_every_step_takes_as_many_labels_as_there_are(tmp_path: Path, classes: int) -> None:
    paths = [tmp_path / f"{seed}.parquet" for seed in (1, 2)]
    for seed, path in enumerate(paths, 1):
        write_predictions(path, predictions_of(classes, seed))
    assert 0 < evaluate(paths[0], tmp_path / "metrics")["gap"] <= 1
    analyze(paths[0], tmp_path / "analysis")
    assert compare(*paths, tmp_path / "compared")["verdict"] in {"better", "worse", "cannot tell"}
    assert measure(predictions_of(classes, 1), paths[0]).metrics["videos"] == VIDEOS
    made = write_submission([str(paths[0])], tmp_path / "s.csv")
    assert (made["pairs"], made["videos"]) == (classes, VIDEOS)
    write_submission([str(path) for path in paths], tmp_path / "mean.csv")
    for name in ("s.csv", "mean.csv"):
        lines = (tmp_path / name).read_text().splitlines()[1:]
        assert len(lines) == VIDEOS
        for line in lines:
            words = line.partition(",")[2].split(" ")
            assert sorted(map(int, words[::2])) == list(range(classes))
