"""Probabilities of being wrong, set right by what a random draw of labels turned out to be.

Only controls may set them right: they stand for all labels. The top of the queue is there because
its labels looked wrong; what it turns out to be says little of the rest, and calibrating on it
makes the total worse than no calibration at all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import expit, logit

from ..errors import DataError
from .linalg import Float

PRIOR_DEVIATION = 1.0  # of the shift before any control was seen
Z_95 = 1.96


@dataclass(frozen=True, slots=True)
class Calibration:
    """A shift of the log-odds that labels are wrong.

    Attributes
    ----------
    shift : float
        Added to the log-odds; 0 without controls.
    deviation : float
        Its standard deviation.
    n_controls : int
    """

    shift: float = 0.0
    deviation: float = PRIOR_DEVIATION
    n_controls: int = 0

    def apply(self, wrong_probability: ArrayLike) -> Float:
        """Calibrated probabilities, in the order of the given ones."""
        return _shifted(open_probability(wrong_probability), self.shift)

    def expected_errors(self, wrong_probability: ArrayLike) -> tuple[float, float, float]:
        """Return the expected number of wrong labels, and the ends of its 95 % interval."""
        p = open_probability(wrong_probability)
        reach = Z_95 * self.deviation
        middle, low, high = (
            float(_shifted(p, self.shift + step).sum()) for step in (0, -reach, reach)
        )
        return middle, low, high


def calibrate(control_probability: ArrayLike, control_wrong: ArrayLike) -> Calibration:
    """Fit the shift under which the controls' verdicts are most likely.

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

    def slope(shift: float) -> float:
        return float((wrong - _shifted(p, shift)).sum() - shift / PRIOR_DEVIATION**2)

    reach = len(p) * PRIOR_DEVIATION**2 + 1.0
    shift = float(brentq(slope, -reach, reach))
    q = _shifted(p, shift)
    information = float((q * (1 - q)).sum()) + 1 / PRIOR_DEVIATION**2
    return Calibration(shift, information**-0.5, len(p))


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
