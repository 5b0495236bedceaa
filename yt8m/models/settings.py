"""Settings of a model: named, typed, with defaults; wrong ones are refused by name."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from yt8m.errors import InputError

T = TypeVar("T")
NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "a name", NoneType: "null"}


def parse_settings(kind: type[T], values: Mapping[str, Any], owner: str) -> T:
    """An instance of the dataclass `kind` of named values.

    Args:
        kind: a dataclass whose fields are int, float, bool, str, or one of these or None, or tuples.
        values: field -> value; whole numbers serve as numbers.
        owner: what the settings belong to, for messages.

    Raises:
        InputError: a name that `kind` does not have, a value of the wrong type, or out of range.
    """
    known = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    unknown = [name for name in values if name not in known]
    if unknown:
        raise InputError(f"{owner}: there is no setting '{unknown[0]}'; it has {', '.join(known) or 'none'}")
    for field in fields(kind):  # type: ignore[arg-type]
        if field.default is MISSING and field.default_factory is MISSING and field.name not in values:
            raise InputError(f"{owner}: the setting '{field.name}' is missing; give it a value")
    hints = get_type_hints(kind)
    try:
        return kind(**{name: _typed(name, value, hints[name]) for name, value in values.items()})
    except ValueError as error:
        raise InputError(f"{owner}: {error}") from None


def _typed(name: str, value: Any, hint: Any) -> Any:
    types = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    if type(value) in types:
        return value
    if get_origin(hint) is tuple and isinstance(value, tuple):
        return value
    if float in types and type(value) is int:
        return float(value)
    raise ValueError(f"{name} must be {' or '.join(NAMES.get(kind, 'a tuple') for kind in types)}, got {value!r}")


def require(condition: bool, message: str) -> None:
    """Raise ValueError(message) unless the condition holds; `parse_settings` names the owner."""
    if not condition:
        raise ValueError(message)


@dataclass(frozen=True, kw_only=True)
class NoSettings:
    """Of a thing that has none."""
