"""Coresets are unbiased, reproducible and refuse nonsense."""

from __future__ import annotations

import numpy as np
import pytest

from coreset_cleaning.core.errors import DataError
from coreset_cleaning.core.scoring.sampling import draw_fit_rows, sample_coreset


def test_weights_sum_to_the_weight_of_all_rows():
    rng = np.random.default_rng(0)
    weight = rng.integers(0, 3, 500).astype(float)
    indices, weights = sample_coreset(rng.random(500), 60, weight, random_state=1)
    assert weights.sum() == pytest.approx(weight.sum())
    assert (weight[indices] > 0).all()
    assert (np.diff(indices) > 0).all()
    assert len(indices) <= 60


def test_sums_over_the_coreset_are_unbiased():
    rng = np.random.default_rng(1)
    importance = rng.random(200) ** 4
    importance[::2] = 0  # drawn by weight alone
    values, weight = rng.random(200), rng.integers(0, 5, 200).astype(float)
    values *= 1 + weight  # so that a wrong power of the weights shows
    sums = []
    for seed in range(300):
        indices, weights = sample_coreset(importance, 50, weight, random_state=seed)
        sums.append(values[indices] @ weights)
    error = np.std(sums) / np.sqrt(len(sums))
    assert abs(np.mean(sums) - values @ weight) < 4 * error
    assert np.std(sums) < 0.2 * (values @ weight)


def test_half_of_the_draws_follow_the_influence():
    influence = np.zeros(100)
    influence[7] = 3.0
    drawn = [sample_coreset(influence, 1, np.full(100, 2.0), seed)[0][0] for seed in range(500)]
    assert np.mean(np.array(drawn) == 7) == pytest.approx(0.505, abs=0.08)


def test_same_seed_same_coreset():
    importance = np.random.default_rng(2).random(100)
    first, second = (sample_coreset(importance, 20, random_state=5) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])


@pytest.mark.parametrize(
    ("influence", "m", "weight", "message"),
    [
        ([1.0, 2.0], 0, None, "at least 1, got 0"),
        ([0.0, 0.0], 1, None, "only zeros"),
        ([1.0, 0.0], 1, [0.0, 1.0], "only zeros"),
        ([1.0, np.nan], 1, None, "influence: must be"),
        ([1.0, -1.0], 1, None, "1 below 0"),
        ([1.0, 1.0], 1, [1.0], r"sample_weight: must be of shape \(2,\)"),
    ],
)
def test_nonsense_is_refused(influence, m, weight, message):
    with pytest.raises(DataError, match=message):
        sample_coreset(influence, m, weight)


def test_fit_rows_follow_the_rows_not_their_order():
    rng = np.random.default_rng(3)
    kind = rng.integers(0, 4, 1000)
    weight = kind.astype(float)
    hashed = rng.integers(0, 2**64, 1000, dtype=np.uint64)
    rows, weights = draw_fit_rows(weight, 200, hashed)
    order = rng.permutation(1000)
    moved, moved_weights = draw_fit_rows(weight[order], 200, hashed[order])
    np.testing.assert_array_equal(np.sort(order[moved]), rows)
    np.testing.assert_allclose(moved_weights[np.argsort(order[moved])], weights)
    assert (weight[rows] > 0).all()
    assert abs(len(rows) - 200) < 60
    assert weights.mean() == pytest.approx(1)
    # The rows stand for all: with their weights, each kind has its share of the weight.
    share = np.bincount(kind[rows], weights * weight[rows]) / (weights * weight[rows]).sum()
    np.testing.assert_allclose(share, np.bincount(kind, weight) / weight.sum(), atol=0.1)
