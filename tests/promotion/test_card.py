"""The model card: the right numbers, by name, and nothing from data unescaped."""

import re
from pathlib import Path

import numpy as np
import pytest

from tests.promotion.conftest import CLASSES, make_model, offer, predictions_of
from yt8m.data.rebalance.build import build_training_set
from yt8m.data.records.build import build_index
from yt8m.evaluation.holdout_split import half_of
from yt8m.evaluation.influence import gap_influences, normal_interval
from yt8m.prediction.table import write_predictions
from yt8m.promotion.card import weak_labels
from yt8m.promotion.contest import measure
from yt8m.registry.champions import Registry

HOSTILE = '<script>alert(1)</script> & "co"'


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("vocabulary") / "vocabulary.csv"
    names = [f"Name {label}" for label in range(CLASSES)]
    rows = [f'{label},{1000 - label},"{name}",Vertical {label % 3}' for label, name in enumerate(names)]
    path.write_text("Index,TrainVideoCount,Name,Vertical1\n" + "\n".join(rows) + "\n")
    return path


@pytest.fixture(scope="module")
def training_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("training")
    lines = [f"{number:05d},{number % 7} {7 + number % 40}" for number in range(500)]
    (folder / "labels.csv").write_text("VideoId,Labels\n" + "\n".join(lines) + "\n")
    build_index([str(folder / "labels.csv")], folder / "index.parquet")
    build_training_set(folder / "index.parquet", "hard-x3", folder / "set.parquet")
    return folder / "set.parquet"


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.split("<body>")[1])).replace("\N{NO-BREAK SPACE}", " ")


def test_the_card_says_what_was_measured(tmp_path: Path, vocabulary: Path, training_set: Path) -> None:
    fair, good = make_model(tmp_path, "fair", 1.2), make_model(tmp_path, "good", 2.0)
    registry = str(tmp_path / "registry")
    offer(fair, registry)
    made = offer(good, registry, fair, vocabulary=vocabulary, training_set=training_set, card=tmp_path / "card.html")
    page = (tmp_path / "card.html").read_text()
    text = text_of(page)
    table = half_of(predictions_of(good.fingerprint, 2.0), "promotion", "p")
    scores = measure(table, "p")
    interval = normal_interval(scores.metrics["gap"], gap_influences(table))
    assert f"GAP@20 {scores.metrics['gap']:.3f} {interval.low:.3f} to {interval.high:.3f}" in text
    assert f"Judged on {len(table)} validation videos with {len(table.labels)} true labels" in text
    assert f"Promoted: {made['reason']}." in text.replace("&#43;", "+")
    assert "Recipe hard-x3" in text
    assert "Examples an epoch hard-x3" in text or "Examples an epoch all" in text
    assert "verdict: better" in text
    assert f"Champion before fair, {fair.fingerprint}" in text
    assert "Trained with keras 3" in text
    assert "Simulated frames" not in text
    weak = weak_labels(scores)
    assert f"{(scores.positives >= 5).sum()} could be judged" in text
    for label in weak[:30]:
        assert f"Name {label} Vertical {label % 3}" in text
    assert len(page) < 100_000
    assert Registry(registry).champion().card.endswith(".html")


def test_the_weak_labels_are_those_of_a_brute_force_search() -> None:
    table = predictions_of("x", 0.8, videos=200)
    scores = measure(table, "p")
    precisions = average_precisions_of(table)
    counts = np.bincount(table.labels, minlength=CLASSES)
    expected = sorted((label for label in range(CLASSES) if counts[label] >= 5 and precisions[label] < 0.5),
                      key=lambda label: (precisions[label], -counts[label], label))  # fmt: skip
    assert 10 < len(expected) < CLASSES
    assert weak_labels(scores).tolist() == expected
    found = [sum(label in set(row) for row, own in zip(table.top_labels, own_labels(table), strict=True)
                 for true in own if true == label) for label in range(CLASSES)]  # fmt: skip
    assert scores.found.tolist() == found


def own_labels(table):
    return [table.labels[start:end] for start, end in zip(table.bounds[:-1], table.bounds[1:], strict=True)]


def average_precisions_of(table) -> np.ndarray:
    """By the top 20 pairs of each video, one label after the other."""
    result = np.full(CLASSES, np.nan)
    for label in range(CLASSES):
        pairs = [
            (confidence, label in own)
            for row, confidences, own in zip(table.top_labels, table.top_confidences, own_labels(table), strict=True)
            for other, confidence in zip(row, confidences, strict=True)
            if other == label
        ]
        positives = sum(label in own for own in own_labels(table))
        hits = np.array([hit for _, hit in sorted(pairs, key=lambda pair: -pair[0])])
        if positives:
            result[label] = (np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits.astype(bool)].sum() / positives
    return result


def test_names_from_data_are_escaped_and_simulation_is_said(tmp_path: Path) -> None:
    made = make_model(tmp_path, "odd", 1.2, architecture=HOSTILE, settings={HOSTILE: HOSTILE}, versions={"x": HOSTILE})
    write_predictions(made.predictions, predictions_of(made.fingerprint, 1.2, simulated=True, index=HOSTILE))
    offer(made, str(tmp_path / "registry"), card=tmp_path / "card.html")
    page = (tmp_path / "card.html").read_text()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "Simulated frames." in page


def test_few_videos_have_no_weak_labels_and_old_manifests_no_holes(tmp_path: Path) -> None:
    made = make_model(tmp_path, "few", 2.0, training={}, versions={}, preset={})
    write_predictions(made.predictions, predictions_of(made.fingerprint, 2.0, videos=12))
    offer(made, str(tmp_path / "registry"), card=tmp_path / "card.html")
    assert "No label has 5 videos here, so none can be judged by itself" in text_of(
        (tmp_path / "card.html").read_text()
    )
