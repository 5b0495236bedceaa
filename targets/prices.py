"""The price table: what an hour of a machine costs, as somebody has entered it."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from targets.settings import Resources
from yt8m.errors import InputError
from yt8m.storage import StrPath, require_file

TABLE = Path(__file__).resolve().parent.parent / "prices.yaml"
UNITS = {"": 1e-9, "K": 1e-6, "Ki": 1024e-9, "M": 1e-3, "Mi": 1024**2 / 1e9, "G": 1.0, "Gi": 1024**3 / 1e9,
         "T": 1e3, "Ti": 1024**4 / 1e9}  # fmt: skip


@dataclass(frozen=True)
class Prices:
    """Prices of an hour: of cards by name, of a core and of a GB of memory; each `{regular, spot}`.

    Attributes:
        source, as_of: where the prices come from, and of when they are.
        currency: such as USD.
    """

    source: str
    as_of: str
    currency: str
    gpus: dict[str, dict[str, float]]
    cpu_core: dict[str, float]
    memory_gb: dict[str, float]

    def of(self, step: Resources, *, spot: bool) -> tuple[float, str]:
        """An hour of a step's machine, and how it is made up.

        Raises:
            InputError: a card that the table does not have.
        """
        way = "spot" if spot else "regular"
        total = cores_of(step.cpu) * self.cpu_core[way] + gigabytes_of(step.memory) * self.memory_gb[way]
        cards = ""
        if step.gpu:
            if step.gpu.vertex not in self.gpus:
                raise InputError(f"prices.yaml: there is no price of {step.gpu.vertex}; there are "
                                 f"{', '.join(self.gpus)}; add it under gpus")  # fmt: skip
            card = self.gpus[step.gpu.vertex][way]
            total += step.gpu.count * card
            cards = f"{step.gpu.count} x {step.gpu.vertex} at {card:g}, "
        rest = f"cores at {self.cpu_core[way]:g}, GB at {self.memory_gb[way]:g}"
        return total, f"{way} prices: {cards}{rest}"


def read_prices(path: StrPath = TABLE) -> Prices:
    """The price table of a file.

    Raises:
        InputError: missing, not YAML, a missing or unknown key, or a price that is none.
    """
    try:
        content = yaml.safe_load(require_file(path, "it comes with the project").read_text("utf-8", "replace"))
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not a YAML file ({' '.join(str(error).split())})") from error
    keys = set(Prices.__dataclass_fields__)
    if not isinstance(content, dict) or content.keys() != keys:
        raise InputError(f"{path}: it needs exactly the keys {', '.join(sorted(keys))}")
    entries = {"cpu_core": content["cpu_core"], "memory_gb": content["memory_gb"], **(content["gpus"] or {})}
    for name, entry in entries.items():
        if (
            not isinstance(entry, dict)
            or entry.keys() != {"regular", "spot"}
            or not all(map(_is_price, entry.values()))
        ):
            raise InputError(
                f"{path}: {name}: a price is needed, such as {{regular: 0.56, spot: 0.22}}; it is {entry!r}"
            )
    return Prices(**{**content, "as_of": str(content["as_of"])})


def cores_of(quantity: str) -> float:
    """Cores of a Kubernetes quantity: `4` or `500m`."""
    return float(quantity[:-1]) / 1000 if quantity.endswith("m") else float(quantity)


def gigabytes_of(quantity: str) -> float:
    """GB (1e9 bytes) of a Kubernetes quantity such as `16G` or `16Gi`."""
    found = re.fullmatch(r"([\d.]+)([KMGT]?i?)", quantity)
    if not found:
        raise InputError(f"{quantity}: a quantity of bytes is needed, such as 16G or 16Gi")
    return float(found[1]) * UNITS[found[2]]


def _is_price(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e6
