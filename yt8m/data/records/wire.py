"""The protobuf wire format, as far as records need it: varints and length-delimited fields.

Reference: "Encoding" in the protocol buffers documentation. Only spans are computed here; nothing is copied.
"""

from typing import NamedTuple

Buffer = bytes | bytearray | memoryview
LENGTH_DELIMITED = 2
MAX_VARINT_BYTES = 10


class WireError(ValueError):
    """The bytes do not follow the wire format, or end too early."""


class Field(NamedTuple):
    """A length-delimited field: its number, and the span of its value in the buffer."""

    number: int
    start: int
    end: int


def read_varint(buffer: Buffer, position: int) -> tuple[int, int]:
    """The varint at `position`, and the position behind it; raises WireError when it is cut or too long."""
    value = shift = 0
    try:
        byte = buffer[position]
        if byte < 0x80:
            return byte, position + 1
        while shift < 7 * MAX_VARINT_BYTES:
            byte = buffer[position]
            position += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, position
            shift += 7
    except IndexError:
        raise WireError("a varint is cut off") from None
    raise WireError("a varint is longer than 10 bytes")


def varint(value: int) -> bytes:
    """A non-negative number as a varint."""
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def delimited(number: int, *parts: bytes) -> bytes:
    """A length-delimited field: tag, length, and the parts as its value."""
    return varint(number << 3 | LENGTH_DELIMITED) + varint(sum(map(len, parts))) + b"".join(parts)


def read_field(buffer: Buffer, position: int) -> Field:
    """The head of the length-delimited field at `position`; its end may lie behind the buffer's end.

    Raises:
        WireError: the tag or length is cut, or the field is of another wire type.
    """
    tag, position = read_varint(buffer, position)
    if tag & 7 != LENGTH_DELIMITED:
        raise WireError(f"wire type {tag & 7} where a length-delimited field belongs")
    length, start = read_varint(buffer, position)
    return Field(tag >> 3, start, start + length)


def read_fields(buffer: Buffer, start: int, end: int) -> list[Field]:
    """The length-delimited fields that fill `buffer[start:end]` exactly.

    Raises:
        WireError: another wire type, or a field that crosses `end`.
    """
    fields = []
    while start < end:
        field = read_field(buffer, start)
        if field.end > end:
            raise WireError("a field is longer than what holds it")
        fields.append(field)
        start = field.end
    return fields
