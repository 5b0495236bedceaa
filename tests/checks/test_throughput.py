"""Rates that can be reckoned by hand, and the table of them."""

import numpy as np
import pytest

from benchmarks.throughput import as_line, computed_rows
from yt8m.checks.throughput import Card, Row, Work, read_throughput, work_of
from yt8m.errors import InputError
from yt8m.presets import load_preset
from yt8m.presets.schema import parse_yaml

VIDEO_BYTES = 1000


def test_every_row_of_the_table_is_what_the_formula_says_of_the_presets_as_they_are() -> None:
    table = read_throughput()
    kept = [row.model_dump() for row in table.rows if row.basis == "computed"]
    assert kept == [parse_yaml(as_line(row))[0] for row in computed_rows(table)], "python -m benchmarks.throughput"


def test_the_roofline_by_hand() -> None:
    cards = {"C": Card(tflops={"float32": 2.0}, gb_per_second=100)}
    table = read_throughput().model_copy(update={"cards": cards, "utilisation": [0.25, 0.5]})
    work = Work("train", "p", flops=10**9, parameters=10**6, frames=2, batch_size=4)
    moved = 2 * 1152 * (1 + 6 * 4) + 10**6 * 32 / 4
    assert work.bytes("float32") == moved
    seconds = 3 * 10**9 / 2e12 + moved / 100e9
    rate = table.computed(work, "C", "float32")
    assert rate.videos_per_second == pytest.approx((0.25 / seconds, 0.5 / seconds), rel=0.01)
    with pytest.raises(InputError, match="there is no card D; there are C"):
        table.computed(work, "D", "float32")
    with pytest.raises(InputError, match="C has no bfloat16; it has float32"):
        table.computed(work, "C", "bfloat16")


def test_a_measured_row_goes_before_a_computed_one_and_a_changed_model_before_neither() -> None:
    table = read_throughput()
    work = work_of("train", load_preset("logistic"))
    row = {"work": "train", "preset": "logistic", "card": "NVIDIA_L4", "precision": "float32", "flops": work.flops,
           "batch_size": work.batch_size, "videos_per_second": [7, 9], "basis": "measured",
           "source": "here"}  # fmt: skip
    table.rows.append(Row(**row))
    found = table.rate(work, "NVIDIA_L4", "float32", VIDEO_BYTES)
    assert (found.videos_per_second.tolist(), found.basis) == ([7, 9], "measured")
    assert found.hours(np.array([63, 126])) * 3600 == pytest.approx([7, 18])
    other = Work("train", "logistic", 2 * work.flops, work.parameters, 1, work.batch_size)
    assert table.rate(other, "NVIDIA_L4", "float32", VIDEO_BYTES).basis == "computed"


def test_cards_do_not_outrun_what_their_machine_reads() -> None:
    table = read_throughput().model_copy(update={"input_gb_per_second": [0.5, 2.0]})
    work = work_of("train", load_preset("paper-netvlad"))
    one, four = (table.rate(work, "NVIDIA_L4", "float32", VIDEO_BYTES, count) for count in (1, 4))
    assert four.videos_per_second == pytest.approx(one.videos_per_second * [3.55, 4])
    read = table.rate(work, "NVIDIA_L4", "float32", 1e9)
    assert read.videos_per_second.tolist() == [0.5, 2.0]
    assert "(bounded by reading)" in read.source
    assert "reading" not in four.source


def test_of_16_bits_an_older_card_has_the_other() -> None:
    table, work = read_throughput(), work_of("predict", load_preset("moe"))
    old, asked = (table.rate(work, "NVIDIA_TESLA_T4", name, VIDEO_BYTES) for name in ("bfloat16", "float16"))
    assert old.source == asked.source
    assert old.videos_per_second.tolist() == asked.videos_per_second.tolist()
