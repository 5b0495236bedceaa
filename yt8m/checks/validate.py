"""The validation of data: every check beside its threshold, as JSON, as a page, and in one line when it fails."""

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np

from yt8m.artifacts import fingerprint, ids_to_arrow, refuse_repeated
from yt8m.checks import drift
from yt8m.checks.profile import VIDEOS, profile_of, read_profile
from yt8m.checks.thresholds import MEANINGS, read_thresholds
from yt8m.checks.validation_page import render_validation
from yt8m.data.rebalance.facts import ids_among
from yt8m.data.records.video_index import EACH_ONCE, VideoIndex, read_index
from yt8m.errors import InputError
from yt8m.registry.candidates import check_candidates, check_levels
from yt8m.storage import StrPath, join, write_json, write_text
from yt8m.vocabulary import read_vocabulary

PAGE, RESULT, PROFILE = "validation.html", "validation.json", "data_profile.json"
OLDER = "the profile compared with is of an older release and lacks it; the next champion's will have it"
COUNTS = ("unknown_labels", "duplicate_ids", "leaked_ids")
DRIFTS = {
    "label_drift": drift.label_drift,
    "frame_count_drift": drift.frame_count_drift,
    "feature_mean_drift": drift.feature_mean_drift,
    "feature_std_drift": drift.feature_std_drift,
    "feature_skew_drift": drift.feature_skew_drift,
    "feature_size_drift": drift.feature_size_drift,
}


def validate_data(
    indexes: Mapping[str, StrPath],
    output_dir: StrPath,
    *,
    vocabulary: StrPath | None = None,
    num_classes: int | None = None,
    baseline: StrPath | None = None,
    thresholds: Mapping[str, Any] | None = None,
    sample: int = VIDEOS,
    source: str | None = None,
    candidates: list[dict[str, Any]] | None = None,
    copies: tuple[StrPath, ...] = (),
) -> dict[str, Any]:
    """Check the partitions of a data set, and the train partition against an earlier profile.

    Args:
        indexes: partition (`train` and others) -> its index file.
        output_dir: folder for `validation.json`, `validation.html` and `data_profile.json` (of the train partition).
        vocabulary: vocabulary.csv; labels beyond it are unknown, and movers get names.
        num_classes: labels from here on are unknown where there is no vocabulary; with neither, that is not checked.
        baseline: a `data_profile.json` to compare with (the champion's); without one nothing is said of drift.
        thresholds: those that differ from the defaults.
        sample: train videos that are read for the features.
        source: where the train shards lie, if not where the index says.
        candidates: what is to be trained on them, which must be for the level of the records.
        copies: folders that get the result and the page as well (where they outlive a step that fails).

    Returns:
        The content of `validation.json`: `passed`, `checks` (`{name, meaning, value, threshold, beyond_chance,
        passed, details}`; the value None where it cannot be told; `beyond_chance`: whether a drift is more than two
        samples of one distribution bring, without which it is no breach; None of counts), `movers`, `partitions`,
        `compared_with`, `simulated`, `fingerprint`.

    Raises:
        InputError: a missing file; candidates of the other level; a video twice in a partition that will be predicted;
            or a breach, after the files have been written: what, where, and what to do.
    """
    limits = read_thresholds(thresholds)
    partitions = {name: read_index(path) for name, path in indexes.items()}
    if limits["duplicate_ids"]:
        for name in partitions.keys() - {"train"}:  # what is predicted has each video once, whatever is allowed
            refuse_repeated(partitions[name].video_ids, indexes[name], EACH_ONCE)
    if candidates:
        checked = check_candidates(candidates)
        for index in partitions.values():
            check_levels(checked, index.level, index.source_root)
    words = read_vocabulary(vocabulary) if vocabulary else None
    profile = profile_of(partitions["train"], videos=sample, source=source)
    before = read_profile(baseline) if baseline else None
    classes = len(words) if words else num_classes
    found = {
        "unknown_labels": None if classes is None else unknown_labels(partitions, classes),
        "duplicate_ids": duplicates(partitions),
        "leaked_ids": leaks(partitions),
    }
    checks = [_counted(name, found[name], limits[name]) for name in COUNTS]
    checks += [_measured(name, before, profile, limits[name]) for name in DRIFTS]
    result = {
        "passed": all(check["passed"] for check in checks),
        "checks": checks,
        "movers": drift.top_movers(before, profile, words) if before else [],
        "partitions": {name: _described(index) for name, index in partitions.items()},
        "compared_with": before and {key: before[key] for key in ("index", "videos", "simulated")},
        "simulated": any(index.simulated for index in partitions.values()),
        "fingerprint": fingerprint([checks, profile]),
    }
    for folder in (output_dir, *copies):
        write_json(join(folder, RESULT), result)
        write_text(join(folder, PAGE), render_validation(result))
    write_json(join(output_dir, PROFILE), profile)
    if not result["passed"]:
        raise InputError(_breach(result, join((*copies, output_dir)[0], PAGE)))
    return result


