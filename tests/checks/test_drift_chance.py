"""Drift by chance and by corruption, on real records and real label lists; `long_drift.py` has the whole tables."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.checks.corrupted import CORRUPTIONS, FEATURES, breached, feature_profile, label_profile, real_features
from yt8m.checks import drift
from yt8m.checks.profile import profile_of
from yt8m.checks.validate import validate_data
from yt8m.data.records.video_index import read_index
from yt8m.errors import InputError
from yt8m.promotion.baseline import keep_profile
from yt8m.storage import write_json


@pytest.fixture(scope="module")
def features(indexes: dict[str, Path]) -> dict[str, np.ndarray]:
    return real_features(indexes["train"])


def halves(features: dict[str, np.ndarray], seed: int, videos: int) -> tuple[np.ndarray, np.ndarray]:
    rows = np.random.default_rng(seed).permutation(len(features["rgb"]))
    return rows[:videos], rows[videos : 2 * videos]


@pytest.fixture(scope="module")
def before(features: dict[str, np.ndarray]) -> dict[str, Any]:
    return feature_profile(features, halves(features, 0, 600)[0])


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_corrupted_features_are_seen_at_once(
    features: dict[str, np.ndarray], before: dict[str, Any], name: str
) -> None:
    _, other = halves(features, 0, 600)
    assert breached(before, feature_profile(features, other, CORRUPTIONS[name]))


def test_whole_features_are_not_called_corrupted(features: dict[str, np.ndarray], before: dict[str, Any]) -> None:
    assert not breached(before, feature_profile(features, halves(features, 0, 600)[1]))


def test_a_profile_of_an_older_release_is_compared_as_far_as_it_goes(features: dict[str, np.ndarray]) -> None:
    one, other = halves(features, 1, 600)
    before, now = feature_profile(features, one), feature_profile(features, other, CORRUPTIONS["doubled"])
    for name in FEATURES:
        before["features"][name] = {key: before["features"][name][key] for key in ("mean", "std")}
    assert drift.feature_std_drift(before, now) == pytest.approx(np.log(2), abs=0.1)
    assert drift.beyond_chance("feature_std_drift", before, now)
    assert drift.feature_skew_drift(before, now) is None
    assert drift.feature_size_drift(before, now) is None


def test_an_older_profile_is_named_and_replaced_in_the_registry(indexes: dict[str, Path], tmp_path: Path) -> None:
    profile = profile_of(read_index(indexes["train"]), videos=200)
    older = json.loads(json.dumps(profile))
    for name in FEATURES:
        older["features"][name] = {key: older["features"][name][key] for key in ("mean", "std")}
    write_json(tmp_path / "older.json", older)
    result = validate_data({"train": indexes["train"]}, tmp_path / "out", baseline=tmp_path / "older.json", sample=200)
    checks = {check["name"]: check for check in result["checks"]}
    assert checks["feature_std_drift"]["value"] == 0
    assert checks["feature_skew_drift"]["value"] is None
    assert "older release" in checks["feature_skew_drift"]["details"][0]
    keep_profile(tmp_path / "registry", tmp_path / "older.json")
    write_json(tmp_path / "newer.json", profile)
    assert json.loads(Path(keep_profile(tmp_path / "registry", tmp_path / "newer.json")).read_text()) == profile


def test_features_that_are_no_numbers_name_their_record(
    indexes: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from yt8m.checks import profile

    index, real = read_index(indexes["validate"]), profile._mean_frames

    def broken(frames: np.ndarray, num_frames: np.ndarray) -> np.ndarray:
        values = real(frames, num_frames)
        values[3, 5] = np.nan
        return values

    monkeypatch.setattr(profile, "_mean_frames", broken)
    with pytest.raises(
        InputError, match=rf"validate0050.*video {index.video_ids[3].decode()} has rgb features that are"
    ):
        profile_of(index)


def test_labels_that_moved_are_seen_at_200_videos_and_chance_is_not() -> None:
    seen, by_chance = [], []
    for seed in range(20):
        random = np.random.default_rng(seed)
        before = label_profile(random, 200)
        moved, same = label_profile(random, 200, often=(0, 2.9)), label_profile(random, 200)
        seen.append(drift.label_drift(before, moved) > 0.1 and drift.beyond_chance("label_drift", before, moved))
        by_chance.append(drift.label_drift(before, same) > 0.1 and drift.beyond_chance("label_drift", before, same))
    assert np.mean(seen) >= 0.7  # the true distance is 0.206
    assert not any(by_chance)


@pytest.mark.parametrize(("videos", "times"), [(1_500, 10), (100_000, 5)])
def test_chance_moves_no_label_and_a_moved_one_is_named(videos: int, times: int) -> None:
    pages = 0
    for seed in range(times):
        random = np.random.default_rng(seed)
        before = label_profile(random, videos)
        pages += bool(drift.top_movers(before, label_profile(random, videos), None))
        assert drift.top_movers(before, label_profile(random, videos, often=(7, 4)), None)[0]["label"] == 7
    assert pages <= 1


def test_a_label_that_was_not_there_is_no_mover_on_a_few_videos() -> None:
    def profile(videos: int, *label_videos: int) -> dict[str, Any]:
        return {"videos": videos, "label_videos": list(label_videos)}

    before = profile(1_000_000, 300_000, 0)
    assert not drift.top_movers(before, profile(500, 150, 3), None)
    assert drift.top_movers(before, profile(50_000, 15_000, 300), None)[0]["label"] == 1


def test_a_limit_of_0_is_what_is_beyond_chance(indexes: dict[str, Path], tmp_path: Path) -> None:
    profile = profile_of(read_index(indexes["validate"]))
    write_json(tmp_path / "profile.json", profile)
    drifts = ("label_drift", "feature_mean_drift", "feature_std_drift", "feature_skew_drift", "feature_size_drift")
    result = validate_data(
        {"train": indexes["train"]}, tmp_path / "out", baseline=tmp_path / "profile.json",
        thresholds=dict.fromkeys(drifts, 0),
    )  # fmt: skip
    assert result["passed"]
    assert any(check["value"] for check in result["checks"] if check["name"] in drifts)
    assert "Every check passed" in (tmp_path / "out" / "validation.html").read_text()


def test_labels_that_are_all_gone_are_the_largest_drift() -> None:
    before, now = {"label_videos": [30, 20]}, {"label_videos": []}
    assert drift.label_drift(before, now) == 1
    assert drift.beyond_chance("label_drift", before, now)
    assert not drift.beyond_chance("label_drift", now, now)
