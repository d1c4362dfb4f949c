"""Area under the ROC curve with sample weights, for many weightings of the same scores at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_BOOTSTRAP_CELLS = 20_000_000  # of one table of bootstrap counts


def weighted_auroc(
    scores: NDArray[np.floating], positive: NDArray[np.bool_], weight: Array
) -> Array:
    """Return the weighted AUROC: the chance that a positive scores above a negative, ties half.

    Parameters
    ----------
    scores : array of shape (n,)
        The higher, the more positive.
    positive : bool array of shape (n,)
        True labels.
    weight : array of shape (n,) or (b, n)
        One or many weightings of the rows, for example bootstrap counts.

    Returns
    -------
    array of shape () or (b,)
        NaN where the positives or the negatives weigh nothing.
    """
    weights = np.atleast_2d(weight)
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    won = weights[:, order] * positive[order]
    lost = weights[:, order] * ~positive[order]
    # Rows with the same score form one group and beat each other half.
    won, lost = (np.add.reduceat(part, starts, axis=1) for part in (won, lost))
    below = np.cumsum(lost, axis=1) - 0.5 * lost
    pairs = won.sum(axis=1) * lost.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        area: Array = np.where(pairs > 0, (won * below).sum(axis=1) / pairs, np.nan)
    return area[0] if np.ndim(weight) == 1 else area


def macro_auroc(
    probabilities: NDArray[np.floating], labels: NDArray[np.intp], weight: Array
) -> Array:
    """Return the mean one-vs-rest AUROC over the classes that occur.

    Parameters
    ----------
    probabilities : array of shape (n, K)
        With two columns, the AUROC of the second one: both are the same then.
    labels : int array of shape (n,)
        Columns of the true classes.
    weight : array of shape (n,) or (b, n)
        As in `weighted_auroc`.

    Returns
    -------
    array of shape () or (b,)
        NaN when no class has both positives and negatives.
    """
    if probabilities.shape[1] == 2:
        return weighted_auroc(probabilities[:, 1], labels == 1, weight)
    total = np.zeros(np.shape(weight)[:-1])
    count = np.zeros(np.shape(weight)[:-1])
    for k in np.unique(labels):
        area = weighted_auroc(probabilities[:, k], labels == k, weight)
        known = ~np.isnan(area)
        total += np.where(known, area, 0)
        count += known
    with np.errstate(invalid="ignore"):
        return np.asarray(total / count)


def bootstrap_auroc(
    probabilities: NDArray[np.floating], labels: NDArray[np.intp], n: int, random_state: int
) -> Array:
    """Return the macro AUROC of n bootstrap resamples of the rows.

    The resamples depend on the seed and the number of rows only: replicate b of two classifiers
    scores the same rows, so that differences of replicates are paired.

    Parameters
    ----------
    probabilities, labels : arrays of shape (m, K) and (m,)
        As in `macro_auroc`.
    n : int
        Replicates; 0 for none.
    random_state : int
        Seed.

    Returns
    -------
    array of shape (n,)
    """
    rng = np.random.default_rng(random_state)
    m = len(labels)
    parts: list[Array] = [np.empty(0)]
    step = max(1, _BOOTSTRAP_CELLS // m)
    for start in range(0, n, step):
        counts = rng.multinomial(m, np.full(m, 1 / m), size=min(step, n - start))
        parts.append(macro_auroc(probabilities, labels, counts.astype(float)))
    return np.concatenate(parts)
