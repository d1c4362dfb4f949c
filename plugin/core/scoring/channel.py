"""The label noise channel T[t, y] = P(given y | true t), fitted with the classifier by EM.

A verdict is evidence of another kind: the true class of the row is known, so the row has one of K
further symbols, of which the true class gives its own for certain. The channel is then [T | I], of
shape (K, 2K), and the given labels of these rows are counts of (true, given) that T is fitted to.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_array

from .linalg import Bound, Float, Float32, Int
from .logistic import TINY, Lbfgs, fit_softmax, softmax
from .rows import Partial, run_rows

START_NOISE = 0.1  # share of wrong labels that the first E-step assumes
CELL_PRIOR = 4.0  # Dirichlet pseudo-labels a cell, while classes are large enough
PRIOR_SHARE = 0.2  # of the labels of a mean class that the prior of a row may add up to
# EM stops when no cell of the channel moves by more than this, or half a label of a mean class.
SETTLED, SETTLED_ROWS = 1e-3, 0.5


def start_channel(n_classes: int) -> Float:
    """A channel that keeps 1 − START_NOISE on the diagonal and spreads the rest evenly."""
    channel = np.full((n_classes, n_classes), START_NOISE / max(1, n_classes - 1))
    np.fill_diagonal(channel, 1 - START_NOISE)
    return channel


def with_verdicts(channel: Float) -> Float:
    """[T | I], where symbol K + t is the verdict that the true class is t."""
    return np.hstack([channel, np.eye(len(channel))])


def update_channel(
    features: Any, labels: Int, weight: Float, coef: Float, channel: Float, known: Float | float = 0
) -> Float:
    """M-step of the channel: counts of (true, given), expected or known, plus a Dirichlet prior."""
    n_classes = len(coef)
    coef32 = coef.astype(np.float32)
    by_given = np.ascontiguousarray(with_verdicts(channel).T, dtype=np.float32)
    (counts,), _ = run_rows(
        _expected_counts,
        features,
        (labels, weight),
        (coef32, by_given),
        width=max(features.shape[1], n_classes),
    )
    counts = counts[:, :n_classes] + known
    counts += min(CELL_PRIOR, PRIOR_SHARE * float(weight.sum()) / n_classes**2)
    updated: Float = counts / counts.sum(axis=1, keepdims=True)
    return updated


def _expected_counts(
    block: Float32, given: Int, weight: Float, coef: Float32, by_given: Float32
) -> Partial:
    q = softmax(block @ coef.T)
    q *= by_given[given]
    q *= (weight / np.maximum(q.sum(axis=1), TINY))[:, None].astype(np.float32)
    index = np.arange(len(given))
    one_hot = csr_array(
        (np.ones(len(given), dtype=np.float32), (given, index)), shape=(len(by_given), len(given))
    )
    return ((one_hot @ q).T,), ()


def fit_noisy_softmax(
    features: Any,
    labels: Int,
    weight: Float,
    penalty: float,
    bound: Bound,
    coef: Float,
    channel: Float,
    known: Float | float = 0,
    *,
    rounds: int,
    steps: int,
) -> tuple[Float, Float]:
    """Alternate between the channel and a few L-BFGS steps on the classifier.

    Parameters
    ----------
    features, weight, penalty, bound, coef
        As in `logistic.fit_softmax`.
    labels : int array of shape (n,), in 0..2K-1
        Given labels, or K + the true class where a verdict has told it.
    channel : array of shape (K, K)
        Start.
    known : array of shape (K, K), default 0
        Weight of the rows with a verdict, by true and given class.
    rounds : int
        At most so many alternations.
    steps : int
        L-BFGS steps a round.

    Returns
    -------
    coef : array of shape (K, d)
    channel : array of shape (K, K)
    """
    optimiser = Lbfgs()
    settled = max(SETTLED, SETTLED_ROWS * len(coef) / float(weight.sum()))
    for _ in range(rounds):
        updated = update_channel(features, labels, weight, coef, channel, known)
        moved = float(np.abs(updated - channel).max())
        channel = updated
        coef = fit_softmax(
            features,
            labels,
            weight,
            penalty,
            bound,
            coef,
            with_verdicts(channel),
            max_iterations=steps,
            optimiser=optimiser,
        )
        if moved < settled:
            break
    return coef, channel
