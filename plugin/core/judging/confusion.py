"""Which two classes are confused most: where the search for wrong labels begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError
from ..scoring.crossval import stratified_folds
from ..scoring.linalg import Bound, Float, Float32, Int, moments, standardise
from ..scoring.logistic import fit_softmax

_FOLDS = 5
# Regularisation near the best log-loss on every data set of docs/importance.md; which cell is the
# largest does not hang on it.
_C = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class ConfusedPair:
    """The largest off-diagonal cell of a confusion matrix.

    Attributes
    ----------
    class_of_interest : str
        The predicted class of the cell: samples with this label are reviewed.
    rival : str
        Its true class.
    rate : float
        Share of the rival's samples that are taken for the class of interest.
    matrix : int array of shape (K, K)
        Rows true, columns predicted.
    classes : tuple of str
        Names of rows and columns.
    """

    class_of_interest: str
    rival: str
    rate: float
    matrix: NDArray[np.int64]
    classes: tuple[str, ...]


def find_confused_pair(
    true: ArrayLike, predicted: ArrayLike, classes: Sequence[str]
) -> ConfusedPair | None:
    """Return the most confused pair, or None when nothing is confused.

    The largest count decides; among equal ones, the larger share of its true class.

    Parameters
    ----------
    true, predicted : int arrays of shape (n,)
        Indices into `classes`.
    classes : sequence of str
        Class names.
    """
    matrix = np.zeros((len(classes), len(classes)), dtype=np.int64)
    np.add.at(matrix, (np.asarray(true), np.asarray(predicted)), 1)
    errors = matrix - np.diag(np.diag(matrix))
    if not errors.any():
        return None
    rates = errors / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    rival, interest = np.unravel_index(
        np.lexsort((rates.ravel(), errors.ravel()))[-1], errors.shape
    )
    return ConfusedPair(
        classes[int(interest)],
        classes[int(rival)],
        float(rates[rival, interest]),
        matrix,
        tuple(classes),
    )


def predict_confusion(
    embeddings: NDArray[Any],
    labels: ArrayLike,
    classes: Sequence[str],
    *,
    sample_weight: ArrayLike | None = None,
    test_embeddings: NDArray[Any] | None = None,
    test_labels: ArrayLike | None = None,
    random_state: int = 0,
) -> ConfusedPair:
    """Fit a softmax regression and return the most confused pair of classes.

    Parameters
    ----------
    embeddings : float array of shape (n, d)
        Rows to train on.
    labels : int array of shape (n,)
        Indices into `classes`.
    classes : sequence of str
        Class names.
    sample_weight : array of shape (n,), optional
        Rows of weight 0 are left out.
    test_embeddings, test_labels : arrays of shape (m, d) and (m,), optional
        The held-out split. Without it, or when nothing is confused there, out-of-fold predictions
        of the training rows are counted.
    random_state : int, default 0
        Seed of the folds.

    Raises
    ------
    DataError
        When there are fewer than two classes, or nothing is confused at all.
    """
    y = np.asarray(labels, dtype=np.intp)
    weight = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight, dtype=float)
    live = weight > 0
    y, weight, X = y[live], weight[live], embeddings[live]
    if len(np.unique(y)) < 2:
        raise DataError(
            f"confusion needs labels of at least two classes, got {len(np.unique(y))}.",
            "Find it on all classes together.",
        )
    mean, scale = moments(X, weight)
    features = standardise(X, mean, scale)
    bound = Bound.of(features, weight)
    start = np.zeros((len(classes), features.shape[1]))
    pair = None
    if test_embeddings is not None and test_labels is not None:
        coef = fit_softmax(features, y, weight, 1 / _C, bound, start)
        predicted = _predict(standardise(test_embeddings, mean, scale), coef, y)
        pair = find_confused_pair(test_labels, predicted, classes)
    if pair is None:
        pair = find_confused_pair(
            y, _out_of_fold(features, y, weight, bound, start, random_state), classes
        )
    if pair is None:
        raise DataError(
            "no two classes are confused: the classifier agrees with every label, so there is no "
            "class to begin with.",
            "Name a class yourself if you want a review.",
        )
    return pair


def _out_of_fold(
    features: Float32, labels: Int, weight: Float, bound: Bound, start: Float, random_state: int
) -> Int:
    predicted = np.empty(len(labels), dtype=np.intp)
    fold = stratified_folds(labels, min(_FOLDS, len(labels)), random_state)
    for k in np.unique(fold):
        train, test = fold != k, fold == k
        coef = fit_softmax(features[train], labels[train], weight[train], 1 / _C, bound, start)
        predicted[test] = _predict(features[test], coef, labels[train])
    return predicted


def _predict(features: Float32, coef: Float, train_labels: Int) -> Int:
    """Return the most probable class among those that were trained on."""
    known = np.unique(train_labels)
    return np.asarray(known[(features @ coef[known].astype(np.float32).T).argmax(axis=1)])
