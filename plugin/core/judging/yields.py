"""What a review yields: how noisy a class is, how much better than chance the queue is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, gammaln
from scipy.stats import betabinom

from ..review.scope import Scope
from ..scoring.linalg import Float, Int
from .estimates import Estimate, lift, wilson_interval

_PRIOR = 0.5  # Jeffreys
_EACH_COUNT = 5_000  # of wrong labels: nearer to none, or to all, each count is weighed
_EDGE = 0.0175  # cut off where the posterior ends at what was found; see scripts/bench coverage
_WEAK = 2.5  # standard deviation of the weak prior of logistic coefficients (Gelman et al. 2008)
_DRAWS = 4000
_NEWTON = 25


@dataclass(frozen=True, slots=True)
class RoundYield:
    """One round in counts.

    Attributes
    ----------
    pool : int
        Samples of the class, or of the whole dataset, that had not been reviewed when the round
        was drawn.
    reviewed, errors : int
        Answered samples, and those with a wrong label; controls included.
    n_controls, control_errors : int
        The same, of the controls.
    of_part : bool, default False
        Whether it was drawn from a part only of what is reported on, as a round of one class is of
        the dataset: it takes wrong labels away, and tells nothing of how many there are.
    """

    pool: int
    reviewed: int
    errors: int
    n_controls: int
    control_errors: int
    of_part: bool = False


@dataclass(frozen=True, slots=True)
class YieldReport:
    """What all rounds of a class, or of the whole dataset, say together.

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
        Wrong labels that a further batch will probably find: a range for that one batch.
    scope : Scope, default Scope.CLASS
        Whether "class" above means the whole dataset.
    """

    noise_rate: Estimate
    precision: Estimate
    lift: Estimate
    errors_left: Estimate
    next_batch: Estimate
    scope: Scope = Scope.CLASS

    def __str__(self) -> str:
        if np.isnan(self.precision.value):
            return "Nothing has been reviewed yet" + (
                " in a round of the whole dataset." if self.scope is Scope.DATASET else "."
            )
        left, rate = self.errors_left, self.noise_rate
        text = f"The queue is wrong in {self.precision.value:.0%} of what it shows"
        if not np.isnan(rate.value):
            text += (
                f", the {self.scope.value} in {rate.value:.0%} ({rate.low:.0%} to {rate.high:.0%})"
            )
            text += f"; {left.low:.0f} to {left.high:.0f} wrong labels are left in it"
        batch = self.next_batch
        if not np.isnan(batch.value):
            text += f"; a further batch finds {batch.low:.0f} to {batch.high:.0f}"
        return text + "."


def yield_report(
    rounds: Sequence[RoundYield],
    next_batch: Estimate | None = None,
    scope: Scope = Scope.CLASS,
) -> YieldReport:
    """Return noise rate, precision, lift, errors left and the next batch's expected yield.

    Parameters
    ----------
    rounds : sequence of RoundYield
        Rounds of one class or of the whole dataset, oldest first.
    next_batch : Estimate, optional
        From `predict_batch`. Default: unknown.
    scope : Scope, default Scope.CLASS
        Which of the two.

    Returns
    -------
    YieldReport
        Without any control, noise rate and errors left are unknown: NaN within their full range.
    """
    drawn = [row for row in rounds if not row.of_part]
    n_controls = sum(row.n_controls for row in drawn)
    control_errors = sum(row.control_errors for row in drawn)
    reviewed = sum(row.reviewed for row in drawn) - n_controls
    errors = sum(row.errors for row in drawn) - control_errors
    start, left = _errors_of_class(rounds)
    size = rounds[0].pool if rounds else 0
    return YieldReport(
        noise_rate=start.times(1 / size) if size else wilson_interval(0, 0),
        precision=wilson_interval(errors, reviewed),
        lift=lift(errors, reviewed, control_errors, n_controls),
        errors_left=left,
        next_batch=next_batch or Estimate(float("nan"), 0.0, float(_unseen(rounds))),
        scope=scope,
    )


@dataclass(frozen=True, slots=True)
class BudgetPoint:
    """One point of the budget curve.

    Attributes
    ----------
    reviewed, found : int
        Images reviewed so far, and wrong labels found in them.
    random : Estimate
        Wrong labels that a review of as many random images of the class, or of the whole dataset,
        would have found.
    """

    reviewed: int
    found: int
    random: Estimate


def budget_curve(rounds: Sequence[RoundYield]) -> list[BudgetPoint]:
    """Return wrong labels found against images reviewed, before the first and after every round.

    Parameters
    ----------
    rounds : sequence of RoundYield
        Rounds of one class or of the whole dataset, oldest first.

    Returns
    -------
    list of BudgetPoint
        The random review's line comes from the controls of all rounds; without any it is NaN.
    """
    rate = yield_report(rounds).noise_rate
    reviewed = np.cumsum([0] + [row.reviewed for row in rounds]).tolist()
    found = np.cumsum([0] + [row.errors for row in rounds]).tolist()
    return [BudgetPoint(n, k, rate.times(n)) for n, k in zip(reviewed, found, strict=True)]


def predict_batch(
    importance: ArrayLike, wrong: ArrayLike, upcoming: ArrayLike, random_state: int = 0
) -> Estimate:
    """Return how many wrong labels a batch will probably hold.

    The chance that a label is wrong is a logistic function of the logarithm of its importance,
    fitted to all labels that have been reviewed: those of the queue tell of the top, controls of
    the rest. The range is that of one batch: it holds the doubt about the function (its Laplace
    approximation) and chance.

    Parameters
    ----------
    importance : array of shape (n,)
        Importance of the reviewed samples when they were pushed.
    wrong : bool array of shape (n,)
        Whether their label was wrong.
    upcoming : array of shape (m,)
        Importance of the samples of the batch.
    random_state : int, default 0
        Seed.

    Returns
    -------
    Estimate
        NaN within 0 and m when nothing has been reviewed.
    """
    x, y, new = np.asarray(importance, float), np.asarray(wrong, float), np.asarray(upcoming, float)
    if len(y) == 0 or len(new) == 0:
        return Estimate(float("nan") if len(new) else 0.0, 0.0, float(len(new)))
    x, new = (np.log(np.maximum(values, np.finfo(float).tiny)) for values in (x, new))
    centre, spread = float(x.mean()), float(x.std()) or 1.0
    design, ahead = (
        np.column_stack([np.ones(len(values)), (values - centre) / spread]) for values in (x, new)
    )
    coef, hessian = _logistic_mode(design, y)
    rng = np.random.default_rng(random_state)
    draws = rng.multivariate_normal(coef, np.linalg.inv(hessian), size=_DRAWS)
    chance = expit(draws @ ahead.T)
    found = (rng.random(chance.shape) < chance).sum(axis=1)
    share = np.bincount(found, minlength=len(new) + 1) / _DRAWS
    # Counts are few: half of each one's share on either side keeps the range from being too wide.
    (within,) = np.nonzero(np.abs(np.cumsum(share) - share / 2 - 0.5) < 0.475)
    value, low, high = float(chance.sum(axis=1).mean()), float(within[0]), float(within[-1])
    return Estimate(value, min(low, value), max(high, value))


def _logistic_mode(design: Float, y: Float) -> tuple[Float, Float]:
    """Return the most probable coefficients under a weak prior, and the Hessian there."""
    coef: Float = np.zeros(design.shape[1])
    prior = np.eye(len(coef)) / _WEAK**2
    for _ in range(_NEWTON):
        chance = expit(design @ coef)
        hessian = (design.T * (chance * (1 - chance))) @ design + prior
        step = np.linalg.solve(hessian, design.T @ (y - chance) - prior @ coef)
        # Far from the mode a full step may overshoot.
        coef = coef + step * min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
    return coef, hessian


def _unseen(rounds: Sequence[RoundYield]) -> int:
    return rounds[-1].pool - rounds[-1].reviewed if rounds else 0


def _errors_of_class(rounds: Sequence[RoundYield]) -> tuple[Estimate, Estimate]:
    """Return the wrong labels of the class before the first round, and those left now.

    Each round's controls are a draw without replacement from a pool of known size, from which
    earlier rounds have taken the errors they found. So every possible number of errors at the
    start has a likelihood: a product of hypergeometric ones. The interval is the central one of
    its posterior under Jeffreys' prior. When most of a class is reviewed, all that is left may be
    nothing: then less is cut off there than at the other end.
    """
    if not rounds:
        return Estimate(float("nan"), 0.0, 0.0), Estimate(float("nan"), 0.0, 0.0)
    found, unseen = sum(row.errors for row in rounds), _unseen(rounds)
    if not any(row.n_controls for row in rounds if not row.of_part):
        unknown = Estimate(float("nan"), float(found), float(found + unseen))
        return unknown, unknown.plus(-found)
    counts, stand_for = _counts(unseen)
    possible = found + counts
    size = max(rounds[0].pool, int(possible[-1]))
    log_p: Float = betabinom.logpmf(possible, size, _PRIOR, _PRIOR)
    taken = 0
    for row in rounds:
        there = possible - taken
        if not row.of_part:
            log_p += _log_choose(there, row.control_errors)
            log_p += _log_choose(row.pool - there, row.n_controls - row.control_errors)
        taken += row.errors
    if not np.isfinite(log_p).any():  # samples came or went between the rounds
        unknown = Estimate(float("nan"), float(found), float(found + unseen))
        return unknown, unknown.plus(-found)
    posterior = np.exp(log_p - log_p.max()) * stand_for
    posterior = posterior / posterior.sum()
    below = np.cumsum(posterior)
    last = len(possible) - 1
    low, high = np.minimum(np.searchsorted(below, [0.025, 0.975]), last)
    if log_p[0] >= log_p[high]:
        low, high = np.minimum(np.searchsorted(below, [_EDGE, 0.95 + _EDGE]), last)
    low, high = possible[low], possible[high]
    start = Estimate(float(posterior @ possible), float(low), float(high))
    return start, start.plus(-found)


def _counts(most: int) -> tuple[Int, Float]:
    """Return the counts from 0 to `most` that are weighed, and how many each stands for.

    Where they are very many, those far from either end stand for their neighbours: no number of
    controls that people review tells these apart.
    """
    if most <= 3 * _EACH_COUNT:
        return np.arange(most + 1), np.ones(most + 1)
    ends = np.arange(_EACH_COUNT)
    between = np.linspace(_EACH_COUNT, most - _EACH_COUNT, _EACH_COUNT).round().astype(np.int64)
    counts = np.unique(np.concatenate([ends, between, most - ends]))
    edges = np.concatenate([[-0.5], (counts[1:] + counts[:-1]) / 2, [most + 0.5]])
    return counts, np.diff(edges)


def _log_choose(n: Int, k: int) -> Float:
    """Return the logarithm of n over k, -inf where k can't be drawn from n."""
    valid = (n >= k) & (k >= 0)
    at = np.where(valid, n, max(k, 0))
    values = gammaln(at + 1.0) - gammaln(k + 1.0) - gammaln(at - k + 1.0)
    return np.where(valid, values, -np.inf)
