"""The noise channel of an image: that of clear ones, that of doubtful ones, or between them."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from coreset_cleaning.core.scoring import doubt, posterior
from coreset_cleaning.core.scoring.doubt import (
    doubt_of,
    doubt_of_logits,
    learn_channels,
    log_shift,
    ratios,
)
from coreset_cleaning.core.scoring.importance import score_labels

K = 3
SURE = np.array([[0.98, 0.01, 0.01], [0.01, 0.98, 0.01], [0.01, 0.01, 0.98]])
UNSURE = np.array([[0.6, 0.3, 0.1], [0.1, 0.6, 0.3], [0.3, 0.1, 0.6]])


def predictions(n: int, rng: np.random.Generator) -> np.ndarray:
    return rng.dirichlet(np.full(K, 0.3), n).astype(np.float32)


def labels_of(p: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """True classes as the predictions say, given ones by the channel of each image."""
    true = (p.cumsum(axis=1) > rng.random(len(p))[:, None]).argmax(axis=1)
    share = doubt_of(p)[:, None]
    row = (1 - share) * SURE[true] + share * UNSURE[true]
    return true, (row.cumsum(axis=1) > rng.random(len(p))[:, None]).argmax(axis=1)


def test_doubt_is_none_where_a_class_is_certain_and_whole_from_a_half_on() -> None:
    p = np.array([[1, 0, 0], [0.75, 0.25, 0], [0.5, 0.5, 0], [0.4, 0.3, 0.3]], np.float32)
    np.testing.assert_allclose(doubt_of(p), [0, 0.5, 1, 1])


@pytest.mark.parametrize("told", [0, 2_000])
def test_both_channels_are_found(told: int) -> None:
    rng = np.random.default_rng(0)
    p = predictions(40_000, rng)
    true, given = labels_of(p, rng)
    verified = np.where(np.arange(len(p)) < told, true, -1)
    whole = np.array([np.bincount(given[true == t], minlength=K) for t in range(K)], float)
    whole /= whole.sum(axis=1, keepdims=True)
    with patch.multiple(doubt, NOISE_PRIOR=0, CHANNEL_PRIOR_ROWS=1, SETTLED=1e-5, MAX_ROUNDS=300):
        exact = learn_channels(p, given, verified, np.ones(len(p)), whole, 1.0)
    np.testing.assert_allclose(exact, [SURE, UNSURE], atol=0.04)
    found = learn_channels(p, given, verified, np.ones(len(p)), whole, 1.0)
    np.testing.assert_allclose(found.sum(axis=2), 1)
    # 5 % of labels are thought to go wrong anyhow.
    np.testing.assert_allclose(found, [SURE, UNSURE], atol=0.1)
    np.testing.assert_allclose(
        learn_channels(p, given, verified, np.ones(len(p)), whole, 0.5), (found + whole) / 2
    )


def test_rows_of_weight_zero_or_of_no_class_teach_nothing() -> None:
    rng = np.random.default_rng(1)
    p = predictions(600, rng)
    _, given = labels_of(p, rng)
    none, weight = np.full(600, -1), np.ones(600)
    weight[:100], given[100:200] = 0, -1
    found = learn_channels(p, given, none, weight, UNSURE, 1.0)
    alone = learn_channels(p[200:], given[200:], none[200:], weight[200:], UNSURE, 1.0)
    np.testing.assert_allclose(found, alone, rtol=1e-5)


def test_doubt_of_logits_is_that_of_the_predictions() -> None:
    p = predictions(50, np.random.default_rng(3))
    np.testing.assert_allclose(doubt_of_logits(np.log(p) + 7), doubt_of(p), rtol=1e-4, atol=1e-6)


def test_the_shift_is_what_the_channel_of_the_image_adds() -> None:
    rng = np.random.default_rng(2)
    p = predictions(50, rng)
    given = rng.integers(-1, K, 50)
    table = ratios(np.stack([SURE, UNSURE]), UNSURE)
    assert (log_shift(table, doubt_of(p), given)[given < 0] == 0).all()
    certain, undecided = np.eye(K, dtype=np.float32), np.full((K, K), 1 / K, np.float32)
    classes = np.arange(K)
    shift = log_shift(table, doubt_of(certain), classes)
    np.testing.assert_allclose(shift, np.log(SURE / UNSURE).T, rtol=1e-5)
    assert (log_shift(table, doubt_of(undecided), classes) == 0).all()


def test_where_errors_depend_on_the_image_they_are_found_and_counted_better() -> None:
    """Against the same scores with one channel for all images."""
    rng = np.random.default_rng(3)
    n, d = 6_000, 8
    true = rng.integers(0, K, n)
    X = (2 * np.eye(K, d)[true] + rng.standard_normal((n, d))).astype(np.float32)
    # Whoever labels takes what an image looks like for its class, where it looks like another.
    distance = -np.square(X[:, None] - 2 * np.eye(K, d)).sum(axis=2) / 2
    p = np.exp(distance - distance.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    p[np.arange(n), true] *= 0.3
    other = p.argmax(axis=1)
    given = np.where(rng.random(n) < doubt_of(p), other, true)
    wrong = given != true
    scores = score_labels(X, given)
    with patch.object(posterior, "learn_channels", lambda *args: np.stack([args[4], args[4]])):
        plain = score_labels(X, given)
    assert average_precision_score(wrong, scores.importance) > average_precision_score(
        wrong, plain.importance
    )
    assert abs(scores.expected_errors - wrong.sum()) < abs(plain.expected_errors - wrong.sum())
