"""The validation videos fall into two halves by their ids alone, independent of how training draws its sample."""

import hashlib
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yt8m.errors import InputError
from yt8m.evaluation.holdout_split import half_of, in_half
from yt8m.prediction.table import Predictions
from yt8m.prediction.top_k import label_ranks, top_k

IDS = np.array([f"{number:04x}".encode() for number in range(20_000)])


@given(st.lists(st.binary(min_size=1, max_size=11).filter(lambda video: not video.endswith(b"\0")), max_size=20))
def test_a_video_is_in_one_half_whatever_stands_beside_it(videos: list[bytes]) -> None:
    ids = np.array(videos, dtype="S11")
    promotion, selection = in_half(ids, "promotion"), in_half(ids, "selection")
    assert (promotion ^ selection).all()
    for video, inside in zip(videos, promotion, strict=True):
        assert in_half(np.array([video]), "promotion")[0] == inside
        assert inside == hashlib.blake2b(video, digest_size=1, person=b"yt8m-half").digest()[0] % 2


def test_the_halves_are_fixed_for_ever() -> None:
    """Another split would let videos that chose a model decide on its promotion."""
    known = np.array([b"ABCD", b"01aZ", b"zzzz", b"0000", b"h6TW", b"Q9xk"])
    assert in_half(known, "promotion").tolist() == [True, True, True, False, False, True]


def test_they_are_halves_of_the_videos_that_training_validates_on_and_of_the_others() -> None:
    hashes = np.array([zlib.crc32(video) for video in IDS.tolist()])
    promotion = in_half(IDS, "promotion")
    sampled = np.isin(np.arange(len(IDS)), np.argsort(hashes)[:5000])
    assert promotion[sampled].mean() == pytest.approx(0.5, abs=4 * 0.5 / 5000**0.5)
    assert promotion[~sampled].mean() == pytest.approx(0.5, abs=4 * 0.5 / 15_000**0.5)


def test_half_of_predictions_keeps_each_video_whole() -> None:
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 4, 50)
    bounds = np.concatenate(([0], np.cumsum(counts)))
    labels = np.concatenate([rng.choice(30, count, replace=False) for count in counts]).astype(np.int32)
    scores = rng.random((50, 30), dtype=np.float32)
    table = Predictions(IDS[:50], labels, *label_ranks(scores, labels, bounds), bounds, *top_k(scores, 20), {"a": 1})
    promotion = half_of(table, "promotion", "p")
    kept = np.flatnonzero(in_half(IDS[:50], "promotion"))
    assert promotion.video_ids.tolist() == IDS[kept].tolist()
    assert promotion.metadata == {"a": 1}
    for row, video in enumerate(kept):
        np.testing.assert_array_equal(promotion.top_labels[row], table.top_labels[video])
        np.testing.assert_array_equal(promotion.top_confidences[row], table.top_confidences[video])
        for name in ("labels", "label_ranks", "label_confidences"):
            ours = getattr(promotion, name)[promotion.bounds[row] : promotion.bounds[row + 1]]
            np.testing.assert_array_equal(ours, getattr(table, name)[bounds[video] : bounds[video + 1]])
    assert len(half_of(promotion, "promotion", "p")) == len(promotion)
    with pytest.raises(InputError, match=r"p: none of its \d+ videos is a labelled one of the selection half"):
        half_of(promotion, "selection", "p")
