"""The model card: what a model is, what it learned from, how well it does and on what, and where it is weak."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from yt8m.data.rebalance.training_set import TrainingSet
from yt8m.evaluation.metrics import RARE_FROM
from yt8m.pages.page import Column, Section, Tile, count, decimal, page, share, table
from yt8m.promotion.contest import PROMISE, Scores
from yt8m.vocabulary import Vocabulary

ENOUGH = 5
WEAK = 0.5
MOST_SHOWN = 30
METRICS = (
    ("gap", "GAP@20", "All pairs of video and label in one ranking"),
    ("hit_at_1", "Hit@1", "Share of videos whose first label is right"),
    ("perr", "PERR", "Precision at as many labels as the video has"),
    ("map", "MAP@20", "Mean, over the labels these videos have, of the average precision among their top 20 places"),
    ("map_rare", f"MAP@20 from label {RARE_FROM}", "The same of the rare labels alone"),
)


@dataclass(frozen=True)
class Card:
    """What a model card tells of.

    Attributes:
        manifest: `model.json`.
        scores, against: of the model and of the champion that it met, if there was one.
        decision: see `yt8m.promotion.contest.Contest.as_json`.
        promoted: whether the model was promoted.
        simulated: whether frames were, of training or of judging.
        vocabulary: names of labels, if known.
        training_set: what it was trained on, if known.
    """

    manifest: dict[str, Any]
    scores: Scores
    against: Scores | None
    decision: dict[str, Any]
    promoted: bool
    simulated: bool
    vocabulary: Vocabulary | None = None
    training_set: TrainingSet | None = None


def render_card(card: Card) -> str:
    """The card as one HTML page."""
    manifest = card.manifest
    return page(
        f"Model card: {manifest.get('name', manifest['architecture'])}",
        [make(card) for make in (_metrics, _weak_labels, _model, _training, _judging)],
        subtitle="Multi-label tagger of videos by their "
        + ("frames" if manifest["level"] == "frame" else "video-level features"),
        tiles=_tiles(card),
        summary=_summary(card),
        simulated=card.simulated,
        provenance=_provenance(card),
    )


def _tiles(card: Card) -> list[Tile]:
    metrics = card.scores.metrics
    return [
        Tile("GAP@20", decimal(metrics["gap"]), _range(card.scores, "gap", decimal)),
        Tile("Hit@1", share(metrics["hit_at_1"]), _range(card.scores, "hit_at_1", share)),
        Tile("PERR", share(metrics["perr"]), _range(card.scores, "perr", share)),
        Tile("MAP@20", decimal(metrics["map"]), "mean over the labels here, of pairs in a top 20"),
        Tile("Size", f"{_megabytes(card):,.0f} MB", f"{count(card.manifest.get('parameters', 0))} parameters"),
    ]


def _summary(card: Card) -> list[str]:
    verdict, reason = ("Promoted" if card.promoted else "Not promoted"), card.decision["reason"]
    metrics = card.scores.metrics
    judged = (
        f"Judged on {count(metrics['videos'])} validation videos with {count(metrics['positives'])} true labels that "
        "had no say in choosing it among other candidates."
    )
    return [f"{verdict}: {reason}.", judged, _weak_sentence(card)]


def _weak_sentence(card: Card) -> str:
    scores, weak = card.scores, weak_labels(card.scores)
    classes, known = len(scores.positives), int((scores.positives >= ENOUGH).sum())
    names = ", ".join(_name(card, label) for label in weak[:3])
    return (
        f"Of its {count(classes)} labels {count(known)} could be judged, because {ENOUGH} or more of these videos have "
        f"them; {count(len(weak)) if len(weak) else 'none'} of these {'is' if len(weak) < 2 else 'are'} weak"
        + (f" ({names}{', ...' if len(weak) > 3 else ''})." if names else ".")
    )


def weak_labels(scores: Scores) -> np.ndarray:
    """The labels with an average precision below one half, of those with 5 or more videos; the weakest first."""
    known = np.flatnonzero((scores.positives >= ENOUGH) & (scores.precisions < WEAK))
    return known[np.lexsort((-scores.positives[known], scores.precisions[known]))]


def _metrics(card: Card) -> Section:
    columns = [Column("Metric"), Column("This model", True), Column("95 % interval", True)]
    columns += [Column("Champion before", True)] if card.against else []
    rows = []
    for key, name, meaning in METRICS:
        row = [f"{name}: {meaning[0].lower()}{meaning[1:]}", decimal(card.scores.metrics[key], 4)]
        row.append(_range(card.scores, key, lambda value: decimal(value, 4)))
        rows.append([*row, decimal(card.against.metrics[key], 4)] if card.against else row)
    lead = (
        "Intervals say how far a score would move with other videos of the same kind; MAP has none, since it counts "
        "labels of a single video as much as frequent ones."
    )
    return Section("How well it does", f"{lead} {_gain(card)}".strip(), [table(columns, rows)])


def _gain(card: Card) -> str:
    gain = card.decision["gain"]
    if gain is None:
        return ""
    return (
        f"Against the champion before, over the same videos: {gain['difference']:+.4f} GAP, 95 % interval "
        f"{gain['low']:+.4f} to {gain['high']:+.4f}; verdict: {gain['verdict']}. It is about these "
        "two models, not about their recipes: the same recipe with another seed makes another model."
    )


def _weak_labels(card: Card) -> Section:
    scores, weak = card.scores, weak_labels(card.scores)
    columns = [
        Column("Label"), Column("Vertical"),
        Column("Training videos", True, "Videos of the training set with the label"),
        Column("Videos here", True), Column("Average precision", True), Column("In the top 20", True),
    ]  # fmt: skip
    trained = _training_counts(card)
    rows = [
        [
            _name(card, label), card.vocabulary.verticals[label] if card.vocabulary else "–",
            count(trained[label]) if trained is not None else "–", count(scores.positives[label]),
            decimal(scores.precisions[label]), share(scores.found[label] / scores.positives[label]),
        ]
        for label in weak[:MOST_SHOWN]
    ]  # fmt: skip
    lead = _weak_lead(int((scores.positives >= ENOUGH).sum()), len(weak))
    return Section("Known weak labels", lead, [table(columns, rows)] if rows else [])


def _weak_lead(judged: int, weak: int) -> str:
    if not judged:
        return f"No label has {ENOUGH} videos here, so none can be judged by itself."
    some = f"of the {count(judged)} labels that {ENOUGH} or more videos here have"
    if not weak:
        return f"None {some} has an average precision below {WEAK:g}. Labels with fewer videos could not be judged."
    shown = f" The weakest {MOST_SHOWN} of {count(weak)} are shown." if weak > MOST_SHOWN else ""
    return (
        f"Those {some} with an average precision below {WEAK:g}: do not rely on them. Labels with fewer videos could "
        f"not be judged.{shown}"
    )


def _model(card: Card) -> Section:
    manifest = card.manifest
    preset = manifest["preset"] if isinstance(manifest["preset"], dict) else {}
    frames = preset.get("frames", {}).get("predict", {})
    settings = ", ".join(f"{key} {value}" for key, value in manifest["settings"].items()) or "–"
    return Section("The model", "", [_facts([
        ("Architecture", manifest["architecture"]),
        ("Settings", settings),
        ("Preset", manifest.get("name", "–")),
        ("Input", f"{manifest['level']}-level features"),
        ("Frames used", _text(frames) if manifest["level"] == "frame" else "one vector a video"),
        ("Labels", count(manifest["num_classes"])),
        ("Parameters", count(manifest.get("parameters", 0))),
        ("Weights", f"{_megabytes(card):,.1f} MB, {manifest['weights'].get('dtype', 'float32')}"),
        ("Fingerprint", manifest["fingerprint"]),
    ])])  # fmt: skip


def _training(card: Card) -> Section:
    manifest, made = card.manifest, card.training_set
    training = manifest.get("training", {})
    facts = [("Training set", manifest.get("training_set_fingerprint", "–"))]
    if made is not None:
        facts += [
            ("Recipe", made.recipe.get("name", "–")),
            ("Videos", count(len(made))),
            ("Examples an epoch", ", ".join(f"{phase.name}: {count(made.phase_size(number))}"
                                            for number, phase in enumerate(made.phases))),
        ]  # fmt: skip
    facts += [
        ("Index it was made of", manifest.get("index_fingerprint", "–")),
        ("Vocabulary", manifest.get("vocabulary_fingerprint") or "none given"),
        ("Simulated", _simulated(manifest.get("simulated", False))),
        ("Steps", count(training.get("steps", 0))),
        ("Examples seen", count(training.get("examples", 0))),
        ("Training time", f"{training.get('seconds', 0) / 60:,.1f} minutes"),
        ("Exported at step", count(training.get("exported_step", 0))),
        ("Seed", str(manifest.get("seed", "–"))),
    ]
    return Section("What it learned from", "", [_facts(facts)])


def _judging(card: Card) -> Section:
    decision, metrics = card.decision, card.scores.metrics
    thresholds = decision["thresholds"]
    gain, against, number = thresholds["min_gain"], decision["champion"], decision["contest"]
    return Section(
        "How it was judged",
        "The validation videos are split once, by a hash of their ids. Candidates are chosen on one half; a promotion "
        "is decided on the other, where the champion is predicted anew. All contests of a registry share one promise: "
        f"the chance that one that is no better ever wins is at most {100 * PROMISE:g} % over its whole life, so each "
        "further contest asks for more.",
        [_facts([
            ("Videos", f"{count(metrics['videos'])} of the promotion half"),
            ("True labels", count(metrics["positives"])),
            ("Index", decision["index"]),
            ("Simulated", _simulated(decision["simulated"])),
            ("Floor", f"GAP above {thresholds['floor']:g}"),
            ("Contest", "none: there was no champion" if number is None else f"number {count(number)} of the registry"),
            ("Gain needed", _gain_needed(decision) + ("" if gain is None else f", or at least {gain:g}")),
            ("Champion before", f"{against['name']}, {against['fingerprint']}" if against else "none"),
        ])],
    )  # fmt: skip


def _gain_needed(decision: dict[str, Any]) -> str:
    if decision["gain"] is None:
        return "none"
    return f"beyond chance, here more than {decision['needed_gain']:.5f}"


def _provenance(card: Card) -> dict[str, str]:
    versions = {f"Trained with {name}": str(version) for name, version in card.manifest.get("versions", {}).items()}
    return {"Model": str(card.manifest["fingerprint"]), "Validation index": card.decision["index"], **versions}


def _facts(rows: list[tuple[str, Any]]) -> Markup:
    return table([Column("What"), Column("Value", wide=True)], [[name, str(value)] for name, value in rows])


def _simulated(value: bool) -> str:
    return "yes: frames were drawn around real video-level means" if value else "no"


def _range(scores: Scores, key: str, text: Any) -> str:
    interval = scores.intervals.get(key)
    return "–" if interval is None else f"{text(interval.low)} to {text(interval.high)}"


def _name(card: Card, label: int) -> str:
    return card.vocabulary.names[label] if card.vocabulary and label < len(card.vocabulary) else f"label {label}"


def _training_counts(card: Card) -> np.ndarray | None:
    if card.training_set is None:
        return None
    return np.bincount(card.training_set.index.labels, minlength=len(card.scores.positives))


def _megabytes(card: Card) -> float:
    return float(card.manifest["weights"]["bytes"] / 1e6)


def _text(values: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items()) or "–"
