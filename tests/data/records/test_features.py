"""Decoding against TensorFlow's parser: the sample, the 2017 edition, and records in every form that is allowed."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings

from tests.data.records.made import (
    GOLDEN,
    VIDEO_SHARDS,
    bytes_feature,
    field,
    float_feature,
    frame_list,
    frame_record,
    frame_records,
    frames,
    int_feature,
    mapping,
    video_record,
    video_records,
)
from yt8m.data.records.features import FeatureError, decode_context, frame_features, level_of, video_features
from yt8m.data.records.tfrecord import iterate

MEANS = {"mean_rgb": tf.io.FixedLenFeature([1024], tf.float32), "mean_audio": tf.io.FixedLenFeature([128], tf.float32)}
CONTEXT = {
    "labels": tf.io.VarLenFeature(tf.int64),
    "id": tf.io.FixedLenFeature([], tf.string, ""),
    "video_id": tf.io.FixedLenFeature([], tf.string, ""),
}
LISTS = {name: tf.io.FixedLenSequenceFeature([], tf.string) for name in ("rgb", "audio")}


def assert_context(payload: bytes, parsed: dict) -> None:
    context = decode_context(payload)
    assert context.video_id == parsed["id"].numpy() + parsed["video_id"].numpy()
    assert context.labels.dtype == np.int32
    assert context.labels.tolist() == tf.sparse.to_dense(parsed["labels"]).numpy().tolist()


def assert_video_level(payload: bytes) -> None:
    parsed = tf.io.parse_single_example(payload, CONTEXT | MEANS)
    assert level_of(payload) == "video"
    assert_context(payload, parsed)
    for ours, name in zip(video_features(payload), MEANS, strict=True):
        assert ours.dtype == np.float32
        np.testing.assert_array_equal(ours, parsed[name].numpy())


@pytest.mark.parametrize("path", [*VIDEO_SHARDS, *sorted(GOLDEN.glob("2017-*.tfrecord"))], ids=lambda path: path.stem)
def test_real_records(path: Path) -> None:
    payloads = [bytes(payload) for _, payload in iterate(path)]
    parsed = tf.io.parse_example(payloads, CONTEXT | MEANS)
    labels = tf.RaggedTensor.from_sparse(parsed["labels"]).to_list()
    ids = (parsed["id"] + parsed["video_id"]).numpy().tolist()
    assert [level_of(payload) for payload in payloads] == ["video"] * len(payloads)
    assert [decode_context(payload).video_id for payload in payloads] == ids
    assert [decode_context(payload).labels.tolist() for payload in payloads] == labels
    for number, name in enumerate(MEANS):
        ours = np.stack([video_features(payload)[number] for payload in payloads])
        np.testing.assert_array_equal(ours, parsed[name].numpy())


@settings(max_examples=60)
@given(video_records)
def test_video_level_in_every_form(record: bytes) -> None:
    assert_video_level(record)


@settings(max_examples=60)
@given(frame_records)
def test_frame_level_in_every_form(record: bytes) -> None:
    context, lists = tf.io.parse_single_sequence_example(record, CONTEXT, LISTS)
    assert level_of(record) == "frame"
    assert_context(record, context)
    ours = frame_features(record)
    for matrix, name in zip(ours, LISTS, strict=True):
        np.testing.assert_array_equal(matrix, tf.io.decode_raw(lists[name], tf.uint8).numpy())


@pytest.mark.parametrize("count", [1, 2, 15, 16, 126, 127, 128, 300, 301])
def test_regular_frames_are_views_of_the_record(count: int) -> None:
    record = frame_record(count=count, seed=count)
    whole = np.frombuffer(record, np.uint8)
    for ours, made in zip(frame_features(memoryview(record)), frames(count, count), strict=True):
        np.testing.assert_array_equal(ours, made)
        assert np.shares_memory(ours, whole)


def test_irregular_frames_are_parsed() -> None:
    rgb, audio = frames(2)
    long_way = b"".join(b"\x0a\x86\x88\x00" + bytes_feature(row.tobytes()) for row in rgb)
    assert len(long_way) == len(frame_list(rgb)) + 2, "the same list with one length in three bytes"
    record = field(1, mapping([("id", bytes_feature(b"abcd"))])) + field(
        2, mapping([("rgb", long_way), ("audio", frame_list(audio))])
    )
    np.testing.assert_array_equal(frame_features(record).rgb, rgb)
    split = frame_record()
    position = 2 + split[1]
    merged = split[position:] + split[:position]
    np.testing.assert_array_equal(frame_features(merged).rgb, frame_features(split).rgb)
    assert decode_context(merged).video_id == b"abcd"
    assert level_of(merged) == "frame"


def frame_lists(**lists: bytes) -> bytes:
    return field(1, mapping([("id", bytes_feature(b"abcd"))])) + field(2, mapping(list(lists.items())))


RGB, AUDIO = (frame_list(matrix) for matrix in frames(2))
TEXT = bytes_feature(b"a")
SHORT = frame_list(np.zeros((2, 1000), np.uint8))


@pytest.mark.parametrize(
    ("function", "record", "problem"),
    [
        (decode_context, b"\xff\xff\xff", "not a protobuf record"),
        (decode_context, b"", "has no id"),
        (decode_context, field(1, mapping([("labels", int_feature([1]))])), "has no id"),
        (decode_context, field(1, mapping([("id", int_feature([1]))])), "id is not one text"),
        (decode_context, video_record(b""), "id is not one text"),
        (decode_context, video_record(b"ab\x00"), "id is not one text"),
        (decode_context, video_record(b"\xff\xfe"), "id is not one text"),
        (decode_context, video_record(labels=[3, -1]), "a label is -1, not a class index"),
        (decode_context, video_record(labels=[3, 2**31]), "a label is 2147483648"),
        (decode_context, field(1, mapping([("id", TEXT), ("labels", TEXT)])), "not whole"),
        (frame_features, frame_lists(audio=AUDIO), "no rgb frames"),
        (frame_features, frame_lists(rgb=RGB), "no audio frames"),
        (frame_features, frame_lists(rgb=SHORT, audio=AUDIO), "rgb frame 0 is not 1024 bytes"),
        (frame_features, frame_lists(rgb=RGB[: len(RGB) // 2], audio=AUDIO), "1 rgb frames and 2 audio frames"),
        (frame_features, frame_lists(rgb=b"", audio=b""), "no frames"),
        (video_features, frame_record(), "no mean_rgb"),
        (video_features, video_record(mean_rgb=np.zeros(1000)), "mean_rgb has 1000 floats, not 1024"),
        (video_features, video_record(mean_audio=np.full(128, np.nan)), "mean_audio holds a value that is not finite"),
        (level_of, field(1, mapping([("id", bytes_feature(b"abcd"))])), "neither frames"),
    ],
)  # fmt: skip
def test_what_is_no_record_is_refused(function: object, record: bytes, problem: str) -> None:
    with pytest.raises(FeatureError, match=problem):
        function(record)  # type: ignore[operator]


def test_the_last_of_equal_keys_counts_as_in_protobuf() -> None:
    entries = [("id", bytes_feature(b"old")), ("mean_rgb", float_feature(np.zeros(1024)))]
    record = field(1, mapping([*entries, ("id", bytes_feature(b"new")), ("mean_rgb", float_feature(np.ones(1024))),
                               ("mean_audio", float_feature(np.ones(128)))]))  # fmt: skip
    assert decode_context(record).video_id == b"new"
    assert video_features(record)[0].max() == 1
