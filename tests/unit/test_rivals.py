"""The classes but the given one, against their definition in the probabilities of a softmax."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from coreset_cleaning.core.scoring.rivals import Rivals, lengths


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 1000), n=st.integers(1, 20), k=st.integers(2, 12))
def test_rivals_are_what_the_softmax_says_of_the_other_classes(seed: int, n: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    z = (3 * rng.standard_normal((n, k))).astype(np.float32)
    own, rows = rng.integers(0, k, n), np.arange(n)
    p = np.exp(z, dtype=np.float64)
    p /= p.sum(axis=1, keepdims=True)
    rest = p.copy()
    rest[rows, own] = 0

    found = Rivals.of(z.copy(), own)

    wrong = rest.sum(axis=1)
    np.testing.assert_allclose(found.margin, np.log(wrong / p[rows, own]), rtol=1e-4, atol=1e-4)
    order = np.argsort(-rest, axis=1)
    np.testing.assert_array_equal(found.best, order[:, 0])
    np.testing.assert_array_equal(found.second, order[:, 1] if k > 2 else np.full(n, -1))
    np.testing.assert_allclose(found.best_share, rest.max(axis=1) / wrong, rtol=1e-4)
    gradient = p - np.eye(k)[own]
    np.testing.assert_allclose(found.residuals(own), gradient, atol=1e-5)
    np.testing.assert_allclose(
        lengths(found.residuals(own)), np.linalg.norm(gradient, axis=1), rtol=1e-4, atol=1e-5
    )


def test_of_a_row_whose_given_class_is_none_all_classes_are_rivals() -> None:
    z = np.array([[1.0, 3.0, 2.0]], np.float32)
    found = Rivals.of(z, np.array([-1]))
    assert (found.best[0], found.second[0], found.margin[0]) == (1, 2, np.inf)
    np.testing.assert_allclose(found.residuals(np.array([-1])).sum(), 1, rtol=1e-6)
