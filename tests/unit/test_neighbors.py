"""Neighbours agree with scikit-learn's brute force; copies and deleted rows do not vote."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from coreset_cleaning.core.scoring import neighbors as module
from coreset_cleaning.core.scoring.linalg import row_hash
from coreset_cleaning.core.scoring.neighbors import find_neighbors, most_similar


def data(n=400, d=8, k=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)).astype(np.float32), rng.integers(0, k, n)


def shares(X, y, weight=None, k=3):
    weight = np.ones(len(X)) if weight is None else weight
    found = find_neighbors(X, y, weight, row_hash(X, 0))
    return found.class_shares(y, weight, k).toarray()


def test_class_shares_match_brute_force():
    X, y = data()
    reference = NearestNeighbors(n_neighbors=31, metric="cosine").fit(X)
    lists = reference.kneighbors(X, return_distance=False)[:, 1:]
    expected = np.stack([(y[lists] == c).mean(axis=1) for c in range(3)], axis=1)
    np.testing.assert_allclose(shares(X, y), expected, atol=1e-12)


def test_deleted_rows_do_not_vote():
    X, y = data()
    weight = np.ones(len(X))
    weight[:100] = 0
    np.testing.assert_allclose(shares(X, y, weight)[100:], shares(X[100:], y[100:]), atol=1e-12)


def test_lists_outlive_a_few_deletions():
    X, y = data()
    weight = np.ones(len(X))
    kept = find_neighbors(X, y, weight, row_hash(X, 0))
    weight[:20] = 0
    later = kept.class_shares(y, weight, 3).toarray()
    np.testing.assert_allclose(later, shares(X, y, weight), atol=0.04)


def test_a_copy_counts_as_weight_and_not_as_its_own_neighbour():
    X, y = data()
    weight = np.ones(len(X))
    weight[5] = 2
    doubled = shares(X, y, weight)
    copied = shares(np.vstack([X, X[5]]), np.append(y, y[5]))
    np.testing.assert_allclose(copied[:-1], doubled, atol=1e-12)
    np.testing.assert_allclose(copied[-1], doubled[5], atol=1e-12)


def test_identical_rows_have_no_neighbours():
    X = np.ones((6, 3), dtype=np.float32)
    assert shares(X, np.array([0, 1, 0, 1, 0, 1])).sum() == 0


def test_reference_is_balanced_over_classes(monkeypatch):
    monkeypatch.setattr(module, "MAX_REFERENCE", 90)
    X, y = data(n=600)
    y[:] = np.where(np.arange(600) < 30, 2, y % 2)
    found = find_neighbors(X, y, np.ones(600), row_hash(X, 0))
    used = np.unique(found.lists)
    label_of_group = np.empty(600, dtype=int)
    label_of_group[found.group] = y
    np.testing.assert_array_equal(np.bincount(label_of_group[used]), [30, 30, 30])


def test_leading_directions_find_nearly_the_same_neighbours(monkeypatch):
    rng = np.random.default_rng(0)
    spread = 1 / np.arange(1, 41)
    X = (rng.standard_normal((500, 40)) * spread).astype(np.float32)
    y = rng.integers(0, 3, 500)
    exact = shares(X, y)
    monkeypatch.setattr(module, "EXACT_ROWS", 100)
    monkeypatch.setattr(module, "N_DIRECTIONS", 25)
    assert np.abs(shares(X, y) - exact).mean() < 0.02


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 1000), n=st.integers(2, 400), k=st.integers(0, 36))
def test_the_most_similar_are_those_of_the_largest_products(seed, n, k):
    rng = np.random.default_rng(seed)
    # Products of small whole numbers are exact, however they are summed.
    queries, base = (rng.integers(-99, 100, (rows, 8)).astype(np.float32) for rows in (5, n))
    own, k = rng.integers(-1, n, 5), min(k, n - 1)
    products = queries @ base.T
    known = np.flatnonzero(own >= 0)
    products[known, own[known]] = -np.inf
    found = most_similar(queries, base, own, k)
    assert not (found == own[:, None]).any()
    assert all(len(set(row)) == k for row in found)
    values = np.take_along_axis(products, found, axis=1)
    np.testing.assert_array_equal(values, -np.sort(-products, axis=1)[:, :k])


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_very_long_and_very_short_vectors(scale):
    X, y = data()
    np.testing.assert_allclose(shares(X * np.float32(scale), y), shares(X, y), atol=0.04)


def test_the_most_similar_among_many():
    rng = np.random.default_rng(0)
    queries, base = (rng.integers(-99, 100, (rows, 4)).astype(np.float32) for rows in (3, 40_000))
    found = most_similar(queries, base, np.full(3, -1), 30)
    products = queries @ base.T
    values = np.take_along_axis(products, found, axis=1)
    np.testing.assert_array_equal(values, -np.sort(-products, axis=1)[:, :30])


def test_a_zero_vector_is_like_no_other_and_does_no_harm():
    X, y = data()
    X[7] = 0
    found = shares(X, y)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found.sum(axis=1), 1)