def measured(result: dict[str, Any]) -> dict[str, float]:
    """The values of the checks that could be told, by name."""
    return {check["name"]: check["value"] for check in result["checks"] if check["value"] is not None}


def _described(index: VideoIndex) -> dict[str, Any]:
    return {"videos": len(index), "level": index.level, "simulated": index.simulated, "index": index.fingerprint()}


def _counted(name: str, found: dict[str, dict[str, Any]] | None, threshold: float) -> dict[str, Any]:
    if found is None:
        return _check(name, None, threshold, [])
    value = sum(part["count"] for part in found.values())
    details = [f"{place}: {part['count']:,} ({_listed(part)})" for place, part in found.items() if part["count"]]
    return _check(name, value, threshold, details)


def _listed(part: dict[str, Any]) -> str:
    more = ", ..." if part["count"] > len(part["examples"]) else ""
    return ", ".join(part["examples"]) + more


def _measured(name: str, before: dict[str, Any] | None, now: dict[str, Any], threshold: float) -> dict[str, Any]:
    value = DRIFTS[name](before, now) if before else None
    if before is None or value is None:
        older = before and before["features"] and now["features"] and name.startswith("feature_")
        return _check(name, None, threshold, [OLDER] if older else [])
    hidden = drift.hidden_labels(before, now) if name == "label_drift" else 0
    details = (
        [f"{100 * hidden:.0f} % of the occurrences fall on labels too rare for a change to be told"] if hidden else []
    )
    return _check(name, value, threshold, details, drift.beyond_chance(name, before, now))


def _check(
    name: str, value: float | None, threshold: float, details: list[str], beyond_chance: bool | None = None
) -> dict[str, Any]:
    return {
        "name": name,
        "meaning": MEANINGS[name],
        "value": value,
        "threshold": threshold,
        "beyond_chance": beyond_chance,
        "passed": value is None or value <= threshold or beyond_chance is False,
        "details": details,
    }


def _breach(result: dict[str, Any], page: str) -> str:
    """One line: each breach with its place, and the remedy."""
    parts = []
    for check in result["checks"]:
        if not check["passed"]:
            parts.append(f"{check['name']} is {check['value']:.4g}, at most {check['threshold']:g} is allowed")
            parts += check["details"]
    if any(check["name"] == "label_drift" and not check["passed"] for check in result["checks"]):
        parts += [f"{m['name']} went from {m['before']:.2%} to {m['now']:.2%}" for m in result["movers"][:3]]
    return f"the data is not fit for training: {'; '.join(parts)}. Mend the source, or raise the threshold; see {page}"


NAMED = 5


def duplicates(partitions: Mapping[str, VideoIndex]) -> dict[str, dict[str, Any]]:
    """For each partition `{count, examples}`: videos whose id stands in an earlier row, and some of these ids."""
    return {name: _found(_repeated(index.video_ids)) for name, index in partitions.items()}


def leaks(partitions: Mapping[str, VideoIndex]) -> dict[str, dict[str, Any]]:
    """For each two partitions, `train and test`, `{count, examples}` of the ids that stand in both."""
    found = {}
    for (name, one), (other_name, other) in combinations(partitions.items(), 2):
        ids = np.unique(one.video_ids)
        found[f"{name} and {other_name}"] = _found(ids[ids_among(ids, ids_to_arrow(other.video_ids))])
    return found


def unknown_labels(partitions: Mapping[str, VideoIndex], num_classes: int) -> dict[str, dict[str, Any]]:
    """For each partition `{count, examples}` of the label occurrences outside the classes."""
    found = {}
    for name, index in partitions.items():
        outside = index.labels[(index.labels >= num_classes) | (index.labels < 0)]
        found[name] = {"count": len(outside), "examples": [str(label) for label in np.unique(outside)[:NAMED]]}
    return found


def _repeated(ids: np.ndarray) -> np.ndarray:
    values, counts = np.unique(ids, return_counts=True)
    return np.repeat(values, counts - 1)


def _found(ids: np.ndarray) -> dict[str, Any]:
    examples = np.unique(ids)[:NAMED].tolist()
    return {"count": len(ids), "examples": [video_id.decode(errors="replace") for video_id in examples]}
