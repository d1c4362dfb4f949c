"""Probabilities of being wrong, set right by what a random draw of labels turned out to be.

Only controls may set them right: they stand for all labels. The top of the queue is there because
its labels looked wrong; what it turns out to be says little of the rest, and calibrating on it
makes the total worse than no calibration at all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, log_expit, logit
from scipy.stats import norm

from ..errors import DataError
from .linalg import Float

# Means and deviations of the shift before any control was seen: most label sets are off by as much
# as those of 9 to 20 % noise that were measured, one in five by as much as very noisy ones.
USUAL, UNUSUAL, UNUSUAL_SHARE = (0.2, 0.4), (0.2, 1.5), 0.2
_SHIFTS = np.linspace(-8.0, 8.0, 641)
_LARGEST = 9.0  # log-odds beyond it are no surer
Z_95 = 1.96


@dataclass(frozen=True, slots=True)
class Calibration:
    """A shift of the log-odds that labels are wrong.

    Attributes
    ----------
    shift : float
        Added to the log-odds; 0 without controls.
    low, high : float
        Ends of its 95 % interval.
    n_controls : int
    """

    shift: float = 0.0
    low: float = -Z_95
    high: float = Z_95
    n_controls: int = 0

    def apply(self, wrong_probability: ArrayLike) -> Float:
        """Calibrated probabilities, in the order of the given ones."""
        return _shifted(open_probability(wrong_probability), self.shift)

    def expected_errors(self, wrong_probability: ArrayLike) -> tuple[float, float, float]:
        """Return the expected number of wrong labels, and the ends of its 95 % interval."""
        p = open_probability(wrong_probability)
        middle, low, high = (
            float(_shifted(p, shift).sum()) for shift in (self.shift, self.low, self.high)
        )
        return middle, low, high


def calibrate(control_probability: ArrayLike, control_wrong: ArrayLike) -> Calibration:
    """Find the shift that the controls' verdicts speak for.

    A hundred controls tell the total to a third of itself where 9 % of the labels are wrong, so
    how far such scores are off elsewhere counts as well (see docs/importance.md), until the
    controls contradict it.

    Parameters
    ----------
    control_probability : array of shape (n_controls,)
        `wrong_probability` of labels that were drawn at random, as it was before their verdicts.
    control_wrong : bool array of shape (n_controls,)
        Whether they turned out to be wrong.

    Returns
    -------
    Calibration
        Without controls, one that changes nothing.

    Raises
    ------
    DataError
        Arrays of different shapes, or probabilities outside 0..1.

    Examples
    --------
    >>> calibration = calibrate([0.1] * 100, [True] * 20 + [False] * 80)
    >>> calibration.apply([0.1, 0.5]).round(2).tolist()
    [0.19, 0.68]
    """
    p, wrong = open_probability(control_probability), np.asarray(control_wrong, dtype=bool)
    if wrong.shape != p.shape:
        raise DataError(
            f"control_wrong: must be of shape {p.shape}, one for each control, got {wrong.shape}.",
            "Pass the verdicts of the labels whose probabilities you pass.",
        )
    if not len(p):
        return Calibration()

    x = np.clip(logit(p), -_LARGEST, _LARGEST)[:, None] + _SHIFTS
    log_chance = log_expit(np.where(wrong[:, None], x, -x)).sum(axis=0) + _LOG_PRIOR
    chance = np.exp(log_chance - log_chance.max())
    chance /= chance.sum()
    low, high = np.interp([0.025, 0.975], np.cumsum(chance), _SHIFTS)
    return Calibration(float(chance @ _SHIFTS), float(low), float(high), len(p))


def _log_prior() -> Float:
    terms = []
    for (mean, deviation), share in ((USUAL, 1 - UNUSUAL_SHARE), (UNUSUAL, UNUSUAL_SHARE)):
        terms.append(norm.logpdf(_SHIFTS, mean, deviation) + np.log(share))
    together: Float = np.logaddexp(*terms)
    return together


_LOG_PRIOR = _log_prior()


def _shifted(p: Float, shift: float) -> Float:
    shifted: Float = expit(logit(p) + shift)
    return shifted


def open_probability(probability: ArrayLike) -> Float:
    """Return probabilities that labels are wrong, none of them quite 0 or 1.

    Raises
    ------
    DataError
        When they are no probabilities.
    """
    p = np.asarray(probability, dtype=np.float64)
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():
        raise DataError(
            f"wrong_probability: must be of shape (n,) and lie in 0..1, got shape {p.shape}.",
            "Pass what score_labels gave.",
        )
    return np.clip(p, 1e-9, 1 - 1e-9)
