r"""A score over several seeds and the videos it was taken on: its mean, and an interval for both.

A score differs with the videos it is taken on and with the seed of the training. Let `x_s` be the score of seed s of S
and `psi_s(v)` the influence of video v of n on it (see `yt8m.evaluation.influence`). Over the seeds,

    mean      m = (1 / S) sum_s x_s
    videos    V_v = n / (n - 1) sum_v ((1 / S) sum_s psi_s(v))^2       other videos, the same seeds
    seeds     V_s = (1 / S) (1 / (S - 1)) sum_s (x_s - m)^2            other seeds, the same videos
    interval  m ± t sqrt(V_v + V_s)

The two add up by the law of total variance. `t` is Student's quantile with the degrees of freedom of Welch and
Satterthwaite, `nu = (V_v + V_s)^2 / (V_v^2 / (n - 1) + V_s^2 / (S - 1))`: with three seeds it is 4.3 where the seeds
are all that varies and 1.96 where they do not matter. The difference of two runs is taken seed by seed, so that `x_s`
and `psi_s` are differences. When m of k figures are judged together, each has the level `1 - 0.05 / k` (Bonferroni).
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from yt8m.evaluation.comparison import Verdict, verdict_on

GRID = 200_001
NORMAL_FROM = 2_000.0


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds with its interval, and the standard errors it comes from.

    Attributes:
        value: the mean.
        low, high: the ends of the interval.
        seeds: the value of each seed.
        video_error, seed_error: the standard errors for videos and for seeds; the latter is None with one seed, and
            the interval is then that of the videos alone.
    """

    value: float
    low: float
    high: float
    seeds: list[float]
    video_error: float
    seed_error: float | None

    @property
    def verdict(self) -> Verdict:
        """Of a difference: better, worse or cannot tell."""
        return verdict_on(self.low, self.high)

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def estimate(values: np.ndarray, influences: np.ndarray, *, judged_together: int = 1) -> Estimate:
    """The mean over seeds and its interval.

    Args:
        values: float [S], the score (or difference) of each seed.
        influences: float [n], the mean over the seeds of each video's influence.
        judged_together: how many figures share the 5 % of error.
    """
    count, videos = len(values), len(influences)
    mean, by_videos = float(values.mean()), videos / max(videos - 1, 1) * float(np.square(influences).sum())
    by_seeds = float(values.var(ddof=1)) / count if count > 1 else 0.0
    margin = (
        student(degrees(by_videos, videos, by_seeds, count), 0.05 / judged_together) * (by_videos + by_seeds) ** 0.5
    )
    seed_error = by_seeds**0.5 if count > 1 else None
    return Estimate(mean, mean - margin, mean + margin, values.tolist(), by_videos**0.5, seed_error)


def degrees(by_videos: float, videos: int, by_seeds: float, seeds: int) -> float:
    """Welch and Satterthwaite's degrees of freedom of the sum of two variances."""
    spread = by_videos**2 / max(videos - 1, 1) + (by_seeds**2 / (seeds - 1) if seeds > 1 else 0.0)
    return (by_videos + by_seeds) ** 2 / spread if spread else float("inf")


def student(freedom: float, outside: float = 0.05) -> float:
    """The two-sided quantile of Student's distribution: what lies farther out has the probability `outside`.

    With `x = sqrt(nu) tan(a)` the density becomes `cos(a)^(nu - 1)`, which is summed over a grid; beyond 2,000 degrees
    of freedom the quantile of 2,000 is within 0.1 % of the normal one.
    """
    freedom = min(max(freedom, 1.0), NORMAL_FROM)
    angles = np.linspace(0.0, np.pi / 2, GRID)
    density = np.cos(angles) ** (freedom - 1)
    below = np.concatenate(([0.0], np.cumsum((density[1:] + density[:-1]) / 2)))
    angle = np.interp(1 - outside, below / below[-1], angles)
    return float(np.sqrt(freedom) * np.tan(angle))
