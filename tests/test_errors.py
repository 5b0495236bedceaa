"""Errors cross from worker processes whole."""

import pickle

from yt8m.errors import RecordError


def test_a_record_error_survives_pickling() -> None:
    error = RecordError("a.tfrecord", 3, 120, "the record is damaged", "fetch it again")
    back = pickle.loads(pickle.dumps(error))
    assert str(back) == str(error) == "a.tfrecord: record 3 at byte 120: the record is damaged; fetch it again"
    assert (back.path, back.record, back.offset, back.problem) == ("a.tfrecord", 3, 120, "the record is damaged")
    assert "--skip-bad-records" in str(pickle.loads(pickle.dumps(RecordError("a", 0, 0, "cut"))))
