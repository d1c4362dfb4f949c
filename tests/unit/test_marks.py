"""Laws of what verdicts leave on a label."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st

from coreset_cleaning.core.review.ledger import LabelState
from coreset_cleaning.core.review.marks import Asked, Marks, apply_state, given_label, is_outdated
from coreset_cleaning.core.review.verdicts import Outcome

labels = st.sampled_from(["cat", "dog", "<b>&$ 🐈"])


@st.composite
def states(draw, outcomes=tuple(Outcome)):
    """States of one label; the times of two differ, as they do in a ledger."""
    outcome = draw(st.sampled_from(outcomes))
    return LabelState(
        sample_id="a",
        round=draw(st.integers(1, 3)),
        outcome=outcome,
        new_label=draw(labels) if outcome is Outcome.RELABELED else None,
        reviewers=("ann",),
        reviewed_at=f"2026-01-01T00:00:{draw(st.integers(0, 10**6)):07d}Z",
        answer_ids=("1",),
        comment=draw(st.sampled_from(["", "blurred"])),
    )


def differ(path):
    keys = [(s.round, s.outcome, s.reviewed_at, s.comment) for s in path if s]
    return len(set(keys)) == len(keys)


def asked(marks, **known):
    """What reviewers were asked about a label that nobody has changed since."""
    return Asked(marks.label, marks.weight, **known)


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
        now = apply_state(now, step, asked(marks))
    assert apply_state(now, state, asked(marks)) == apply_state(marks, state, asked(marks))


@given(marks=clean, path=paths)
def test_taking_everything_back_is_exact(marks, path):
    now = marks
    for step in path:
        now = apply_state(now, step, asked(marks))
    assert apply_state(now, None, asked(marks)) == marks


@given(marks=clean, state=states())
def test_writing_twice_changes_nothing(marks, state):
    once = apply_state(marks, state, asked(marks))
    assert apply_state(once, state, asked(marks)) == once


@given(marks=clean, path=paths)
def test_weights_are_0_exactly_for_deleted(marks, path):
    now = marks
    for state in path:
        now = apply_state(now, state, asked(marks))
        assert (now.weight == 0) == (state is not None and state.outcome is Outcome.DELETED)
        assert now.deleted == (now.weight == 0)
        assert now.weight in (0, marks.weight)


@given(marks=clean, path=paths)
def test_the_first_label_is_kept_exactly_while_it_is_replaced(marks, path):
    now = marks
    for state in path:
        now = apply_state(now, state, asked(marks))
        relabeled = state is not None and state.outcome is Outcome.RELABELED
        assert now.original == (marks.label if relabeled else None)
        assert now.label == (state.new_label if relabeled else marks.label)


@given(marks=clean, state=states(), label=labels, weight=st.sampled_from([0.5, 2.0]))
def test_what_a_user_changes_afterwards_stays(marks, state, label, weight):
    written = apply_state(marks, state, asked(marks))
    edited = replace(written, label=label, weight=weight)
    assert apply_state(edited, state, asked(marks)) == edited


def test_a_write_that_was_cut_off_is_finished():
    state = LabelState("a", 1, Outcome.RELABELED, "dog", ("ann",), "2026", ("1",), "")
    marks = Marks("cat", None, 1.0, False, None)
    whole = apply_state(marks, state, asked(marks))
    # The first label is written first, the review last.
    for part in (replace(marks, original="cat"), replace(whole, review=None)):
        assert apply_state(part, state, asked(marks)) == whole
        assert apply_state(part, None, asked(marks)) == marks


@st.composite
def written(draw):
    """A label, what reviewers were asked about it, and what several states left there."""
    before = draw(clean)
    question = asked(before)
    now = before
    for state in draw(paths):
        now = apply_state(now, state, question)
    return before, question, now


@given(found=written(), state=states(), label=labels)
def test_answers_about_another_label_change_nothing(found, state, label):
    before, question, now = found
    assume(label != before.label)
    other = replace(question, label=label)  # the reviewers saw something else
    assume(not (now.review and (now.review.round, now.review.reviewed_at) == key(state)))
    assert is_outdated(now, state, other)
    # What was written for earlier answers is taken back, and that is all.
    assert apply_state(now, state, other) == apply_state(now, None, other) == before


def key(state):
    return state.round, state.reviewed_at


@given(found=written(), state=states())
def test_answers_about_the_label_that_is_there_are_never_outdated(found, state):
    before, question, now = found
    assert given_label(now, question) == before.label == question.label
    assert not is_outdated(now, state, question)
    assert not is_outdated(now, None, question)


@given(found=written(), state=states(), label=labels)
def test_a_label_that_a_user_changes_makes_later_answers_outdated(found, state, label):
    before, question, now = found
    assume(now.original is None and label != before.label)
    edited = replace(now, label=label)
    assume(not (now.review and (now.review.round, now.review.reviewed_at) == key(state)))
    assert is_outdated(edited, state, question)
    assert apply_state(edited, state, question).label == label
    # Without answers there is nothing to be outdated, and the user's label stays.
    assert not is_outdated(edited, None, question)
    assert apply_state(edited, None, question).label == label


marked_by_others = st.builds(
    lambda label, original, weight, deleted: Marks(label, original, weight, deleted, None),
    labels,
    st.one_of(st.none(), labels),
    st.sampled_from([0.0, 0.3, 1.0]),
    st.booleans(),
)
quiet = states((Outcome.KEPT, Outcome.UNSURE, Outcome.CONFLICT))


@given(marks=marked_by_others, path=st.lists(st.one_of(st.none(), quiet), max_size=4))
def test_what_no_event_put_there_is_never_taken_back(marks, path):
    question = asked(replace(marks, weight=7.0), was_relabeled=False, was_deleted=False)
    now = marks
    for state in path:
        now = apply_state(now, state, question)
        assert (now.label, now.original, now.weight) == (marks.label, marks.original, marks.weight)


@given(marks=marked_by_others, state=states((Outcome.DELETED,)))
def test_a_deletion_without_a_relabel_leaves_a_foreign_first_label(marks, state):
    question = asked(marks, was_relabeled=False)
    deleted = apply_state(marks, state, question)
    assert (deleted.label, deleted.original) == (marks.label, marks.original)
    assert deleted.weight == 0
    undone = apply_state(deleted, None, question)
    assert (undone.label, undone.original, undone.weight) == (
        marks.label,
        marks.original,
        marks.weight,
    )


@given(marks=marked_by_others, state=states((Outcome.RELABELED,)))
def test_a_relabel_without_a_deletion_leaves_a_foreign_weight(marks, state):
    marks = replace(marks, original=None)
    question = Asked(marks.label, 7.0, was_deleted=False)
    undone = apply_state(apply_state(marks, state, question), None, question)
    assert (undone.label, undone.original, undone.weight) == (marks.label, None, marks.weight)
