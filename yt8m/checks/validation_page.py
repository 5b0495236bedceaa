"""The page of a validation: what was checked, what came out, which labels moved."""

from typing import Any

from markupsafe import Markup

from yt8m.checks.drift import MOVED_BY_CHANCE
from yt8m.pages.page import Column, Section, Tile, count, decimal, page, share, table

TITLES = {
    "unknown_labels": "Unknown labels",
    "duplicate_ids": "Duplicate ids",
    "leaked_ids": "Ids in two partitions",
    "label_drift": "Label drift",
    "frame_count_drift": "Frame-count drift",
    "feature_mean_drift": "Feature means",
    "feature_std_drift": "Feature deviations",
    "feature_skew_drift": "Feature asymmetry",
    "feature_size_drift": "Feature size",
}
BEYOND = {None: "–", False: "no", True: "yes"}


def render_validation(result: dict[str, Any]) -> str:
    """The page as HTML, of what `validate_data` found."""
    partitions = result["partitions"]
    return page(
        "Validation of the data",
        [
            Section("Checks", "Each value beside its threshold. Drift is measured against the data that the champion "
                    "was trained on, and what chance alone brings is taken off. It is a breach when it is above the "
                    "threshold and beyond chance: more than two samples of the same videos would differ at these "
                    "sizes.", [_checks(result)]),
            *([Section("Labels that moved", "Share of the videos with the label, then and now; z is the difference in "
                       "standard deviations. Only labels are listed that differ more than the largest difference of "
                       f"all labels by chance: about {share(MOVED_BY_CHANCE, 0)} of the pages without any drift have "
                       "this table.", [_movers(result)])]
              if result["movers"] else []),
            Section("Partitions", "What was looked at.", [_partitions(partitions)]),
        ],
        subtitle=", ".join(f"{name}: {count(part['videos'])} videos" for name, part in partitions.items()),
        tiles=[Tile(TITLES[c["name"]], _value(c), _outcome(c)) for c in result["checks"]],
        summary=_summary(result),
        simulated=result["simulated"],
        provenance={f"Index of {name}": part["index"] for name, part in partitions.items()},
    )  # fmt: skip


def _summary(result: dict[str, Any]) -> list[str]:
    breached = [TITLES[check["name"]].lower() for check in result["checks"] if not check["passed"]]
    sentences = [f"Breached: {', '.join(breached)}. The run stops before training." if breached else
                 "Every check passed."]  # fmt: skip
    if result["compared_with"] is None:
        sentences.append("There is no champion yet, so nothing can be said of drift.")
    if result["movers"]:
        most = result["movers"][0]
        sentences.append(f"The label that moved most is {most['name']}: from {share(most['before'], 2)} of the videos "
                         f"to {share(most['now'], 2)}.")  # fmt: skip
    return sentences


def _checks(result: dict[str, Any]) -> Markup:
    columns = [Column("Check"), Column("Value", True), Column("At most", True), Column("Beyond chance"),
               Column("Result"), Column("What it counts", wide=True), Column("Notes", wide=True)]  # fmt: skip
    return table(columns, [
        [TITLES[c["name"]], _value(c), f"{c['threshold']:g}", BEYOND[c["beyond_chance"]], _outcome(c), c["meaning"],
         "; ".join(c["details"]) or "–"]
        for c in result["checks"]
    ])  # fmt: skip


def _movers(result: dict[str, Any]) -> Markup:
    columns = [Column("Label"), Column("Index", True), Column("Then", True), Column("Now", True), Column("z", True)]
    return table(columns, [
        [m["name"], str(m["label"]), share(m["before"], 2), share(m["now"], 2), f"{m['z']:+.1f}"]
        for m in result["movers"]
    ])  # fmt: skip


def _partitions(partitions: dict[str, Any]) -> Markup:
    columns = [Column("Partition"), Column("Videos", True), Column("Level"), Column("Frames")]
    return table(columns, [
        [name, count(part["videos"]), part["level"], "simulated" if part["simulated"] else "real"]
        for name, part in partitions.items()
    ])  # fmt: skip


def _outcome(check: dict[str, Any]) -> str:
    if check["value"] is None:
        return "not checked"
    return "passed" if check["passed"] else "breached"


def _value(check: dict[str, Any]) -> str:
    value = check["value"]
    return count(value) if isinstance(value, int) else decimal(value)
