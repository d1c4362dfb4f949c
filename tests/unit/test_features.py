"""What the scorer sees of an embedding."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given as given_data
from hypothesis import settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from coreset_cleaning.core.scoring.features import as_features, roots
from coreset_cleaning.core.scoring.importance import score_labels
from coreset_cleaning.core.scoring.rows import ArrayRows, MappedRows, gather


def activations(
    n: int, d: int, seed: int = 0, k: int = 3, shape: float = 0.5
) -> tuple[np.ndarray, np.ndarray]:
    """What a network's last ReLU gives of k classes: nothing negative, a few numbers large."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, k, n)
    means = rng.gamma(shape, size=(k, d))
    return rng.gamma(1.0, means[true] + 0.05).astype(np.float32), true


def seen(X: np.ndarray) -> np.ndarray:
    return gather(as_features(ArrayRows(X)), np.arange(len(X)))


def test_activations_are_seen_as_roots_of_rows_of_length_1() -> None:
    X, _ = activations(50, 40)
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    np.testing.assert_allclose(seen(X), np.sqrt(unit), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.uint8])
def test_every_number_type_is_seen_alike(dtype: type) -> None:
    X = np.minimum(np.round(20 * activations(20, 40)[0]), 255)
    np.testing.assert_allclose(seen(X.astype(dtype)), seen(X), rtol=1e-5)


def test_rows_of_zeros_and_of_huge_numbers_stay_finite() -> None:
    X = np.vstack([np.zeros(40), np.full(40, 1e30), np.full(40, 1e-30)])
    found = roots(X)
    np.testing.assert_array_equal(found[0], 0)
    np.testing.assert_allclose(found[1:], 40**-0.25, rtol=1e-5)


def test_vectors_with_a_negative_number_or_few_numbers_stay_as_they_are() -> None:
    X, _ = activations(50, 40)
    X[7, 3] = -1e-3
    np.testing.assert_array_equal(seen(X), X)
    few, _ = activations(50, 31)
    np.testing.assert_array_equal(seen(few), few)


def test_mapped_rows_are_those_of_the_mapped_array() -> None:
    X, _ = activations(300, 40)
    order = np.random.default_rng(1).permutation(300)
    rows = MappedRows(ArrayRows(X), roots).permuted(order)
    assert rows.shape == X.shape
    np.testing.assert_array_equal(gather(rows, np.array([5, 2, 299])), roots(X[order[[5, 2, 299]]]))
    (total,), (first,) = rows.run_rows(
        lambda block, weight: ((weight @ block,), (block[:, 0],)), (np.ones(300),), (), None, 4_096
    )
    np.testing.assert_allclose(total, roots(X).sum(axis=0), rtol=1e-5)
    np.testing.assert_array_equal(first, roots(X[order])[:, 0])


@settings(max_examples=20, deadline=None)
@given_data(seed=st.integers(0, 1000))
def test_the_length_of_activations_is_not_seen(seed: int) -> None:
    X, _ = activations(30, 40, seed)
    lengths = np.random.default_rng(seed).lognormal(0, 2, 30).astype(np.float32)
    np.testing.assert_allclose(seen(X * lengths[:, None]), seen(X), rtol=1e-5)


def test_errors_in_activations_are_found_better_than_by_the_vectors_as_they_are() -> None:
    X, true = activations(1_500, 64, k=4, shape=0.02)
    rng = np.random.default_rng(3)
    X *= rng.lognormal(0, 0.5, 1_500).astype(np.float32)[:, None]
    wrong = rng.random(1_500) < 0.1
    given = np.where(wrong, (true + 1) % 4, true)
    by_roots = score_labels(X, given).importance
    # One more column, always negative, tells nothing of a label but that these are no activations.
    as_they_are = score_labels(np.column_stack([X, -np.ones(1_500)]), given).importance
    plain = average_precision_score(wrong, as_they_are)
    assert average_precision_score(wrong, by_roots) > plain + 0.02
