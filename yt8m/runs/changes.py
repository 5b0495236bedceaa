"""Whether there is anything new for a run to do: all that decides it, beside what decided the last one.

That is its sources, code, images, vocabulary and settings. A run that ends well leaves the fingerprint of all that
decided it at `{work_root}/finished.json`.
"""

from typing import Any

from yt8m.artifacts import fingerprint
from yt8m.progress import log
from yt8m.registry.champions import Registry
from yt8m.runs.records import read_records, run_folder
from yt8m.storage import StrPath, exists, join, read_json, write_json
from yt8m.training.work_root import CHAMPION
from yt8m.vocabulary import read_vocabulary

FINISHED, REGISTRY = "finished.json", "registry"


def registry_of(registry: str, work_root: str) -> str:
    """The registry of champions that a run uses: the named one, or that of its work root."""
    return registry or join(work_root, REGISTRY)


def champion_of(registry: str, work_root: str, start_from: str = CHAMPION) -> str:
    """Fingerprint of the champion of a run's registry; empty for none, and where a training starts from nothing."""
    if start_from != CHAMPION:
        return ""
    champion = Registry(registry_of(registry, work_root)).champion()
    return champion.fingerprint if champion else ""


def check_changes(
    sources: list[str],
    settings: dict[str, Any],
    work_root: str,
    output: StrPath,
    *,
    vocabulary: str,
    skip_unchanged: bool,
) -> dict[str, Any]:
    """Look whether a run has anything new to do.

    Args:
        sources: fingerprints of the partitions' shards.
        settings: code, images, candidates, recipe and so on: what else decides the results.
        work_root: where the last run left its state.
        output: the file that the decision is written to.
        vocabulary: the vocabulary file, of which the content counts and not where it lies; empty for none.
        skip_unchanged: without it a run always goes on.

    Returns:
        `changed` (whether to go on), `state` (fingerprint of all that decides the run), `vocabulary` (fingerprint of
        its content, empty for none), `reason` (a sentence).

    Raises:
        InputError: the vocabulary is missing or none.
    """
    names = vocabulary_content(vocabulary)
    state = fingerprint([sources, settings, names])
    last = read_json(join(work_root, FINISHED)) if exists(join(work_root, FINISHED)) else None
    changed = not skip_unchanged or last is None or last["state"] != state
    decision = {
        "changed": changed,
        "state": state,
        "vocabulary": names,
        "reason": _reason(last, state, skip_unchanged),
    }
    write_json(output, decision)
    log(str(decision["reason"]))
    return decision


def vocabulary_content(vocabulary: str) -> str:
    """Fingerprint of all that steps read of a vocabulary file; empty for none."""
    if not vocabulary:
        return ""
    read = read_vocabulary(vocabulary)
    return fingerprint([read.names, read.verticals, read.counts.tolist()])


def _reason(last: dict[str, Any] | None, state: str, skip_unchanged: bool) -> str:
    if last is None:
        return "no earlier run has ended well at this work root, so this one goes on"
    same = last["state"] == state
    told = f"source, code, images, vocabulary and settings are {'' if same else 'not all '}those of run {last['run']}"
    if same and skip_unchanged:
        return f"{told}: nothing to do"
    return f"{told}; this one goes on"


def note_finished(work_root: str, run: str, state: str) -> None:
    """Leave the state of a run that has ended well."""
    write_json(join(work_root, FINISHED), {"run": run, "state": state})


def state_of(work_root: str, run: str) -> str:
    """What check-changes found to decide a run; empty for a run without it."""
    record = read_records(run_folder(work_root, run), ["check-changes"]).get("check-changes", {})
    return str(record.get("results", {}).get("state", ""))
