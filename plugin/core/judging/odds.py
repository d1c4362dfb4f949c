"""How far the truth lies from what the scores say: a curve that verdicts bend, with its doubt.

Before any verdict the curve is what scores were found to be wrong by elsewhere: they claim too
little in the middle, at times too much at the top, and a class may be off as a whole. A verdict
bends it where it was given, and little elsewhere: what the head of a queue turned out to be says
hardly anything of the rest, while controls tell of everything. Where they contradict what was found
elsewhere, less is made of that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_expit, logit

from ..errors import DataError
from ..scoring.calibration import open_probability
from ..scoring.linalg import Float, Int

# Log-odds at which the curve has a value; in between it is straight, beyond them level.
_KNOTS = np.linspace(-6.0, 6.0, 7)
_REACH = 3.0  # log-odds over which its values go together
# Standard deviations before any verdict, of the curve as a whole, of its shape and of a class, and
# the mean of the first: from label sets of 9 to 40 % noise, see docs/rounds.md.
_LEVEL, _SHAPE, _CLASS, _MEAN = 0.25, 0.5, 0.5, 0.2
# Some label sets are off by far more, very noisy ones and clean ones: the deviation of the level
# there, and how many such sets there are.
_WIDE_LEVEL, _WIDE_SHARE = 1.5, 0.2
_LARGEST = 9.0  # log-odds beyond it are no surer
_NEWTON = 50


@dataclass(frozen=True)
class Odds:
    """What is to be added to the log-odds that a label is wrong, and how sure that is.

    Attributes
    ----------
    mean : array of shape (7 + k,)
        At the knots, then of each of the `classes`.
    root : array of shape (7 + k, 7 + k)
        Square root of its covariance.
    classes : tuple of str
        Those that verdicts tell of. Any other may be off by as much as a class can.
    n_verdicts, n_controls : int
        What it rests on.
    """

    mean: Float
    root: Float
    classes: tuple[str, ...] = ()
    n_verdicts: int = 0
    n_controls: int = 0

    def draw(self, n_draws: int, rng: np.random.Generator) -> tuple[Float, Float]:
        """Draw curves, shape (n_draws, 7), and what comes on top for `classes`, (n_draws, k)."""
        noise = rng.standard_normal((n_draws, len(self.mean)))
        drawn = self.mean + noise @ self.root.T
        return drawn[:, : len(_KNOTS)], drawn[:, len(_KNOTS) :]

    def rates(self, log_odds: Float, curves: Float, of_class: Float) -> Float:
        """Return how likely labels of one class are wrong, by each draw.

        Parameters
        ----------
        log_odds : array of shape (m,)
            By the scores.
        curves : array of shape (n_draws, 7)
        of_class : array of shape (n_draws,)

        Returns
        -------
        array of shape (n_draws, m)
        """
        shifted: Float = expit(log_odds + curves @ _basis(log_odds).T + of_class[:, None])
        return shifted

    @staticmethod
    def unseen_class(n_draws: int, rng: np.random.Generator) -> Float:
        """Draw what comes on top for a class that no verdict tells of."""
        return _CLASS * rng.standard_normal(n_draws)


def log_odds(wrong_probability: ArrayLike) -> Float:
    """Return log-odds, none of them larger than any scores can be sure of.

    Raises
    ------
    DataError
        When they are no probabilities.
    """
    clipped: Float = np.clip(logit(open_probability(wrong_probability)), -_LARGEST, _LARGEST)
    return clipped


def fit_odds(
    wrong_probability: ArrayLike = (),
    wrong: ArrayLike = (),
    classes: list[str] | tuple[str, ...] = (),
    controls: ArrayLike | None = None,
) -> Odds:
    """Learn from verdicts how far off the scores are.

    Parameters
    ----------
    wrong_probability : array of shape (n,)
        Of the reviewed labels, as it was before their verdicts.
    wrong : bool array of shape (n,)
        What they turned out to be.
    classes : sequence of str, length n
        The class that each was given.
    controls : bool array of shape (n,), optional
        Which of them were drawn at random. They alone can show that the scores as a whole are off
        by more than usual. Default: none.

    Returns
    -------
    Odds
        The most probable curve and the Gaussian around it (Laplace).

    Examples
    --------
    >>> odds = fit_odds([0.2] * 50, [True] * 40 + [False] * 10, ["cat"] * 50)
    >>> bool(odds.mean[2] > 1)
    True
    """
    x, y = log_odds(wrong_probability), np.asarray(wrong, dtype=np.float64)
    drawn = np.zeros(len(x), bool) if controls is None else np.asarray(controls, dtype=bool)
    if not len(x) == len(y) == len(classes) == len(drawn):
        raise DataError(
            "wrong_probability, wrong, classes and controls: must be of one length, got "
            f"{len(x)}, {len(y)}, {len(classes)} and {len(drawn)}.",
            "Pass one entry of each for a verdict.",
        )
    names = tuple(dict.fromkeys(classes))
    code = {name: index for index, name in enumerate(names)}
    codes: Int = np.array([code[name] for name in classes], dtype=np.int64)
    size = len(_KNOTS) + len(names)
    design = np.zeros((len(x), size))
    design[:, : len(_KNOTS)] = _basis(x)
    design[np.arange(len(x)), len(_KNOTS) + codes] = 1.0
    mean, covariance = _prior(size, _level(design[drawn], x[drawn], y[drawn]))
    if len(x):
        mean, covariance = _posterior(design, x, y, mean, covariance)
    root: Float = np.asarray(np.linalg.cholesky(covariance), np.float64)
    return Odds(mean, root, names, len(x), int(drawn.sum()))


def _level(design: Float, offset: Float, y: NDArray[np.float64]) -> float:
    """Return the usual deviation of the level, or the wide one where controls speak for it."""
    evidence = []
    for level, share in ((_LEVEL, 1 - _WIDE_SHARE), (_WIDE_LEVEL, _WIDE_SHARE)):
        mean, covariance = _prior(design.shape[1], level)
        coef, doubt = _posterior(design, offset, y, mean, covariance)
        away, x = coef - mean, offset + design @ coef
        fit = log_expit(np.where(y > 0, x, -x)).sum()
        volume = np.linalg.slogdet(doubt)[1] - np.linalg.slogdet(covariance)[1]
        distance = away @ np.linalg.solve(covariance, away)
        evidence.append(np.log(share) + fit - distance / 2 + volume / 2)  # Laplace
    return _LEVEL if evidence[0] >= evidence[1] else _WIDE_LEVEL


def _prior(size: int, level: float) -> tuple[Float, Float]:
    """Return mean and covariance before any verdict, of the curve and of some classes."""
    mean: Float = np.zeros(size)
    mean[: len(_KNOTS)] = _MEAN
    covariance: Float = np.eye(size) * _CLASS**2
    apart = _KNOTS[:, None] - _KNOTS
    together = level**2 + _SHAPE**2 * np.exp(-((apart / _REACH) ** 2) / 2)
    covariance[: len(_KNOTS), : len(_KNOTS)] = together + 1e-6 * np.eye(len(_KNOTS))
    return mean, covariance


def _basis(x: Float) -> Float:
    """Return the weights of the knots at some log-odds, shape (n, 7)."""
    step = _KNOTS[1] - _KNOTS[0]
    at = np.clip(x, _KNOTS[0], _KNOTS[-1])
    weights: Float = np.maximum(1.0 - np.abs(at[:, None] - _KNOTS) / step, 0.0)
    return weights


def _posterior(
    design: Float, offset: Float, y: NDArray[np.float64], mean: Float, covariance: Float
) -> tuple[Float, Float]:
    """Return mode and covariance of a logistic regression with a Gaussian prior (Newton)."""
    precision = np.linalg.inv(covariance)
    coef = mean.copy()
    for _ in range(_NEWTON):
        p = expit(offset + design @ coef)
        hessian = (design.T * (p * (1 - p))) @ design + precision
        step = np.linalg.solve(hessian, design.T @ (y - p) - precision @ (coef - mean))
        largest = float(np.abs(step).max())
        coef = coef + step * min(1.0, 2.0 / max(largest, 1e-12))
        if largest < 1e-9:
            break
    p = expit(offset + design @ coef)
    posterior: Float = np.linalg.inv((design.T * (p * (1 - p))) @ design + precision)
    return coef, (posterior + posterior.T) / 2
