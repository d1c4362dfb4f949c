"""All classes but the given one: how likely one of them is the true class, and which."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from .linalg import Float, Float32, Int


@dataclass(frozen=True, slots=True, eq=False)
class Rivals:
    """What the logits of some rows say of the classes other than the given one.

    Attributes
    ----------
    margin : array of shape (n,)
        Log-odds of all of them together, against the given class.
    best, second : int arrays of shape (n,)
        The most probable ones; `second` is -1 where there is none.
    odds : float32 array of shape (n, K)
        Of each, against the best; 0 for the given class.
    total : float32 array of shape (n,)
        Sum of the odds.
    """

    margin: Float
    best: Int
    second: Int
    odds: Float32
    total: Float32

    @classmethod
    def of(cls, z: Float32, own: Int) -> Rivals:
        """Compare logits, which are overwritten; `own` is -1 where the given class is none."""
        index, known = np.arange(len(own)), own >= 0
        own_logit = np.where(known, z[index, own], -np.inf)
        z[index[known], own[known]] = -np.inf
        best = z.argmax(axis=1)
        top = z[index, best]
        z[index, best] = -np.inf
        second = z.argmax(axis=1)
        second = np.where(np.isneginf(z[index, second]), -1, second)
        z[index, best] = top
        z -= top[:, None]
        odds = np.exp(z, out=z)
        total = odds.sum(axis=1)
        margin = top + np.log(total, dtype=np.float64) - own_logit
        return cls(margin, best, second, odds, total)

    @property
    def best_share(self) -> Float32:
        """Probability of the best, if the true class is one of them."""
        return np.reciprocal(self.total)

    def residuals(self, own: Int) -> Float32:
        """Gradient of the loss with respect to the logits, q - e_y: an array of shape (n, K)."""
        wrong = expit(self.margin)
        found: Float32 = self.odds * (wrong / self.total).astype(np.float32)[:, None]
        known = np.flatnonzero(own >= 0)
        found[known, own[known]] = -wrong[known]
        return found


def lengths(rows: NDArray[np.float32]) -> Float:
    """Euclidean length of each row."""
    found: Float = np.sqrt(np.einsum("ij,ij->i", rows, rows), dtype=np.float64)
    return found
