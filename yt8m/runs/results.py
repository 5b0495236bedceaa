"""What a run made, at one place of the work root: the results of every candidate, the chosen one, and the pages.

`{work_root}/runs/{run}/` gets `report.html`, `statistics.html`, `validation.html` and, last, `results.json`. The
promotion and the submission come after, each into the same folder by its own step, so that neither of them, if it
cannot be done, keeps anything back.
"""

import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from yt8m.artifacts import read_table
from yt8m.code_version import code_version
from yt8m.errors import InputError
from yt8m.evaluation.select_model import gather_results, ranked
from yt8m.runs.records import run_folder
from yt8m.storage import StrPath, atomic_file, join, read_json, write_json

RESULTS = "results.json"
PROMOTION, SUBMISSION = "promotion.json", "submission.csv"
NOTE = "chosen by the GAP on one half of the validation videos; the scores of the candidates are of all of them"


def collect_results(
    manifests: Sequence[StrPath],
    predictions: Sequence[StrPath],
    metrics: Sequence[StrPath],
    selected: StrPath,
    indexes: Mapping[str, StrPath],
) -> dict[str, Any]:
    """The results of a run.

    Args:
        manifests, predictions, metrics: what the candidates' train, predict and evaluate steps wrote.
        selected: the manifest of the chosen candidate.
        indexes: partition (train, validate, test) -> its index file.

    Returns:
        `candidates` (`{name, gap, map_rare, hit_at_1, size_mb, seconds}`, best first; the scores are of all validation
        videos), `selected` (a name), `selection` (`{half, videos, gaps, note}`: what they were chosen by), `simulated`
        (whether frames of any partition were), `partitions` (`{videos, level, simulated, fingerprint}` of each),
        `model` (uri, preset, fingerprint of the chosen one) and `code_version`.

    Raises:
        InputError: files that do not belong together.
    """
    results = gather_results(manifests, predictions, metrics)
    chosen = read_json(selected)
    if chosen["fingerprint"] != ranked(results)[0].manifest["fingerprint"]:
        raise InputError(f"{selected}: not the best of the candidates; run select-model again")
    partitions = {name: _partition(path) for name, path in indexes.items()}
    order = ranked(results)
    return {
        "candidates": [result.row() for result in order],
        "selected": chosen["candidate"]["name"],
        "selection": {
            "half": "selection",
            "videos": order[0].selection_videos,
            "gaps": {result.name: result.selection_gap for result in order},
            "note": NOTE,
        },
        "simulated": any(partition["simulated"] for partition in partitions.values()),
        "partitions": partitions,
        "model": {key: chosen[key] for key in ("uri", "fingerprint", "preset", "seed")},
        "code_version": code_version(),
    }


def publish_results(
    manifests: Sequence[StrPath],
    predictions: Sequence[StrPath],
    metrics: Sequence[StrPath],
    selected: StrPath,
    indexes: Mapping[str, StrPath],
    files: Mapping[str, StrPath],
    work_root: str,
    run: str,
    *,
    copy: StrPath,
) -> dict[str, Any]:
    """Copy a run's files to its folder at the work root, then write its results.

    Args:
        manifests, predictions, metrics, selected, indexes: as in `collect_results`.
        files: name there -> path here.
        work_root: where the folder is.
        run: name of the run.
        copy: another file for the results.

    Returns:
        What `results.json` holds: that of `collect_results`, with `folder`.
    """
    results = collect_results(manifests, predictions, metrics, selected, indexes)
    folder = run_folder(work_root, run)
    for name, path in files.items():
        put(path, [folder], name)
    results["folder"] = folder
    for target in (copy, join(folder, RESULTS)):
        write_json(target, results)
    return results


def put(path: StrPath, folders: Sequence[str], name: str) -> None:
    """Copy a file that a step made into the folder of its run (none where it is called by hand), under a name."""
    for folder in folders:
        with atomic_file(join(folder, name)) as temporary:
            shutil.copyfile(path, temporary)


def _partition(index: StrPath) -> dict[str, Any]:
    table, metadata = read_table(index, "video_index")
    return {
        "videos": table.num_rows,
        "level": metadata["level"],
        "fingerprint": metadata["fingerprint"],
        "simulated": metadata["simulated"],
    }
