"""What a run made, at one place of the work root: the results of every candidate, the chosen one, and the pages.

`{work_root}/runs/{run}/` gets `report.html`, `statistics.html`, `validation.html`, `submission.csv` and, last,
`results.json`.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from yt8m.artifacts import read_table
from yt8m.code_version import code_version
from yt8m.errors import InputError
from yt8m.runs.changes import note_finished
from yt8m.runs.records import run_folder
from yt8m.selection import gather_results, ranked
from yt8m.storage import atomic_file, join, read_json, write_json

RESULTS = "results.json"
StrPath = str | os.PathLike[str]
NOTE = "chosen by the GAP on one half of the validation videos; gap and hit_at_1 of the candidates are of all of them"


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
        `candidates` (`{name, gap, hit_at_1, size_mb, seconds}`, best first; gap and hit_at_1 are of all validation
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
    promotion: StrPath,
    files: Mapping[str, StrPath],
    work_root: str,
    run: str,
    state: str,
    *,
    copy: StrPath,
) -> dict[str, Any]:
    """Copy a run's files to its folder at the work root, then write its results and note that it has ended well.

    Args:
        manifests, predictions, metrics, selected, indexes: as in `collect_results`.
        promotion: the decision of promote-model (JSON).
        files: name there -> path here.
        work_root: where the folder is.
        run: name of the run.
        state: see `yt8m.runs.changes.check_changes`.
        copy: another file for the results.

    Returns:
        What `results.json` holds: that of `collect_results`, with `promotion` and `folder`.
    """
    results = collect_results(manifests, predictions, metrics, selected, indexes)
    folder = run_folder(work_root, run)
    for name, path in files.items():
        with atomic_file(join(folder, name)) as temporary:
            shutil.copyfile(path, temporary)
    results |= {"promotion": read_json(promotion), "folder": folder}
    for target in (copy, join(folder, RESULTS)):
        write_json(target, results)
    note_finished(work_root, run, state)
    return results


def _partition(index: StrPath) -> dict[str, Any]:
    table, metadata = read_table(index, "video_index")
    return {
        "videos": table.num_rows,
        "level": metadata["level"],
        "fingerprint": metadata["fingerprint"],
        "simulated": metadata["simulated"],
    }
