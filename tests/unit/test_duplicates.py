"""Near-duplicates are found, and corrections offered to them."""

from __future__ import annotations

import numpy as np
import pytest

from coreset_cleaning.core.errors import DataError
from coreset_cleaning.core.scoring.duplicates import (
    find_leaks,
    near_duplicates,
    propose_corrections,
)


def test_the_same_pairs_as_brute_force():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((3000, 3)).astype(np.float16)
    queries = X[:7]
    unit = X.astype(float) / np.linalg.norm(X.astype(float), axis=1, keepdims=True)
    cosine = unit[:7] @ unit.T
    matches = near_duplicates(queries, X, 0.99)
    assert set(zip(matches.query, matches.reference, strict=True)) == set(
        zip(*np.nonzero(cosine >= 0.99), strict=True)
    )
    np.testing.assert_allclose(matches.cosine, cosine[matches.query, matches.reference], atol=1e-5)
    same = matches.query[1:] == matches.query[:-1]
    assert (np.diff(matches.query) >= 0).all()
    assert (np.diff(matches.cosine)[same] <= 0).all()


def test_no_queries_and_empty_vectors_match_nothing():
    X = np.zeros((5, 3))
    assert len(near_duplicates(X, X).query) == 0
    assert len(near_duplicates(X[:0], X).query) == 0
    assert len(near_duplicates(X, X[:0]).query) == 0


@pytest.mark.parametrize("threshold", [0.0, -1.0, 1.5])
def test_a_threshold_that_means_nothing_is_refused(threshold):
    with pytest.raises(DataError, match="threshold"):
        near_duplicates(np.ones((2, 2)), np.ones((2, 2)), threshold)


def test_vectors_of_two_networks_are_refused():
    with pytest.raises(DataError, match="same network"):
        near_duplicates(np.ones((2, 3)), np.ones((2, 4)))


def test_corrections_are_offered_to_duplicates_with_the_same_wrong_label():
    X = np.eye(4)[[0, 0, 0, 0, 1, 1, 2]] + 0.0
    X[2, 1] = 0.1  # a little less similar
    labels = [0, 0, 0, 1, 0, 0, 0]
    offers = propose_corrections(X, labels, {0: 2, 4: None})
    assert [(o.row, o.source, o.new_label) for o in offers] == [
        (1, 0, 2),
        (5, 4, None),
        (2, 0, 2),
    ]
    assert offers[-1].cosine == pytest.approx(1 / np.sqrt(1.01), abs=1e-6)


def test_a_corrected_row_gets_no_offer():
    assert propose_corrections(np.ones((2, 3)), [0, 0], {0: 1, 1: None}) == []


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_row_near_two_corrected_ones_follows_the_more_similar(order):
    near, far = [1.0, 0.0], [1.0, 0.15]
    X = np.array([[near, far][i] for i in order] + [near])
    (offer,) = propose_corrections(X, [0, 0, 0], {0: 1, 1: 2})
    assert offer.source == order.index(0)
    assert offer.new_label == offer.source + 1


@pytest.mark.parametrize("other", [0, 2])
def test_a_duplicate_with_another_label_gets_no_offer(other):
    assert propose_corrections(np.ones((2, 3)), [1, other], {0: 3}) == []


def test_leaks_are_the_same_as_by_brute_force():
    rng = np.random.default_rng(0)
    train = rng.standard_normal((3000, 4)) + 5
    test = rng.standard_normal((50, 4)) + 5
    centred = [(X - train.mean(axis=0)) for X in (test, train)]
    a, b = (X / np.linalg.norm(X, axis=1, keepdims=True) for X in centred)
    cosine = a @ b.T
    found = find_leaks(test.astype(np.float32), train.astype(np.float32), 0.995)
    assert 0 < len(found.query) < 50
    assert found.query.tolist() == np.flatnonzero(cosine.max(axis=1) >= 0.995).tolist()
    assert found.reference.tolist() == cosine.argmax(axis=1)[found.query].tolist()


def test_beyond_the_mean_is_asked_of_pairs_that_differ_and_of_enough_rows():
    same = np.ones((60, 4), np.float32)  # nothing is left beside the mean
    assert len(near_duplicates(same[:1], same, beyond_mean=0.9).query) == 60
    few = np.array([[9, 10], [10, 9]], np.float32)
    assert len(near_duplicates(few, few, beyond_mean=0.9).query) == 4


def test_what_all_vectors_share_makes_no_leak():
    """Different images, whose vectors are mostly the same: only the twin is one."""
    rng = np.random.default_rng(0)
    train = (rng.standard_normal((200, 32)) + 50).astype(np.float32)
    test = np.vstack([rng.standard_normal((9, 32)) + 50, train[7:8] + 0.01]).astype(np.float32)
    assert len(np.unique(near_duplicates(test, train).query)) == 10
    beyond = near_duplicates(test, train, beyond_mean=0.9)
    assert (beyond.query.tolist(), beyond.reference.tolist()) == ([9], [7])
    found = find_leaks(test, train)
    assert (found.query.tolist(), found.reference.tolist()) == ([9], [7])
    assert len(find_leaks(test[:0], train).query) == len(find_leaks(test, train[:0]).query) == 0
