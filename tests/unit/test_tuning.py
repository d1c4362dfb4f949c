"""The rows that choose C are few, of few classes, and do not hang on the order of all rows."""

from __future__ import annotations

import numpy as np

from coreset_cleaning.core.scoring import tuning
from coreset_cleaning.core.scoring.tuning import N_FOLDS, fold_of, tuning_rows


def test_all_of_few_rows_choose_c_and_the_first_fold_comes_last():
    rng = np.random.default_rng(0)
    hashed = rng.integers(0, 2**64, 500, dtype=np.uint64)
    rows = tuning_rows(rng.integers(0, 5, 500), 5, hashed)
    np.testing.assert_array_equal(np.sort(rows), np.arange(500))
    first = fold_of(hashed[rows], N_FOLDS) == 0
    assert 0 < first.sum() < 500
    assert (np.diff(first.astype(int)) >= 0).all()


def test_of_many_rows_few_classes_choose_c(monkeypatch):
    monkeypatch.setattr(tuning, "TUNE_ROWS", 100)
    monkeypatch.setattr(tuning, "TUNE_CLASSES", 4)
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 40, 2000)
    hashed = rng.integers(0, 2**64, 2000, dtype=np.uint64)
    rows = tuning_rows(labels, 40, hashed)
    assert len(rows) == len(set(rows)) == 100
    assert len(np.unique(labels[rows])) == 4
    order = rng.permutation(2000)
    moved = tuning_rows(labels[order], 40, hashed[order])
    np.testing.assert_array_equal(order[moved], rows)
