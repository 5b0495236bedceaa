"""The video index of shards, or of label lists: found, scanned with threads, put together, written."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np

from yt8m.data.records.labels_csv import is_labels_csv, read_labels_csv
from yt8m.data.records.scan import ShardScan, scan_shard
from yt8m.data.records.video_index import Shard, VideoIndex, write_index
from yt8m.errors import InputError
from yt8m.progress import Progress, log
from yt8m.storage import FileInfo, StrPath, is_cached, is_remote, join, list_files, unchanged, version_of

GS = "gs://"
SIMULATED = "-simulated"
EXAMPLES, SHOWN = 10, 5
CACHED_THREADS, LOCAL_THREADS, VERIFYING_THREADS, REMOTE_THREADS = 1, 8, 4, 32
PROBED = 8


def build_index(
    sources: list[str],
    output: StrPath,
    *,
    source_root: str | None = None,
    verify: bool = False,
    threads: int | None = None,
    skip_bad_records: bool = False,
    announce: bool = True,
) -> dict[str, Any]:
    """Index the videos of shards, or of one label list, in a Parquet file.

    Args:
        sources: folders, globs and files of shards (all of one level), or one CSV of `VideoId,Labels`.
        output: the index file.
        source_root: the folder that the index names shards relative to; by default their common folder.
        verify: whether to read all of each record, recompute its CRC32C and decode its features.
        threads: shards scanned at the same time; by default 1 where the page cache holds them (threads would only take
            turns), 8 where the disk has to be waited for, 4 with `verify`, and 32 on gs://.
        skip_bad_records: list bad records instead of stopping at the first one. All of each record is read, too, so
            that each bad one is found here: no later step then meets one, and all see the same videos.
        announce: whether to say on stderr what was left out (see `left_out`).

    Returns:
        `{videos, labels, shards, bytes, level, simulated, fingerprint, skipped, duplicates, repeated_labels}`: `labels`
        counts label occurrences, `skipped` holds `{file, record, offset, bytes, problem}` of each stretch that was left
        out, `duplicates` `{videos, records, examples}` of ids that occur more than once, and `repeated_labels`
        `{labels, records, examples}` of labels that a record lists again: each is indexed once.

    Raises:
        InputError: no shards, shards of both levels, a bad record, or no good one.
    """
    found, skipped = _read_sources(sources, source_root, verify or skip_bad_records, threads, skip_bad_records)
    index, repeated = _labels_once(found)
    write_index(output, index)
    result = {
        "videos": len(index),
        "labels": len(index.labels),
        "shards": len(index.shards),
        "bytes": sum(shard.size for shard in index.shards),
        "level": index.level,
        "simulated": index.simulated,
        "fingerprint": index.fingerprint(),
        "skipped": skipped,
        "duplicates": find_duplicates(index),
        "repeated_labels": repeated,
    }
    for line in left_out(result) if announce else ():
        log(line)
    return result


def left_out(result: dict[str, Any]) -> list[str]:
    """In lines, what of its sources an index does not hold, and what it holds twice."""
    lines = []
    duplicates, repeated, skipped = result["duplicates"], result["repeated_labels"], result["skipped"]
    if duplicates["videos"]:
        ids = ", ".join(example["video_id"] for example in duplicates["examples"][:SHOWN])
        lines.append("{videos:,} ids occur more than once, in {records:,} records: ".format(**duplicates) + ids)
    if repeated["labels"]:
        ids = ", ".join("{video_id} (label {label})".format(**example) for example in repeated["examples"][:SHOWN])
        head = "{labels:,} labels that a record lists again, in {records:,} records, are indexed once: "
        lines.append(head.format(**repeated) + ids)
    if skipped:
        lines.append(f"{len(skipped):,} bad stretches left out:")
        lines += ["  {file}: record {record} at byte {offset}: {problem}".format(**entry) for entry in skipped[:SHOWN]]
        lines += [f"  and {len(skipped) - SHOWN:,} more (--json lists all)"] if len(skipped) > SHOWN else []
    return lines


def find_shards(sources: Sequence[str]) -> list[FileInfo]:
    """The shards of folders, globs, files and gs:// addresses, each once, by absolute path and in its order."""
    if not sources:
        raise InputError("no source is given; name a folder, a glob or files of shards")
    found = {}
    for source in sources:
        for file in list_files(source):
            path = file.path if is_remote(file.path) else os.path.abspath(file.path)
            _check_text(path)
            found[path] = replace(file, path=path)
    return [found[path] for path in sorted(found)]


def _check_text(path: str) -> None:
    try:
        path.encode()
    except UnicodeEncodeError:
        raise InputError(
            f"{path.encode(errors='backslashreplace').decode()}: the name is not UTF-8 text, which an index cannot "
            "hold; rename the file or folder"
        ) from None


def find_duplicates(index: VideoIndex) -> dict[str, Any]:
    """Ids that occur more than once: how many, in how many records, and the first few with their rows."""
    order = np.argsort(index.video_ids, kind="stable")
    ids = index.video_ids[order]
    same = np.concatenate(([False], ids[1:] == ids[:-1], [False]))
    starts = np.flatnonzero(same[1:] & ~same[:-1])
    ends = np.flatnonzero(same[:-1] & ~same[1:]) + 1 if len(starts) else starts
    examples = [
        {"video_id": ids[start].decode(), "rows": order[start:end].tolist()}
        for start, end in zip(starts[:EXAMPLES], ends[:EXAMPLES], strict=True)
    ]
    return {"videos": len(starts), "records": int((ends - starts).sum()), "examples": examples}


