"""Settings are typed and refused by name."""

from dataclasses import dataclass

import pytest

from yt8m.errors import InputError
from yt8m.models.settings import NoSettings, parse_settings, require


@dataclass(frozen=True, kw_only=True)
class Example:
    size: int
    rate: float = 0.5
    name: str | None = None
    on: bool = False
    values: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        require(self.size > 0, f"size must be above 0, got {self.size}")


def test_values_of_the_right_types_are_taken() -> None:
    parsed = parse_settings(Example, {"size": 3, "rate": 1, "name": "x", "on": True, "values": (1.0,)}, "thing")
    assert parsed == Example(size=3, rate=1.0, name="x", on=True, values=(1.0,))
    assert isinstance(parsed.rate, float)
    assert parse_settings(Example, {"size": 3, "name": None}, "thing").name is None
    assert parse_settings(NoSettings, {}, "thing") == NoSettings()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "thing: the setting 'size' is missing; give it a value"),
        ({"size": 0}, "thing: size must be above 0, got 0"),
        ({"size": 1.5}, "thing: size must be a whole number, got 1.5"),
        ({"size": 1, "rate": True}, "thing: rate must be a number, got True"),
        ({"size": 1, "name": 3}, "thing: name must be a name or null, got 3"),
        ({"size": 1, "on": 1}, "thing: on must be true or false, got 1"),
        ({"size": 1, "sise": 1}, "thing: there is no setting 'sise'; it has size, rate, name, on, values"),
    ],
)
def test_others_are_refused(values: dict, message: str) -> None:
    with pytest.raises(InputError) as error:
        parse_settings(Example, values, "thing")
    assert str(error.value) == message


def test_things_without_settings_say_so() -> None:
    with pytest.raises(InputError, match="it has none"):
        parse_settings(NoSettings, {"x": 1}, "thing")
