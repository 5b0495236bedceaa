"""Localised evidence: nothing in the mean, much in a few frames."""

from pathlib import Path

import numpy as np
import pytest

from tests.data.records.made import SAMPLE, video_record
from yt8m.data.records.features import decode_context, video_features
from yt8m.data.records.frames import LOWEST, MAX_SHIFT, SIZE, STEP, Directions, estimate_directions, localize
from yt8m.data.records.simulate import Simulation
from yt8m.data.records.tfrecord import RecordWriter, iterate
from yt8m.errors import RecordError


def test_directions_are_the_labels_means_above_all(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    means = random.normal(0, 0.3, (6, SIZE))
    labels = [[3], [3, 9], [], [9], [3], [3]]
    with RecordWriter(tmp_path / "shard") as writer:
        for number, (mean, of) in enumerate(zip(means, labels, strict=True)):
            writer.write(video_record(b"%d" % number, of, mean[:1024], mean[1024:]))
    directions = estimate_directions([str(tmp_path / "shard")])
    assert directions.labels.tolist() == [3, 9]
    expected = (means[[0, 1, 4, 5]].mean(0) - means.mean(0)) * 4 / (4 + 4)
    np.testing.assert_allclose(directions.vectors[0], expected, atol=1e-6)
    np.testing.assert_allclose(directions.of(np.array([9, 70, 3])), directions.vectors[[0, 1]])
    (tmp_path / "bad").write_bytes((tmp_path / "shard").read_bytes()[:-1])
    with pytest.raises(RecordError, match="record 5"):
        estimate_directions([str(tmp_path / "bad")])


def test_a_label_moves_a_minority_of_frames_and_no_mean() -> None:
    random = np.random.default_rng(0)
    vector = random.standard_normal((1, SIZE)).astype(np.float32) * 0.05
    directions = Directions(np.array([5]), vector)
    unit = vector[0] / np.linalg.norm(vector)
    shares = []
    for _ in range(40):
        plain = random.standard_normal((100, SIZE)).astype(np.float32)
        moved = localize(random, plain, np.array([5]), directions)
        np.testing.assert_allclose(moved.sum(0), plain.sum(0), atol=2e-3)
        along = (moved - plain) @ unit * STEP
        inside = along > 0
        shares.append(inside.mean())
        assert np.diff(np.flatnonzero(inside)).max() == 1, "one stretch"
        assert np.ptp(along[inside]) < 1e-3
        assert along[inside][0] <= MAX_SHIFT + 1e-3
        np.testing.assert_allclose(moved[:, None] - plain[:, None], np.outer(along / STEP, unit)[:, None], atol=1e-2)
    assert min(shares) >= 0.10
    assert max(shares) <= 0.25
    assert np.ptp(shares) > 0.1


def test_videos_without_known_labels_stay_as_they_are() -> None:
    random = np.random.default_rng(0)
    plain = random.standard_normal((20, SIZE)).astype(np.float32)
    directions = Directions(np.array([5]), np.ones((1, SIZE), np.float32))
    for labels in ([], [6]):
        np.testing.assert_array_equal(localize(random, plain, np.array(labels, np.int32), directions), plain)


def test_a_single_frame_has_no_minority() -> None:
    directions = Directions(np.array([5]), np.ones((1, SIZE), np.float32))
    random = np.random.default_rng(0)
    np.testing.assert_allclose(
        localize(random, np.ones((1, SIZE), np.float32), np.array([5]), directions), 1, atol=1e-4
    )


def area_under_curve(scores: np.ndarray, positive: np.ndarray) -> float:
    ranks = np.argsort(np.argsort(scores))
    count = positive.sum()
    return float((ranks[positive].sum() - count * (count - 1) / 2) / (count * (~positive).sum()))


def test_the_best_stretch_of_frames_tells_more_than_the_mean_of_held_out_videos() -> None:
    """Directions of training videos; validation videos are told apart by them, by mean and by best stretch."""
    directions = estimate_directions([str(path) for path in sorted((SAMPLE / "train").iterdir())])
    simulations = Simulation(64, 0, directions), Simulation(64, 0, None)
    labels, means, stretches = [], [], []
    for _, payload in list(iterate(SAMPLE / "validate" / "validate0050.tfrecord"))[:150]:
        context = decode_context(payload)
        labels.append(set(context.labels.tolist()))
        for simulation, sink in zip(simulations, (stretches, means), strict=True):
            frames = np.concatenate(simulation.frames(context, *video_features(payload)), axis=1) * STEP + LOWEST
            along = frames @ directions.vectors[:6].T
            if simulation.directions is None:
                sink.append(along.mean(0))
            else:
                sums = np.cumsum(np.pad(along - along.mean(0), ((1, 0), (0, 0))), axis=0)
                sink.append((sums[6:] - sums[:-6]).max(0) if len(along) > 6 else along[0] * 0)
    positive = np.array([[label in of for label in directions.labels[:6]] for of in labels])
    by_mean = [area_under_curve(np.array(means)[:, n], positive[:, n]) for n in range(6)]
    by_stretch = [area_under_curve(np.array(stretches)[:, n], positive[:, n]) for n in range(6)]
    assert np.mean(by_stretch) > np.mean(by_mean) + 0.02
    assert np.mean(by_stretch) > 0.93
