"""Coreset importance: how much one sample can sway the noise-aware softmax regression."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from .channel import fit_noisy_softmax
from .errors import DataError
from .linalg import Bound, Float, Float32, moments, row_chunks, row_hash, standardise
from .logistic import Int, fit_softmax, log_loss
from .neighbors import N_NEIGHBORS, nearest

SCORER_VERSION = 1

C_GRID = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
TUNE_ROWS = 8_000

Progress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True, eq=False)
class LabelModel:
    """A fitted classifier with its noise channel; pass it on as `warm_start`.

    Attributes
    ----------
    classes : int array of shape (k,)
        The classes that have at least one sample of positive weight.
    mean, scale : arrays of shape (d,)
    coef : array of shape (k, d + 1)
        Over standardised features and a constant.
    channel : array of shape (k, k)
    C : float
    """

    classes: Int
    mean: Float
    scale: Float
    coef: Float
    channel: Float
    C: float


@dataclass(frozen=True, slots=True, eq=False)
class LabelScores:
    """What `score_labels` returns; arrays have one entry a row.

    Attributes
    ----------
    importance : array of shape (n,)
        Bound on the share of the total loss that the sample can hold; 0 where the weight is 0.
    wrong_probability : array of shape (n,)
        Probability that the given label is wrong.
    suggested_class : int array of shape (n,)
        Most probable class other than the given one.
    suggested_probability : array of shape (n,)
    knn_disagreement : array of shape (n,)
        Share of the nearest neighbours with another label.
    total_sensitivity : float
        Sum of the importance.
    noise_channel : array of shape (K, K)
        P(given | true), rows true, columns given.
    model : LabelModel
    """

    importance: Float
    wrong_probability: Float
    suggested_class: NDArray[np.int64]
    suggested_probability: Float
    knn_disagreement: Float
    total_sensitivity: float
    noise_channel: Float
    model: LabelModel


def score_labels(
    embeddings: NDArray[Any],
    labels: ArrayLike,
    sample_weight: ArrayLike | None = None,
    random_state: int = 0,
    *,
    n_classes: int | None = None,
    warm_start: LabelModel | None = None,
    progress: Progress | None = None,
) -> LabelScores:
    """Score every label: importance, probability of being wrong, a better class.

    Parameters
    ----------
    embeddings : float array of shape (n, d)
    labels : int array of shape (n,), in 0..K-1
    sample_weight : array of shape (n,), default all 1
        Rows of weight 0 get importance 0 and influence nothing.
    random_state : int, default 0
    n_classes : int, default largest label + 1
    warm_start : LabelModel, optional
        `.model` of an earlier call on nearly the same labels.
    progress : callable(fraction, message), optional

    Returns
    -------
    LabelScores

    Raises
    ------
    DataError
        Arrays of wrong shape or type, labels out of range, NaN or infinity, fewer than two classes.
    """
    report = progress or _silent
    X, y, weight, n_classes = _checked(embeddings, labels, sample_weight, n_classes)
    live = np.flatnonzero(weight > 0)
    classes = np.unique(y[live])
    if len(classes) < 2:
        raise DataError(
            "labels: the rows of positive weight must hold at least two classes, "
            f"got {len(classes)}. Score all classes together, not a view of one class."
        )
    codes = np.full(n_classes, -1)
    codes[classes] = np.arange(len(classes))
    report(0.0, "standardising")
    mean, scale = moments(X, weight)
    features = standardise(X if len(live) == len(X) else X[live], mean, scale)
    given, w = codes[y[live]], weight[live]
    bound = Bound.of(features, w)
    hashed = row_hash(X, random_state)
    if warm_start is not None and _fits(warm_start, classes, X.shape[1]):
        report(0.2, "refitting")
        C = warm_start.C
        coef, channel = fit_noisy_softmax(
            features, given, w, 1 / C, bound, warm_start.coef, warm_start.channel, rounds=2
        )
    else:
        report(0.1, "choosing the regularisation")
        C = _choose_regularisation(features, given, w, len(classes), hashed[live])
        report(0.3, "fitting")
        coef = np.zeros((len(classes), features.shape[1]))
        coef = fit_softmax(features, given, w, 1 / C, bound, coef, max_iterations=20)
        coef, channel = fit_noisy_softmax(features, given, w, 1 / C, bound, coef)
    del features
    model = LabelModel(classes, mean, scale, coef, channel, C)
    report(0.6, "scoring")
    scores = _score(X, codes[y], weight, model, bound.factor(1 / C))
    report(0.7, "searching neighbours")
    disagreement = _disagreement(X, y, live)
    noise_channel = np.eye(n_classes)
    noise_channel[np.ix_(classes, classes)] = channel
    report(1.0, "done")
    return LabelScores(
        importance=scores[0],
        wrong_probability=scores[1],
        suggested_class=scores[2],
        suggested_probability=scores[3],
        knn_disagreement=disagreement,
        total_sensitivity=float(scores[0].sum()),
        noise_channel=noise_channel,
        model=model,
    )


def _silent(fraction: float, message: str) -> None:
    """Report no progress."""


def _checked(
    embeddings: NDArray[Any],
    labels: ArrayLike,
    sample_weight: ArrayLike | None,
    n_classes: int | None,
) -> tuple[NDArray[Any], Int, Float, int]:
    X = np.asanyarray(embeddings)
    if X.ndim != 2 or X.dtype.kind not in "fiu" or 0 in X.shape:
        raise DataError(
            "embeddings: must be a number array of shape (n, d) with n and d at least 1, "
            f"got shape {X.shape} of {X.dtype}. Stack one vector a sample."
        )
    y = np.asarray(labels)
    if y.shape != (len(X),) or y.dtype.kind not in "iu":
        raise DataError(
            f"labels: must be an int array of shape ({len(X)},), one a row of embeddings, "
            f"got shape {y.shape} of {y.dtype}. Encode class names as 0..K-1."
        )
    y = y.astype(np.intp)
    K = int(y.max()) + 1 if n_classes is None else n_classes
    outside = np.flatnonzero((y < 0) | (y >= K))
    if len(outside):
        raise DataError(
            f"labels: must lie in 0..{K - 1}, got {y[outside[0]]} in row {outside[0]} "
            f"({len(outside)} rows in all). Encode class names as 0..K-1."
        )
    weight = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight, dtype=float)
    if weight.shape != (len(X),) or not np.isfinite(weight).all() or (weight < 0).any():
        raise DataError(
            f"sample_weight: must be finite, not negative and of shape ({len(X)},), "
            f"got shape {weight.shape}. Use 1 for a normal row and 0 for a deleted one."
        )
    bad: list[int] = []
    for rows in row_chunks(*X.shape):
        finite = np.isfinite(X[rows]).all(axis=1)
        bad.extend((np.flatnonzero(~finite) + rows.start).tolist())
    if bad:
        raise DataError(
            f"embeddings: must be finite, got NaN or infinity in {len(bad)} rows "
            f"({', '.join(map(str, bad[:10]))}{', …' if len(bad) > 10 else ''}). "
            "Compute these embeddings again or leave the rows out."
        )
    return X, y, weight, K


def _fits(model: LabelModel, classes: Int, n_columns: int) -> bool:
    return np.array_equal(model.classes, classes) and len(model.mean) == n_columns


def _choose_regularisation(
    features: Float32, labels: Int, weight: Float, n_classes: int, hashed: NDArray[np.uint64]
) -> float:
    """C with the smallest cross-validated log-loss on a subset of rows."""
    order = np.argsort(hashed, kind="stable")[:TUNE_ROWS]
    features, labels, weight = features[order], labels[order], weight[order]
    # Identical rows share a hash and therefore a fold.
    fold = np.unique(hashed[order], return_inverse=True)[1] % 5
    losses: list[float] = []
    bound = Bound.of(features, weight)
    n_folds = 5 if len(order) < 4_000 else 2
    starts: list[Float] = [np.zeros((n_classes, features.shape[1])) for _ in range(n_folds)]
    for C in C_GRID:
        loss = 0.0
        for k in range(n_folds):
            train, test = fold != k, fold == k
            starts[k] = fit_softmax(
                features[train],
                labels[train],
                weight[train],
                1 / C,
                bound,
                starts[k],
                max_iterations=15,
            )
            loss += log_loss(features[test], labels[test], weight[test], starts[k], None)
        losses.append(loss)
        if loss > min(losses) * 1.02:
            break
    return C_GRID[int(np.argmin(losses))]


def _score(
    X: NDArray[Any], given: Int, weight: Float, model: LabelModel, factor: Float
) -> tuple[Float, Float, NDArray[np.int64], Float]:
    """Importance, wrong probability, suggested class and its probability of every row."""
    n, k = len(X), len(model.classes)
    coef32, factor32 = model.coef.astype(np.float32), factor.astype(np.float32)
    log_channel = np.log(np.maximum(model.channel, 1e-12))
    # A row whose own class has no live sample is judged without the channel.
    shift = np.vstack([(log_channel - np.diag(log_channel)).T, np.zeros(k)]).astype(np.float32)
    margin = np.empty(n)  # log-sum-exp over the other classes of the shifted margins
    leverage = np.empty(n)
    suggested = np.empty(n, dtype=np.int64)
    suggested_probability = np.empty(n)
    residual = np.empty(n)
    for rows in row_chunks(n, max(X.shape[1] + 1, k)):
        block = standardise(X[rows], model.mean, model.scale)
        own, index = given[rows], np.arange(rows.stop - rows.start)
        leverage[rows] = np.square(block @ factor32).sum(axis=1)
        shifted = block @ coef32.T
        own_logit = shifted[index, own]
        own_logit[own < 0] = -np.inf
        shifted += shift[own]
        known = own >= 0
        shifted[index[known], own[known]] = -np.inf
        best = shifted.argmax(axis=1)
        top = shifted[index, best]
        others = np.exp(shifted - top[:, None])
        total = others.sum(axis=1, dtype=np.float64)
        with np.errstate(over="ignore"):
            margin[rows] = top + np.log(total) - own_logit
        wrong = expit(margin[rows])
        suggested[rows] = model.classes[best]
        suggested_probability[rows] = wrong / total
        squares = np.square(others, dtype=np.float64).sum(axis=1)
        residual[rows] = wrong * np.sqrt(1 + squares / total**2)
    wrong_probability = expit(margin)
    live = weight > 0
    leverage = np.sqrt(np.maximum(leverage, 0))
    radius = _weighted_median((residual * leverage)[live], weight[live])
    stretch = np.sqrt(2) * radius * leverage
    loss = float(weight[live] @ np.logaddexp(0, margin[live]))
    loss += 0.5 / model.C * float(np.vdot(model.coef, model.coef))
    importance = np.zeros(n)
    importance[live] = weight[live] * np.logaddexp(0, margin[live] + stretch[live]) / loss
    return importance, wrong_probability, suggested, suggested_probability


def _weighted_median(values: Float, weight: Float) -> float:
    order = np.argsort(values)
    cumulative = np.cumsum(weight[order])
    return float(values[order][np.searchsorted(cumulative, 0.5 * cumulative[-1])])


def _disagreement(X: NDArray[Any], y: Int, live: Int) -> Float:
    k = min(N_NEIGHBORS, len(live) - 1)
    neighbours = nearest(X, live, k)
    return np.asarray((y[neighbours] != y[:, None]).mean(axis=1))
