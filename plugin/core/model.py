"""The classifier with its noise channel: choosing C, fitting, fitting again after a few changes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .channel import fit_noisy_softmax, start_channel
from .linalg import Bound, Float, Float32, Int, moments, standardise
from .logistic import fit_softmax, log_loss
from .neighbors import Neighbors

C_GRID: tuple[float, ...] = tuple(10.0 ** (k / 2) for k in range(-7, 2))
TUNE_ROWS = 25_000  # rows that choose C, or TUNE_ROWS_PER_CLASS a class if that is more
TUNE_ROWS_PER_CLASS = 30
N_FOLDS = 5
NOISY_MIN = 500  # rows a class from which the channel takes part in choosing C
FEW_ROWS_PER_FEATURE = 2  # below it, a row is judged by a fit that has not seen it


@dataclass(frozen=True, slots=True, eq=False)
class LabelModel:
    """A fitted classifier with its noise channel; pass it on as `warm_start`.

    Attributes
    ----------
    classes : int array of shape (k,)
        The classes that have at least one row of positive weight.
    mean, scale : arrays of shape (d,)
        Of the standardisation.
    coef : array of shape (k, d + 1)
        Over standardised features and a constant.
    channel : array of shape (k, k)
    C : float
        Inverse regularisation strength, as in scikit-learn.
    bound : Bound
        Of the rows that were fitted.
    rows : int array or None
        Rows that were fitted; None means all.
    inverse_probability : array or None
        Of having been drawn, one entry for each of `rows`.
    fold_coef : array of shape (5, k, d + 1) or None
        Fits that leave out one fold each, where there are few rows a feature.
    hashed : uint64 array of shape (n,)
        Content of the rows, to recognise them.
    neighbors : Neighbors
    """

    classes: Int
    mean: Float
    scale: Float
    coef: Float
    channel: Float
    C: float
    bound: Bound
    rows: Int | None
    inverse_probability: Float | None
    fold_coef: Float | None
    hashed: NDArray[np.uint64]
    neighbors: Neighbors

    def knows(self, classes: Int, hashed: NDArray[np.uint64]) -> bool:
        """Whether the same rows and classes were fitted, so that a refit may start here."""
        return np.array_equal(self.classes, classes) and np.array_equal(self.hashed, hashed)

    def subset(self, weight: Float) -> tuple[Int, Float]:
        """Rows of positive weight to fit, and their weights."""
        if self.rows is None or self.inverse_probability is None:
            rows = np.flatnonzero(weight > 0)
            return rows, weight[rows]
        alive = weight[self.rows] > 0
        rows = self.rows[alive]
        return rows, weight[rows] * self.inverse_probability[alive]


def fit_model(
    X: NDArray[Any],
    codes: Int,
    weight: Float,
    classes: Int,
    hashed: NDArray[np.uint64],
    neighbors: Neighbors,
    rows: Int | None = None,
    inverse_probability: Float | None = None,
    start: LabelModel | None = None,
) -> LabelModel:
    """Fit from scratch, on all rows of positive weight or on drawn ones.

    Parameters
    ----------
    X : array of shape (n, d)
    codes : int array of shape (n,)
        Position of each row's class in `classes`.
    weight : array of shape (n,)
    classes, hashed, neighbors, rows, inverse_probability
        As in `LabelModel`.
    start : LabelModel, optional
        A pilot to take the standardisation, C and the first coefficients from.
    """
    mean, scale = moments(X, weight) if start is None else (start.mean, start.scale)
    k, d = len(classes), X.shape[1] + 1
    blank = np.zeros((k, d))
    model = LabelModel(
        classes, mean, scale, blank, start_channel(k), 1.0, Bound(np.zeros(d), np.eye(d)),
        rows, inverse_probability, None, hashed, neighbors,
    )  # fmt: skip
    chosen, w = model.subset(weight)
    features, given = standardise(X, mean, scale, chosen), codes[chosen]
    bound = Bound.of(features, w)
    if start is None:
        noisy = len(chosen) >= NOISY_MIN * k
        C = choose_regularisation(features, given, w, k, hashed[chosen], noisy)
        coef = fit_softmax(features, given, w, 1 / C, bound, blank, max_iterations=15)
        channel = model.channel
    else:
        C, coef, channel = start.C, start.coef, start.channel
    coef, channel = fit_noisy_softmax(
        features, given, w, 1 / C, bound, coef, channel, rounds=12, steps=5
    )
    model = replace(model, C=C, bound=bound, coef=coef, channel=channel)
    if rows is None and len(chosen) < FEW_ROWS_PER_FEATURE * d:
        start_coef = np.broadcast_to(blank, (N_FOLDS, k, d))
        fold_coef = _fit_folds(features, given, w, hashed[chosen], model, start_coef, 40)
        model = replace(model, fold_coef=fold_coef)
    return model


def refit_model(X: NDArray[Any], codes: Int, weight: Float, start: LabelModel) -> LabelModel:
    """Fit again after a few labels or weights changed; keeps the standardisation, C and bound."""
    chosen, w = start.subset(weight)
    features, given = standardise(X, start.mean, start.scale, chosen), codes[chosen]
    coef, channel = fit_noisy_softmax(
        features, given, w, 1 / start.C, start.bound, start.coef, start.channel, rounds=2, steps=3
    )
    model = replace(start, coef=coef, channel=channel)
    if start.fold_coef is not None:
        fold_coef = _fit_folds(features, given, w, start.hashed[chosen], model, start.fold_coef, 6)
        model = replace(model, fold_coef=fold_coef)
    return model


def logits(
    X: NDArray[Any], weight: Float, model: LabelModel, rows: slice
) -> tuple[Float32, Float32]:
    """Features and logits of some rows; rows of a fold are judged by the fit without that fold."""
    features = standardise(X, model.mean, model.scale, rows)
    values = features @ model.coef.astype(np.float32).T
    if model.fold_coef is not None:
        fold = fold_of(model.hashed[rows])
        for k in range(N_FOLDS):
            held = (fold == k) & (weight[rows] > 0)
            values[held] = features[held] @ model.fold_coef[k].astype(np.float32).T
    return features, values


def fold_of(hashed: NDArray[np.uint64]) -> Int:
    """Fold of each row; identical rows share one."""
    return (hashed % np.uint64(N_FOLDS)).astype(np.intp)


def choose_regularisation(
    features: Float32,
    labels: Int,
    weight: Float,
    n_classes: int,
    hashed: NDArray[np.uint64],
    noisy: bool = True,
) -> float:
    """C with the smallest held-out log-loss of the given labels.

    With the channel when `noisy`, else of the classifier alone, which asks for a smaller C.

    Goes up a grid of half decades, each fit starting from the one before, and ends with the vertex
    of the parabola through the best point and its neighbours.
    """
    n_rows = max(TUNE_ROWS, TUNE_ROWS_PER_CLASS * n_classes)
    order = np.argsort(hashed, kind="stable")[:n_rows]
    features, labels, weight = features[order], labels[order], weight[order]
    fold = fold_of(hashed[order])
    bound = Bound.of(features, weight)
    folds = range(N_FOLDS if len(order) < 5_000 else 1)
    parts = [(fold != k, fold == k) for k in folds if 0 < (fold == k).sum() < len(fold)]
    trains = [(features[a], labels[a], weight[a]) for a, _ in parts]
    tests = [(features[b], labels[b], weight[b]) for _, b in parts]
    coefs: list[Float] = [np.zeros((n_classes, features.shape[1])) for _ in parts]
    channels = [start_channel(n_classes) for _ in parts]
    losses: list[float] = []
    for C in C_GRID:
        loss = 0.0
        for k, (train, test) in enumerate(zip(trains, tests, strict=True)):
            if noisy:
                coef = fit_softmax(*train, 1 / C, bound, coefs[k], channels[k], max_iterations=6)
                coefs[k], channels[k] = fit_noisy_softmax(
                    *train, 1 / C, bound, coef, channels[k], rounds=2, steps=4
                )
                loss += log_loss(*test, coefs[k], channels[k])
            else:
                coefs[k] = fit_softmax(*train, 1 / C, bound, coefs[k], max_iterations=15)
                loss += log_loss(*test, coefs[k], None)
        losses.append(loss)
        if loss > min(losses) * 1.01:
            break
    best = int(np.argmin(losses))
    if not 0 < best < len(losses) - 1:
        return C_GRID[best]
    before, here, after = losses[best - 1 : best + 2]
    vertex = 0.5 * (before - after) / max(before - 2 * here + after, 1e-12 * here)
    return C_GRID[best] * 10.0 ** (0.5 * float(vertex))


def _fit_folds(
    features: Float32,
    labels: Int,
    weight: Float,
    hashed: NDArray[np.uint64],
    model: LabelModel,
    start: Float,
    max_iterations: int,
) -> Float:
    fold = fold_of(hashed)
    coefs = []
    for k in range(N_FOLDS):
        seen = fold != k
        coefs.append(
            fit_softmax(
                features[seen],
                labels[seen],
                weight[seen],
                1 / model.C,
                model.bound,
                start[k],
                model.channel,
                max_iterations=max_iterations,
            )
            if seen.any()
            else model.coef
        )
    return np.stack(coefs)
