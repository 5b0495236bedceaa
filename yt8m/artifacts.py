"""Tables that know what they are: Parquet files with a kind, a fingerprint and the fingerprints of their inputs.

Every table that one command hands to the next carries a JSON object in its Parquet metadata under the key `yt8m`:
`kind` (video_index, training_set, predictions), `fingerprint`, `simulated`, and what the kind adds. A reader names
the kind that it wants and gets one clear line when the file is something else, or was changed into something else: a
table that went through another program comes back as it was if nothing is lost by it, and is refused by the name of
the column if something is.
"""

import hashlib
import json
import math
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from yt8m.errors import InputError
from yt8m.storage import StrPath, atomic_file, is_remote, read_bytes, require_file

METADATA_KEY = b"yt8m"
MADE_BY = {
    "video_index": "yt8m index",
    "training_set": "yt8m rebalance",
    "predictions": "yt8m predict",
    "errors": "yt8m analyze",
}
_NUMBERS, _CONFIDENCES = pa.list_(pa.int32()), pa.list_(pa.float32())
_INDEX = {
    "video_id": pa.string(),
    "shard": pa.int32(),
    "offset": pa.int64(),
    "length": pa.int32(),
    "num_frames": pa.int32(),
    "labels": _NUMBERS,
}
COLUMNS: dict[str, dict[str, pa.DataType]] = {
    "video_index": _INDEX,
    "training_set": _INDEX,
    "predictions": {
        "video_id": pa.string(),
        "labels": _NUMBERS,
        "label_ranks": _NUMBERS,
        "label_confidences": _CONFIDENCES,
        "top_labels": _NUMBERS,
        "top_confidences": _CONFIDENCES,
    },
}
"""What a kind of table must have; a training set also has `repeats_0` and so on, one for each phase."""
OPTIONAL_COLUMNS = {"checksum": pa.uint32(), "layout": pa.int8()}
EQUAL_LISTS = ("top_labels", "top_confidences")
"""Columns of lists that are all of one length, which the file has as fixed-size lists."""
LEAST = {"shard": -1, "offset": -1, "length": 0, "num_frames": 0, "labels": 0}
KEYS = {
    "video_index": ("fingerprint", "level", "simulated", "source_root", "shards"),
    "training_set": ("fingerprint", "index_fingerprint", "simulated", "index", "phases", "recipe", "seed"),
    "predictions": ("num_classes", "simulated", "models"),
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


def write_table(path: StrPath, table: pa.Table, kind: str, metadata: dict[str, Any]) -> None:
    """Write a table of a kind, atomically and deterministically (same content, same bytes)."""
    text = json.dumps({"kind": kind, **metadata}, sort_keys=True, allow_nan=False, ensure_ascii=False)
    table = table.replace_schema_metadata({METADATA_KEY: text.encode()})
    with atomic_file(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", row_group_size=1 << 20)


def read_table(path: StrPath, kind: str) -> tuple[pa.Table, dict[str, Any]]:
    """The table of a file or gs:// object, with the columns and types of its kind, and its metadata.

    Raises:
        InputError: the file is missing, is not Parquet, is of another kind, or lacks what its kind has; with the
            command that makes one.
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
    metadata = _metadata(table)
    found = metadata.get("kind") or _stranger(table, kind)
    if found != kind:
        raise InputError(f"{path}: this is {found}, {kind} is needed; {remedy}")
    try:
        return _conform(table, kind, metadata), metadata
    except ValueError as error:
        raise InputError(f"{path}: {error}; {remedy}") from error


def _metadata(table: pa.Table) -> dict[str, Any]:
    try:
        metadata = json.loads((table.schema.metadata or {}).get(METADATA_KEY, b"{}"))
    except ValueError:
        return {}
    return metadata if isinstance(metadata, dict) else {}


def _stranger(table: pa.Table, kind: str) -> str:
    if COLUMNS.get(kind, {"": None}).keys() <= set(table.column_names):
        return f"a table with the columns of {kind} that has lost its metadata (as through pandas)"
    return "a table that yt8m did not write"


def _conform(table: pa.Table, kind: str, metadata: dict[str, Any]) -> pa.Table:
    """The columns of a kind, in their types; raises ValueError at the first that is not so and cannot become so."""
    for key in KEYS.get(kind, ()):
        if key not in metadata:
            raise ValueError(f"its metadata lacks {key}")
    wanted = dict(COLUMNS.get(kind, {}))
    if kind == "training_set":
        wanted |= {f"repeats_{phase}": pa.int32() for phase in range(len(metadata["phases"]))}
    wanted |= {name: type_ for name, type_ in OPTIONAL_COLUMNS.items() if name in table.column_names}
    if not COLUMNS.get(kind):
        return table
    columns = {name: _column(table, name, type_) for name, type_ in wanted.items()}
    if "shard" in columns:
        shards = metadata["index" if kind == "training_set" else "shards"]
        count = len(shards["shards"] if kind == "training_set" else shards)
        highest = pc.max(columns["shard"]).as_py()
        if highest is not None and highest >= count:
            raise ValueError(f"its column shard says {highest}, and there are {count} shards from 0 on")
    return pa.table(columns)


def _column(table: pa.Table, name: str, wanted: pa.DataType) -> pa.ChunkedArray:
    if name not in table.column_names:
        raise ValueError(f"its column {name} is missing")
    column = table[name]
    inside = pc.list_flatten(column) if _is_list(column.type) else column
    if column.null_count or inside.null_count:
        raise ValueError(f"its column {name} has an empty place (null)")
    if not _same(column.type, wanted):
        column = _converted(column, name, wanted)
        inside = pc.list_flatten(column) if _is_list(wanted) else column
    lowest = pc.min(inside).as_py() if name in LEAST else None
    if lowest is not None and lowest < LEAST[name]:
        raise ValueError(f"its column {name} holds {lowest}")
    return _equal_lists(column, name) if name in EQUAL_LISTS else column


def _is_list(type_: pa.DataType) -> bool:
    return bool(pa.types.is_list(type_) or pa.types.is_large_list(type_) or pa.types.is_fixed_size_list(type_))


def _same(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether a type is the wanted one; of lists only the values count where they are of one length."""
    if pa.types.is_list(wanted) and (pa.types.is_list(found) or pa.types.is_fixed_size_list(found)):
        return bool(found.value_type == wanted.value_type)
    return bool(found == wanted)


def _converted(column: pa.ChunkedArray, name: str, wanted: pa.DataType) -> pa.ChunkedArray:
    """The column as the wanted type; raises ValueError if that would change a value."""
    problem = f"its column {name} is {column.type}, {wanted} is needed"
    if not (len(column) == 0 or _family(column.type) == _family(wanted) or _holds(column.type, wanted)):
        raise ValueError(problem)
    try:
        converted = column.cast(wanted)
        if converted.cast(column.type).equals(column):
            return converted
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        pass
    raise ValueError(f"{problem}, and not every value is one")


def _family(type_: pa.DataType) -> str:
    """What a type is at bottom: texts, whole numbers, or numbers, alone or in lists."""
    if _is_list(type_):
        return f"lists of {_family(type_.value_type)}"
    if pa.types.is_dictionary(type_):
        return _family(type_.value_type)
    if pa.types.is_integer(type_):
        return "whole numbers"
    if pa.types.is_floating(type_):
        return "numbers"
    text = pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_)
    binary = pa.types.is_binary(type_) or pa.types.is_large_binary(type_)
    return "texts" if text or binary else str(type_)


def _holds(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether whole numbers stand there as numbers with a point, or the other way round."""
    kinds = {_family(found), _family(wanted)}
    return kinds in ({"numbers", "whole numbers"}, {"lists of numbers", "lists of whole numbers"})


def _equal_lists(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    if pa.types.is_fixed_size_list(column.type):
        return column
    lengths = pc.list_value_length(column)
    width = pc.min(lengths).as_py() or 1
    if len(column) and (pc.max(lengths).as_py() != width):
        raise ValueError(f"its column {name} holds lists of different lengths")
    values = pc.list_flatten(column).combine_chunks()
    return pa.chunked_array([pa.FixedSizeListArray.from_arrays(values, width)])


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


def repeated_ids(video_ids: np.ndarray) -> np.ndarray:
    """The ids that occur more than once, each once and in order."""
    keys = np.sort(video_ids.astype("S8").view(">u8").astype(np.uint64) if video_ids.dtype.itemsize <= 8 else video_ids)
    again = np.unique(keys[1:][keys[1:] == keys[:-1]])
    return again if video_ids.dtype.itemsize > 8 else again.astype(">u8").view("S8")


def refuse_repeated(video_ids: np.ndarray, path: StrPath, remedy: str) -> None:
    """Raise InputError if a video is there more than once: what counts videos would count it so often.

    Args:
        video_ids: bytes [n] (NumPy `S`).
        path: the file they are from.
        remedy: what to do.
    """
    again = repeated_ids(video_ids)
    if len(again):
        first = again[0].decode(errors="replace")
        count = f"{len(again):,} ids occur" if len(again) > 1 else "1 id occurs"
        raise InputError(f"{path}: {count} more than once (the first: {first}); {remedy}")
