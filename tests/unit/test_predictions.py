"""Out-of-fold predictions: of every row, by a fit that has not seen it."""

from __future__ import annotations

import numpy as np
import pytest

from coreset_cleaning.core.errors import DataError
from coreset_cleaning.core.scoring.predictions import out_of_fold_probabilities


def blobs(n=300):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, n)
    return 2 * rng.standard_normal((3, 10))[y] + rng.standard_normal((n, 10)), y


def test_rows_are_predicted_by_fits_that_have_not_seen_them():
    X, y = blobs()
    assert (out_of_fold_probabilities(X, y, n_classes=3).argmax(axis=1) == y).mean() > 0.9
    # With labels that mean nothing a fit that has seen a row would do better than chance.
    noise = np.random.default_rng(1).integers(0, 3, 300)
    guessed = out_of_fold_probabilities(X, noise, n_classes=3).argmax(axis=1)
    assert (guessed == noise).mean() < 0.45


def test_classes_without_rows_get_no_probability():
    X, y = blobs()
    p = out_of_fold_probabilities(X, np.array([1, 3, 4])[y], n_classes=6)
    assert (p[:, [0, 2, 5]] == 0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-5)


def test_rows_of_weight_0_are_predicted_and_not_trained_on():
    X, y = blobs()
    weight = np.ones(300)
    weight[:50] = 0
    wrong = y.copy()
    wrong[:50] = (y[:50] + 1) % 3
    p = out_of_fold_probabilities(X, wrong, weight, n_classes=3)
    assert (p.argmax(axis=1)[:50] == y[:50]).mean() > 0.9


def test_one_class_is_refused():
    with pytest.raises(DataError, match="two classes"):
        out_of_fold_probabilities(np.ones((10, 3)), np.zeros(10, int), n_classes=1)
