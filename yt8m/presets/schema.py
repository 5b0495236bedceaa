"""Files of settings: YAML, what they may say as pydantic models, and one line about what they say wrongly.

Nothing is converted: a text is no number, true is no 1.
"""

import os
import re
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    WrapValidator,
    model_validator,
)

from yt8m.errors import InputError
from yt8m.storage import StrPath, read_bytes

KINDS = {"dict_type": "a mapping", "list_type": "a list", "string_type": "a text", "bool_type": "true or false"}
"""What is needed, by pydantic's type of error."""


class _Loader(yaml.SafeLoader):
    """YAML whose floats may be written `1e-8`, as in JSON (YAML 1.1 takes that for a string)."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def parse_yaml(text: str) -> Any:
    """The value of a YAML text; `1e-8` is a number."""
    return yaml.load(text, _Loader)  # a subclass of SafeLoader


def read_yaml(path: StrPath, remedy: str) -> Any:
    """The value of a YAML file, local or on gs://.

    Raises:
        InputError: no such file (with the remedy), or not YAML (with the line, but not what it says: a secret, maybe).
    """
    try:
        return parse_yaml(read_bytes(path, remedy).decode())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "it is no text"
        where = f", line {mark.line + 1}" if mark else ""
        raise InputError(f"{os.fspath(path)}: not a YAML file ({problem}{where})") from error


class Schema(BaseModel):
    """A mapping with these keys and no other; those without a default must be there.

    What is no key of the file, and comes later, is a `Field(..., init=False)`.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _check_keys(cls, value: Any) -> Any:
        if isinstance(value, cls):
            return value
        if not isinstance(value, dict):
            raise ValueError(f"a mapping is needed; it is {value!r}")
        fields = {field.alias or name: field for name, field in cls.model_fields.items() if field.init is not False}
        needed = [name for name, field in fields.items() if field.is_required()]
        others = cls.model_config["extra"] == "forbid" and [key for key in value if key not in fields]
        return checked_keys(value, needed, [*fields, *([] if others else value)])


def checked_keys(value: dict[str, Any], needed: list[str], possible: list[str]) -> dict[str, Any]:
    """A mapping that has all the keys that are needed, and only possible ones; else ValueError says which."""
    for name in needed:
        if name not in value:
            raise ValueError(f"'{name}' is missing; it needs {', '.join(needed)}")
    for key in value:
        if key not in possible:
            raise ValueError(f"there is no key '{key}'; it can have {', '.join(possible)}")
    return value


def exactly(*names: str) -> AfterValidator:
    """Of a mapping whose values are alike: it has these keys and no other."""
    return AfterValidator(lambda value: checked_keys(value, list(names), list(names)))


def needs(what: str) -> WrapValidator:
    """Says what is needed in place of a wrong value."""

    def check(value: Any, handler: Any) -> Any:
        try:
            return handler(value)
        except ValidationError:
            raise ValueError(f"{what} is needed; it is {value!r}") from None

    return WrapValidator(check)


def matches(pattern: str, what: str = "a text") -> WrapValidator:
    """A text of a form, which YAML may have taken for a number."""

    def check(value: Any, handler: Any) -> str:
        if isinstance(value, bool) or not isinstance(value, str | int | float) or not re.fullmatch(pattern, str(value)):
            raise ValueError(f"{what} is needed; it is {value!r}")
        return str(value)

    return WrapValidator(check)


Text = Annotated[str, matches(".+")]
Whole = Annotated[int, Field(ge=1), needs("a whole number from 1")]
Amount = Annotated[float, Field(ge=0, lt=1e6), needs("an amount from 0")]

S = TypeVar("S", bound=Schema)


def read_as(schema: type[S], value: Any, where: str, join: str = " > ") -> S:
    """A value as a schema has it.

    Args:
        schema: of the value.
        value: as YAML gave it.
        where: the file, and the place in it.
        join: what stands between the keys of a place.

    Raises:
        InputError: the place of the first wrong entry, what is needed there, and what it is.
    """
    try:
        return schema.model_validate(value)
    except ValidationError as error:
        found = error.errors()[0]
    place = where
    for key in found["loc"]:
        place += f"[{key}]" if isinstance(key, int) else f"{': ' if place == where and join == '.' else join}{key}"
    if found["type"] == "value_error":
        raise InputError(f"{place}: {found['ctx']['error']}")
    needed = KINDS.get(found["type"], "another value")
    if found["type"] == "literal_error":
        needed = "one of " + str(found["ctx"]["expected"]).replace("'", "").replace(" or ", ", ")
    raise InputError(f"{place}: {needed} is needed; it is {found['input']!r}")
