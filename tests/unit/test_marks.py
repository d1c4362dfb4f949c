"""Laws of what verdicts leave on a sample, and of reading what older versions stored."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coreset_cleaning.core.errors import RoundError
from coreset_cleaning.core.review.ledger import SampleState
from coreset_cleaning.core.review.marks import Marks, apply_state
from coreset_cleaning.core.review.schema import SCHEMA, upgrade
from coreset_cleaning.core.review.verdicts import Outcome

labels = st.sampled_from(["cat", "dog", "<b>&$ 🐈"])


@st.composite
def states(draw):
    """States of one sample; the times of two differ, as they do in a ledger."""
    outcome = draw(st.sampled_from(list(Outcome)))
    return SampleState(
        sample_id="a",
        round=draw(st.integers(1, 3)),
        outcome=outcome,
        new_label=draw(labels) if outcome is Outcome.RELABELED else None,
        reviewers=("ann",),
        reviewed_at=f"2026-01-01T00:00:{draw(st.integers(0, 10**6)):07d}Z",
        annotation_ids=(1,),
        comment=draw(st.sampled_from(["", "blurred"])),
    )


def differ(path):
    keys = [(s.round, s.outcome, s.reviewed_at, s.comment) for s in path if s]
    return len(set(keys)) == len(keys)


clean = st.builds(
    lambda label, weight: Marks(label, None, weight, False, None),
    labels,
    st.sampled_from([1.0, 0.25, 3.0]),
)
paths = st.lists(st.one_of(st.none(), states()), max_size=5).filter(differ)


@given(marks=clean, path=paths, state=states())
def test_only_the_last_state_counts(marks, path, state):
    if not differ([*path, state]):
        return
    now = marks
    for step in path:
        now = apply_state(now, step, marks.weight)
    assert apply_state(now, state, marks.weight) == apply_state(marks, state, marks.weight)


@given(marks=clean, path=paths)
def test_taking_everything_back_is_exact(marks, path):
    now = marks
    for step in path:
        now = apply_state(now, step, marks.weight)
    assert apply_state(now, None, marks.weight) == marks


@given(marks=clean, state=states())
def test_writing_twice_changes_nothing(marks, state):
    once = apply_state(marks, state, marks.weight)
    assert apply_state(once, state, marks.weight) == once


@given(marks=clean, path=paths)
def test_weights_are_0_exactly_for_deleted(marks, path):
    now = marks
    for state in path:
        now = apply_state(now, state, marks.weight)
        assert (now.weight == 0) == (state is not None and state.outcome is Outcome.DELETED)
        assert now.deleted == (now.weight == 0)
        assert now.weight in (0, marks.weight)


@given(marks=clean, path=paths)
def test_the_first_label_is_kept_exactly_while_it_is_replaced(marks, path):
    now = marks
    for state in path:
        now = apply_state(now, state, marks.weight)
        relabeled = state is not None and state.outcome is Outcome.RELABELED
        assert now.original == (marks.label if relabeled else None)
        assert now.label == (state.new_label if relabeled else marks.label)


@given(marks=clean, state=states(), label=labels, weight=st.sampled_from([0.5, 2.0]))
def test_what_a_user_changes_afterwards_stays(marks, state, label, weight):
    written = apply_state(marks, state, marks.weight)
    edited = replace(written, label=label, weight=weight)
    assert apply_state(edited, state, marks.weight) == edited


def test_a_write_that_was_cut_off_is_finished():
    state = SampleState("a", 1, Outcome.RELABELED, "dog", ("ann",), "2026", (1,), "")
    marks = Marks("cat", None, 1.0, False, None)
    whole = apply_state(marks, state, 1.0)
    # The first label is written first, the review last.
    for part in (replace(marks, original="cat"), replace(whole, review=None)):
        assert apply_state(part, state, 1.0) == whole
        assert apply_state(part, None, 1.0) == marks


def old_round():
    return {
        "schema": 1,
        "config": {"class_of_interest": "cat", "pool": 120, "seed": 3},
        "batch": [],
        "events": [],
        "project": {},
        "evaluation": None,
        "closed_at": None,
    }


def test_a_round_of_schema_1_is_read():
    document = upgrade(old_round(), "round 1")
    assert document["schema"] == SCHEMA
    assert document["pools"] == {"cat": 120}
    assert document["config"] == {"class_of_interest": "cat", "seed": 3}
    assert old_round()["config"]["pool"] == 120


def test_a_start_of_schema_1_said_nothing_of_its_schema():
    start = {"config": {}, "given_labels": {"a": "cat"}, "pair": None}
    assert upgrade(start, "the start") == {**start, "schema": SCHEMA}


def test_todays_documents_are_left_as_they_are():
    document = {"schema": SCHEMA, "config": {"pool": 1}}
    assert upgrade(document, "round 1") is document


def test_documents_of_a_newer_version_are_refused():
    with pytest.raises(RoundError, match=rf"round 7 was written with schema 99.*up to {SCHEMA}"):
        upgrade({"schema": 99, "config": {}}, "round 7")
