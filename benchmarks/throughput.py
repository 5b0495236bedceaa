"""Renew the computed rows of yt8m/presets/throughput.yaml: `python -m benchmarks.throughput`; the measured stay."""

import re
from typing import Any

from yt8m.checks.throughput import TABLE, Throughput, read_throughput, work_of
from yt8m.presets import load_preset, preset_names
from yt8m.storage import write_text

PRECISIONS = ("float32", "bfloat16", "float16")


def computed_rows(table: Throughput) -> list[dict[str, Any]]:
    rows = []
    for name in preset_names():
        preset = load_preset(name)
        for kind in ("train", "predict"):
            work = work_of(kind, preset)
            for card, figures in table.cards.items():
                for precision in [p for p in PRECISIONS if p in figures.tflops]:
                    rate = table.computed(work, card, precision)
                    rows.append({
                        "work": kind, "preset": name, "card": card, "precision": precision, "flops": work.flops,
                        "batch_size": work.batch_size, "videos_per_second": rate.videos_per_second.tolist(),
                        "basis": rate.basis, "source": rate.source,
                    })  # fmt: skip
    return rows


def as_line(row: dict[str, Any]) -> str:
    values = {**row, "videos_per_second": f"[{', '.join(f'{v:g}' for v in row['videos_per_second'])}]",
              "source": f'"{row["source"]}"'}  # fmt: skip
    return "  - {" + ", ".join(f"{key}: {value}" for key, value in values.items()) + "}\n"


def main() -> None:
    table = read_throughput()
    measured = [row.model_dump() for row in table.rows if row.basis == "measured"]
    head = re.split(r"(?m)^rows:", TABLE.read_text(encoding="utf-8"))[0]
    write_text(TABLE, head + "rows:\n" + "".join(map(as_line, [*measured, *computed_rows(table)])))


if __name__ == "__main__":
    main()
