"""What a round may be drawn from, and what rounds of one scope tell of another."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coreset_cleaning.core.errors import DataError
from coreset_cleaning.core.judging.tally import importance_bars, round_yields
from coreset_cleaning.core.judging.yields import yield_report
from coreset_cleaning.core.review.ledger import Event, EventKind
from coreset_cleaning.core.review.queue import BatchItem
from coreset_cleaning.core.review.round import Round
from coreset_cleaning.core.review.rounds import Rounds
from coreset_cleaning.core.review.scope import Scope, read_scope
from coreset_cleaning.core.review.verdicts import Verdict


@pytest.mark.parametrize(
    ("scope", "classes", "meant"),
    [
        (None, None, (None, None)),
        (None, "cat", (Scope.CLASS, "cat")),
        ("class", None, (Scope.CLASS, None)),
        ("class", {"cat": 3}, (Scope.CLASS, {"cat": 3})),
        ("dataset", None, (Scope.DATASET, None)),
        (["dataset"], None, (Scope.CLASS, ["dataset"])),  # a class of that name
        (("cat", "dog"), None, (Scope.CLASS, ["cat", "dog"])),
    ],
)
def test_a_scope_is_read(scope, classes, meant):
    assert read_scope(scope, classes) == meant


@pytest.mark.parametrize(
    ("scope", "classes", "message"),
    [
        ("cat", None, "got 'cat'"),
        ("", None, "got ''"),
        ("dataset", ["cat"], "must not be given together with classes"),
        (["cat"], "dog", "must not both name classes"),
    ],
)
def test_a_scope_that_can_t_be_meant_is_refused(scope, classes, message):
    with pytest.raises(DataError, match=message):
        read_scope(scope, classes)


# ---- a small world: labels of three classes, some wrong, reviewed in rounds of both scopes

CLASSES = ("cat", "dog", "owl")


def simulate(seed, plan, m=150, share=0.3):
    """Review rounds as `plan` says (a class, or None for the whole dataset); all are answered."""
    rng = np.random.default_rng(seed)
    label = {f"s{i}": CLASSES[i % 3] for i in range(m)}
    wrong = {i: bool(rng.random() < share) for i in label}
    left, rounds = list(label), []
    for number, cls in enumerate(plan, 1):
        mine = [i for i in left if cls in (None, label[i])]
        shown = rng.permutation(mine)[:9].tolist()
        items = [
            BatchItem(i, rank, 0.5 / (1 + rank), label[i], 1.0, rank < 3, "x", 0.5)
            for rank, i in enumerate(shown)
        ]
        pools = Counter(label[i] for i in mine)
        scope = Scope.CLASS if cls else Scope.DATASET
        config = {"created_at": "", "options": {"reviewers_per_task": 1, "scope": scope.value}}
        events = [
            Event(
                EventKind.REVIEW, number, i, f"{number:02d}-{k:03d}", str(k), "ann",
                Verdict.DELETE if wrong[i] else Verdict.KEEP, None, created_at="", updated_at="",
            )
            for k, i in enumerate(shown)
        ]  # fmt: skip
        rounds.append(
            Round(number, "f", cls or "cat", None, config, items, pools, events, closed_at="x")
        )
        left = [i for i in left if i not in shown]
    return Rounds(rounds), label, wrong, left


plans = st.lists(st.sampled_from([None, "cat", "dog"]), min_size=1, max_size=4)


@given(seed=st.integers(0, 50), plan=plans)
def test_the_rounds_of_a_dataset_add_up(seed, plan):
    rounds, label, wrong, left = simulate(seed, plan)
    rows = round_yields(rounds, None)
    if None not in plan:
        assert rows == []
        return
    assert [row.of_part for row in rows] == [cls is not None for cls in plan]
    # What is waiting is all that was there, less what was reviewed.
    reviewed = np.cumsum([0, *(row.reviewed for row in rows)])
    assert [row.pool for row in rows] == (len(label) - reviewed[:-1]).tolist()
    assert rows[-1].pool - rows[-1].reviewed == len(left)
    assert sum(row.errors for row in rows) == sum(wrong.values()) - sum(wrong[i] for i in left)
    report = yield_report(rows, None, Scope.DATASET)
    found = sum(row.errors for row in rows)
    assert 0 <= report.errors_left.low <= report.errors_left.high <= len(left)
    # The controls of its own rounds only.
    own = [row for row in rows if not row.of_part]
    queue = sum(row.reviewed - row.n_controls for row in own)
    hits = sum(row.errors - row.control_errors for row in own)
    assert report.precision.value == pytest.approx(hits / queue)
    start = report.noise_rate.times(len(label))
    assert start.low == pytest.approx(report.errors_left.low + found)


@given(seed=st.integers(0, 50), plan=plans)
def test_every_round_tells_of_the_classes_that_it_shows(seed, plan):
    rounds, *_ = simulate(seed, plan)
    for cls in CLASSES:
        rows = round_yields(rounds, cls)
        shown = [[i for i in r.batch if i.label == cls] for r in rounds]
        assert [row.reviewed for row in rows] == [len(s) for s in shown if s]
        assert [row.n_controls for row in rows] == [sum(i.control for i in s) for s in shown if s]
        assert not any(row.of_part for row in rows)


def test_errors_left_of_the_whole_dataset_cover_the_truth():
    held = 0
    for seed in range(200):
        rounds, _, wrong, left = simulate(seed, [None, "cat", None, "dog", None])
        report = yield_report(round_yields(rounds, None), None, Scope.DATASET)
        held += report.errors_left.low <= sum(wrong[i] for i in left) <= report.errors_left.high
    # 95 % of 200, less three standard deviations.
    assert held >= 180


def test_what_a_round_of_the_whole_dataset_says_of_itself():
    rounds, *_ = simulate(0, [None, "dog"])
    whole, part = rounds
    assert (whole.scope, whole.queues, whole.reviewed_what) == (
        Scope.DATASET, (None,), "whole dataset",
    )  # fmt: skip
    assert (part.scope, part.queues, part.reviewed_what) == (Scope.CLASS, ("dog",), "dog")
    rows = [row.to_dict() for row in rounds.history()]
    assert [row["scope"] for row in rows] == ["dataset", "class"]
    assert [row["class_of_interest"] for row in rows] == ["whole dataset", "dog"]
    assert rows[0]["pool"] == 150
    # Rounds of older versions had classes only.
    del part.config["options"]["scope"]
    assert part.scope is Scope.CLASS


@given(seed=st.integers(0, 50), plan=plans)
def test_bars_of_importance_hold_every_judged_label_once(seed, plan):
    rounds, _, wrong, _ = simulate(seed, plan)
    bars = importance_bars(rounds, 5)
    judged = [i for r in rounds for i in rounds.judged(r)]
    assert sum(bar.wrong for bar in bars) == sum(wrong[i] for i in judged)
    assert sum(bar.wrong + bar.right for bar in bars) == len(judged)
    assert all(one.high == pytest.approx(two.low) for one, two in pairwise(bars))
