"""Written records: byte for byte what protobuf writes, in the form of the real ones."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow.core.example.example_pb2 import SequenceExample

from tests.data.records.made import frame_record, frames, ids
from yt8m.data.records.features import Frames, decode_context, frame_features
from yt8m.data.records.simulate import encode_record


@settings(max_examples=40)
@given(ids, st.lists(st.integers(0, 4715), min_size=1, max_size=9), st.integers(1, 200))
def test_the_bytes_are_protobufs(video_id: bytes, labels: list[int], count: int) -> None:
    record = encode_record(video_id, labels, Frames(*frames(count)))
    assert record == frame_record(video_id, labels, count)
    parsed = SequenceExample.FromString(record)
    assert [len(parsed.feature_lists.feature_list[name].feature) for name in ("rgb", "audio")] == [count, count]
    assert parsed.context.feature["labels"].int64_list.value == labels


def test_without_labels_there_is_no_key() -> None:
    record = encode_record(b"abcd", np.empty(0, np.int32), Frames(*frames(2)))
    assert list(SequenceExample.FromString(record).context.feature) == ["id"]
    assert decode_context(record).labels.tolist() == []
    np.testing.assert_array_equal(frame_features(record).rgb, frames(2)[0])
