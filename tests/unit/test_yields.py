"""Intervals and estimates from controls and verdicts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coreset_cleaning.core.judging import yields
from coreset_cleaning.core.judging.estimates import Estimate, lift, wilson_interval
from coreset_cleaning.core.judging.yields import (
    RoundYield,
    budget_curve,
    predict_batch,
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


@pytest.mark.parametrize(("errors", "wrong_controls"), [(0, 0), (12, 1), (28, 4)])
def test_of_very_many_labels_not_every_count_of_wrong_ones_is_weighed(
    errors: int, wrong_controls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds = [RoundYield(100_000, 60, errors + wrong_controls, 30, wrong_controls)]
    some = yield_report(rounds).errors_left
    monkeypatch.setattr(yields, "_EACH_COUNT", 100_000)
    each = yield_report(rounds).errors_left
    assert each.value == pytest.approx(some.value, rel=0.01)
    assert (each.low, each.high) == pytest.approx((some.low, some.high), abs=20)
    assert each != some


def test_without_controls_the_noise_rate_is_unknown():
    report = yield_report([RoundYield(100, 20, 5, 0, 0)])
    assert math.isnan(report.noise_rate.value)
    assert (report.noise_rate.low, report.noise_rate.high) == (0.05, 0.85)
    assert (report.errors_left.low, report.errors_left.high) == (0, 80)
    assert report.precision.value == 0.25


def test_the_next_batch_is_read_off_the_reviewed_ones():
    rng = np.random.default_rng(0)
    importance = np.exp(rng.standard_normal(400))
    wrong = rng.random(400) < 1 / (1 + np.exp(1 - 2 * np.log(importance)))
    rich = predict_batch(importance, wrong, np.full(40, 3.0))
    poor = predict_batch(importance, wrong, np.full(40, 0.5))
    # The true chances are 0.77 and 0.08.
    assert 26 < rich.value < 35
    assert 1 < poor.value < 7
    for estimate in (rich, poor):
        assert 0 <= estimate.low < estimate.value < estimate.high <= 40
    assert predict_batch(importance, wrong, np.full(40, 3.0)) == rich
    # One round says less than eight.
    few = predict_batch(importance[:50], wrong[:50], np.full(40, 3.0))
    assert few.high - few.low > rich.high - rich.low


def test_the_next_batch_at_the_edges():
    assert predict_batch([], [], []) == Estimate(0.0, 0.0, 0.0)
    unknown = predict_batch([], [], [1.0, 2.0])
    assert math.isnan(unknown.value)
    assert (unknown.low, unknown.high) == (0, 2)
    nothing = predict_batch(np.ones(50), np.zeros(50, bool), np.ones(20))
    assert nothing.value < 1.5
    assert nothing.low == 0
    every = predict_batch(np.zeros(50), np.ones(50, bool), np.zeros(20))
    assert every.value > 18.5


def test_a_budget_curve_has_a_random_line_with_its_interval():
    rounds = [RoundYield(1000, 100, 60, 50, 10), RoundYield(900, 100, 40, 45, 7)]
    rate = yield_report(rounds).noise_rate
    curve = budget_curve(rounds)
    assert [(p.reviewed, p.found) for p in curve] == [(0, 0), (100, 60), (200, 100)]
    assert curve[0].random == Estimate(0, 0, 0)
    assert curve[2].random == rate.times(200)
    assert curve[2].random.low < curve[2].random.value < curve[2].random.high < 100
    assert math.isnan(budget_curve([RoundYield(100, 20, 5, 0, 0)])[1].random.value)


@pytest.mark.parametrize("counts", [(6, 20, 2, 20), (120, 270, 4, 30), (5, 10, 1, 5)])
def test_lift_inverts_the_score_test(counts):
    x1, n1, x0, n0 = counts
    inside = []
    for ratio in np.exp(np.linspace(-3, 7, 4001)):
        # The most likely pair of shares of that ratio, by brute force.
        p0 = np.linspace(1e-6, min(1, 1 / ratio) - 1e-9, 4001)
        p1 = ratio * p0
        best = np.argmax(
            x1 * np.log(p1)
            + (n1 - x1) * np.log1p(-p1)
            + x0 * np.log(p0)
            + (n0 - x0) * np.log1p(-p0)
        )
        p0, p1 = p0[best], p1[best]
        spread = (p1 * (1 - p1) / n1 + ratio**2 * p0 * (1 - p0) / n0) * (n1 + n0) / (n1 + n0 - 1)
        if abs(x1 / n1 - ratio * x0 / n0) <= 1.959964 * np.sqrt(spread):
            inside.append(ratio)
    estimate = lift(x1, n1, x0, n0)
    assert estimate.low == pytest.approx(inside[0], rel=0.01)
    assert estimate.high == pytest.approx(inside[-1], rel=0.01)


def test_lift_without_errors_on_one_side():
    assert lift(5, 20, 0, 10).high == float("inf")
    assert lift(5, 20, 0, 10).low > 0.3
    assert lift(0, 20, 3, 10).low == 0
    assert lift(0, 20, 0, 10).low == 0
    assert lift(0, 20, 0, 10).high == float("inf")
    assert lift(20, 20, 10, 10).low < 1 < lift(20, 20, 10, 10).high


def test_the_end_of_the_class_ends_the_promise():
    report = yield_report([RoundYield(50, 50, 10, 5, 1)])
    assert report.next_batch.high == 0
    assert (report.errors_left.value, report.errors_left.high) == (0, 0)


def test_nothing_reviewed_promises_nothing():
    report = yield_report([])
    assert math.isnan(report.noise_rate.value)
    assert report.lift.high == float("inf")
    assert report.next_batch.high == 0


def test_a_report_reads_as_a_sentence():
    rounds = [RoundYield(1000, 100, 60, 50, 10)]
    text = str(yield_report(rounds, Estimate(30.2, 21, 39)))
    assert text.startswith("The queue is wrong in 100% of what it shows, the class in 21% (11%")
    assert "wrong labels are left in it; a further batch finds 21 to 39." in text
    assert "further batch" not in str(yield_report(rounds))
    assert str(yield_report([])) == "Nothing has been reviewed yet."
    assert "the class" not in str(yield_report([RoundYield(100, 20, 5, 0, 0)]))


def test_numbers_are_plain():
    report = yield_report([RoundYield(500, 50, 30, 5, 1)])
    for name in ("noise_rate", "precision", "lift", "errors_left", "next_batch"):
        estimate = getattr(report, name)
        assert {type(estimate.value), type(estimate.low), type(estimate.high)} == {float}, name
    assert not isinstance(report.lift.value, np.floating)
