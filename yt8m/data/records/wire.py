"""The protobuf wire format, as far as records need it: varints and length-delimited fields.

Reference: "Encoding" in the protocol buffers documentation. Only spans are computed here; nothing is copied.

The protobuf messages of YouTube-8M records, defined here so that reading needs no TensorFlow.

They are wire-compatible with `tf.train.Example` and `tf.train.SequenceExample` (the field numbers are those of
tensorflow/core/example). The descriptors live in a pool of their own, so TensorFlow may be imported beside them.
"""

from typing import Any, NamedTuple

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

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


def varint_bytes(value: Any) -> Any:
    """How many bytes varints take, of numbers below 2^35: a number or an array of any shape."""
    return 1 + sum(((value >= 1 << bits) * 1 for bits in (7, 14, 21, 28)), start=value * 0)


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


_PACKAGE = "yt8m"
_TYPES = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "bytes": _TYPES.TYPE_BYTES,
    "string": _TYPES.TYPE_STRING,
    "float": _TYPES.TYPE_FLOAT,
    "int64": _TYPES.TYPE_INT64,
}
_LISTS = {"BytesList": "bytes", "FloatList": "float", "Int64List": "int64"}
_KINDS = (("bytes_list", "BytesList"), ("float_list", "FloatList"), ("int64_list", "Int64List"))
_MAPS = {"Features": ("feature", "Feature"), "FeatureLists": ("feature_list", "FeatureList")}
_RECORDS = {
    "Example": (("features", "Features"),),
    "SequenceExample": (("context", "Features"), ("feature_lists", "FeatureLists")),
}


def _add_field(message: Any, name: str, number: int, kind: str, *, repeated: bool = False) -> Any:
    label = _TYPES.LABEL_REPEATED if repeated else _TYPES.LABEL_OPTIONAL
    field = message.field.add(name=name, number=number, label=label)
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type, field.type_name = _TYPES.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
    return field


def _add_map(message: Any, name: str, kind: str) -> None:
    entry = message.nested_type.add(name=f"{name.title().replace('_', '')}Entry")
    entry.options.map_entry = True
    _add_field(entry, "key", 1, "string")
    _add_field(entry, "value", 2, kind)
    _add_field(message, name, 1, f"{message.name}.{entry.name}", repeated=True)


def _describe() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="yt8m/records.proto", package=_PACKAGE, syntax="proto3")
    for name, kind in _LISTS.items():
        _add_field(file.message_type.add(name=name), "value", 1, kind, repeated=True)
    feature = file.message_type.add(name="Feature")
    feature.oneof_decl.add(name="kind")
    for number, (name, kind) in enumerate(_KINDS, 1):
        _add_field(feature, name, number, kind).oneof_index = 0
    _add_field(file.message_type.add(name="FeatureList"), "feature", 1, "Feature", repeated=True)
    for name, (field, kind) in _MAPS.items():
        _add_map(file.message_type.add(name=name), field, kind)
    for name, fields in _RECORDS.items():
        message = file.message_type.add(name=name)
        for number, (field, kind) in enumerate(fields, 1):
            _add_field(message, field, number, kind)
    return file


def _make_classes() -> dict[str, Any]:
    pool = descriptor_pool.DescriptorPool()
    pool.Add(_describe())
    names = ("Features", *_RECORDS)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in names}


_classes = _make_classes()
Features: Any = _classes["Features"]
Example: Any = _classes["Example"]
SequenceExample: Any = _classes["SequenceExample"]
