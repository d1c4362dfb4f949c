"""How far the truth lies from what the scores say: a curve that verdicts bend, with its doubt.

Before any verdict the curve is what scores were found to be wrong by elsewhere: they claim too
little in the middle, at times too much at the top, and a class may be off as a whole. A verdict
bends it where it was given, and little elsewhere: what the head of a queue turned out to be says
hardly anything of the rest, while controls tell of everything.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from ..errors import DataError
from ..scoring.calibration import open_probability
from ..scoring.linalg import Float, Int

# Log-odds at which the curve has a value; in between it is straight, beyond them level.
_KNOTS = np.linspace(-6.0, 6.0, 7)
_REACH = 3.0  # log-odds over which its values go together
# Standard deviations before any verdict, of the curve as a whole, of its shape and of a class, and
# the mean of the first: from label sets of 9 to 40 % noise, see docs/rounds.md.
_LEVEL, _SHAPE, _CLASS, _MEAN = 0.25, 0.5, 0.5, 0.2
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
    n_controls: int = 0,
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
    n_controls : int, default 0
        How many of them were drawn at random; for reports.

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
    if not len(x) == len(y) == len(classes):
        raise DataError(
            f"wrong_probability, wrong and classes: must be of one length, got {len(x)}, {len(y)} "
            f"and {len(classes)}.",
            "Pass one entry of each for a verdict.",
        )
    names = tuple(dict.fromkeys(classes))
    code = {name: index for index, name in enumerate(names)}
    codes: Int = np.array([code[name] for name in classes], dtype=np.int64)
    size = len(_KNOTS) + len(names)
    mean: Float = np.zeros(size)
    covariance: Float = np.eye(size) * _CLASS**2
    mean[: len(_KNOTS)] = _MEAN
    covariance[: len(_KNOTS), : len(_KNOTS)] = _prior()
    if len(x):
        design = np.zeros((len(x), size))
        design[:, : len(_KNOTS)] = _basis(x)
        design[np.arange(len(x)), len(_KNOTS) + codes] = 1.0
        mean, covariance = _posterior(design, x, y, mean, covariance)
    root: Float = np.asarray(np.linalg.cholesky(covariance), np.float64)
    return Odds(mean, root, names, len(x), n_controls)


def _prior() -> Float:
    apart = _KNOTS[:, None] - _KNOTS
    together: Float = _LEVEL**2 + _SHAPE**2 * np.exp(-((apart / _REACH) ** 2) / 2)
    return together + 1e-6 * np.eye(len(_KNOTS))


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
