"""Numbers with their 95 % intervals: a count's share, and the ratio of two."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

_Z95 = 1.959963984540054
_LOG_RATIO = 20.0  # beyond any ratio of two shares that people can count


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its 95 % interval.

    Attributes
    ----------
    value : float
        Point estimate.
    low, high : float
        Ends of the interval.
    """

    value: float
    low: float
    high: float

    def times(self, factor: float) -> Estimate:
        """Return the estimate of a multiple."""
        return Estimate(self.value * factor, self.low * factor, self.high * factor)

    def plus(self, constant: float) -> Estimate:
        """Return the estimate of a shifted number."""
        return Estimate(self.value + constant, self.low + constant, self.high + constant)

    def clip(self, low: float, high: float) -> Estimate:
        """Return the estimate of a number that is known to lie within bounds."""
        value, below, above = np.clip([self.value, self.low, self.high], low, high)
        return Estimate(float(value), float(below), float(above))


def wilson_interval(hits: int, n: int) -> Estimate:
    """Return a share with its Wilson score interval (Wilson 1927).

    Parameters
    ----------
    hits, n : int
        Successes and trials; with n = 0 the interval is [0, 1].

    Examples
    --------
    >>> estimate = wilson_interval(2, 20)
    >>> round(estimate.low, 3), round(estimate.high, 3)
    (0.028, 0.301)
    """
    if n == 0:
        return Estimate(float("nan"), 0.0, 1.0)
    share = hits / n
    spread = _Z95**2 / n
    center = (share + spread / 2) / (1 + spread)
    half = float(_Z95 * np.sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread))
    return Estimate(share, max(0.0, center - half), min(1.0, center + half))


def lift(errors: int, reviewed: int, control_errors: int, n_controls: int) -> Estimate:
    """Return how many times more errors the queue holds than a random sample does.

    The interval inverts the score test of a ratio of two shares (Miettinen and Nurminen 1985); it
    exists without any error among the controls, and has no upper end then. The estimate has half
    an error added to each share (Walter 1975), for the same reason.

    Parameters
    ----------
    errors, reviewed : int
        Of the queue, controls left out.
    control_errors, n_controls : int
        Of the controls.
    """
    if reviewed == 0 or n_controls == 0:
        return Estimate(float("nan"), 0.0, float("inf"))
    ratio = ((errors + 0.5) / (reviewed + 0.5)) / ((control_errors + 0.5) / (n_controls + 0.5))

    def score(log_ratio: float) -> float:
        return _ratio_score(errors, reviewed, control_errors, n_controls, float(np.exp(log_ratio)))

    low = brentq(lambda t: score(t) - _Z95, -_LOG_RATIO, _LOG_RATIO) if errors else -np.inf
    high = brentq(lambda t: score(t) + _Z95, -_LOG_RATIO, _LOG_RATIO) if control_errors else np.inf
    low, high = float(np.exp(low)), float(np.exp(high))
    return Estimate(min(max(ratio, low), high), low, high)


def _ratio_score(x1: int, n1: int, x0: int, n0: int, ratio: float) -> float:
    """Return how many standard errors x1/n1 lies above `ratio` times x0/n0."""
    # Shares that are most likely among those of this ratio: the smaller root of a quadratic.
    a, b, c = (n1 + n0) * ratio, -(n1 * ratio + x1 + n0 + x0 * ratio), x1 + x0
    p0 = (-b - np.sqrt(max(b * b - 4 * a * c, 0.0))) / (2 * a)
    p1 = ratio * p0
    variance = (p1 * (1 - p1) / n1 + ratio**2 * p0 * (1 - p0) / n0) * (n1 + n0) / (n1 + n0 - 1)
    difference = x1 / n1 - ratio * x0 / n0
    if variance <= 0:
        return float(np.sign(difference)) * _LOG_RATIO
    return float(difference / np.sqrt(variance))
