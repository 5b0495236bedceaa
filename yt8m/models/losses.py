"""Losses of multi-label classification, by name.

All take labels `y` `[B, V]` (0 and 1, or soft) and probabilities `p` `[B, V]`, compute in float32, sum over the classes
and average over the batch. `e` is `epsilon`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from keras import ops

from yt8m.errors import InputError
from yt8m.models.numerics import Tensor
from yt8m.models.settings import parse_settings, require


@dataclass(frozen=True, kw_only=True)
class Loss:
    """A loss of labels and probabilities; a subclass says what one class costs."""

    def __call__(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """The loss, a float32 scalar, of `y_true` and `y_pred` `[B, V]`."""
        costs = self.per_class(ops.cast(y_true, "float32"), ops.cast(y_pred, "float32"))
        return ops.mean(ops.sum(costs, axis=-1))

    def per_class(self, y: Tensor, p: Tensor) -> Tensor:
        """Costs `[B, V]` of float32 labels and probabilities."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class CrossEntropy(Loss):
    """`-y log(p + e) - (1 - y) log(1 - p + e)`.

    Source: Abu-El-Haija et al. 2016, section 4.2.1, https://arxiv.org/abs/1609.08675; `e` bounds the cost at 11.5.
    """

    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        require(self.epsilon > 0, f"epsilon must be above 0, got {self.epsilon}")

    def per_class(self, y: Tensor, p: Tensor) -> Tensor:
        return -y * ops.log(p + self.epsilon) - (1.0 - y) * ops.log(_complement(p) + self.epsilon)


@dataclass(frozen=True, kw_only=True)
class Huber(Loss):
    """`d^2 (sqrt(1 + (a / d)^2) - 1)`, `d` = `delta`: quadratic for small `a`, linear for large ones.

    `of` says what `a` is: the class's `cross_entropy`, or the `residual` `p - y`. The residual's gradient vanishes on
    missed positives, and neither gives calibrated probabilities, though the ranking is kept.

    Source: the pseudo-Huber loss of Charbonnier et al. 1997; on the cross-entropy with delta 0.5: Na et al. 2017,
    section 3.4, https://arxiv.org/abs/1706.07960
    """

    of: str = "cross_entropy"
    delta: float = 0.5
    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        require(self.of in ("cross_entropy", "residual"), f"of must be cross_entropy or residual, got '{self.of}'")
        require(self.delta > 0, f"delta must be above 0, got {self.delta}")
        require(self.epsilon > 0, f"epsilon must be above 0, got {self.epsilon}")

    def per_class(self, y: Tensor, p: Tensor) -> Tensor:
        a = p - y if self.of == "residual" else CrossEntropy(epsilon=self.epsilon).per_class(y, p)
        return self.delta**2 * (ops.sqrt(1.0 + ops.square(a / self.delta)) - 1.0)


@dataclass(frozen=True, kw_only=True)
class Hinge(Loss):
    """`max(0, margin - (2y - 1) p)`, on probabilities as in the starter code.

    Source: Crammer and Singer 2001; the form of the reference training, https://arxiv.org/abs/1609.08675
    """

    margin: float = 1.0

    def __post_init__(self) -> None:
        require(self.margin > 0, f"margin must be above 0, got {self.margin}")

    def per_class(self, y: Tensor, p: Tensor) -> Tensor:
        return ops.relu(self.margin - (2.0 * y - 1.0) * p)


@dataclass(frozen=True, kw_only=True)
class Distillation(Loss):
    """`T^2 sum_v t_v (log t_v - log s_v)`: divergence from a teacher's probabilities, given in place of the labels.

    `over` says what is compared, z being logits: `classes`, one distribution over the classes, `t = softmax(z_t / T)`
    and `s = softmax(z / T)`; or `labels`, a coin for each label, `t = sigmoid(z_t / T)` and `s = sigmoid(z / T)`, with
    the term of `1 - t` and `1 - s` added.

    Source: Hinton et al. 2015, section 2, https://arxiv.org/abs/1503.02531; over classes: Lin et al. 2018, section 3.4,
    https://arxiv.org/abs/1811.05014
    """

    temperature: float = 3.0
    over: str = "classes"
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        require(self.temperature > 0, f"temperature must be above 0, got {self.temperature}")
        require(self.over in ("classes", "labels"), f"over must be classes or labels, got '{self.over}'")
        require(self.epsilon > 0, f"epsilon must be above 0, got {self.epsilon}")

    def per_class(self, y: Tensor, p: Tensor) -> Tensor:
        soften = ops.softmax if self.over == "classes" else ops.sigmoid
        t, s = (soften(_logit(x, self.epsilon) / self.temperature) for x in (y, p))
        divergence = self._term(t, s)
        if self.over == "labels":
            divergence = divergence + self._term(_complement(t), _complement(s))
        return self.temperature**2 * divergence

    def _term(self, t: Tensor, s: Tensor) -> Tensor:
        return t * (ops.log(t + self.epsilon) - ops.log(s + self.epsilon))


