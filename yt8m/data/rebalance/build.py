"""From an index and a recipe to a training set."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from yt8m.artifacts import read_table
from yt8m.data.rebalance.facts import Facts, ids_among
from yt8m.data.rebalance.recipe import Recipe, Rule, load_recipe
from yt8m.data.rebalance.training_set import TrainingSet, write_training_set
from yt8m.data.records import video_index
from yt8m.data.records.video_index import VideoIndex, read_index
from yt8m.errors import InputError
from yt8m.seeds import check_seed
from yt8m.storage import StrPath


def build_training_set(
    index: StrPath,
    recipe: StrPath,
    output: StrPath,
    *,
    exclude: Iterable[StrPath] = (),
    batch_size: int = 160,
    seed: int = 0,
) -> dict[str, Any]:
    """Make a training set by a recipe and write it.

    Args:
        index: an index file with labels.
        recipe: the name of a built-in recipe, or a YAML file.
        output: the file to write.
        exclude: index files (validation, test); a video whose id occurs in one of them is dropped and counted.
        batch_size: examples a step, for the reported steps an epoch.
        seed: of the recipe's random choices.

    Returns:
        `recipe`, `videos` (that some phase uses), `excluded`, `seed`, `batch_size`, `simulated`, fingerprints,
        `before` (the whole index, each video once) and `phases`: name, until, restart, and the numbers of `balance`.

    Raises:
        InputError: a wrong file, recipe, batch size or seed; an index without labels; a phase that selects nothing.
    """
    check_seed(seed)
    if batch_size < 1:
        raise InputError(f"batch size {batch_size}: give one of at least 1")
    rules = load_recipe(recipe)
    source = read_index(index)
    if not len(source.labels):
        raise InputError(f"{index}: no video has a label (a test partition?); give the index of a labelled partition")
    before = balance(Facts(source), np.ones(len(source), np.int32), batch_size)
    kept = ~excluded_rows(source, exclude)
    facts = Facts(source if kept.all() else source.take(kept), seed)
    if not len(facts):
        raise InputError(f"{index}: every video is also in an excluded index; give another index, or exclude another")
    repeats = apply_recipe(rules, facts)
    training_set = _training_set(rules, facts, repeats, source.fingerprint(), len(source) - len(facts))
    write_training_set(output, training_set)
    phases = [balance(facts, row, batch_size) for row in repeats]
    return {
        "recipe": rules.name,
        "videos": len(training_set),
        "excluded": training_set.extra["excluded"],
        "seed": seed,
        "batch_size": batch_size,
        "simulated": source.simulated,
        "fingerprint": training_set.fingerprint(),
        "index_fingerprint": training_set.index_fingerprint,
        "before": before,
        "phases": [_describe(rule) | numbers for rule, numbers in zip(rules.rules, phases, strict=True)],
    }


def apply_recipe(recipe: Recipe, facts: Facts) -> np.ndarray:
    """int32 [phases, n]: how often an epoch of each phase reads each video; draws depend on the phase, too.

    Raises:
        InputError: a phase reads nothing.
    """
    return np.stack([_apply_rule(recipe, facts, rule, phase) for phase, rule in enumerate(recipe.rules)])


def excluded_rows(index: VideoIndex, exclude: Iterable[StrPath]) -> np.ndarray:
    """Which videos' ids also occur in one of the index files; bool [n].

    Raises:
        InputError: a file is missing or is not an index.
    """
    found = np.zeros(len(index), bool)
    for path in exclude:
        table, _ = read_table(path, video_index.KIND)
        found |= ids_among(index.video_ids, table["video_id"].combine_chunks())
    return found


def _apply_rule(recipe: Recipe, facts: Facts, rule: Rule, phase: int) -> np.ndarray:
    chosen = rule.selection.videos(facts)
    if rule.limit is not None and chosen.any():
        chosen = rule.limit(facts, chosen, f"limit {phase}")
    repeats = rule.repeat(facts, chosen, f"repeat {phase}") if chosen.any() else np.zeros(len(facts), np.int32)
    if not repeats.any():
        raise InputError(
            f"{recipe.file}: phases[{phase}] ({rule.phase.name}) reads no video of this index of {len(facts):,}; "
            f"widen its select or limit, or index more videos"
        )
    return repeats


def _training_set(recipe: Recipe, facts: Facts, repeats: np.ndarray, source: str, excluded: int) -> TrainingSet:
    used = np.asarray(repeats.any(axis=0))
    whole = bool(used.all())
    return TrainingSet(
        index=facts.index if whole else facts.index.take(used),
        repeats=repeats if whole else repeats[:, used],
        phases=tuple(rule.phase for rule in recipe.rules),
        recipe={"name": recipe.name, **recipe.source},
        index_fingerprint=source,
        seed=facts.seed,
        extra={"excluded": excluded},
    )


def _describe(rule: Rule) -> dict[str, Any]:
    phase = rule.phase.to_json()
    return {key: phase[key] for key in ("name", "until", "restart")}


RARE_ABOVE = 977


def gini(counts: np.ndarray) -> float:
    """The Gini coefficient of counts: 0 when all are equal, towards 1 when one has everything.

    With x sorted ascending over n labels: sum_i (2 i - n - 1) x_i / (n sum x), i from 1. 0 of nothing.
    """
    counts = np.sort(np.asarray(counts, dtype=np.float64))
    n, total = len(counts), counts.sum()
    if not total:
        return 0.0
    return float(np.dot(2 * np.arange(1, n + 1) - n - 1, counts) / (n * total))


def head_tail_ratio(counts: np.ndarray, reference: np.ndarray) -> float | None:
    """Occurrences of the head's labels over those of the tail's.

    The head is the tenth of the labels (rounded up) which are most frequent in `reference`, the tail the tenth which
    are least frequent, among the labels that occur in `reference`. None when the tail has no occurrence.
    """
    present = np.flatnonzero(reference)
    order = present[np.argsort(reference[present], kind="stable")]
    tenth = math.ceil(len(order) / 10)
    head, tail = counts[order[len(order) - tenth :]].sum(), counts[order[:tenth]].sum()
    return float(head / tail) if tail else None


def balance(facts: Facts, repeats: np.ndarray, batch_size: int) -> dict[str, Any]:
    """The size and the balance of an epoch.

    Args:
        facts: the videos; head, tail and the labels that count are those of this index.
        repeats: int [n], how often the epoch reads each video.
        batch_size: examples a step.

    Returns:
        `videos` (read at least once) and `share_of_videos` (they are of the index), `examples` and
        `examples_per_video` (of the index), `label_occurrences`, `share_of_rare_labels` (of the occurrences, label
        index > 977), `gini` and `head_tail_ratio` of the label occurrences, `steps_an_epoch`.
    """
    counts = np.bincount(
        facts.index.labels, weights=np.repeat(repeats, facts.labels_per_video), minlength=len(facts.label_counts)
    ).astype(np.int64)
    occurrences, examples = int(counts.sum()), int(repeats.sum(dtype=np.int64))
    videos, everything = int(np.count_nonzero(repeats)), max(len(facts), 1)
    return {
        "videos": videos,
        "share_of_videos": videos / everything,
        "examples": examples,
        "examples_per_video": examples / everything,
        "label_occurrences": occurrences,
        "share_of_rare_labels": float(counts[RARE_ABOVE + 1 :].sum() / occurrences) if occurrences else 0.0,
        "gini": gini(counts[facts.label_counts > 0]),
        "head_tail_ratio": head_tail_ratio(counts, facts.label_counts),
        "steps_an_epoch": -(-examples // batch_size),
    }
