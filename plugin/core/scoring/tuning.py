"""Choosing the strength of the regularisation: the C with the smallest held-out log-loss."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .channel import fit_noisy_softmax, start_channel
from .linalg import Bound, Float, Float32, Int
from .logistic import TINY, climb, fit_softmax, log_loss

C_GRID: tuple[float, ...] = tuple(10.0 ** (k / 2) for k in range(-6, 2))
TUNE_ROWS = 12_500  # rows that choose C
TUNE_CLASSES = 10  # at least so many classes among them
N_FOLDS = 5  # of cross-validation; LARGE_ROWS rows and more are split once
LARGE_ROWS = 5_000


def fold_of(hashed: NDArray[np.uint64], n_folds: int) -> Int:
    """Fold of each row; identical rows share one."""
    return (hashed % np.uint64(n_folds)).astype(np.intp)


@dataclass(frozen=True, slots=True, eq=False)
class Tuned:
    """What choosing C found.

    Attributes
    ----------
    C : float
    memorised : float
        Loss of the fit at about this C on its own rows, as share of that on rows it has not seen.
    coef, channel : arrays of shape (K, d) and (K, K), or None
        That fit, to start from; None when it doesn't know all classes or left out many rows.
    """

    C: float
    memorised: float
    coef: Float | None = None
    channel: Float | None = None


def choose_regularisation(
    features: Float32,
    labels: Int,
    weight: Float,
    n_classes: int,
    hashed: NDArray[np.uint64],
    noisy: bool,
) -> Tuned:
    """C with the smallest held-out log-loss of the given labels.

    With the channel when `noisy`, else of the classifier alone, which asks for a smaller C.

    Goes up a grid of half decades, each fit starting from the one before, and ends with the vertex
    of the parabola through the best point and its neighbours.

    Parameters
    ----------
    features, labels, weight, hashed
        Of the rows from `tuning_rows`, in their order.
    n_classes : int
        Of the whole problem.
    noisy : bool
    """
    classes, labels = np.unique(labels, return_inverse=True)
    bound = Bound.of(features, weight)
    parts = _parts(fold_of(hashed, N_FOLDS))
    if not parts:
        return Tuned(C_GRID[0], 1.0)
    trains = [(features[a], labels[a], weight[a]) for a, _ in parts]
    tests = [(features[b], labels[b], weight[b]) for _, b in parts]
    coefs: list[Float] = [np.zeros((len(classes), features.shape[1])) for _ in parts]
    channels = [start_channel(len(classes)) for _ in parts]

    def losses_at(C: float) -> tuple[float, float]:
        loss = own = 0.0
        for k, (train, test) in enumerate(zip(trains, tests, strict=True)):
            if noisy:
                coef = fit_softmax(*train, 1 / C, bound, coefs[k], channels[k], max_iterations=6)
                coefs[k], channels[k] = fit_noisy_softmax(
                    *train, 1 / C, bound, coef, channels[k], rounds=2, steps=4
                )
            else:
                coefs[k] = fit_softmax(*train, 1 / C, bound, coefs[k], max_iterations=15)
            channel = channels[k] if noisy else None
            loss += log_loss(*test, coefs[k], channel) / float(test[2].sum())
            own += log_loss(*train, coefs[k], channel) / float(train[2].sum())
        return loss, own / max(loss, float(TINY))

    found: list[Tuned] = []
    reusable = len(parts) == 1 and len(classes) == n_classes

    def loss_at(C: float) -> float:
        loss, memorised = losses_at(C)
        found.append(Tuned(C, memorised, *((coefs[0], channels[0]) if reusable else (None, None))))
        return loss

    losses = climb(C_GRID, loss_at, 1.005)
    best = int(np.argmin(losses))
    if not 0 < best < len(losses) - 1:
        return found[best]
    before, here, after = losses[best - 1 : best + 2]
    vertex = 0.5 * (before - after) / max(before - 2 * here + after, 1e-12 * here)
    return replace(found[best], C=C_GRID[best] * math.pow(10.0, 0.5 * vertex))


def tuning_rows(labels: Int, n_classes: int, hashed: NDArray[np.uint64]) -> Int:
    """At most TUNE_ROWS rows: of few classes rather than few rows a class; the first fold last.

    The best C depends on the number of rows a class far more than on the number of classes.
    """
    rows: Int = np.arange(len(labels))
    if len(labels) > TUNE_ROWS:
        n_chosen = max(TUNE_CLASSES, TUNE_ROWS * n_classes // len(labels))
        smallest = np.full(n_classes, np.iinfo(np.uint64).max)
        np.minimum.at(smallest, labels, hashed)
        chosen = np.argsort(smallest, kind="stable")[:n_chosen]
        rows = np.flatnonzero(np.isin(labels, chosen))
        rows = rows[np.argsort(hashed[rows], kind="stable")[:TUNE_ROWS]]
    return rows[np.argsort(fold_of(hashed[rows], N_FOLDS) == 0, kind="stable")]


def _parts(fold: Int) -> list[tuple[Any, Any]]:
    """Rows to fit and rows to test: every fold in turn when there are few rows, else the first."""
    if len(fold) >= LARGE_ROWS:
        m = int((fold != 0).sum())  # slices, because they need no copy
        return [(slice(0, m), slice(m, len(fold)))] if 0 < m < len(fold) else []
    parts = [(fold != k, fold == k) for k in range(N_FOLDS)]
    return [(train, test) for train, test in parts if train.any() and test.any()]
