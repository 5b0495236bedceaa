from collections import defaultdict

import numpy as np
import pytest

from yt8m.evaluation.analysis import confusions as module
from yt8m.evaluation.analysis.confusions import OTHERS, between_verticals, count_confusions, strongest
from yt8m.evaluation.analysis.evaluated import read_evaluated


def brute_force(case):
    videos, weights, missed = defaultdict(int), defaultdict(float), defaultdict(int)
    for video, labels in enumerate(case.lists):
        top = case.ranking(video)[:20]
        for label in set(labels) - set(top):
            missed[label] += 1
            for other in set(top) - set(labels):
                videos[label, other] += 1
                weights[label, other] += float(case.scores[video, other])
    return videos, weights, missed


@pytest.mark.parametrize("chunk", [7, 500_000])
def test_confusions_by_brute_force(case, monkeypatch, chunk):
    monkeypatch.setattr(module, "CHUNK", chunk)
    table = count_confusions(read_evaluated(case.path))
    videos, weights, missed = brute_force(case)
    assert len(table) == len(videos)
    for row in table.itertuples():
        pair = row.label, row.instead
        assert row.videos == videos[pair]
        assert row.weight == pytest.approx(weights[pair])
        assert row.strength == pytest.approx(weights[pair] / missed[row.label])


def test_strongest_come_first(case):
    table = count_confusions(read_evaluated(case.path))
    _, weights, _ = brute_force(case)
    first = strongest(table, 2)
    for label in {label for label, _ in weights}:
        mine = sorted((-weight, other) for (of, other), weight in weights.items() if of == label)
        assert first[first["label"] == label]["instead"].tolist() == [other for _, other in mine[:2]]


def test_nothing_missed_gives_an_empty_table(make_case):
    table = count_confusions(read_evaluated(make_case([[0.9, 0.1]], [[0]]).path))
    assert len(table) == 0
    assert list(table.columns) == ["label", "instead", "videos", "weight", "strength"]


def test_verticals_by_brute_force(case, vocabulary):
    evaluated = read_evaluated(case.path, None, vocabulary())
    names, shares, missed = between_verticals(evaluated, count_confusions(evaluated))
    _, weights, counts = brute_force(case)
    order = ["Games", "Sports", ""]
    for i, row in enumerate(names):
        assert missed[i] == sum(number for label, number in counts.items() if order[label % 3] == row)
        mine = {pair: weight for pair, weight in weights.items() if order[pair[0] % 3] == row}
        for j, column in enumerate(names):
            part = sum(weight for (_, other), weight in mine.items() if order[other % 3] == column)
            assert shares[i, j] == pytest.approx(part / sum(mine.values()))
    assert missed.tolist() == sorted(missed, reverse=True)


def test_small_verticals_are_put_together(case, vocabulary, monkeypatch):
    monkeypatch.setattr(module, "VERTICALS", 1)
    evaluated = read_evaluated(case.path, None, vocabulary())
    names, shares, missed = between_verticals(evaluated, count_confusions(evaluated))
    assert names[1:] == [OTHERS]
    assert missed.sum() == evaluated.missed.sum()
    np.testing.assert_allclose(shares.sum(axis=1), 1)
