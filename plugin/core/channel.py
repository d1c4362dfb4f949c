"""The label noise channel T[t, y] = P(given y | true t), fitted with the classifier by EM."""

from __future__ import annotations

import numpy as np

from .linalg import Bound, Float, Float32, row_chunks
from .logistic import Int, fit_softmax, softmax

START_NOISE = 0.1  # share of wrong labels that the first E-step assumes
PRIOR_STRENGTH = 10.0  # pseudo-labels a class
ROUNDS = 6


def start_channel(n_classes: int) -> Float:
    """A channel that keeps 1 − START_NOISE on the diagonal and spreads the rest evenly."""
    channel = np.full((n_classes, n_classes), START_NOISE / max(1, n_classes - 1))
    np.fill_diagonal(channel, 1 - START_NOISE)
    return channel


def update_channel(
    features: Float32, labels: Int, weight: Float, coef: Float, channel: Float
) -> Float:
    """M-step of the channel: expected counts of (true, given) plus a Dirichlet prior."""
    n_classes = len(coef)
    coef32 = coef.astype(np.float32)
    by_given = np.ascontiguousarray(channel.T, dtype=np.float32)
    counts = np.zeros((n_classes, n_classes))
    for rows in row_chunks(features.shape[0], max(features.shape[1], n_classes)):
        q = softmax(features[rows] @ coef32.T)
        q *= by_given[labels[rows]]
        q *= (weight[rows] / np.maximum(q.sum(axis=1), 1e-30))[:, None].astype(np.float32)
        onehot = np.zeros((q.shape[0], n_classes), dtype=np.float32)
        onehot[np.arange(q.shape[0]), labels[rows]] = 1.0
        counts += q.T @ onehot
    counts += PRIOR_STRENGTH * start_channel(n_classes)
    updated: Float = counts / counts.sum(axis=1, keepdims=True)
    return updated


def fit_noisy_softmax(
    features: Float32,
    labels: Int,
    weight: Float,
    penalty: float,
    bound: Bound,
    coef: Float,
    channel: Float | None = None,
    rounds: int = ROUNDS,
) -> tuple[Float, Float]:
    """Alternate between the channel and a few L-BFGS steps on the classifier."""
    if channel is None:
        channel = start_channel(len(coef))
    for _ in range(rounds):
        channel = update_channel(features, labels, weight, coef, channel)
        coef = fit_softmax(
            features, labels, weight, penalty, bound, coef, channel, max_iterations=8
        )
    return coef, channel
