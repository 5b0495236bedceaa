import pandas as pd
import pytest

from yt8m.paper.scores import curve_of, mean_peak, peak_epochs, training_gap_from


def curve(*validation: float, training: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4)) -> dict[str, list[float]]:
    return curve_of(
        pd.DataFrame({
            "examples": [50, 100, 150, 200], "training_gap": training, "validation_gap": validation,
            "learning_rate": [0.1] * 4, "loss": [1.0] * 4,
        }), 100,
    )  # fmt: skip


def test_epochs_are_those_of_the_whole_partition() -> None:
    assert curve(1, 2, 3, 4)["epoch"] == [0.5, 1.0, 1.5, 2.0]


def test_the_peak_of_the_mean_is_not_the_mean_of_the_peaks() -> None:
    curves = [curve(0.1, 0.5, 0.4, 0.1), curve(0.1, 0.1, 0.4, 0.5)]
    assert peak_epochs(curves) == [1.0, 2.0]
    assert mean_peak(curves) == 1.5


def test_training_gap_is_taken_from_an_epoch_on_to_the_end() -> None:
    curves = [curve(1, 1, 1, 1), curve(1, 1, 1, 1, training=(0.3, 0.4, 0.5, 0.8))]
    assert training_gap_from(curves, 0.9) == pytest.approx((0.3, 0.6))
    assert training_gap_from(curves, 9) == pytest.approx((0.6, 0.6))
