import re

import numpy as np
import pytest

from yt8m.data.rebalance.facts import Facts
from yt8m.data.rebalance.statistics import compute_statistics
from yt8m.data.rebalance.statistics_page import render_statistics
from yt8m.data.records.video_index import VideoIndex
from yt8m.vocabulary import Vocabulary

CLASSES = 1200


def index_of(lists, level="frame", simulated=False):
    n = len(lists)
    bounds = np.concatenate(([0], np.cumsum([len(labels) for labels in lists])))
    return VideoIndex(
        video_ids=np.array([f"v{i:04d}".encode() for i in range(n)]), shard_numbers=np.zeros(n, np.int32),
        offsets=np.arange(n), lengths=np.ones(n, np.int32), num_frames=np.arange(1, n + 1, dtype=np.int32),
        labels=np.array([label for labels in lists for label in labels], np.int32), bounds=bounds, level=level,
        simulated=simulated,
    )  # fmt: skip


@pytest.fixture
def lists():
    draws = np.random.default_rng(0)
    return [np.unique((CLASSES * draws.random(draws.integers(1, 7)) ** 4).astype(int)).tolist() for _ in range(300)]


@pytest.fixture
def vocabulary():
    names = [f"<script>name {i}</script>" for i in range(CLASSES)]
    return Vocabulary(names, ["Games", "<b>Sports</b>", ""] * (CLASSES // 3), np.arange(CLASSES, 0, -1))


def test_page_shows_the_figures(lists, vocabulary):
    facts = Facts(index_of(lists))
    html = render_statistics(compute_statistics(facts, vocabulary))
    one = np.mean([len(labels) == 1 for labels in lists])
    below = np.mean([label < 900 for labels in lists for label in labels])
    assert f"exactly one label ({100 * one:.1f}" in html
    assert f"{100 * below:.1f}\N{NO-BREAK SPACE}% on those below 900" in html
    for title in ("Label imbalance", "Labels a video", "Frames a video", "Verticals", "Labels that occur together"):
        assert f"<h2>{title}</h2>" in html


def test_names_are_escaped(lists, vocabulary):
    html = render_statistics(compute_statistics(Facts(index_of(lists)), vocabulary))
    assert html.count("<script>") == 1
    assert "<b>Sports" not in html
    assert "&lt;script&gt;name 0" in html


def test_half_of_the_occurrences_by_brute_force(lists):
    counts = np.sort(np.bincount([label for labels in lists for label in labels]))[::-1]
    half, total = 0, 0
    while total < counts.sum() / 2:
        total += counts[half]
        half += 1
    html = render_statistics(compute_statistics(Facts(index_of(lists))))
    assert f"{half} labels carry half of the occurrences." in html


def test_without_vocabulary_and_frames(lists):
    html = render_statistics(compute_statistics(Facts(index_of(lists, level="labels"))))
    assert "<h2>Verticals</h2>" not in html
    assert "<h2>Frames a video</h2>" not in html
    assert "label 0" in html


def test_simulated_frames_are_announced(lists):
    assert "Simulated frames." in render_statistics(compute_statistics(Facts(index_of(lists, simulated=True))))


def test_videos_without_labels():
    html = render_statistics(compute_statistics(Facts(index_of([[], [], []]))))
    assert "no labels" in html
    assert "<h2>Label imbalance</h2>" not in html


def test_one_video_with_one_label():
    html = render_statistics(compute_statistics(Facts(index_of([[5]]))))
    assert not re.search(r"\bnan\b", html)


def test_same_statistics_same_bytes(lists, vocabulary):
    statistics = compute_statistics(Facts(index_of(lists)), vocabulary)
    assert render_statistics(statistics) == render_statistics(statistics)
