"""Varints and fields against protobuf's own."""

import pytest
from google.protobuf.internal import decoder, encoder
from hypothesis import given
from hypothesis import strategies as st

from yt8m.data.records.wire import WireError, delimited, read_field, read_fields, read_varint, varint


@given(st.integers(0, 2**64 - 1), st.binary(max_size=3))
def test_varints_are_protobufs(value: int, rest: bytes) -> None:
    assert varint(value) == encoder._VarintBytes(value)
    assert read_varint(varint(value) + rest, 0) == decoder._DecodeVarint(varint(value), 0)


@given(st.lists(st.tuples(st.integers(1, 200), st.binary(max_size=200)), max_size=5))
def test_fields_fill_the_buffer(values: list[tuple[int, bytes]]) -> None:
    buffer = b"".join(delimited(number, value) for number, value in values)
    fields = read_fields(buffer, 0, len(buffer))
    assert [(field.number, buffer[field.start : field.end]) for field in fields] == values


@pytest.mark.parametrize(
    ("buffer", "problem"),
    [(b"\x0a", "cut off"), (b"\x0a\x80", "cut off"), (b"\x0a\x02a", "longer than"), (b"\x08\x01", "wire type 0"),
     (b"\xff" * 11, "longer than 10")],
)  # fmt: skip
def test_what_is_no_field_is_refused(buffer: bytes, problem: str) -> None:
    with pytest.raises(WireError, match=problem):
        read_fields(buffer, 0, len(buffer))


def test_a_head_may_be_read_without_its_value() -> None:
    assert read_field(b"\x0a\xff\x01ab", 0) == (1, 3, 258)
