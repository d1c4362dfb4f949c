"""A fit that is taken apart and put together again starts another one as the original does."""

from __future__ import annotations

import io

import numpy as np
import pytest

from coreset_cleaning.core.scoring import kept
from coreset_cleaning.core.scoring.importance import score_labels


@pytest.mark.parametrize("names", [None, ("cat", "dog", "owl")])
def test_a_kept_fit_starts_another_like_the_original(names, monkeypatch):
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 60)
    X = rng.standard_normal((180, 6)).astype(np.float32) + 2 * np.eye(3, 6)[labels]
    labels[::17] = (labels[::17] + 1) % 3
    first = score_labels(X, labels, class_names=names)
    file = io.BytesIO()
    np.savez(file, **kept.to_arrays(first.model))
    with np.load(io.BytesIO(file.getvalue())) as arrays:
        again = kept.from_arrays(dict(arrays))
    assert again.names == names
    verified = np.full(180, -1)
    verified[::17] = labels[::17]
    wanted, got = (
        score_labels(X, labels, class_names=names, verified=verified, warm_start=model)
        for model in (first.model, again)
    )
    np.testing.assert_allclose(got.importance, wanted.importance, rtol=1e-4)
    assert got.model.C == first.model.C  # a fresh fit would have chosen it anew
    monkeypatch.setattr(kept, "MOST_ROWS", 100)
    assert kept.to_arrays(first.model) is None
