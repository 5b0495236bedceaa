import numpy as np
import pytest

from yt8m.evaluation.metrics import gap
from yt8m.training.running_gap import RunningGap


def batches(count: int, size: int = 5, width: int = 4) -> list[tuple[np.ndarray, np.ndarray, int]]:
    random = np.random.default_rng(3)
    made = []
    for _ in range(count):
        confidences = -np.sort(-random.random((size, width)).astype(np.float32), axis=1)
        hits = random.random((size, width)) < 0.3
        made.append((confidences, hits, int(hits.sum()) + 2))
    return made


def test_gap_is_that_of_the_last_examples() -> None:
    made = batches(9)
    running = RunningGap(batch_size=5, examples=20)
    for batch in made:
        running.add(*batch)
    last = made[-4:]
    expected = gap(np.concatenate([b[0] for b in last]), np.concatenate([b[1] for b in last]), sum(b[2] for b in last))
    assert running.gap() == expected


def test_it_survives_a_checkpoint() -> None:
    running, again = RunningGap(5, 20), RunningGap(5, 20)
    for batch in batches(6):
        running.add(*batch)
    again.restore({**running.arrays(), "model/0": np.zeros(3)})
    assert again.gap() == running.gap()
    for batch in batches(2):
        running.add(*batch)
        again.add(*batch)
    assert again.gap() == running.gap()


def test_without_examples_it_is_zero() -> None:
    assert RunningGap(5).gap() == pytest.approx(0)
    assert RunningGap(5).arrays() == {}
