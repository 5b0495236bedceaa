"""What the figures answer, in sentences written by rule; there is none that the figures do not carry."""

from collections.abc import Mapping
from statistics import mean
from typing import Any

from yt8m.evaluation.comparison.page import signed
from yt8m.pages.page import NO_BREAK, count, decimal, share
from yt8m.paper.experiments import Experiment
from yt8m.paper.judge import FAILS, HOLDS, NARROW, NOT_RUN, OPEN

HEADS = {
    HOLDS: "Holds at this scale",
    FAILS: "Does not hold at this scale",
    OPEN: "Cannot be told at this scale",
    NOT_RUN: "Not run",
}
VERDICT_WORDS = {"better": "better", "worse": "worse", "cannot tell": "cannot be told"}
SAME_READING, RISING = 0.05, 0.005
Result = Mapping[str, Any]


def answers(experiments: Mapping[str, Experiment], results: Mapping[str, Result]) -> dict[str, list[str]]:
    """For each kind of answer (`HEADS`) its sentences, in the order of the experiments."""
    found: dict[str, list[str]] = {agrees: [] for agrees in HEADS}
    for name, experiment in experiments.items():
        found[results[name]["agrees"]].append(answer(experiment, results[name]))
    return found


def answer(experiment: Experiment, result: Result) -> str:
    """The statement of an experiment, and the figures that speak for or against it."""
    if result["agrees"] == NOT_RUN:
        return f"{experiment.title}: {result['cause']}."
    return " ".join([f"{experiment.title}. {stated(experiment)}", *_evidence(experiment, result)])


def stated(experiment: Experiment) -> str:
    """The statement, in quotes where it is the paper's."""
    return f"“{experiment.statement}”" if experiment.published else experiment.statement


def _evidence(experiment: Experiment, result: Result) -> list[str]:
    kinds = {
        "imbalance": _imbalance, "difference": _difference, "scores": _scores, "curve": _curve, "errors": _errors,
    }  # fmt: skip
    return [sentence for sentence in kinds[experiment.kind](experiment, result) if sentence]


def _imbalance(_: Experiment, result: Result) -> list[str]:
    parts = [f"{share(value)} below index {name.removeprefix('below_')}" for name, value in result["ours"].items()]
    return [f"Ours, exact over {count(result['occurrences'])} label occurrences: {', '.join(parts)}."]


def _difference(experiment: Experiment, result: Result) -> list[str]:
    ours = f"Ours: {signed(result['ours']['difference'])} ({ends(result['interval'])})."
    return [
        ours, _power(experiment, result), _reading(experiment, result), _rising(experiment, result), *why(result)
    ]  # fmt: skip


def _power(experiment: Experiment, result: Result) -> str:
    """How far the scale is from telling the paper's difference."""
    published = experiment.published.get("difference")
    if result["verdict"] != "cannot tell" or not isinstance(published, float):
        return ""
    margin = (result["interval"][1] - result["interval"][0]) / 2
    if margin <= abs(published):
        return ""
    times = f"{margin / abs(published):,.0f}"
    return f"The interval reaches {margin:.4f} to either side, {times} times the paper's difference."


def _reading(experiment: Experiment, result: Result) -> str:
    """That one run read more than the other, which by itself can make a difference."""
    examples = result["examples"]
    ratio = examples[experiment.run] / examples[experiment.against]
    if abs(ratio - 1) < SAME_READING:
        return ""
    return f"It read {ratio:.1f} times as many examples, so the difference is that of the recipe and of the reading."


def _rising(experiment: Experiment, result: Result) -> str:
    """That a training was far from its end, so that a longer one can turn out otherwise."""
    parts = []
    for run in (experiment.against, experiment.run):
        curves = [curve for curve in result["curves"][run] if len(curve["epoch"]) > 1]
        if not curves:
            continue
        rise = mean(curve["validation_gap"][-1] - curve["validation_gap"][-2] for curve in curves)
        span = curves[0]["epoch"][-1] - curves[0]["epoch"][-2]
        if rise >= RISING:
            parts.append(f"by {rise:.4f} in the last {span:.1f} epochs of {run}")
    return f"Validation GAP was still rising when training ended: {' and '.join(parts)}." if parts else ""