def _labels_once(index: VideoIndex) -> tuple[VideoIndex, dict[str, Any]]:
    """The index with each label of a video once, where it is listed first; and what was listed again."""
    rows = np.repeat(np.arange(len(index)), index.labels_per_video)
    pairs = rows << 32 | index.labels
    again = np.sort(pairs)
    if not (again[1:] == again[:-1]).any():
        return index, {"labels": 0, "records": 0, "examples": []}
    first = np.zeros(len(pairs), bool)
    first[np.unique(pairs, return_index=True)[1]] = True
    repeated = np.unique(pairs[~first])
    bounds = np.concatenate(([0], np.cumsum(np.bincount(rows[first], minlength=len(index)))))
    examples = [
        {"video_id": index.video_ids[pair >> 32].decode(), "label": pair & 0xFFFFFFFF}
        for pair in repeated[:EXAMPLES].tolist()
    ]
    counts = {"labels": int(np.count_nonzero(~first)), "records": len(np.unique(rows[~first]))}
    return replace(index, labels=index.labels[first], bounds=bounds), {**counts, "examples": examples}


def _read_sources(
    sources: list[str], source_root: str | None, verify: bool, threads: int | None, skip: bool
) -> tuple[VideoIndex, list[dict[str, Any]]]:
    lists = [source for source in sources if is_labels_csv(source)]
    if lists:
        if len(sources) > 1:
            raise InputError(f"{lists[0]}: a label list is indexed alone; give it without other sources")
        return read_labels_csv(lists[0]), []
    files = find_shards(sources)
    root = _root_of([file.path for file in files], source_root)
    scans = _scan(files, verify, threads, skip)
    skipped = [entry for scan in scans for entry in scan.skipped]
    if not any(len(scan.video_ids) for scan in scans):
        raise InputError(f"{root}: none of {len(files)} shards holds a good record; {_first_problem(skipped)}")
    index = _combine(scans, root)
    objects = [[file.generation, file.crc32c] for file in files]
    return replace(index, extra={"objects": objects}) if is_remote(root) else index, skipped


def _first_problem(skipped: list[dict[str, Any]]) -> str:
    return "the first: {file}: record {record} at byte {offset}: {problem}".format(**skipped[0])


def _root_of(paths: list[str], source_root: str | None) -> str:
    if len({is_remote(path) for path in paths}) > 1:
        raise InputError(f"{paths[-1]}: the other shards are on gs://; index local and remote shards apart")
    if source_root is None:
        return _common_folder([os.path.dirname(path) for path in paths])
    root = source_root.rstrip("/") if is_remote(source_root) else os.path.abspath(source_root)
    for path in paths:
        if not path.startswith(join(root, "")):
            raise InputError(f"{path}: lies outside the source root {root}; name a folder above all shards")
    return root


def _common_folder(folders: list[str]) -> str:
    """The deepest folder above all; paths and gs:// addresses alike."""
    if is_remote(folders[0]):
        return GS + os.path.commonpath([folder.removeprefix(GS) for folder in folders])
    return os.path.commonpath(folders)


def _scan(files: list[FileInfo], verify: bool, threads: int | None, skip: bool) -> list[ShardScan]:
    scans, versions = [], [version_of(file.path) for file in files]
    threads = threads or _threads_for(files, verify)
    with ThreadPoolExecutor(max(threads, 1)) as pool, Progress("indexing", len(files), "shards") as progress:
        futures = [
            pool.submit(scan_shard, f.path, f.size, f.generation, verify=verify, skip_bad_records=skip) for f in files
        ]
        try:
            for file, version, future in zip(files, versions, futures, strict=True):
                with unchanged(file.path, version):
                    scans.append(future.result())
                progress.advance()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    return scans


def _threads_for(files: list[FileInfo], verify: bool) -> int:
    if is_remote(files[0].path):
        return REMOTE_THREADS
    if verify:
        return VERIFYING_THREADS
    some = files[:: max(len(files) // PROBED, 1)]
    return CACHED_THREADS if all(is_cached(file.path, file.size // 2) for file in some) else LOCAL_THREADS


def _combine(scans: list[ShardScan], root: str) -> VideoIndex:
    level = next(scan.level for scan in scans if scan.level)
    for scan in scans:
        if scan.level not in (level, None):
            raise InputError(f"{scan.path}: it is {scan.level} level, other shards are {level} level; index them apart")
    names = [scan.path.removeprefix(join(root, "")) for scan in scans]
    counts = np.concatenate([scan.counts for scan in scans])
    return VideoIndex(
        video_ids=np.concatenate([scan.video_ids for scan in scans]),
        shard_numbers=np.repeat(np.arange(len(scans), dtype=np.int32), [len(scan.video_ids) for scan in scans]),
        offsets=np.concatenate([scan.offsets for scan in scans]),
        lengths=np.concatenate([scan.lengths for scan in scans]).astype(np.int32),
        num_frames=np.concatenate([scan.num_frames for scan in scans]).astype(np.int32),
        labels=np.concatenate([scan.labels for scan in scans]),
        bounds=np.concatenate(([0], np.cumsum(counts))),
        shards=tuple(
            Shard(name, scan.size, len(scan.video_ids), scan.fingerprint)
            for name, scan in zip(names, scans, strict=True)
        ),
        source_root=root,
        level=level,
        simulated=any(SIMULATED in os.path.basename(name) for name in names),
        checksums=np.concatenate([scan.checksums for scan in scans]),
        layouts=np.concatenate([scan.layouts for scan in scans]),
    )  # fmt: skip
