"""What reviews will find: the curve that verdicts bend, the ranges, and where to go on."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coreset_cleaning.core.errors import DataError
from coreset_cleaning.core.judging.odds import fit_odds
from coreset_cleaning.core.judging.plan import expected_errors, make_plan
from coreset_cleaning.core.judging.plan_record import MOST_CLASSES, from_record, to_record
from coreset_cleaning.core.judging.proposal import propose
from coreset_cleaning.core.review.scope import Scope

PROBABILITIES = st.lists(st.floats(0, 1), min_size=1, max_size=60)


@given(p=PROBABILITIES, budget=st.integers(1, 80), data=st.data())
def test_ranges_hold_what_they_claim_to(p, budget, data):
    classes = [data.draw(st.sampled_from("abc")) for _ in p]
    plan = make_plan(p, classes, fit_odds(), budget)
    n = min(budget, len(p))
    assert plan.whole.reviews == n
    assert sum(row.unreviewed for row in plan.classes) == len(p)
    assert sum(row.share for row in plan.classes) == n
    for row in (plan.whole, *plan.classes):
        assert 0 <= row.found.low <= row.found.value <= row.found.high <= row.reviews
        assert row.found.value <= row.left.value + 1e-9
        assert row.left.high <= row.unreviewed
        assert row.reviews_for_most <= row.unreviewed
    assert plan.best.found.value >= max(row.found.value for row in plan.classes)


def test_the_truth_lies_in_the_range_when_scores_are_right():
    rng = np.random.default_rng(0)
    p = np.sort(rng.beta(0.3, 2.0, 4_000))[::-1]
    classes = ["cat", "dog"] * 2_000
    plan = make_plan(p, classes, fit_odds(), 300)
    inside = 0
    for _ in range(100):
        found = (rng.random(300) < p[:300]).sum()
        inside += plan.whole.found.low <= found <= plan.whole.found.high
    assert inside >= 95


def test_verdicts_bend_the_curve_where_they_were_given_and_controls_everywhere():
    p = np.concatenate([np.full(200, 0.9), np.full(2_000, 0.05)])
    classes = ["cat"] * 2_200
    before = make_plan(p, classes, fit_odds(), 200)
    head = fit_odds([0.9] * 60, [False] * 50 + [True] * 10, ["cat"] * 60)
    told = make_plan(p, classes, head, 200)
    assert told.whole.found.high < before.whole.found.value
    controls = fit_odds([0.05] * 100, [True] * 30 + [False] * 70, ["cat"] * 100, [True] * 100)
    assert expected_errors(p, classes, controls).value > 1.5 * before.whole.left.value
    assert make_plan(p, classes, controls, 200).n_controls == 100


def test_controls_that_contradict_the_scores_outweigh_what_was_found_elsewhere():
    wrong, classes = [True] * 55 + [False] * 45, ["cat", "dog"] * 50
    told = fit_odds([0.1] * 100, wrong, classes, [True] * 100)
    total = expected_errors([0.1] * 1_000, ["cat", "dog"] * 500, told)
    assert total.low < 550 < total.high
    # The head of a queue is wrong more often than the rest, and shows nothing of the kind.
    head = fit_odds([0.1] * 100, wrong, classes)
    assert expected_errors([0.1] * 1_000, ["cat", "dog"] * 500, head).value < total.value


def test_other_classes_learn_less_from_a_class_than_the_class_itself():
    odds = fit_odds([0.3] * 80, [True] * 70 + [False] * 10, ["cat"] * 80)
    plan = make_plan([0.3] * 200, ["cat"] * 100 + ["dog"] * 100, odds, 100)
    cat, dog = plan.of_class("cat"), plan.of_class("dog")
    assert cat.found.value > dog.found.value > 30
    assert dog.found.high - dog.found.low > cat.found.high - cat.found.low


def test_a_class_that_is_exhausted_sends_on_to_where_most_is_left():
    p = [0.02] * 100 + [0.9] * 100
    plan = make_plan(p, ["cat"] * 100 + ["dog"] * 100, fit_odds(), 50)
    found = propose(plan, Scope.CLASS, "cat")
    assert (found.class_of_interest, found.elsewhere, found.exhausted) == ("dog", True, False)
    assert found.reasons[0].startswith("Class cat is exhausted: of its next 50 labels")
    assert "Go on with class dog" in found.reasons[1]
    assert "nine in ten" in found.reasons[-1]
    there = propose(plan, Scope.CLASS, "dog")
    assert (there.class_of_interest, there.elsewhere) == ("dog", False)


def test_where_nothing_pays_any_more_it_says_so():
    plan = make_plan([0.01] * 400, ["cat", "dog"] * 200, fit_odds(), 50)
    found = propose(plan, Scope.DATASET)
    assert found.exhausted
    assert "Further reviews of the whole dataset hardly pay" in " ".join(found.reasons)
    assert propose(make_plan([], [], fit_odds(), 50), Scope.DATASET) is None
    assert str(make_plan([], [], fit_odds(), 50)) == "Everything has been reviewed."


@pytest.mark.parametrize(
    ("p", "classes", "budget", "match"),
    [
        ([0.1], ["a"], 0, "budget must be at least 1, got 0"),
        ([0.1], ["a", "b"], 5, "one for each of 1 labels, got 2"),
        ([1.1], ["a"], 5, "must be of shape"),
    ],
)
def test_what_is_no_queue_is_refused(p, classes, budget, match):
    with pytest.raises(DataError, match=match):
        make_plan(p, classes, fit_odds(), budget)


def test_controls_are_said_of_each_verdict():
    with pytest.raises(DataError, match="of one length, got 2, 2, 2 and 1"):
        fit_odds([0.1, 0.2], [True, False], ["cat", "dog"], [True])


def test_a_plan_on_record_is_small_and_proposes_the_same():
    rng = np.random.default_rng(0)
    p = np.sort(rng.beta(0.3, 2.0, 3_000))[::-1]
    classes = [f"class {k % 60:02d}" for k in range(3_000)]
    plan = make_plan(p, classes, fit_odds(), 50)
    last = plan.classes[-1].name
    record = json.loads(json.dumps(to_record(plan, last)))
    kept = from_record(record)
    assert len(kept.classes) == MOST_CLASSES + 1
    assert kept.more_classes == 60 - MOST_CLASSES - 1
    assert (kept.whole, kept.best, kept.of_class(last)) == (
        plan.whole, plan.best, plan.of_class(last),
    )  # fmt: skip
    assert propose(kept, Scope.CLASS, last) == propose(plan, Scope.CLASS, last)
    assert from_record(plan.to_dict()) == plan


def test_a_plan_in_words_names_every_class_and_what_it_rests_on():
    p, classes = [0.99] * 30 + [0.01] * 70, ["cat"] * 40 + ["dog"] * 60
    plan = make_plan(p, classes, fit_odds(), 20, left_out=3)
    lines = str(plan).splitlines()
    assert lines[0] == plan.headline
    assert lines[0].startswith("20 reviews of the whole dataset find ")
    cat, dog = lines[2:4]
    assert (cat.split()[:2], dog.split()[:2]) == (["cat", "20"], ["dog", "0"])
    assert dog.endswith("exhausted")
    assert not cat.endswith("exhausted")
    assert lines[4] == "By the scores; no verdict yet."
    assert lines[5].startswith("Left out: 3 labels")
    odds = fit_odds([0.9, 0.2], [True, False], ["cat", "dog"], [False, True])
    told = str(make_plan(p, classes, odds, 20)).splitlines()
    assert told[-1] == "By the scores and 2 verdicts, 1 of them on controls."
    nothing = make_plan([], [], fit_odds(), 20)
    assert str(nothing) == nothing.headline == "Everything has been reviewed."
