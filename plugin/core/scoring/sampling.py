"""Weighted subsets of rows that stand for all rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError
from .linalg import Float, Int


def sample_coreset(
    influence: ArrayLike,
    m: int,
    sample_weight: ArrayLike | None = None,
    random_state: int = 0,
) -> tuple[Int, Float]:
    """Draw a coreset: rows in proportion to their influence, with weights that undo it.

    Each of the m draws takes row i with probability q_i, half in proportion to the influence and
    half to the weight; a row drawn c_i times gets weight c_i·w_i/(m·q_i). Sums over the coreset
    are unbiased, so a model that is trained on it is nearly the one of all rows. Drawing by
    influence spreads the trained models least (A-optimality: Wang, Zhu and Ma 2018); the uniform
    half bounds every weight by twice the mean and covers the models farther away.

    Parameters
    ----------
    influence : array of shape (n,)
        From `score_labels`; 0 where the weight is 0. With its `importance` instead, the sums of the
        noise-aware loss are estimated best (sensitivity sampling: Langberg and Schulman 2010).
    m : int
        Number of draws. The coreset holds at most m rows, fewer when rows are drawn again.
    sample_weight : array of shape (n,), default all 1
    random_state : int, default 0

    Returns
    -------
    indices : int array of shape (at most m,)
        Sorted row numbers, each once.
    weights : array of the same shape
        Scaled to sum to the weight of all rows.

    Raises
    ------
    DataError
        m below 1, or arrays of wrong shape, negative, not finite or all zero.
    """
    s = _non_negative("influence", influence, None)
    w = _non_negative(
        "sample_weight", np.ones(len(s)) if sample_weight is None else sample_weight, s
    )
    if m < 1:
        raise DataError(f"coreset size m: must be at least 1, got {m}.", "Ask for one row or more.")
    s = np.where(w > 0, s, 0.0)
    if s.sum() == 0:
        raise DataError(
            "influence: must be positive for some row of positive weight, got only zeros.",
            "Score the labels first.",
        )
    q = 0.5 * s / s.sum() + 0.5 * w / w.sum()
    drawn = np.random.default_rng(random_state).choice(len(q), size=m, p=q / q.sum())
    indices, counts = np.unique(drawn, return_counts=True)
    weights = counts * w[indices] / (m * q[indices])
    return indices, weights * (w.sum() / weights.sum())


def draw_fit_rows(weight: Float, m: int, hashed: NDArray[np.uint64]) -> tuple[Int, Float]:
    """About m rows for a fit, each at most once, and how much more each must count for that.

    Poisson sampling in proportion to the weight, with the row's own hash as its random number: the
    result does not depend on the order of the rows.

    Parameters
    ----------
    weight : array of shape (n,)
        A row of weight 0 is never drawn.
    m : int
    hashed : uint64 array of shape (n,)

    Returns
    -------
    rows : int array
    inverse_probability : array
        Of having been drawn, scaled to mean 1.
    """
    probability = np.minimum(1.0, m * weight / weight.sum())
    rows = np.flatnonzero(hashed / 2.0**64 < probability)
    inverse = 1 / probability[rows]
    return rows, inverse / inverse.mean()


def _non_negative(name: str, values: ArrayLike, like: Float | None) -> Float:
    array = np.asarray(values, dtype=np.float64)
    shape_ok = array.ndim == 1 if like is None else array.shape == like.shape
    if not shape_ok or not np.isfinite(array).all() or (array < 0).any():
        wanted = "(n,)" if like is None else str(like.shape)
        raise DataError(
            f"{name}: must be of shape {wanted}, finite and not negative, "
            f"got shape {array.shape} with {int((~np.isfinite(array)).sum())} values not finite "
            f"and {int((array < 0).sum())} below 0.",
            "Pass the values that score_labels gave, or weights of 0 and more.",
        )
    return array
