"""Gradients match finite differences, fits match scikit-learn, the channel finds planted noise."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from coreset_cleaning.core.scoring.channel import fit_noisy_softmax, start_channel, update_channel
from coreset_cleaning.core.scoring.linalg import Bound, moments, row_hash, standardise
from coreset_cleaning.core.scoring.logistic import (
    fit_softmax,
    log_loss,
    loss_and_gradient,
    start_at_means,
)


def blobs(n=900, d=6, k=3, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, k, n)
    X = 1.5 * rng.standard_normal((k, d))[labels] + rng.standard_normal((n, d))
    weight = rng.integers(1, 3, n).astype(float)
    mean, scale = moments(X, weight)
    return standardise(X, mean, scale), labels, weight


@pytest.mark.parametrize("noisy", [False, True])
def test_gradient_matches_finite_differences(noisy):
    features, labels, weight = blobs(n=60)
    rng = np.random.default_rng(1)
    coef = 0.3 * rng.standard_normal((3, features.shape[1]))
    channel = start_channel(3) if noisy else None
    _, gradient = loss_and_gradient(features, labels, weight, coef, channel)
    step = 1e-2
    for k, j in [(0, 0), (1, 3), (2, 6)]:
        ends = []
        for sign in (1, -1):
            moved = coef.copy()
            moved[k, j] += sign * step
            ends.append(loss_and_gradient(features, labels, weight, moved, channel)[0])
        assert gradient[k, j] == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=2e-3, abs=1e-2)


def test_fit_matches_scikit_learn():
    features, labels, weight = blobs()
    bound = Bound.of(features, weight)
    coef = fit_softmax(
        features, labels, weight, 10.0, bound, np.zeros((3, features.shape[1])), tolerance=1e-9
    )
    reference = LogisticRegression(C=0.1, fit_intercept=False, tol=1e-8, max_iter=1000)
    reference.fit(features, labels, sample_weight=weight)
    np.testing.assert_allclose(coef, reference.coef_, atol=2e-3)


@pytest.mark.parametrize("rotated", [False, True])
def test_the_start_is_a_discriminant_that_scaling_does_not_improve(rotated):
    features, labels, weight = blobs(k=40, d=30)
    bound = Bound.of(features, weight)
    if rotated:
        features = bound.along(features)
        bound = Bound(bound.values, None)
    start = start_at_means(features, labels, weight, bound, 41)  # of the last class, no row

    def loss_at(scale):
        return log_loss(features, labels, weight, scale * start, None)

    assert loss_at(1) < 0.5 * loss_at(0)
    assert loss_at(1) < min(loss_at(0.8), loss_at(1.25))
    own, rest = (weight * (labels == 3)), weight
    difference = own @ features / own.sum() - rest @ features / rest.sum()
    covariance = (features * weight[:, None]).T @ features / weight.sum()
    direction = np.linalg.solve(covariance + 0.1 * np.eye(len(covariance)), difference)
    cosine = start[3] @ direction / np.linalg.norm(start[3]) / np.linalg.norm(direction)
    assert cosine == pytest.approx(1, abs=1e-6)
    assert not start[40].any()


def test_with_few_rows_a_class_the_start_is_scaled_for_rows_that_it_has_not_seen():
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((40, 128))
    labels = np.arange(1_600) % 40
    X = centres[labels] + 4 * rng.standard_normal((1_600, 128))
    features, weight = standardise(X, *moments(X, np.ones(1_600))), np.ones(400)
    seen, fresh = (features[:400], labels[:400]), (features[400:], labels[400:])
    start = start_at_means(*seen, weight, Bound.of(seen[0], weight), 40)

    def loss_at(scale):
        return log_loss(*fresh, np.ones(1_200), scale * start, None)

    assert loss_at(1) < min(loss_at(0), loss_at(0.5), loss_at(2))


def test_channel_finds_a_planted_confusion():
    features, labels, weight = blobs(n=3000)
    rng = np.random.default_rng(2)
    given = labels.copy()
    given[(labels == 0) & (rng.random(len(labels)) < 0.3)] = 1
    bound = Bound.of(features, weight)
    _, channel = fit_noisy_softmax(
        features, given, weight, 10.0, bound, np.zeros((3, features.shape[1])), start_channel(3),
        rounds=20, steps=5,
    )  # fmt: skip
    assert channel[0, 1] == pytest.approx(0.3, abs=0.06)
    assert channel[0, 2] < 0.03
    assert channel[1, 0] < 0.06
    np.testing.assert_allclose(channel.sum(axis=1), 1)


def test_channel_of_tiny_classes_stays_near_its_start():
    features, labels, weight = blobs(n=9)
    channel = update_channel(
        features, labels, weight, np.zeros((3, features.shape[1])), start_channel(3)
    )
    assert (np.diag(channel) > 0.5).all()
    assert (channel > 0).all()


def test_constant_columns_standardise_to_zero():
    X = np.column_stack([np.full(20, 1e4), np.arange(20.0), np.full(20, -3.3)]).astype(np.float32)
    features = standardise(X, *moments(X, np.ones(20)))
    assert (features[:, [0, 2]] == 0).all()
    assert features[:, 1].std() == pytest.approx(1.0, rel=1e-5)
    assert (features[:, 3] == 1).all()


def test_row_hash_depends_on_content_only():
    X = np.random.default_rng(0).standard_normal((50, 7)).astype(np.float16)
    X[10] = X[3]
    hashed = row_hash(X, 0)
    assert hashed[10] == hashed[3]
    assert len(np.unique(hashed)) == 49
    np.testing.assert_array_equal(row_hash(X[::-1].astype(np.float64), 0)[::-1], hashed)
    assert (row_hash(X, 1) != hashed).all()


def test_row_hash_tells_rows_apart_that_hold_the_same_numbers():
    rng = np.random.default_rng(0)
    base = rng.integers(0, 4, 30).astype(np.float32)
    rows = np.unique(np.stack([rng.permutation(base) for _ in range(3000)]), axis=0)
    assert len(np.unique(row_hash(rows, 0))) == len(rows)


@pytest.mark.parametrize("n_classes", [2, 3, 10])
def test_a_channel_starts_as_probabilities(n_classes):
    channel = start_channel(n_classes)
    np.testing.assert_allclose(channel.sum(axis=1), 1)
    assert (channel > 0).all()
    assert len(np.unique(channel)) == 2
