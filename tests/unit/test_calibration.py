"""Controls set the probabilities right; an interval says how far they can be trusted."""

from __future__ import annotations

import numpy as np
import pytest

from coreset_cleaning.core.errors import DataError
from coreset_cleaning.core.scoring.calibration import Calibration, calibrate


def labels(n=20_000, shift=1.0, seed=0):
    """Labels whose log-odds of being wrong are higher than said by `shift`."""
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(-3, 1.5, n)
    said, true = 1 / (1 + np.exp(-log_odds)), 1 / (1 + np.exp(-log_odds - shift))
    return said, rng.random(n) < true, rng


def test_a_hundred_controls_find_the_total_on_average():
    said, wrong, rng = labels()
    totals = []
    for _ in range(100):
        controls = rng.choice(len(said), 100, replace=False)
        calibration = calibrate(said[controls], wrong[controls])
        totals.append(calibration.expected_errors(said)[0])
    assert said.sum() < 0.6 * wrong.sum()
    assert np.mean(totals) == pytest.approx(wrong.sum(), rel=0.15)


def test_the_interval_holds_the_total_about_as_often_as_it_says():
    held = 0
    for seed in range(200):
        said, wrong, rng = labels(2_000, rng_shift(seed), seed)
        controls = rng.choice(len(said), 150, replace=False)
        _, low, high = calibrate(said[controls], wrong[controls]).expected_errors(said)
        held += low <= wrong.sum() <= high
    assert held / 200 > 0.9


def rng_shift(seed):
    return float(np.random.default_rng(seed + 1000).normal())


@pytest.mark.parametrize("shift", [0.2, 2.5])
def test_a_hundred_controls_tell_the_total_better_than_their_own_share_does(shift):
    # Labels that are off as usual, and labels that are off by far more.
    said, wrong, rng = labels(shift=shift)
    calibrated, plain = [], []
    for _ in range(100):
        controls = rng.choice(len(said), 100, replace=False)
        calibration = calibrate(said[controls], wrong[controls])
        calibrated.append(calibration.expected_errors(said)[0] / wrong.sum() - 1)
        plain.append(wrong[controls].mean() / wrong.mean() - 1)
    off, off_plain = (np.sqrt(np.mean(np.square(found))) for found in (calibrated, plain))
    assert off < (0.7 if shift == 0.2 else 0.9) * off_plain


def test_the_top_of_the_queue_alone_would_mislead():
    # The top is nearly all wrong, as said; calibrating on it, the total is off.
    rng = np.random.default_rng(0)
    said = np.where(rng.random(5_000) < 0.05, 0.9, 0.02)
    wrong = rng.random(5_000) < np.where(said > 0.5, 1.0, 0.02)
    top = np.argsort(-said)[:200]
    controls = rng.choice(5_000, 200, replace=False)

    def miss(rows):
        return abs(calibrate(said[rows], wrong[rows]).expected_errors(said)[0] - wrong.sum())

    assert miss(controls) < miss(top) / 3


def test_without_controls_nothing_changes():
    p = np.array([0.0, 0.1, 1.0])
    np.testing.assert_allclose(calibrate([], []).apply(p), p, atol=1e-8)
    assert calibrate([], []) == Calibration()


def test_the_order_of_probabilities_stays():
    said, wrong, _ = labels(500)
    after = calibrate(said[:50], wrong[:50]).apply(said)
    assert (np.argsort(after) == np.argsort(said)).all()


@pytest.mark.parametrize(
    ("p", "wrong"), [([0.1], [True, False]), ([1.1], [True]), ([-0.1], [True])]
)
def test_bad_controls_are_refused(p, wrong):
    with pytest.raises(DataError):
        calibrate(p, wrong)
