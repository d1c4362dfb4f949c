"""The classifier with its noise channel: choosing C, fitting, fitting again after a few changes."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .channel import fit_noisy_softmax, start_channel, with_verdicts
from .evidence import Evidence
from .linalg import Bound, Float, Float32, Int, moments, standardise
from .logistic import TINY, climb, fit_softmax, log_loss
from .neighbors import Neighbors
from .rows import gather, take
from .signals import Signals

C_GRID: tuple[float, ...] = tuple(10.0 ** (k / 2) for k in range(-6, 2))
BLANK_C = 1e-12  # of a model that is not fitted: its coefficients stay 0 for certain
TUNE_ROWS = 12_500  # rows that choose C
TUNE_CLASSES = 10  # at least so many classes among them
N_FOLDS = 5  # of cross-fits, N_FOLDS_LARGE from LARGE_ROWS rows on
N_FOLDS_LARGE = 2
LARGE_ROWS = 5_000
NOISY_MIN = 500  # rows a class from which the channel takes part in choosing C
# A fit whose loss on its own rows is below this share of its loss on other rows has learned the
# wrong labels too: then each row is judged by a fit that has not seen it.
MEMORISED = 0.62


@dataclass(frozen=True, slots=True, eq=False)
class LabelModel:
    """A fitted classifier with its noise channel; pass it on as `warm_start`.

    Its rows are in the order of their hash, not in the caller's.

    Attributes
    ----------
    classes : int array of shape (k,)
        The classes that have at least one row of positive weight.
    names : tuple of K str, or None
        Of all classes, where the caller gave them.
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
        Of having been drawn, scaled to mean 1; one entry for each of `rows`.
    fold_coef : array of shape (n_folds, k, d + 1) or None
        Fits that leave out one fold each, where one fit would learn the wrong labels too.
    hashed : uint64 array of shape (n,)
        Content of the rows, to recognise them.
    neighbors : Neighbors
    signals : Signals or None
        What else speaks for or against a label, weighed after the fit.
    """

    classes: Int
    names: tuple[str, ...] | None
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
    signals: Signals | None = None

    def knows(
        self, classes: Int, names: tuple[str, ...] | None, hashed: NDArray[np.uint64]
    ) -> bool:
        """Whether the same rows and classes were fitted, so that a refit may start here."""
        return (
            np.array_equal(self.classes, classes)
            and self.names == names
            and np.array_equal(self.hashed, hashed)
        )

    def for_logits(self) -> tuple[Float, Float, Float32, Float32 | None]:
        """The last arguments of `logits`: standardisation and coefficients."""
        folds = None if self.fold_coef is None else self.fold_coef.astype(np.float32)
        return self.mean, self.scale, self.coef.astype(np.float32), folds

    def subset(self, weight: Float) -> tuple[Int, Float]:
        """Rows of positive weight to fit, and their weights."""
        if self.rows is None or self.inverse_probability is None:
            rows = np.flatnonzero(weight > 0)
            return rows, weight[rows]
        alive = weight[self.rows] > 0
        rows = self.rows[alive]
        return rows, weight[rows] * self.inverse_probability[alive]

    def on(self, rows: Int, inverse_probability: Float) -> LabelModel:
        """The model, to be fitted on drawn rows."""
        return replace(self, rows=rows, inverse_probability=inverse_probability)

    def pull(self, weight: Float) -> Float:
        """Weight that each row and its like have in the fit that judges it."""
        if self.fold_coef is not None:
            return np.zeros(len(weight))
        rows, w = self.subset(weight)
        group = self.neighbors.group
        mass = np.zeros(int(group.max()) + 1)
        np.add.at(mass, group[rows], w)
        return mass[group]


def blank_model(
    X: Any,
    weight: Float,
    classes: Int,
    names: tuple[str, ...] | None,
    hashed: NDArray[np.uint64],
    neighbors: Neighbors,
) -> LabelModel:
    """A model that has learned nothing yet but the scale of the columns; see `LabelModel`."""
    mean, scale = moments(X, weight)
    k, d = len(classes), X.shape[1] + 1
    return LabelModel(
        classes, names, mean, scale, np.zeros((k, d)), start_channel(k), BLANK_C,
        Bound(np.zeros(d), np.eye(d)), None, None, None, hashed, neighbors,
    )  # fmt: skip


def fit_model(
    X: Any, evidence: Evidence, model: LabelModel, start: LabelModel | None = None
) -> LabelModel:
    """Fit from scratch, on all rows of positive weight or on drawn ones.

    Parameters
    ----------
    X : array or RowStore of shape (n, d)
    evidence : Evidence
    model : LabelModel
        Blank, with the rows to fit.
    start : LabelModel, optional
        A pilot to take the first coefficients from.
    """
    weight, k, hashed = evidence.weight, evidence.n_classes, model.hashed
    mean, scale = model.mean, model.scale
    chosen, w = model.subset(weight)
    given, symbols = evidence.given[chosen], evidence.symbols[chosen]
    known = evidence.known() * (w.sum() / weight.sum())
    tuning = tuning_rows(given, k, hashed[chosen])
    tuned = choose_regularisation(
        standardise(gather(X, chosen[tuning]), mean, scale),
        given[tuning],
        w[tuning],
        k,
        hashed[chosen[tuning]],
        noisy=len(chosen) >= NOISY_MIN * k,
    )
    features = standardise(X, mean, scale, chosen)
    bound = Bound.of(features, w)
    if start is not None:
        coef, channel = start.coef, start.channel
    elif tuned.coef is not None and tuned.channel is not None:
        coef, channel = tuned.coef, tuned.channel
    else:
        current = evidence.current[chosen]
        coef = fit_softmax(features, current, w, 1 / tuned.C, bound, model.coef, max_iterations=15)
        channel = model.channel
    coef, channel = fit_noisy_softmax(
        features, symbols, w, 1 / tuned.C, bound, coef, channel, known,
        rounds=12 if start is None else 5, steps=5,
    )  # fmt: skip
    model = replace(model, C=tuned.C, bound=bound, coef=coef, channel=channel)
    if tuned.memorised < MEMORISED:
        n_folds = N_FOLDS if len(chosen) < LARGE_ROWS else N_FOLDS_LARGE
        zeros = np.zeros((n_folds, *coef.shape))
        fold_coef = _fit_folds(features, symbols, w, hashed[chosen], model, zeros, 30)
        model = replace(model, fold_coef=fold_coef)
    return model


def refit_model(X: Any, evidence: Evidence, start: LabelModel) -> LabelModel:
    """Fit again after a few verdicts or weights came in; keeps the standardisation, C and bound."""
    chosen, w = start.subset(evidence.weight)
    features, symbols = standardise(X, start.mean, start.scale, chosen), evidence.symbols[chosen]
    known = evidence.known() * (w.sum() / evidence.weight.sum())
    coef, channel = fit_noisy_softmax(
        features, symbols, w, 1 / start.C, start.bound, start.coef, start.channel, known,
        rounds=2, steps=3,
    )  # fmt: skip
    model = replace(start, coef=coef, channel=channel)
    if start.fold_coef is not None:
        fold_coef = _fit_folds(
            features, symbols, w, start.hashed[chosen], model, start.fold_coef, 6
        )
        model = replace(model, fold_coef=fold_coef)
    return model


def logits(
    block: NDArray[Any],
    hashed: NDArray[np.uint64],
    mean: Float,
    scale: Float,
    coef: Float32,
    fold_coef: Float32 | None,
) -> tuple[Float32, Float32]:
    """Features and logits of some rows; with fold fits, each row by the one that left it out."""
    features = standardise(block, mean, scale)
    if fold_coef is None:
        return features, features @ coef.T
    values = np.empty((len(features), len(coef)), dtype=np.float32)
    fold = fold_of(hashed, len(fold_coef))
    for k, of_fold in enumerate(fold_coef):
        values[fold == k] = features[fold == k] @ of_fold.T
    return features, values


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


def _fit_folds(
    features: Any,
    labels: Int,
    weight: Float,
    hashed: NDArray[np.uint64],
    model: LabelModel,
    start: Float,
    max_iterations: int,
) -> Float:
    fold = fold_of(hashed, len(start))
    coefs = []
    for k in range(len(start)):
        seen = fold != k
        coefs.append(
            fit_softmax(
                take(features, np.flatnonzero(seen)),
                labels[seen],
                weight[seen],
                1 / model.C,
                model.bound,
                start[k],
                with_verdicts(model.channel),
                max_iterations=max_iterations,
            )
            if seen.any()
            else model.coef
        )
    return np.stack(coefs)
