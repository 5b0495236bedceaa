"""Tables that know what they are: Parquet files with a kind, a fingerprint and the fingerprints of their inputs.

Every table that one command hands to the next carries a JSON object in its Parquet metadata under the key `yt8m`:
`kind` (video_index, training_set, predictions), `fingerprint`, `simulated`, and what the kind adds. A reader names
the kind that it wants and gets one clear line when the file is something else.
"""

import hashlib
import json
import math
import os
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from yt8m.errors import InputError
from yt8m.storage import atomic_file, is_remote, read_bytes, require_file

METADATA_KEY = b"yt8m"
MADE_BY = {
    "video_index": "yt8m index",
    "training_set": "yt8m rebalance",
    "predictions": "yt8m predict",
    "errors": "yt8m analyze",
}


def fingerprint(value: Any) -> str:
    """16 hexadecimal digits of SHA-256 over the canonical JSON of `value`."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def fingerprint_bytes(*parts: Any) -> str:
    """16 hexadecimal digits of SHA-256 over buffers (bytes, contiguous arrays), each preceded by its length."""
    digest = hashlib.sha256()
    for part in parts:
        view = memoryview(part).cast("B")
        digest.update(len(view).to_bytes(8, "little"))
        digest.update(view)
    return digest.hexdigest()[:16]


def scalars(result: dict[str, Any]) -> dict[str, Any]:
    """Texts, truth values and finite numbers of a result: what a user interface can show beside an artifact."""
    return {
        key: value
        for key, value in result.items()
        if isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))
    }


def write_table(path: str | os.PathLike[str], table: pa.Table, kind: str, metadata: dict[str, Any]) -> None:
    """Write a table of a kind, atomically and deterministically (same content, same bytes)."""
    text = json.dumps({"kind": kind, **metadata}, sort_keys=True, allow_nan=False, ensure_ascii=False)
    table = table.replace_schema_metadata({METADATA_KEY: text.encode()})
    with atomic_file(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", row_group_size=1 << 20)


def read_table(path: str | os.PathLike[str], kind: str) -> tuple[pa.Table, dict[str, Any]]:
    """The table of a file or gs:// object, and its metadata.

    Raises:
        InputError: the file is missing, is not Parquet, or is of another kind; with the command that makes one.
    """
    remedy = f"make one with `{MADE_BY[kind]}`"
    try:
        if is_remote(path):
            table = pq.read_table(pa.BufferReader(read_bytes(path, remedy)))
        else:
            table = pq.read_table(require_file(path, remedy), memory_map=True)
    except (pa.ArrowInvalid, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: not a readable Parquet file ({reason}); {remedy}") from error
    raw = (table.schema.metadata or {}).get(METADATA_KEY)
    metadata = json.loads(raw) if raw else {}
    found = metadata.get("kind", "a table that yt8m did not write")
    if found != kind:
        raise InputError(f"{path}: this is {found}, {kind} is needed; {remedy}")
    return table, metadata


def ids_to_arrow(ids: np.ndarray) -> pa.StringArray:
    """Byte strings (NumPy `S`) as Arrow strings, by copying buffers.

    Raises:
        InputError: an id is not UTF-8 text.
    """
    n, width = len(ids), max(ids.dtype.itemsize, 1)
    data = np.ascontiguousarray(ids).view(np.uint8).reshape(n, width)
    if n and data[:, -1].all():
        lengths = np.full(n, width)
    else:
        lengths = np.char.str_len(ids)
        data = data[np.arange(width) < lengths[:, None]]
    offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
    array = pa.StringArray.from_buffers(n, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(data)))
    try:
        array.validate(full=True)
    except pa.ArrowInvalid as error:
        raise InputError(f"a video id is not UTF-8 text ({error}); leave its record out") from error
    return array


def ids_from_arrow(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """The inverse of `ids_to_arrow`: NumPy `S` as wide as the longest id."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    _, offsets_buffer, data_buffer = array.buffers()
    n = len(array)
    if not n or not data_buffer or not data_buffer.size:
        return np.zeros(n, "S1")
    offsets = np.frombuffer(offsets_buffer, np.int32)[array.offset : array.offset + n + 1]
    data = np.frombuffer(data_buffer, np.uint8)[offsets[0] : offsets[-1]]
    lengths = np.diff(offsets)
    width = max(int(lengths.max()), 1)
    if (lengths == width).all():
        return data.copy().view(f"S{width}")
    padded = np.zeros((n, width), np.uint8)
    padded[np.arange(width) < lengths[:, None]] = data
    return padded.reshape(-1).view(f"S{width}")


def lists_to_arrow(values: np.ndarray, bounds: np.ndarray) -> pa.ListArray:
    """Values and bounds (list i is `values[bounds[i]:bounds[i + 1]]`, from 0) as an Arrow column of lists."""
    return pa.ListArray.from_arrays(pa.array(bounds.astype(np.int32)), pa.array(values))


def lists_from_arrow(column: pa.ChunkedArray | pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """The inverse of `lists_to_arrow`: the values, and int64 bounds that start at 0."""
    lists = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    bounds = lists.offsets.to_numpy().astype(np.int64)
    return lists.flatten().to_numpy(zero_copy_only=False), bounds - bounds[0]
