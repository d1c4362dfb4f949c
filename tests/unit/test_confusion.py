"""The most confused pair: counted right, found on held-out data or out of fold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix

from coreset_cleaning.core.errors import DataError
from coreset_cleaning.core.judging.confusion import find_confused_pair, predict_confusion

NAMES = ("cat", "dog", "<b>&$ 🐈")


@given(rows=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1))
def test_the_matrix_is_scikit_learns_and_the_cell_its_largest(rows):
    true, predicted = zip(*rows, strict=True)
    expected = confusion_matrix(true, predicted, labels=[0, 1, 2])
    pair = find_confused_pair(true, predicted, NAMES)
    off = expected - np.diag(np.diag(expected))
    if pair is None:
        assert off.sum() == 0
        return
    np.testing.assert_array_equal(pair.matrix, expected)
    row, column = NAMES.index(pair.rival), NAMES.index(pair.class_of_interest)
    assert row != column
    assert off[row, column] == off.max()
    assert pair.rate == expected[row, column] / expected[row].sum()
    ties = np.argwhere(off == off.max())
    assert pair.rate == max(off[i, j] / expected[i].sum() for i, j in ties)


def test_class_of_interest_is_the_predicted_class():
    pair = find_confused_pair([1, 1, 1, 0], [0, 0, 1, 0], NAMES)
    assert (pair.class_of_interest, pair.rival, pair.rate) == ("cat", "dog", pytest.approx(2 / 3))


def confused_data(seed=0, n=600, d=20):
    """Three classes; a third of class 1 carries the label 0."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, 3, n)
    X = 2 * rng.standard_normal((3, d))[true] + rng.standard_normal((n, d))
    given_labels = np.where((true == 1) & (rng.random(n) < 0.3), 0, true)
    return X, given_labels, true


def test_out_of_fold_predictions_show_who_is_mislabeled():
    X, labels, _ = confused_data()
    pair = predict_confusion(X, labels, NAMES)
    # Given label 0, predicted 1: samples that look like class 1 but are called 0.
    assert {pair.class_of_interest, pair.rival} == {"cat", "dog"}
    assert pair.matrix.sum() == len(X)


def test_the_test_split_is_what_is_counted():
    X, _, true = confused_data()
    shown = true[400:].copy()
    shown[:30] = np.where(shown[:30] == 2, 0, shown[:30])  # 2 is predicted where 0 is given
    pair = predict_confusion(X[:400], true[:400], NAMES, test_embeddings=X[400:], test_labels=shown)
    assert pair.matrix.sum() == 200
    assert (pair.class_of_interest, pair.rival) == (NAMES[2], "cat")


def test_rows_of_weight_zero_change_nothing():
    X, labels, _ = confused_data()
    weight = np.ones(len(X))
    weight[:100] = 0
    changed = X.copy()
    changed[:100] = 1e6
    a = predict_confusion(X, labels, NAMES, sample_weight=weight)
    b = predict_confusion(changed, labels, NAMES, sample_weight=weight)
    np.testing.assert_array_equal(a.matrix, b.matrix)
    assert a.matrix.sum() == 500


def test_no_confusion_is_an_error_that_says_so():
    X = np.repeat(np.eye(2), 50, axis=0) + 0.0
    with pytest.raises(DataError, match="no two classes are confused"):
        predict_confusion(X, np.repeat([0, 1], 50), NAMES[:2])


def test_one_class_is_refused():
    with pytest.raises(DataError, match="at least two classes"):
        predict_confusion(np.ones((10, 2)), np.zeros(10, int), NAMES)


def test_classes_smaller_than_the_folds_are_predicted_too():
    X, labels, _ = confused_data()
    labels[:3], labels[3:6] = 3, 4
    pair = predict_confusion(X, labels, (*NAMES, "rare", "rarer"))
    np.testing.assert_array_equal(pair.matrix.sum(axis=1), np.bincount(labels))


def test_a_class_with_a_single_row_does_no_harm():
    X, labels, _ = confused_data()
    labels[0] = 3
    pair = predict_confusion(X, labels, (*NAMES, "rare"))
    assert pair.matrix[3].sum() == 1
