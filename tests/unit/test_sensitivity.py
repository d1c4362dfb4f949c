"""The bound holds on the whole ball: checked against a brute-force supremum."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp

from coreset_cleaning.core.scoring.sensitivity import local_sensitivity, weighted_median


def margins(theta, features, labels, shift):
    logits = features @ theta.T + shift
    index = np.arange(len(labels))
    logits = logits - logits[index, labels][:, None]
    logits[index, labels] = -np.inf
    return logsumexp(logits, axis=1)


def sample_losses(theta, features, labels, shift):
    return np.logaddexp(0, margins(theta, features, labels, shift))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(3, 12),
    d=st.integers(1, 3),
    k=st.integers(2, 4),
    size=st.sampled_from([0.0, 0.3, 2.0]),
)
def test_no_model_in_the_ball_exceeds_the_bound(seed, n, d, k, size):
    rng = np.random.default_rng(seed)
    features = np.column_stack([rng.standard_normal((n, d)), np.ones(n)])
    labels = rng.integers(0, k, n)
    weight = rng.integers(0, 3, n).astype(float)
    weight[0] = 1.0
    shift = rng.standard_normal((n, k))
    centre = size * rng.standard_normal((k, d + 1))
    penalty = 0.5
    matrix = 0.5 * (features.T * weight) @ features + penalty * np.eye(d + 1)

    logits = features @ centre.T + shift
    q = np.exp(logits - logits.max(axis=1, keepdims=True))
    q /= q.sum(axis=1, keepdims=True)
    residuals = q - np.eye(k)[labels]
    gradient = (residuals * weight[:, None]).T @ features + penalty * centre
    inverse = np.linalg.inv(matrix)
    leverage = np.sqrt(np.einsum("ij,jk,ik->i", features, inverse, features))
    bound = local_sensitivity(
        margin=margins(centre, features, labels, shift),
        leverage=leverage,
        residual=np.linalg.norm(residuals, axis=1),
        weight=weight,
        regularisation=0.5 * penalty * np.sum(centre**2),
        gradient_norm=np.sqrt(np.einsum("ki,ij,kj->", gradient, inverse, gradient)),
    )

    # Directions of the unit sphere in the norm of A: random ones, and for every row those that
    # raise one wrong logit over the given one fastest.
    root = np.linalg.cholesky(inverse)
    directions = [rng.standard_normal((k, d + 1)) @ root.T for _ in range(200)]
    for i in range(n):
        for rival in range(k):
            push = np.zeros((k, d + 1))
            push[rival] += inverse @ features[i]
            push[labels[i]] -= inverse @ features[i]
            if rival != labels[i]:
                directions += [push, -push]
    highest = np.zeros(n)
    lowest = np.inf
    for direction in directions:
        length = np.sqrt(np.einsum("ki,ij,kj->", direction, matrix, direction))
        for share in (0.5, 1.0):
            theta = centre + share * bound.radius / length * direction
            f = weight * sample_losses(theta, features, labels, shift)
            total = f.sum() + 0.5 * penalty * np.sum(theta**2)
            highest = np.maximum(highest, f / total)
            lowest = min(lowest, total)
    assert (highest <= bound.importance * (1 + 1e-9)).all()
    assert bound.lowest_loss <= lowest * (1 + 1e-9)
    assert (bound.importance[weight == 0] == 0).all()


def test_radius_is_the_median_displacement_of_one_sample():
    bound = local_sensitivity(
        margin=np.zeros(3),
        leverage=np.array([0.1, 0.2, 0.4]),
        residual=np.array([1.0, 1.0, 1.0]),
        weight=np.ones(3),
        regularisation=0.0,
        gradient_norm=0.0,
    )
    assert bound.radius == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("weight", "median"), [([1, 1, 1], 2.0), ([5, 1, 1], 1.0), ([0, 0, 1], 3.0), ([1, 1, 4], 3.0)]
)
def test_weighted_median_counts_a_weight_as_that_many_values(weight, median):
    assert weighted_median(np.array([1.0, 2.0, 3.0]), np.array(weight, float)) == median


@pytest.mark.parametrize("gradient_norm", [0.1, 100.0])
def test_the_bound_is_the_formula_of_the_documentation(gradient_norm):
    margin = np.array([0.0, 1.0, -2.0, 5.0])
    leverage = np.array([0.5, 0.25, 1.0, 9.0])
    residual = np.array([1.0, 0.8, 0.4, 9.0])
    weight = np.array([1.0, 2.0, 0.5, 0.0])
    found = local_sensitivity(margin, leverage, residual, weight, 0.3, gradient_norm)

    # Displacements 0.5, 0.2, 0.4 of weights 1, 2, 0.5: half of the weight is reached at 0.2.
    radius = 0.2
    reach = np.sqrt(2) * radius * leverage
    loss = weight @ np.log1p(np.exp(margin)) + 0.3
    tangent = loss - radius * gradient_norm
    pointwise = weight @ np.log1p(np.exp(margin - reach))
    assert (tangent > pointwise) == (gradient_norm < 1)
    assert found.radius == pytest.approx(radius)
    assert found.lowest_loss == pytest.approx(max(tangent, pointwise))
    np.testing.assert_allclose(
        found.importance, weight * np.log1p(np.exp(margin + reach)) / max(tangent, pointwise)
    )
