"""What a review yields: how noisy a class is, how much better than chance the queue is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import betabinom

_Z95 = 1.959963984540054
_TREND_ROUNDS = 3


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


@dataclass(frozen=True, slots=True)
class RoundYield:
    """One round in counts.

    Attributes
    ----------
    pool : int
        Samples of the class that had not been reviewed when the round was drawn.
    reviewed, errors : int
        Answered samples, and those with a wrong label; controls included.
    n_controls, control_errors : int
        The same, of the controls.
    """

    pool: int
    reviewed: int
    errors: int
    n_controls: int
    control_errors: int


@dataclass(frozen=True, slots=True)
class YieldReport:
    """What all rounds of a class say together.

    Attributes
    ----------
    noise_rate : Estimate
        Share of wrong labels in the class before the first round, from the controls.
    precision : Estimate
        Share of wrong labels among the samples that the queue chose.
    lift : Estimate
        Precision over the controls' share.
    errors_left : Estimate
        Wrong labels among the samples of the class that nobody has reviewed.
    next_batch : Estimate
        Wrong labels that a further batch of the last one's size will probably find.
    """

    noise_rate: Estimate
    precision: Estimate
    lift: Estimate
    errors_left: Estimate
    next_batch: Estimate

    def __str__(self) -> str:
        if np.isnan(self.next_batch.value):
            return "Nothing has been reviewed yet."
        left, rate = self.errors_left, self.noise_rate
        text = f"The queue is wrong in {self.precision.value:.0%} of what it shows"
        if not np.isnan(rate.value):
            text += f", the class in {rate.value:.0%} ({rate.low:.0%} to {rate.high:.0%})"
            text += f"; {left.low:.0f} to {left.high:.0f} wrong labels are left in it"
        return f"{text}; a further batch finds about {self.next_batch.value:.0f}."


def yield_report(rounds: Sequence[RoundYield]) -> YieldReport:
    """Return noise rate, precision, lift, errors left and the next batch's expected yield.

    Parameters
    ----------
    rounds : sequence of RoundYield
        Rounds of one class, oldest first.

    Returns
    -------
    YieldReport
        Without any control, noise rate and errors left are unknown: NaN within their full range.
    """
    n_controls = sum(row.n_controls for row in rounds)
    control_errors = sum(row.control_errors for row in rounds)
    reviewed = sum(row.reviewed for row in rounds) - n_controls
    errors = sum(row.errors for row in rounds) - control_errors
    start, left = _errors_of_class(rounds)
    size = rounds[0].pool if rounds else 0
    return YieldReport(
        noise_rate=start.times(1 / size) if size else wilson_interval(0, 0),
        precision=wilson_interval(errors, reviewed),
        lift=lift(errors, reviewed, control_errors, n_controls),
        errors_left=left,
        next_batch=_next_batch(rounds),
    )


@dataclass(frozen=True, slots=True)
class BudgetPoint:
    """One point of the budget curve.

    Attributes
    ----------
    reviewed, found : int
        Images reviewed so far, and wrong labels found in them.
    random : Estimate
        Wrong labels that a review of as many random images of the class would have found.
    """

    reviewed: int
    found: int
    random: Estimate


def budget_curve(rounds: Sequence[RoundYield]) -> list[BudgetPoint]:
    """Return wrong labels found against images reviewed, before the first and after every round.

    Parameters
    ----------
    rounds : sequence of RoundYield
        Rounds of one class, oldest first.

    Returns
    -------
    list of BudgetPoint
        The random review's line comes from the controls of all rounds; without any it is NaN.
    """
    rate = yield_report(rounds).noise_rate
    reviewed = np.cumsum([0] + [row.reviewed for row in rounds]).tolist()
    found = np.cumsum([0] + [row.errors for row in rounds]).tolist()
    return [BudgetPoint(n, k, rate.times(n)) for n, k in zip(reviewed, found, strict=True)]


def _errors_of_class(rounds: Sequence[RoundYield]) -> tuple[Estimate, Estimate]:
    """Return the wrong labels of the class before the first round, and those left now.

    Controls are drawn from what no round has served, so each round's share is that of a pool from
    which the queue has already taken errors: they are added back before rounds are averaged.
    """
    n_controls = sum(row.n_controls for row in rounds)
    found = sum(row.errors for row in rounds)
    if not rounds:
        return Estimate(float("nan"), 0.0, 0.0), Estimate(float("nan"), 0.0, 0.0)
    unseen = rounds[-1].pool - rounds[-1].reviewed
    if n_controls == 0:
        unknown = Estimate(float("nan"), float(found), float(found + unseen))
        return unknown, unknown.plus(-found)
    earlier = np.cumsum([0] + [row.errors for row in rounds[:-1]])
    weight = np.array([row.n_controls for row in rounds]) / n_controls
    pool = float(weight @ [row.pool for row in rounds])
    rate = wilson_interval(sum(row.control_errors for row in rounds), n_controls)
    start = rate.times(pool).plus(float(weight @ earlier)).clip(found, found + unseen)
    return start, start.plus(-found)


def _next_batch(rounds: Sequence[RoundYield]) -> Estimate:
    """Return the expected yield of a batch like the last, for which the queue has become poorer.

    The share of errors falls along the queue: the trend of the last rounds goes on, on the scale
    of odds, which keeps it between 0 and 1. The interval is that of a batch, not of its mean.
    """
    rounds = [row for row in rounds if row.reviewed]
    if not rounds:
        return Estimate(float("nan"), 0.0, 0.0)
    recent = rounds[-_TREND_ROUNDS:]
    size = min(rounds[-1].reviewed, rounds[-1].pool - rounds[-1].reviewed)
    odds = np.array(
        [np.log((row.errors + 0.5) / (row.reviewed - row.errors + 0.5)) for row in recent]
    )
    # The mean step of all recent rounds, never upwards: the queue is sorted.
    step = min(0.0, float(odds[-1] - odds[0]) / (len(odds) - 1)) if len(odds) > 1 else 0.0
    rate = 1 / (1 + np.exp(-(odds[-1] + step)))
    # A Beta posterior of the share with the weight of the last batch, seen through a batch.
    a, b = rate * (rounds[-1].reviewed + 1), (1 - rate) * (rounds[-1].reviewed + 1)
    low, high = betabinom.ppf([0.025, 0.975], size, a, b) if size else (0.0, 0.0)
    mean = float(rate * size)
    return Estimate(mean, min(float(low), mean), max(float(high), mean))
