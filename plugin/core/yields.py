"""What a review yields: how noisy a class is, how much better than chance the queue is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_Z95 = 1.959963984540054


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
    half = _Z95 * np.sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    return Estimate(share, max(0.0, center - half), min(1.0, center + half))


def lift(errors: int, reviewed: int, control_errors: int, n_controls: int) -> Estimate:
    """Return how many times more errors the queue holds than a random sample of the class.

    The interval is that of a log ratio of two shares, with half an error added to each (Katz et
    al. 1978; Walter 1975), so that it exists without any error among the controls.

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
    variance = (
        1 / (errors + 0.5)
        - 1 / (reviewed + 0.5)
        + 1 / (control_errors + 0.5)
        - 1 / (n_controls + 0.5)
    )
    factor = float(np.exp(_Z95 * np.sqrt(max(variance, 0.0))))
    return Estimate(ratio, ratio / factor, ratio * factor)


def errors_left(control_errors: int, n_controls: int, n_unreviewed: int) -> Estimate:
    """Return how many wrong labels are probably left among the unreviewed samples of a class."""
    rate = wilson_interval(control_errors, n_controls)
    return Estimate(rate.value * n_unreviewed, rate.low * n_unreviewed, rate.high * n_unreviewed)
