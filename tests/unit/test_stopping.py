"""The stop rule: when it stops, when it goes on, and what it says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from coreset_cleaning.core.judging.evaluation import AurocEvaluation, AurocScores, ControlScores
from coreset_cleaning.core.judging.odds import fit_odds
from coreset_cleaning.core.judging.plan import make_plan
from coreset_cleaning.core.judging.stopping import RoundSummary, next_step
from coreset_cleaning.core.review.scope import Scope

NOISE = np.random.default_rng(0).normal(0, 0.01, 200)
WOBBLE = np.random.default_rng(1).normal(0, 0.0005, 200)


def measured(cv=0.9, heldout=0.9, blind=None, wobble=0.0) -> AurocEvaluation:
    replicates = () if heldout is None else tuple((heldout + NOISE + wobble * WOBBLE).tolist())
    scores = AurocScores(
        cv=cv,
        frozen=cv,
        heldout=heldout,
        heldout_interval=None,
        heldout_replicates=replicates,
        random_deletion=None,
        blind_deletion=None if blind is None else ControlScores(blind, heldout),
    )
    return AurocEvaluation(pair=scores, all_classes=scores, n_changed=0)


def rounds(*errors, evaluations=None, n_controls=5, control_errors=0, reviewed=50):
    evaluations = evaluations or [None] * len(errors)
    return [
        RoundSummary(i + 1, reviewed, found, n_controls, control_errors, evaluation)
        for i, (found, evaluation) in enumerate(zip(errors, evaluations, strict=True))
    ]


def test_the_first_round_is_worth_it():
    decision = next_step([])
    assert decision.continue_
    assert decision.reasons == ("No round has been reviewed yet.",)


def test_a_good_yield_goes_on():
    decision = next_step(rounds(30, 25))
    assert decision.continue_
    assert decision.reasons == ("Round 2 found 25 wrong labels in 50 samples.",)


def test_a_spent_budget_stops():
    decision = next_step(rounds(30, 25), budget=100)
    assert not decision.continue_
    assert "100 of 100" in decision.reasons[0]
    assert next_step(rounds(30, 25), budget=101).continue_


def test_a_budget_may_be_overspent():
    assert not next_step(rounds(30, 25), budget=99).continue_


def test_what_one_round_shows_is_said_of_that_round():
    decision = next_step(rounds(9, 9, 0), plateau_rounds=1)
    assert "No wrong label was found in round 3 (50 samples)" in decision.reasons[0]


def test_the_last_rounds_are_compared_with_the_one_before_them():
    early = [measured(heldout=0.8), *(measured(wobble=i) for i in range(3))]
    decision = next_step(rounds(20, 20, 20, evaluations=early[1:]), baseline=early[0])
    assert not decision.continue_
    assert "over the last 2 rounds" in decision.reasons[0]


@pytest.mark.parametrize("short", [0, 1])
def test_replicates_that_were_not_drawn_alike_are_not_compared(short):
    path = [measured(wobble=i) for i in range(3)]
    scores = path[2 * short].pair
    cut = replace(scores, heldout_replicates=scores.heldout_replicates[:100])
    path[2 * short] = replace(path[2 * short], pair=cut)
    decision = next_step(rounds(20, 20, evaluations=path[1:]), baseline=path[0])
    assert "Cross-validated AUROC changed by +0.0000" in decision.reasons[0]


def test_finding_nothing_stops():
    decision = next_step(rounds(9, 0, 0))
    assert not decision.continue_
    assert "No wrong label was found in the last 2 rounds" in decision.reasons[0]
    assert next_step(rounds(9, 0)).continue_
    assert next_step(rounds(0, 0, reviewed=20)).continue_  # too few to tell


def test_a_queue_no_better_than_random_stops():
    decision = next_step(rounds(10, 10, n_controls=25, control_errors=5))
    assert not decision.continue_
    assert "no better than chance" in decision.reasons[0]
    worse = next_step(rounds(16, 16, n_controls=25, control_errors=15))
    assert "no more wrong labels than random samples" in worse.reasons[0]


def test_a_flat_auroc_stops():
    flat = [measured(wobble=i) for i in range(3)]
    decision = next_step(rounds(20, 20, evaluations=flat[1:]), baseline=flat[0])
    assert not decision.continue_
    assert "Held-out AUROC changed by" in decision.reasons[0]
    assert next_step(rounds(20, evaluations=flat[1:2]), baseline=flat[0]).continue_


def test_a_falling_auroc_stops():
    falling = [measured(heldout=0.9 - 0.01 * i) for i in range(3)]
    decision = next_step(rounds(20, 20, evaluations=falling[1:]), baseline=falling[0])
    assert not decision.continue_
    assert "-0.0200" in decision.reasons[0]


@pytest.mark.parametrize("step", [0.002, 0.02])
def test_a_rising_auroc_goes_on(step):
    rising = [measured(heldout=0.9 + step * i, wobble=i) for i in range(3)]
    assert next_step(rounds(20, 20, evaluations=rising[1:]), baseline=rising[0]).continue_


def test_cross_validated_gains_count_beyond_blind_deletion():
    honest = [measured(cv=0.9 + 0.01 * i, blind=0.895 + 0.01 * i, wobble=i) for i in range(3)]
    assert next_step(rounds(20, 20, evaluations=honest[1:]), baseline=honest[0]).continue_
    gamed = [measured(cv=0.9 + 0.01 * i, blind=0.9 + 0.01 * i, wobble=i) for i in range(3)]
    decision = next_step(rounds(20, 20, evaluations=gamed[1:]), baseline=gamed[0])
    assert not decision.continue_
    assert "By AUROC nothing was gained" in decision.reasons[1]


def test_without_a_test_split_the_cross_validated_number_decides():
    def run(*values, offset=-0.01):
        path = [measured(cv=v, heldout=None, blind=v + offset) for v in values]
        return next_step(rounds(20, 20, evaluations=path[1:]), baseline=path[0])

    assert run(0.90, 0.92, 0.94).continue_
    flat = run(0.90, 0.9001, 0.9002)
    assert not flat.continue_
    assert "Cross-validated AUROC changed by +0.0002" in flat.reasons[0]
    gamed = run(0.90, 0.92, 0.94, offset=0.0)
    assert not gamed.continue_
    assert "By AUROC nothing was gained" in gamed.reasons[0]


def test_rounds_without_evaluation_leave_the_plateau_open():
    flat = measured()
    history = rounds(20, 20, evaluations=[flat, None])
    assert next_step(history, baseline=flat).continue_


def test_parameters_move_the_rules():
    flat = [measured(wobble=i) for i in range(4)]
    history = rounds(20, 20, 20, evaluations=flat[1:])
    assert not next_step(history, baseline=flat[0]).continue_
    assert next_step(history, baseline=flat[0], plateau_rounds=4).continue_
    assert next_step(history, baseline=flat[0], min_reviewed=500).continue_
    slow = [measured(heldout=0.9 + 0.001 * i, wobble=10 * i) for i in range(3)]
    history = rounds(20, 20, evaluations=slow[1:])
    assert next_step(history, baseline=slow[0], min_gain=0.001).continue_
    assert not next_step(history, baseline=slow[0], min_gain=0.005).continue_


# ---- the whole dataset


def of_dataset(history):
    return [replace(row, scope=Scope.DATASET) for row in history]


def apart(pair, everything):
    """An evaluation whose pair and all classes say different things."""
    return replace(measured(heldout=pair), all_classes=measured(heldout=everything).all_classes)


@pytest.mark.parametrize("rising", ["pair", "all_classes"])
def test_of_the_whole_dataset_all_classes_decide(rising):
    path = [
        apart(0.9 + 0.01 * i, 0.9) if rising == "pair" else apart(0.9, 0.9 + 0.01 * i)
        for i in range(3)
    ]
    history = rounds(20, 20, evaluations=path[1:])
    assert next_step(history, baseline=path[0]).continue_ is (rising == "pair")
    decision = next_step(of_dataset(history), baseline=path[0])
    assert decision.continue_ is (rising == "all_classes")


def test_the_trap_of_the_whole_dataset_is_that_of_all_classes():
    start, now = measured(cv=0.90), measured(cv=0.92, blind=0.93)
    now = replace(now, pair=None)
    reasons = next_step(of_dataset(rounds(20, evaluations=[now])), baseline=start).reasons
    assert "rose from 0.9000 to 0.9200" in reasons[1]


def test_a_new_scope_gets_rounds_of_its_own_before_it_is_given_up():
    exhausted = rounds(20, 0, 0)
    assert not next_step(exhausted).continue_
    other = of_dataset(rounds(0, 0, 0, 0, 0))[3:]
    assert next_step([*exhausted, other[0]]).continue_
    decision = next_step([*exhausted, *other])
    assert "No wrong label was found in the last 2 rounds (100 samples)" in decision.reasons[0]


# ---- what a stop leaves behind


def planned(cat, dog, budget=50):
    """A plan of two classes of 100 unreviewed labels each, from how likely each is wrong."""
    p = [cat] * 100 + [dog] * 100
    return make_plan(p, ["cat"] * 100 + ["dog"] * 100, fit_odds(), budget)


def of_class(history, name):
    return [replace(row, class_of_interest=name) for row in history]


def test_a_class_that_is_given_up_is_not_all_there_is():
    decision = next_step(of_class(rounds(9, 0, 0), "cat"), plan=planned(0.02, 0.9))
    assert (decision.continue_, decision.advice) == (False, "Stop here")
    assert (decision.proposal.class_of_interest, decision.proposal.elsewhere) == ("dog", True)
    assert "No wrong label was found" in decision.reasons[0]
    assert decision.reasons[1].startswith("Wrong labels are left in class dog: of its next 50")
    assert "nine in ten" in decision.reasons[2]
    assert decision.to_dict()["proposal"] == {"scope": "class", "class": "dog"}


def test_what_found_nothing_is_not_proposed_again_whatever_the_plan_says_of_it():
    decision = next_step(of_class(rounds(9, 0, 0), "cat"), plan=planned(0.9, 0.3))
    assert decision.proposal.class_of_interest != "cat"
    nowhere = next_step(of_dataset(rounds(9, 0, 0)), plan=planned(0.9, 0.3))
    assert (nowhere.continue_, nowhere.advice, nowhere.proposal) == (False, "Stop", None)
    assert len(nowhere.reasons) == 1


def test_a_flat_auroc_does_not_hide_the_wrong_labels_that_are_left():
    flat = [measured(wobble=i) for i in range(3)]
    history = of_dataset(rounds(20, 20, evaluations=flat[1:]))
    decision = next_step(history, baseline=flat[0], plan=planned(0.9, 0.9))
    assert (decision.continue_, decision.advice) == (False, "Stop here")
    assert (decision.proposal.scope, decision.proposal.elsewhere) == (Scope.DATASET, False)
    assert "Held-out AUROC changed by" in decision.reasons[0]
    assert "Wrong labels are left in the whole dataset" in decision.reasons[1]


@pytest.mark.parametrize("history", [rounds(9, 0, 0), rounds(9, 9)])
def test_where_nothing_pays_any_more_a_stop_is_final(history):
    decision = next_step(of_class(history, "cat"), plan=planned(0.01, 0.01))
    assert (decision.continue_, decision.advice, decision.proposal) == (False, "Stop", None)
    assert "hardly pay" in " ".join(decision.reasons)
    assert decision.to_dict()["proposal"] is None


def test_a_spent_budget_proposes_nothing():
    decision = next_step(of_class(rounds(9, 9), "cat"), budget=100, plan=planned(0.9, 0.9))
    assert (decision.advice, decision.proposal, len(decision.reasons)) == ("Stop", None, 1)
