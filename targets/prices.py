"""The price table: what an hour of a machine costs, as somebody has entered it."""

import re
from pathlib import Path
from typing import Annotated

from targets.settings import Resources
from yt8m.errors import InputError
from yt8m.presets.schema import Amount, Schema, Text, needs, read_as, read_yaml
from yt8m.storage import StrPath

TABLE = Path(__file__).resolve().parent.parent / "prices.yaml"
UNITS = {"": 1e-9, "K": 1e-6, "Ki": 1024e-9, "M": 1e-3, "Mi": 1024**2 / 1e9, "G": 1.0, "Gi": 1024**3 / 1e9,
         "T": 1e3, "Ti": 1024**4 / 1e9}  # fmt: skip


class Price(Schema):
    """Of an hour."""

    regular: Amount
    spot: Amount


PriceOf = Annotated[Price, needs("a price, such as {regular: 0.56, spot: 0.22},")]


class Prices(Schema):
    """Prices of an hour: of cards by name, of a core and of a GB of memory.

    Attributes:
        source, as_of: where the prices come from, and of when they are.
        currency: such as USD.
    """

    source: Text
    as_of: Text
    currency: Text
    gpus: dict[str, PriceOf]
    cpu_core: PriceOf
    memory_gb: PriceOf

    def of(self, step: Resources, *, spot: bool) -> tuple[float, str]:
        """An hour of a step's machine, and how it is made up.

        Raises:
            InputError: a card that the table does not have.
        """
        way = "spot" if spot else "regular"
        core, gigabyte = getattr(self.cpu_core, way), getattr(self.memory_gb, way)
        total = cores_of(step.cpu) * core + gigabytes_of(step.memory) * gigabyte
        cards = ""
        if step.gpu:
            if step.gpu.vertex not in self.gpus:
                raise InputError(f"prices.yaml: there is no price of {step.gpu.vertex}; there are "
                                 f"{', '.join(self.gpus)}; add it under gpus")  # fmt: skip
            card = getattr(self.gpus[step.gpu.vertex], way)
            total += step.gpu.count * card
            cards = f"{step.gpu.count} x {step.gpu.vertex} at {card:g}, "
        rest = f"cores at {core:g}, GB at {gigabyte:g}"
        return total, f"{way} prices: {cards}{rest}"


def read_prices(path: StrPath = TABLE) -> Prices:
    """The price table of a file.

    Raises:
        InputError: missing, not YAML, a missing or unknown key, or a price that is none.
    """
    return read_as(Prices, read_yaml(path, "it comes with the project"), str(path))


def cores_of(quantity: str) -> float:
    """Cores of a Kubernetes quantity: `4` or `500m`."""
    return float(quantity[:-1]) / 1000 if quantity.endswith("m") else float(quantity)


def gigabytes_of(quantity: str) -> float:
    """GB (1e9 bytes) of a Kubernetes quantity such as `16G` or `16Gi`."""
    found = re.fullmatch(r"([\d.]+)([KMGT]?i?)", quantity)
    if not found:
        raise InputError(f"{quantity}: a quantity of bytes is needed, such as 16G or 16Gi")
    return float(found[1]) * UNITS[found[2]]
