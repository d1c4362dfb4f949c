"""The classifier of the evaluation chooses its penalty by the data; resamples are paired."""

from __future__ import annotations

import numpy as np

from coreset_cleaning.core.judging import auroc
from coreset_cleaning.core.judging.auroc import bootstrap_auroc
from coreset_cleaning.core.scoring import crossval
from coreset_cleaning.core.scoring.crossval import C_GRID, Task


def test_c_follows_the_signal(monkeypatch):
    rng = np.random.default_rng(0)
    labels = np.arange(400) % 2
    noise = rng.standard_normal((400, 30))
    signal = noise + 1.5 * labels[:, None]

    def chosen(X):
        return 1 / Task(X, labels, None, 2, 5, 0).penalty

    assert chosen(noise) == C_GRID[0]
    assert chosen(signal) > C_GRID[0]
    # Chosen on a share of the rows where there are many.
    monkeypatch.setattr(crossval, "_TUNE_ROWS", 200)
    assert chosen(noise) == C_GRID[0]
    assert chosen(signal) > C_GRID[0]


def test_resamples_do_not_depend_on_how_many_are_drawn_at_a_time(monkeypatch):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 60)
    probabilities = rng.dirichlet(np.ones(3), 60)
    together = bootstrap_auroc(probabilities, labels, 10, 1)
    assert together.shape == (10,)
    monkeypatch.setattr(auroc, "_BOOTSTRAP_CELLS", 3 * 60)
    np.testing.assert_allclose(bootstrap_auroc(probabilities, labels, 10, 1), together)
