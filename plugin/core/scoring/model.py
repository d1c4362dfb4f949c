"""The classifier with its noise channel: choosing C, fitting, fitting again after a few changes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .channel import fit_noisy_softmax, start_channel, with_verdicts
from .evidence import Evidence
from .linalg import Bound, Float, Float32, Int, moments, standardise
from .logistic import fit_softmax, start_at_means
from .neighbors import Neighbors
from .rows import gather, take
from .signals import Signals
from .tuning import LARGE_ROWS, N_FOLDS, choose_regularisation, fold_of, tuning_rows

BLANK_C = 1e-12  # of a model that is not fitted: its coefficients stay 0 for certain
N_FOLDS_LARGE = 2  # of cross-fits from LARGE_ROWS rows on, N_FOLDS below
# Enough from where each fit starts: more steps change no ranking that was measured.
ROUNDS, STEPS = 12, 5  # of the channel, and of the fit in each
FOLD_STEPS = 40  # at most; with few rows a class a fit that ends early ranks far worse
# Of cross-fits: a step that gains less ends them. Of few rows the last steps still tell (0.3 % of
# AP with 500), of LARGE_ROWS and more they take half of the time and tell nothing.
FOLD_TOLERANCE, FOLD_TOLERANCE_LARGE = 1e-5, 3e-4
REFIT_ROUNDS, REFIT_STEPS, REFIT_FOLD_STEPS = 2, 3, 6  # after a few verdicts or weights
NOISY_MIN = 500  # rows a class from which the channel takes part in choosing C
# A fit whose loss on its own rows is below this share of its loss on other rows has learned the
# wrong labels too: then each row is judged by a fit that has not seen it.
MEMORISED = 0.62
# Below this share it fits the wrong labels almost as well as the others and has little to tell of
# the noise: a few rounds with the channel rank as well as many (docs/importance.md).
BY_HEART, BY_HEART_ROUNDS = 0.25, 3


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


def fit_model(X: Any, evidence: Evidence, model: LabelModel) -> LabelModel:
    """Fit from scratch, on all rows of positive weight or on drawn ones.

    Parameters
    ----------
    X : array or RowStore of shape (n, d)
    evidence : Evidence
    model : LabelModel
        Blank, with the rows to fit.
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
    if tuned.coef is not None and tuned.channel is not None:
        coef, channel = tuned.coef, tuned.channel
    else:
        coef = start_at_means(features, evidence.current[chosen], w, bound, k)
        channel = model.channel
    rounds = BY_HEART_ROUNDS if tuned.memorised < BY_HEART else ROUNDS
    coef, channel = fit_noisy_softmax(
        features, symbols, w, 1 / tuned.C, bound, coef, channel, known, rounds=rounds, steps=STEPS
    )
    model = replace(model, C=tuned.C, bound=bound, coef=coef, channel=channel)
    if tuned.memorised < MEMORISED:
        n_folds = N_FOLDS if len(chosen) < LARGE_ROWS else N_FOLDS_LARGE
        fold_coef = _fit_folds(features, symbols, w, hashed[chosen], model, n_folds, FOLD_STEPS)
        model = replace(model, fold_coef=fold_coef)
    return model


def refit_model(X: Any, evidence: Evidence, start: LabelModel) -> LabelModel:
    """Fit again after a few verdicts or weights came in; keeps the standardisation, C and bound."""
    chosen, w = start.subset(evidence.weight)
    features, symbols = standardise(X, start.mean, start.scale, chosen), evidence.symbols[chosen]
    known = evidence.known() * (w.sum() / evidence.weight.sum())
    coef, channel = fit_noisy_softmax(
        features, symbols, w, 1 / start.C, start.bound, start.coef, start.channel, known,
        rounds=REFIT_ROUNDS, steps=REFIT_STEPS,
    )  # fmt: skip
    model = replace(start, coef=coef, channel=channel)
    if start.fold_coef is not None:
        n_folds, hashed = len(start.fold_coef), start.hashed[chosen]
        fold_coef = _fit_folds(features, symbols, w, hashed, model, n_folds, REFIT_FOLD_STEPS)
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
    return features, logits_of(features, hashed, coef, fold_coef)


def logits_of(
    features: Float32, hashed: NDArray[np.uint64], coef: Float32, fold_coef: Float32 | None
) -> Float32:
    """Logits of rows whose features are at hand, see `logits`."""
    if fold_coef is None:
        product: Float32 = features @ coef.T
        return product
    values = np.empty((len(features), len(coef)), dtype=np.float32)
    fold = fold_of(hashed, len(fold_coef))
    for k, of_fold in enumerate(fold_coef):
        values[fold == k] = features[fold == k] @ of_fold.T
    return values


def _fit_folds(
    features: Any,
    symbols: Int,
    weight: Float,
    hashed: NDArray[np.uint64],
    model: LabelModel,
    n_folds: int,
    max_iterations: int,
) -> Float:
    """Fits that leave out one fold each, going on from those the model has, if any."""
    fold, k = fold_of(hashed, n_folds), len(model.coef)
    tolerance = FOLD_TOLERANCE if len(symbols) < LARGE_ROWS else FOLD_TOLERANCE_LARGE
    coefs = []
    for number in range(n_folds):
        seen = np.flatnonzero(fold != number)
        if not len(seen):
            coefs.append(model.coef)
            continue
        rows, own, w = take(features, seen), symbols[seen], weight[seen]
        if model.fold_coef is None:
            start = start_at_means(rows, own % k, w, model.bound, k)
        else:
            start = model.fold_coef[number]
        coefs.append(
            fit_softmax(
                rows, own, w, 1 / model.C, model.bound, start, with_verdicts(model.channel),
                max_iterations=max_iterations, tolerance=tolerance,
            )
        )  # fmt: skip
    return np.stack(coefs)
