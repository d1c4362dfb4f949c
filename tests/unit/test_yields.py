"""Intervals and estimates from controls and verdicts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coreset_cleaning.core.yields import (
    RoundYield,
    lift,
    wilson_interval,
    yield_report,
)


@st.composite
def histories(draw):
    """Rounds of one class, as they can happen."""
    pool, errors_left = draw(st.integers(20, 500)), 0
    errors_left = draw(st.integers(0, pool))
    rounds = []
    for _ in range(draw(st.integers(1, 4))):
        reviewed = draw(st.integers(0, min(50, pool)))
        least = max(0, reviewed - (pool - errors_left))
        errors = draw(st.integers(least, min(reviewed, errors_left)))
        n_controls = draw(st.integers(0, reviewed))
        control_errors = draw(
            st.integers(max(0, errors - (reviewed - n_controls)), min(errors, n_controls))
        )
        rounds.append(RoundYield(pool, reviewed, errors, n_controls, control_errors))
        pool, errors_left = pool - reviewed, errors_left - errors
    return rounds


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    # Wilson score intervals as statsmodels 0.14 gives them.
    [(0, 10, 0.0, 0.277533), (1, 10, 0.017876, 0.404150), (5, 30, 0.073371, 0.335645)],
)
def test_wilson_intervals(hits, n, low, high):
    estimate = wilson_interval(hits, n)
    assert estimate.value == hits / n
    assert (estimate.low, estimate.high) == (
        pytest.approx(low, abs=1e-5),
        pytest.approx(high, abs=1e-5),
    )


def test_no_trials_tell_nothing():
    estimate = wilson_interval(0, 0)
    assert math.isnan(estimate.value)
    assert (estimate.low, estimate.high) == (0.0, 1.0)


def test_lift_is_a_ratio_with_an_interval_around_it():
    estimate = lift(120, 270, 4, 30)
    assert estimate.low < estimate.value < estimate.high
    assert estimate.value == pytest.approx((120.5 / 270.5) / (4.5 / 30.5))
    assert estimate.low > 1
    assert lift(3, 30, 3, 30).low < 1 < lift(3, 30, 3, 30).high
    assert lift(3, 30, 0, 0).high == float("inf")


@given(rounds=histories())
def test_estimates_lie_within_what_is_possible(rounds):
    report = yield_report(rounds)
    size = rounds[0].pool
    found = sum(row.errors for row in rounds)
    unseen = rounds[-1].pool - rounds[-1].reviewed
    for estimate, low, high in (
        (report.noise_rate, found / size, (found + unseen) / size),
        (report.errors_left, 0, unseen),
        (report.next_batch, 0, unseen),
        (report.precision, 0, 1),
    ):
        assert low - 1e-9 <= estimate.low <= estimate.high <= high + 1e-9
        if not math.isnan(estimate.value):
            assert estimate.low - 1e-9 <= estimate.value <= estimate.high + 1e-9


def test_errors_that_the_queue_took_are_added_back():
    # 1,000 samples, 200 wrong. The queue takes 100 of them in two rounds; controls see what is
    # left, and are lucky to hit the expected share each time.
    rounds = [RoundYield(1000, 100, 60, 50, 10), RoundYield(900, 100, 40, 45, 7)]
    report = yield_report(rounds)
    assert report.noise_rate.value == pytest.approx(0.2, abs=0.005)
    assert report.errors_left.value == pytest.approx(100, abs=5)
    assert report.errors_left.low < 100 < report.errors_left.high


def test_without_controls_the_noise_rate_is_unknown():
    report = yield_report([RoundYield(100, 20, 5, 0, 0)])
    assert math.isnan(report.noise_rate.value)
    assert (report.noise_rate.low, report.noise_rate.high) == (0.05, 0.85)
    assert (report.errors_left.low, report.errors_left.high) == (0, 80)
    assert report.precision.value == 0.25


def test_a_queue_that_gets_poorer_promises_less():
    rich = yield_report([RoundYield(500, 50, 30, 0, 0)]).next_batch
    poorer = yield_report([RoundYield(500, 50, 30, 0, 0), RoundYield(450, 50, 15, 0, 0)]).next_batch
    assert 25 < rich.value < 31
    assert poorer.value < 15
    assert poorer.low < poorer.value < poorer.high


def test_the_end_of_the_class_ends_the_promise():
    report = yield_report([RoundYield(50, 50, 10, 5, 1)])
    assert (report.next_batch.value, report.next_batch.high) == (0, 0)
    assert (report.errors_left.value, report.errors_left.high) == (0, 0)


def test_nothing_reviewed_promises_nothing():
    report = yield_report([])
    assert math.isnan(report.noise_rate.value)
    assert report.lift.high == float("inf")
    assert report.next_batch.high == 0


def test_a_report_reads_as_a_sentence():
    text = str(yield_report([RoundYield(1000, 100, 60, 50, 10)]))
    assert text.startswith("The queue is wrong in 100% of what it shows, the class in 20% (11%")
    assert "wrong labels are left in it; a further batch finds about 60." in text
    assert str(yield_report([])) == "Nothing has been reviewed yet."
    assert "the class" not in str(yield_report([RoundYield(100, 20, 5, 0, 0)]))


def test_numbers_are_plain():
    report = yield_report([RoundYield(500, 50, 30, 5, 1)])
    for name in ("noise_rate", "precision", "lift", "errors_left", "next_batch"):
        estimate = getattr(report, name)
        assert {type(estimate.value), type(estimate.low), type(estimate.high)} == {float}, name
    assert not isinstance(report.lift.value, np.floating)
