"""Laws of the ledger: what is recorded, what counts, what undo leaves out."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coreset_cleaning.core.errors import DataError
from coreset_cleaning.core.review.audit import AUDIT_COLUMNS, audit_rows
from coreset_cleaning.core.review.ledger import (
    Event,
    EventKind,
    fold,
    new_events,
    next_time,
    recorded_answers,
    redo,
    undo,
    undone_rounds,
)
from coreset_cleaning.core.review.queue import BatchItem
from coreset_cleaning.core.review.verdicts import Outcome, Review, Verdict, settle

CLASSES = ["cat", "dog", "<b>&$ 🐈"]


def clock(n: int) -> str:
    return f"2026-01-01T00:00:{n // 1000:02d}.{n % 1000:03d}000Z"


def review(sample="a", answer="1", verdict=Verdict.KEEP, label=None, at=1, **fields) -> Review:
    return Review(
        **{
            "round": 1,
            "sample_id": sample,
            "answer_id": answer,
            "reviewer": f"person {answer}",
            "verdict": verdict,
            "new_label": label,
            "comment": "",
            "lead_time": 1.5,
            "created_at": clock(0),
            "updated_at": clock(at),
            **fields,
        }
    )


verdicts = st.one_of(
    st.sampled_from([(Verdict.KEEP, None), (Verdict.DELETE, None), (Verdict.UNSURE, None)]),
    st.sampled_from([(Verdict.RELABEL, name) for name in CLASSES]),
)


@st.composite
def reviews(draw, max_size=12):
    """Answers as one pull sees them: each once."""
    keys = draw(
        st.lists(
            st.tuples(st.integers(1, 3), st.sampled_from("abc"), st.integers(1, 4)),
            unique=True,
            max_size=max_size,
        )
    )
    found = []
    for round_, sample, number in keys:
        verdict, label = draw(verdicts)
        found.append(
            review(
                sample,
                answer=str(100 * round_ + 10 * ord(sample) + number),
                verdict=verdict,
                label=label,
                at=draw(st.integers(1, 5)),
                round=round_,
                reviewer=f"person {number}",
            )
        )
    return found


@st.composite
def ledgers(draw):
    """Ledgers as pulls, edits, withdrawals and undos make them."""
    events: list[Event] = []
    for step in range(draw(st.integers(1, 3))):
        at = 100 * step + 10
        withdrawn = draw(st.lists(st.sampled_from(sorted(recorded_answers(events)) or [None])))
        events += new_events(events, draw(reviews(6)), [key for key in withdrawn if key], clock(at))
        if draw(st.booleans()):
            make = draw(st.sampled_from([undo, redo]))
            sample = draw(st.sampled_from([None, "a"]))
            events.append(make(draw(st.integers(1, 3)), clock(at + 1), sample))
    return events


@given(events=ledgers(), random=st.randoms(use_true_random=False))
def test_fold_does_not_depend_on_the_order_of_arrival(events, random):
    shuffled = list(events)
    random.shuffle(shuffled)
    assert fold(shuffled) == fold(events)


@given(found=reviews())
def test_pulling_again_records_nothing(found):
    events = new_events([], found, [], clock(10))
    assert len(events) == len(found)
    assert new_events(events, found, [], clock(20)) == []
    assert fold(events + new_events(events, found, [], clock(20))) == fold(events)


@given(events=ledgers(), round_=st.integers(1, 3), sample=st.sampled_from([None, "a", "b"]))
def test_undo_then_redo_is_the_identity(events, round_, sample):
    # Of a round that counts: redoing one that was left out before would bring it back.
    events = [*events, redo(round_, clock(900), sample)]
    undone = [*events, undo(round_, clock(901), sample)]
    left = fold(undone)
    assert all(
        state.round != round_ or (sample is not None and state.sample_id != sample)
        for state in left.values()
    )
    assert fold([*undone, redo(round_, clock(902), sample)]) == fold(events)


@given(events=ledgers())
def test_events_survive_json(events):
    assert [Event.from_dict(json.loads(json.dumps(e.to_dict()))) for e in events] == events


@given(found=reviews())
def test_a_state_is_deleted_exactly_when_most_certain_reviewers_deleted(found):
    for sample_id, state in fold(new_events([], found, [], clock(10))).items():
        votes = [
            (r.verdict, r.new_label)
            for r in found
            if (r.sample_id, r.round) == (sample_id, state.round)
            and r.verdict is not Verdict.UNSURE
        ]
        best = max(map(votes.count, votes), default=0)
        winners = {vote for vote in votes if votes.count(vote) == best}
        assert (state.outcome is Outcome.DELETED) == (winners == {(Verdict.DELETE, None)})
        assert (state.new_label is not None) == (state.outcome is Outcome.RELABELED)


def test_an_edit_replaces_the_answer_and_both_stay_on_record():
    events = new_events([], [review(verdict=Verdict.DELETE, at=1)], [], clock(10))
    events += new_events(
        events, [review(verdict=Verdict.RELABEL, label="dog", at=2)], [], clock(20)
    )
    assert [e.verdict for e in events] == [Verdict.DELETE, Verdict.RELABEL]
    assert fold(events)["a"].outcome is Outcome.RELABELED
    assert fold(events)["a"].new_label == "dog"


def test_an_older_version_of_an_answer_is_passed_over():
    events = new_events([], [review(verdict=Verdict.DELETE, at=2)], [], clock(10))
    assert new_events(events, [review(verdict=Verdict.KEEP, at=1)], [], clock(20)) == []


def test_of_two_versions_of_an_answer_in_one_pull_the_later_one_counts():
    older, newer = review(verdict=Verdict.KEEP, at=1), review(verdict=Verdict.DELETE, at=2)
    for found in ([older, newer], [newer, older]):
        events = [
            replace(event, recorded_at=clock(10))
            for answer in found
            for event in new_events([], [answer], [], clock(10))
        ]
        assert fold(events)["a"].outcome is Outcome.DELETED


def test_a_withdrawn_answer_no_longer_counts_and_can_come_back():
    events = new_events([], [review(verdict=Verdict.DELETE)], [], clock(10))
    gone = new_events(events, [], [(1, "a", "1"), (1, "a", "99")], clock(20))
    assert [(e.kind, e.answer_id) for e in gone] == [(EventKind.WITHDRAW, "1")]
    assert fold(events + gone) == {}
    assert recorded_answers(events + gone) == set()
    assert new_events(events + gone, [], [(1, "a", "1")], clock(30)) == []
    back = new_events(events + gone, [review(verdict=Verdict.DELETE)], [], clock(40))
    assert fold(events + gone + back)["a"].outcome is Outcome.DELETED


def test_a_reviewer_who_answered_twice_has_one_voice():
    twice = [
        review(answer="1", verdict=Verdict.DELETE, at=1, reviewer="ann"),
        review(answer="2", verdict=Verdict.DELETE, at=2, reviewer="ann"),
        review(answer="3", verdict=Verdict.KEEP, at=3, reviewer="bob"),
    ]
    state = fold(new_events([], twice, [], clock(10)))["a"]
    assert state.outcome is Outcome.CONFLICT
    assert state.answer_ids == ("2", "3")
    assert state.reviewers == ("ann", "bob")


def test_a_later_round_decides_unless_it_is_undecided():
    first = review(verdict=Verdict.DELETE, round=1)
    unsure = review(answer="2", verdict=Verdict.UNSURE, round=2)
    keep = review(answer="3", verdict=Verdict.KEEP, round=3)
    assert fold(new_events([], [first, unsure], [], clock(10)))["a"].round == 1
    assert fold(new_events([], [unsure], [], clock(10)))["a"].outcome is Outcome.UNSURE
    state = fold(new_events([], [first, unsure, keep], [], clock(10)))["a"]
    assert (state.round, state.outcome) == (3, Outcome.KEPT)


def test_undone_rounds_are_those_left_out_as_a_whole():
    events = [undo(1, clock(1)), undo(2, clock(1)), redo(2, clock(2)), undo(3, clock(1), "a")]
    assert undone_rounds(events) == {1}


def test_undoing_a_decision_brings_the_earlier_round_back():
    answers = [
        review(verdict=Verdict.RELABEL, label="dog", round=1),
        review(answer="2", verdict=Verdict.DELETE, round=2),
    ]
    events = new_events([], answers, [], clock(10))
    assert fold([*events, undo(2, clock(20))])["a"].new_label == "dog"
    assert fold([*events, undo(2, clock(20), "a")])["a"].new_label == "dog"
    assert fold([*events, undo(2, clock(20), "b")])["a"].outcome is Outcome.DELETED


def test_audit_rows_are_flat_and_alike():
    item = BatchItem("a", 7, 0.25, "cat", 1.0, True, "dog", 0.75)
    events = new_events([], [review(verdict=Verdict.RELABEL, label="dog")], [], clock(10))
    events.append(undo(1, clock(20)))
    rows = audit_rows(events, [item], {"version": "1.2", "scorer_version": "3"})
    assert tuple(rows[0]) == tuple(rows[1]) == AUDIT_COLUMNS
    assert json.loads(json.dumps(rows)) == rows
    assert rows[0]["kind"] == "review"
    assert rows[0]["new_label"] == "dog"
    assert rows[0]["pushed_rank"] == 7
    assert rows[0]["pushed_importance"] == 0.25
    assert rows[0]["pushed_label"] == "cat"
    assert rows[0]["pushed_control"] is True
    assert rows[0]["scorer_version"] == "3"
    assert rows[1]["kind"] == "undo"
    assert rows[1]["pushed_rank"] is None


@settings(max_examples=30)
@given(found=reviews(), at=st.integers(10, 20))
def test_two_processes_that_pull_the_same_come_to_the_same(found, at):
    one = new_events([], found, [], clock(10))
    two = new_events([], found, [], clock(at))
    assert fold(one + two) == fold(one)


@given(events=ledgers(), now=st.integers(0, 400))
def test_what_is_recorded_later_counts_as_later_whatever_the_clock_says(events, now):
    at = next_time(events, clock(now))
    assert all(at > event.recorded_at for event in events)
    assert at >= clock(now)
    undone = [*events, undo(1, at)]
    assert 1 in undone_rounds(undone)
    again = next_time(undone, clock(0))
    assert 1 not in undone_rounds([*undone, redo(1, again)])


def test_a_clock_that_is_right_is_believed():
    assert next_time([], clock(5)) == clock(5)
    assert next_time([undo(1, clock(4))], clock(5)) == clock(5)
    assert next_time([undo(1, clock(5))], clock(5)) == "2026-01-01T00:00:00.005001Z"


def test_ids_that_are_numbers_count_as_numbers():
    answers = [
        review(answer="9", verdict=Verdict.KEEP, reviewer="ann"),
        review(answer="10", verdict=Verdict.DELETE, reviewer="ann"),  # the same moment
    ]
    state = fold(new_events([], answers, [], clock(10)))["a"]
    assert (state.outcome, state.answer_ids) == (Outcome.DELETED, ("10",))


def test_an_event_that_an_older_version_wrote_is_read():
    row = new_events([], [review(verdict=Verdict.DELETE)], [], clock(10))[0].to_dict()
    number = int(row.pop("answer_id"))
    event = Event.from_dict({**row, "annotation_id": number})
    assert (event.answer_id, event.verdict) == ("1", Verdict.DELETE)
    row = undo(1, clock(20)).to_dict()
    del row["answer_id"]
    assert Event.from_dict({**row, "annotation_id": None}) == undo(1, clock(20))


def test_giving_the_same_label_again_keeps_it():
    again = "".join(["c", "at"])  # equal, but another object, as from a server
    same = settle(review(verdict=Verdict.RELABEL, label=again), "cat")
    assert (same.verdict, same.new_label) == (Verdict.KEEP, None)
    for label in ("ant", "dog"):
        other = review(verdict=Verdict.RELABEL, label=label)
        assert settle(other, "cat") is other
    delete = review(verdict=Verdict.DELETE)
    assert settle(delete, "cat") is delete


def test_outcomes_that_mean_a_wrong_label():
    assert {o for o in Outcome if o.is_error} == {
        Outcome.RELABELED,
        Outcome.DELETED,
        Outcome.WRONG_BOX,
    }


def test_an_unknown_verdict_names_the_valid_ones():
    with pytest.raises(DataError, match="keep, relabel, delete, unsure"):
        Verdict.parse("accept")


def test_events_are_never_changed():
    event = undo(1, clock(1))
    with pytest.raises(AttributeError):
        event.round = 2
    assert replace(event, round=2) != event
