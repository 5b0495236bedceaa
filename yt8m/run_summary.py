"""What a run made, in one small JSON file: every candidate, the chosen one, and the data they saw."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from yt8m.artifacts import read_table
from yt8m.code_version import code_version
from yt8m.errors import InputError
from yt8m.selection import gather_results, ranked
from yt8m.storage import read_json, write_json

StrPath = str | os.PathLike[str]
NOTE = "chosen by selection_gap, the GAP on one half of the validation videos; gap and hit_at_1 are of all of them"


def summarize_run(
    manifests: Sequence[StrPath],
    predictions: Sequence[StrPath],
    metrics: Sequence[StrPath],
    selected: StrPath,
    indexes: Mapping[str, StrPath],
    output: StrPath,
) -> dict[str, Any]:
    """Write the summary of a run.

    Args:
        manifests, predictions, metrics: what the candidates' train, predict and evaluate steps wrote.
        selected: the manifest of the chosen candidate.
        indexes: partition (train, validate, test) -> its index file.
        output: the JSON file to write.

    Returns:
        Its content: `candidates` (`{name, selection_gap, gap, hit_at_1, size_mb, seconds}`, best first; gap and
        hit_at_1 are of all validation videos), `selected` (a name), `selection` (`{half, videos, note}`: what they
        were chosen by), `simulated` (whether frames of any partition were), `partitions` (`{videos, level, simulated,
        fingerprint}` of each), `model` (uri, preset, fingerprint of the chosen one) and `code_version`.

    Raises:
        InputError: files that do not belong together.
    """
    results = gather_results(manifests, predictions, metrics)
    chosen = read_json(selected)
    if chosen["fingerprint"] != ranked(results)[0].manifest["fingerprint"]:
        raise InputError(f"{selected}: not the best of the candidates; run select-model again")
    partitions = {name: _partition(path) for name, path in indexes.items()}
    summary = {
        "candidates": [result.row() for result in ranked(results)],
        "selected": chosen["candidate"]["name"],
        "selection": {"half": "selection", "videos": results[0].selection_videos, "note": NOTE},
        "simulated": any(partition["simulated"] for partition in partitions.values()),
        "partitions": partitions,
        "model": {key: chosen[key] for key in ("uri", "fingerprint", "preset", "seed")},
        "code_version": code_version(),
    }
    write_json(output, summary)
    return summary


def _partition(index: StrPath) -> dict[str, Any]:
    table, metadata = read_table(index, "video_index")
    return {
        "videos": table.num_rows,
        "level": metadata["level"],
        "fingerprint": metadata["fingerprint"],
        "simulated": metadata["simulated"],
    }
