"""The messages are those of TensorFlow on the wire."""

from hypothesis import given
from tensorflow.core.example import example_pb2

from tests.data.records.made import VIDEO_SHARDS, frame_records
from yt8m.data.records.tfrecord import iterate
from yt8m.data.records.wire import Example, SequenceExample


@given(frame_records)
def test_a_sequence_example_means_the_same_to_tensorflow(record: bytes) -> None:
    ours, theirs = SequenceExample.FromString(record), example_pb2.SequenceExample.FromString(record)
    assert ours.SerializeToString(deterministic=True) == theirs.SerializeToString(deterministic=True)


def test_an_example_means_the_same_to_tensorflow() -> None:
    for _, payload in iterate(VIDEO_SHARDS[0]):
        ours, theirs = Example.FromString(bytes(payload)), example_pb2.Example.FromString(bytes(payload))
        assert ours.SerializeToString(deterministic=True) == theirs.SerializeToString(deterministic=True)