@dataclass(frozen=True, kw_only=True)
class Focal(Loss):
    """`-a y (1 - p)^g log(p + e) - (1 - a) (1 - y) p^g log(1 - p + e)`, g = `gamma`, a = `alpha`.

    Without `alpha` both weights are 1.

    Source: Lin et al. 2017, equations 4 and 5, https://arxiv.org/abs/1708.02002
    """

    gamma: float = 2.0
    alpha: float | None = None
    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        require(self.gamma >= 0, f"gamma must be at least 0, got {self.gamma}")
        require(self.alpha is None or 0 <= self.alpha <= 1, f"alpha must be from 0 to 1, got {self.alpha}")
        require(self.epsilon > 0, f"epsilon must be above 0, got {self.epsilon}")

    def per_class(self, y: Tensor, p: Tensor) -> Tensor:
        positive, negative = (1.0, 1.0) if self.alpha is None else (self.alpha, 1.0 - self.alpha)
        missed = y * _power(_complement(p), self.gamma) * ops.log(p + self.epsilon)
        false = (1.0 - y) * _power(p, self.gamma) * ops.log(_complement(p) + self.epsilon)
        return -positive * missed - negative * false


@dataclass(frozen=True, kw_only=True)
class Asymmetric(Loss):
    """`-y (1 - p)^g+ log(p + e) - (1 - y) q^g- log(1 - q + e)`, `q = max(p - margin, 0)`.

    Easy negatives are played down more than positives, and those below the margin are left out.

    Source: Ridnik et al. 2021, equations 4 to 7, https://arxiv.org/abs/2009.14119
    """

    gamma_positive: float = 0.0
    gamma_negative: float = 4.0
    margin: float = 0.05
    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        for name in ("gamma_positive", "gamma_negative"):
            require(getattr(self, name) >= 0, f"{name} must be at least 0, got {getattr(self, name)}")
        require(0 <= self.margin < 1, f"margin must be at least 0 and below 1, got {self.margin}")
        require(self.epsilon > 0, f"epsilon must be above 0, got {self.epsilon}")

    def per_class(self, y: Tensor, p: Tensor) -> Tensor:
        q = ops.relu(p - self.margin)
        missed = y * _power(_complement(p), self.gamma_positive) * ops.log(p + self.epsilon)
        false = (1.0 - y) * _power(q, self.gamma_negative) * ops.log(_complement(q) + self.epsilon)
        return -missed - false


@dataclass(frozen=True, kw_only=True)
class LogitAdjustment(Loss):
    """Cross-entropy of `sigmoid(z + tau log(r / (1 - r)))`, z the logit of p and r the label's rate in training.

    The model learns what the rate does not tell, so that its own probabilities do not bow to it.

    Source: Menon et al. 2021, equation 10, https://arxiv.org/abs/2007.07314, with the softmax's prior `log r` replaced
    by the logit of a coin's
    """

    label_rates: tuple[float, ...]
    tau: float = 1.0
    epsilon: float = 1e-7

    def __post_init__(self) -> None:
        require(all(0 < rate < 1 for rate in self.label_rates), "label_rates must lie between 0 and 1; smooth them")
        require(self.epsilon > 0, f"epsilon must be above 0, got {self.epsilon}")

    def per_class(self, y: Tensor, p: Tensor) -> Tensor:
        rates = np.asarray(self.label_rates, np.float64)
        prior = (self.tau * (np.log(rates) - np.log1p(-rates))).astype(np.float32)
        z = _logit(p, self.epsilon) + prior
        return y * ops.softplus(-z) + (1.0 - y) * ops.softplus(z)


LOSSES: dict[str, type[Loss]] = {
    "cross_entropy": CrossEntropy,
    "huber": Huber,
    "hinge": Hinge,
    "distillation": Distillation,
    "focal": Focal,
    "asymmetric": Asymmetric,
    "logit_adjustment": LogitAdjustment,
}


def names() -> list[str]:
    """The names that `create` knows."""
    return list(LOSSES)


def create(name: str, *, label_rates: Sequence[float] | None = None, **settings: Any) -> Loss:
    """A loss: `loss(y_true, y_pred)` of `[B, V]` and `[B, V]` -> float32 scalar.

    Args:
        name: one of `names()`.
        label_rates: each label's share of the training videos, above 0 and below 1; for the losses that need it.
        **settings: fields of the loss.

    Raises:
        InputError: an unknown name or setting, a value out of range, or no label rates where they are needed.
    """
    if name not in LOSSES:
        raise InputError(f"there is no loss '{name}'; there are {', '.join(LOSSES)}")
    if "label_rates" in {field.name for field in fields(LOSSES[name])} and label_rates is not None:
        settings["label_rates"] = tuple(float(rate) for rate in label_rates)
    return parse_settings(LOSSES[name], settings, name)


def _complement(p: Tensor) -> Tensor:
    """`1 - p`; the maximum changes nothing, but keeps compilers from adding `e` to the 1, where it would vanish."""
    return ops.maximum(1.0 - p, -1.0)


def _logit(p: Tensor, epsilon: float) -> Tensor:
    return ops.log(p + epsilon) - ops.log(_complement(p) + epsilon)


def _power(x: Tensor, exponent: float) -> Tensor:
    """`x^exponent` of probabilities, with a gradient of zero, not infinity, at zero."""
    return ops.ones_like(x) if exponent == 0 else ops.power(ops.maximum(x, 1e-7), exponent)
