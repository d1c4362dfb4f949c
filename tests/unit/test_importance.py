"""Scores find planted label errors, refuse bad input and keep their laws."""

from __future__ import annotations

import numpy as np
import pytest
from coreset_cleaning.core.errors import DataError
from coreset_cleaning.core.importance import score_labels


def blobs(n=600, d=16, k=4, flips=0.08, seed=0, spread=1.0):
    rng = np.random.default_rng(seed)
    true = rng.integers(0, k, n)
    X = 2.5 * rng.standard_normal((k, d))[true] + spread * rng.standard_normal((n, d))
    given = true.copy()
    wrong = rng.random(n) < flips
    given[wrong] = (true[wrong] + 1) % k
    return X.astype(np.float32), given, true


def test_planted_errors_come_first():
    X, given, true = blobs()
    scores = score_labels(X, given)
    wrong = given != true
    first = np.argsort(-scores.importance)[: wrong.sum()]
    assert wrong[first].mean() > 0.95
    assert (scores.suggested_class[wrong] == true[wrong]).mean() > 0.95


def test_total_sensitivity_is_the_sum_of_importance():
    X, given, _ = blobs()
    scores = score_labels(X, given)
    assert scores.total_sensitivity == pytest.approx(scores.importance.sum())


def test_weight_zero_rows_influence_nothing():
    X, given, _ = blobs()
    weight = np.ones(len(X))
    weight[:50] = 0
    changed = X.copy()
    changed[:50] = 1e3
    a = score_labels(X, given, weight)
    b = score_labels(changed, given, weight)
    assert (a.importance[:50] == 0).all()
    np.testing.assert_allclose(a.importance, b.importance, rtol=1e-9)
    np.testing.assert_array_equal(a.knn_disagreement[50:], b.knn_disagreement[50:])


def test_not_finite_rows_are_counted_and_named():
    X, given, _ = blobs()
    X[[3, 7]] = np.nan
    with pytest.raises(DataError, match=r"2 rows \(3, 7\)"):
        score_labels(X, given)


def test_one_class_is_refused():
    X, _, _ = blobs()
    with pytest.raises(DataError, match="two classes"):
        score_labels(X, np.zeros(len(X), dtype=int))
