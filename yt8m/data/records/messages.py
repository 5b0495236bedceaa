"""The protobuf messages of YouTube-8M records, defined here so that reading needs no TensorFlow.

They are wire-compatible with `tf.train.Example` and `tf.train.SequenceExample` (the field numbers are those of
tensorflow/core/example). The descriptors live in a pool of their own, so TensorFlow may be imported beside them.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

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
