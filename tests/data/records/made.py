"""Records in every form that the format allows, encoded here by hand so that they test the encoder, too."""

import struct
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

ROOT = Path(__file__).parents[3]
SAMPLE = ROOT / "sample"
GOLDEN = ROOT / "tests" / "golden"
VIDEO_SHARDS = sorted(SAMPLE.glob("*/*.tfrecord"))
MASK = 0xFFFFFFFF


def varint(value: int) -> bytes:
    value &= 0xFFFFFFFFFFFFFFFF
    encoded = bytearray()
    while value > 127:
        encoded.append(value % 128 + 128)
        value //= 128
    return bytes([*encoded, value])


def field(number: int, value: bytes) -> bytes:
    return bytes([number * 8 + 2]) + varint(len(value)) + value


def bytes_feature(*values: bytes) -> bytes:
    return field(1, b"".join(field(1, value) for value in values))


def float_feature(values: np.ndarray, packed: bool = True) -> bytes:
    if packed:
        return field(2, field(1, values.astype("<f4").tobytes()))
    return field(2, b"".join(b"\x0d" + struct.pack("<f", value) for value in values))


def int_feature(values: list[int], packed: bool = True) -> bytes:
    if packed:
        return field(3, field(1, b"".join(map(varint, values))))
    return field(3, b"".join(b"\x08" + varint(value) for value in values))


def mapping(entries: list[tuple[str, bytes]]) -> bytes:
    return b"".join(field(1, field(1, key.encode()) + field(2, value)) for key, value in entries)


def frame_list(matrix: np.ndarray) -> bytes:
    return b"".join(field(1, bytes_feature(row.tobytes())) for row in matrix)


def frames(count: int, seed: int = 0, constant_audio: bool = False) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    rgb = random.integers(0, 256, (count, 1024), np.uint8)
    audio = np.full((count, 128), 7, np.uint8) if constant_audio else random.integers(0, 256, (count, 128), np.uint8)
    return rgb, audio


def frame_record(
    video_id: bytes = b"abcd",
    labels: list[int] | None = None,
    count: int = 3,
    *,
    key: str = "id",
    packed: bool = True,
    labels_first: bool = False,
    audio_first: bool = False,
    extra: list[tuple[str, bytes]] | None = None,
    seed: int = 0,
    constant_audio: bool = False,
) -> bytes:
    context = [(key, bytes_feature(video_id))]
    if labels is not None:
        context.insert(0 if labels_first else 1, ("labels", int_feature(labels, packed)))
    rgb, audio = frames(count, seed, constant_audio)
    lists = [("rgb", frame_list(rgb)), ("audio", frame_list(audio))]
    return field(1, mapping(context + (extra or []))) + field(2, mapping(lists[::-1] if audio_first else lists))


def video_record(
    video_id: bytes = b"abcd",
    labels: list[int] | None = None,
    mean_rgb: np.ndarray | None = None,
    mean_audio: np.ndarray | None = None,
    *,
    key: str = "id",
    packed: bool = True,
    packed_floats: bool = True,
    reverse: bool = False,
    tail: bytes = b"",
) -> bytes:
    entries = [(key, bytes_feature(video_id))]
    if labels is not None:
        entries.append(("labels", int_feature(labels, packed)))
    mean_rgb = np.linspace(-1.9, 2, 1024) if mean_rgb is None else mean_rgb
    mean_audio = np.linspace(2, -1.9, 128) if mean_audio is None else mean_audio
    entries += [("mean_rgb", float_feature(mean_rgb, packed_floats)), ("mean_audio", float_feature(mean_audio))]
    return field(1, mapping(entries[::-1] if reverse else entries)) + tail


ids = st.text("abcdefghijklmnopqrstuvwxyz-_0189", min_size=1, max_size=11).map(str.encode)
label_lists = st.none() | st.lists(st.integers(0, 4715), max_size=40, unique=True)

frame_records = st.builds(
    frame_record, ids, label_lists, st.integers(1, 9),
    key=st.sampled_from(["id", "video_id"]), packed=st.booleans(), labels_first=st.booleans(),
    audio_first=st.booleans(), seed=st.integers(0, 99), constant_audio=st.booleans(),
    extra=st.sampled_from([None, [("mean_rgb", float_feature(np.zeros(1024)))]]),
)  # fmt: skip
video_records = st.builds(
    video_record, ids, label_lists, key=st.sampled_from(["id", "video_id"]), packed=st.booleans(),
    packed_floats=st.booleans(), reverse=st.booleans(), tail=st.sampled_from([b"", b"\x12\x00"]),
)  # fmt: skip