def why(result: Result) -> list[str]:
    """What a difference gives to rare labels and takes from frequent ones, and which cause of misses it changes."""
    return [sentence for sentence in (_buckets(result["buckets"]), _causes(result["causes"])) if sentence]


def _buckets(rows: list[dict[str, Any]]) -> str:
    told = [row for row in rows if row["verdict"] != "cannot tell"]
    if not told:
        return "No part by label frequency can be told to differ."
    parts = [
        f"{'gains' if row['verdict'] == 'better' else 'loses'} {abs(row['difference']):.4f} on {bucket_name(row)}"
        for row in told
    ]
    rest = [bucket_name(row) for row in rows if row["verdict"] == "cannot tell"]
    others = f"; on {' and '.join(rest)} it cannot be told" if rest else ""
    return f"By label frequency, the GAP of these labels alone {', '.join(parts)}{others}."


def _causes(rows: list[dict[str, Any]]) -> str:
    told = [row for row in rows if row["verdict"] != "cannot tell"]
    if not told:
        return "No cause of missed labels can be told to have become more or less frequent."
    parts = [
        f"{row['cause'][0].lower()}{row['cause'][1:]} {count(row['b'])} instead of {count(row['a'])}" for row in told
    ]
    return f"Missed labels by cause: {', '.join(parts)}; the other causes cannot be told to have changed."


def _scores(_: Experiment, result: Result) -> list[str]:
    first = next(iter(result["ours"]))
    parts = [
        f"{name} {decimal(result['ours'][name], 4)} ({signed(row['difference'], 4)}, "
        f"{VERDICT_WORDS[result['verdict'][name]]})"
        for name, row in result["differences"].items()
    ]
    return [f"Ours: {first} {decimal(result['ours'][first], 4)}; against it {', '.join(parts)}."]


def _curve(_: Experiment, result: Result) -> list[str]:
    low, high = result["interval"]["peak_epoch"]
    before, after = result["training_gap"]
    where = f"at {low:g}" if low == high else f"between {low:g} and {high:g}"
    change = f"{signed(result['ours']['difference'])} ({ends(result['interval']['difference'])})"
    peak = result["ours"]["peak_epoch"]
    last = ", the last," if peak >= result["last_epoch"] else ""
    return [
        f"Ours is highest at {peak:g} epochs{last or ','} looked at every {result['step']:g} (by seed: "
        f"{where}). From 2.5 epochs to the end GAP on all validation videos changes by {change}: "
        f"{VERDICT_WORDS[result['verdict']]}.",
        f"Training GAP goes from {decimal(before, 4)} to {decimal(after, 4)} in that time.",
    ]


def _errors(_: Experiment, result: Result) -> list[str]:
    all_videos = result["all_videos"]

    def told(key: str) -> str:
        low, high = (share(end) for end in result["interval"][key])
        return f"{share(result['ours'][key])} ({low} to {high})"

    lines = [
        f"Ours: {told('missed_share')} of {count(result['videos'])} videos miss a label; of these "
        f"{told('one_label_share')} have exactly one label (of all videos {share(all_videos['one_label_share'])}) and "
        f"{told('four_or_more_share')} four or more (of all {share(all_videos['four_or_more_share'])})."
    ]
    if result["agrees"] == OPEN:
        width = share(NARROW, 0)
        lines.append(f"The intervals hold the paper's shares, but reach farther than {width} to either side.")
    return lines


def bucket_name(row: Mapping[str, Any]) -> str:
    """`labels 0–299`, `labels 978 and up`."""
    return f"labels {row['first']} and up" if row["last"] is None else f"labels {row['first']}–{row['last']}"


def ends(interval: list[float], digits: int = 5) -> str:
    """An interval of a difference, on one line."""
    return f"{signed(interval[0], digits)} to {signed(interval[1], digits)}".replace(" ", NO_BREAK)
