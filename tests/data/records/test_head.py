"""The first KB says the same as the whole record, or leaves it to the whole record."""

import numpy as np
import pytest
from hypothesis import given, settings

from tests.data.records.made import VIDEO_SHARDS, field, float_feature, frame_record, frame_records, mapping
from yt8m.data.records.features import IRREGULAR, FeatureError
from yt8m.data.records.head import HEAD_BYTES, read_head, read_whole
from yt8m.data.records.tfrecord import iterate


def same(record: bytes) -> bool:
    head, whole = read_head(record[:HEAD_BYTES], len(record)), read_whole(record)
    if head is None:
        return False
    assert (head.context.video_id, head.level, head.num_frames) == (whole.context.video_id, "frame", whole.num_frames)
    assert head.context.labels.tolist() == whole.context.labels.tolist()
    return True


@settings(max_examples=60)
@given(frame_records)
def test_the_head_agrees_with_the_whole_record(record: bytes) -> None:
    same(record)


@pytest.mark.parametrize("audio_first", [False, True])
@pytest.mark.parametrize("count", [1, 2, 15, 16, 126, 127, 128, 129, 300, 301])
def test_regular_records_need_their_head_only(count: int, audio_first: bool) -> None:
    assert same(frame_record(labels=[1, 300], count=count, audio_first=audio_first))
    assert same(frame_record(labels=list(range(100)), count=count, audio_first=audio_first))


def test_what_the_head_does_not_settle_is_left_to_the_whole_record() -> None:
    long_context = frame_record(extra=[("mean_rgb", float_feature(np.zeros(1024)))])
    assert not same(long_context)
    assert read_whole(long_context).layout > IRREGULAR, "which finds its frames all the same"
    record = frame_record(count=5)
    assert read_head(record[:HEAD_BYTES], len(record) - 1033) is None, "a length that does not fit the feature lists"
    assert read_head(record[:HEAD_BYTES] + b"x", len(record) + 1) is None
    assert read_head(b"\xff" * HEAD_BYTES, 5000) is None
    _, video = next(iterate(VIDEO_SHARDS[0]))
    assert read_head(bytes(video[:HEAD_BYTES]), len(video)) is None
    assert read_whole(bytes(video))[1:] == ("video", 1, IRREGULAR)


def test_a_context_without_an_id_is_left_to_the_whole_record() -> None:
    record = field(1, mapping([])) + frame_record()[18:]
    assert read_head(record[:HEAD_BYTES], len(record)) is None
    with pytest.raises(FeatureError, match=r"no id; found: audio \(3 frames of 128 bytes\), rgb \(3 frames of 1,024 b"):
        read_whole(record)
