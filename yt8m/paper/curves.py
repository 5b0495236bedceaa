"""Curves of trainings from their histories: what the paper's Figures 1, 2, 4 and 5 show."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

COLUMNS = ("training_gap", "validation_gap", "learning_rate")
Curve = dict[str, list[float]]


def curve_of(history: pd.DataFrame, videos: int) -> Curve:
    """The points of a training: `epoch` (examples read over the videos of the whole partition) and the columns.

    Args:
        history: of the training.
        videos: of the training partition.
    """
    return {
        "epoch": (history["examples"] / videos).tolist(),
        **{name: history[name].tolist() for name in COLUMNS},
    }


def peak_epochs(curves: Sequence[Curve]) -> list[float]:
    """Where the validation GAP of each seed peaks, in whole hundredths of an epoch."""
    return [round(curve["epoch"][int(np.argmax(curve["validation_gap"]))], 2) for curve in curves]


def mean_peak(curves: Sequence[Curve]) -> float:
    """Where the mean of the seeds' validation GAP peaks; they are validated at the same steps."""
    mean = np.mean([curve["validation_gap"] for curve in curves], axis=0)
    return round(curves[0]["epoch"][int(np.argmax(mean))], 2)


def training_gap_from(curves: Sequence[Curve], epoch: float) -> tuple[float, float]:
    """The training GAP, a mean over the seeds, at the first validation from an epoch on, and at the end."""
    first = next((place for place, at in enumerate(curves[0]["epoch"]) if at >= epoch), -1)
    values = np.mean([curve["training_gap"] for curve in curves], axis=0)
    return float(values[first]), float(values[-1])
