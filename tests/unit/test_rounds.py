"""Laws of the rounds: every question about them against a notebook kept beside the ledger."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coreset_cleaning.core.review.ledger import Event, EventKind, redo, undo
from coreset_cleaning.core.review.queue import BatchItem
from coreset_cleaning.core.review.round import ClassCount, Round
from coreset_cleaning.core.review.rounds import Rounds
from coreset_cleaning.core.review.states import RoundState
from coreset_cleaning.core.review.verdicts import Outcome, Verdict

CLASSES = ["cat", "dog", "<b>&$ 🐈"]
PEOPLE = ["ann", "bob", "eve"]
OUTCOME_OF = {
    Verdict.KEEP: Outcome.KEPT,
    Verdict.RELABEL: Outcome.RELABELED,
    Verdict.DELETE: Outcome.DELETED,
    Verdict.UNSURE: Outcome.UNSURE,
}
FINAL = {Outcome.KEPT, Outcome.RELABELED, Outcome.DELETED}

verdicts = st.one_of(
    st.sampled_from([(Verdict.KEEP, None), (Verdict.DELETE, None), (Verdict.UNSURE, None)]),
    st.sampled_from([(Verdict.RELABEL, name) for name in CLASSES]),
)


def clock(n: int) -> str:
    return f"2026-01-01T00:{n // 60:02d}:{n % 60:02d}.000000Z"


def item(sample, label="cat", rank=0, control=False, weight=1.0) -> BatchItem:
    return BatchItem(sample, rank, 0.5, label, weight, control, "dog", 0.25)


def make_round(number, items, reviewers=1, **fields) -> Round:
    config = {"created_at": clock(number), "options": {"reviewers_per_task": reviewers}}
    pools = dict(Counter(i.label for i in items))
    return Round(number, "animal", items[0].label, None, config, list(items), pools, **fields)


def answer(round_, sample, answer_id, verdict, label=None, at=1, who="ann") -> Event:
    return Event(
        EventKind.REVIEW, round_, sample, clock(at), answer_id, who, verdict, label,
        created_at=clock(at), updated_at=clock(at),
    )  # fmt: skip


@dataclass
class Notebook:
    """What somebody would note who watched everything happen: no events, only how things are."""

    rounds: list[Round]
    answers: dict = field(default_factory=dict)  # (round, label id) to {answer id: (who, said)}
    out: set = field(default_factory=set)  # (round, label id or None)

    def voices(self, round_, sample):
        """The last thing that each person said of a label in a round."""
        return dict(self.answers.get((round_.number, sample), {}).values())

    def outcome(self, round_, sample):
        said = list(self.voices(round_, sample).values())
        if not said or (round_.number, sample) in self.out:
            return None
        certain = [s for s in said if s[0] is not Verdict.UNSURE]
        if not certain:
            return Outcome.UNSURE, None
        most = max(map(certain.count, certain))
        winners = {s for s in certain if certain.count(s) == most}
        if len(winners) > 1:
            return Outcome.CONFLICT, None
        [(verdict, label)] = winners
        return OUTCOME_OF[verdict], label

    def is_undone(self, round_):
        return (round_.number, None) in self.out

    def state(self, sample):
        """The round that decides about a label, and what it came to."""
        found = [
            (round_, outcome)
            for round_ in self.rounds
            if not self.is_undone(round_) and (outcome := self.outcome(round_, sample))
        ]
        final = [entry for entry in found if entry[1][0] in FINAL]
        return (final or found or [None])[-1]


@st.composite
def histories(draw):
    """Rounds with all that happened to them, and the notebook that was kept meanwhile."""
    rounds = []
    for number in draw(st.lists(st.integers(1, 9), unique=True, min_size=1, max_size=4)):
        samples = draw(st.lists(st.sampled_from("abcde"), unique=True, min_size=1, max_size=4))
        items = [
            item(
                s,
                draw(st.sampled_from(CLASSES)),
                rank,
                draw(st.booleans()),
                draw(st.sampled_from([1.0, 0.5])),
            )
            for rank, s in enumerate(samples)
        ]
        rounds.append(make_round(number, items, draw(st.integers(1, 2))))
    rounds.sort(key=lambda r: r.number)
    notes = Notebook(rounds)
    for at in range(10, 10 + draw(st.integers(0, 14))):
        round_ = draw(st.sampled_from(rounds))
        sample = draw(st.sampled_from(sorted(round_.sample_ids)))
        key, given = (round_.number, sample), notes.answers.setdefault((round_.number, sample), {})
        match draw(st.sampled_from(["answer"] * 4 + ["withdraw", "undo", "redo", "close"])):
            case "answer":
                person = draw(st.integers(0, 2))
                answer_id = str(draw(st.sampled_from([7, 70])) + person)  # an edit keeps its id
                said = draw(verdicts)
                given.pop(answer_id, None)
                given[answer_id] = PEOPLE[person], said
                event = answer(*key, answer_id, *said, at, PEOPLE[person])
            case "withdraw" if given:
                answer_id = draw(st.sampled_from(sorted(given)))
                del given[answer_id]
                event = Event(EventKind.WITHDRAW, *key, clock(at), answer_id)
            case "undo" | "redo" as what:
                of = draw(st.sampled_from([None, sample]))
                if what == "undo":
                    notes.out.add((round_.number, of))
                else:
                    notes.out.discard((round_.number, of))
                event = (undo if what == "undo" else redo)(round_.number, clock(at), of)
            case _:
                round_.closed_at = clock(at)
                continue
        round_.events.append(event)
    return notes


@given(notes=histories())
def test_where_the_rounds_are(notes):
    rounds = Rounds(notes.rounds)
    undone = {r.number for r in notes.rounds if notes.is_undone(r)}
    assert rounds.undone == undone
    standing = [r for r in notes.rounds if r.number not in undone]
    waiting = [r for r in standing if r.closed_at is None]
    assert rounds.open == (waiting[-1] if waiting else None)
    assert rounds.last_counted == (standing[-1] if standing else None)
    for round_ in notes.rounds:
        state = rounds.state(round_)
        assert (state is RoundState.UNDONE) == (round_.number in undone)
        assert (state is RoundState.OPEN) == (round_ in waiting)
    assert list(rounds.counted) == [
        r for r in standing if any(notes.outcome(r, s) for s in r.sample_ids)
    ]
    assert rounds.waiting == {s for r in waiting for s in r.sample_ids}


@given(notes=histories())
def test_what_was_said_of_the_labels_of_a_round(notes):
    rounds = Rounds(notes.rounds)
    for round_ in notes.rounds:
        people = {s: len(notes.voices(round_, s)) for s in round_.sample_ids}
        assert rounds.touched(round_) == {s for s, n in people.items() if n}
        complete = {s for s, n in people.items() if n >= round_.reviewers}
        assert rounds.complete(round_) == complete <= rounds.touched(round_)
        assert rounds.lost_unanswered(round_) == round_.sample_ids - complete
        judged = {s: notes.outcome(round_, s) for s in round_.sample_ids}
        assert {i: (s.outcome, s.new_label) for i, s in rounds.judged(round_).items()} == {
            s: outcome for s, outcome in judged.items() if outcome
        }


@given(notes=histories())
def test_the_states_are_what_the_last_round_that_decided_says(notes):
    rounds = Rounds(notes.rounds)
    shown = {s for r in notes.rounds for s in r.sample_ids}
    expected = {s: state for s in shown if (state := notes.state(s))}
    assert {
        s: (state.round, (state.outcome, state.new_label)) for s, state in rounds.states.items()
    } == {s: (round_.number, outcome) for s, (round_, outcome) in expected.items()}
    for sample, (round_, _) in expected.items():
        [asked] = [i for i in round_.batch if i.sample_id == sample]
        assert rounds.asked(rounds.states[sample]) == asked
    assert rounds.outcomes() == Counter(o.value for _, (o, _) in expected.values())
    assert rounds.in_conflict == {
        s for s, (_, outcome) in expected.items() if outcome[0] is Outcome.CONFLICT
    }


@given(notes=histories(), label=st.sampled_from([*CLASSES, None]))
def test_a_label_is_served_again_exactly_when_nothing_final_stands_about_it(notes, label):
    rounds = Rounds(notes.rounds)
    for sample in "abcdef":
        in_review = any(
            sample in r.sample_ids and r.closed_at is None and not notes.is_undone(r)
            for r in notes.rounds
        )
        found = notes.state(sample)
        settled = False
        if found is not None:
            round_, (outcome, new_label) = found
            [asked] = [i.label for i in round_.batch if i.sample_id == sample]
            # The answer is about the label that is there, or is that label.
            settled = outcome in FINAL and label is not None and label in (asked, new_label)
        assert rounds.is_served(sample, label) == (in_review or settled)


@given(notes=histories())
def test_what_is_known_of_labels_that_were_shown(notes):
    rounds = Rounds(notes.rounds)
    shown = {s for r in notes.rounds for s in r.sample_ids}
    assert set(rounds.first_labels) == set(rounds.weights) == set(rounds.rounds_of) == shown
    for sample in shown:
        mine = [(r, i) for r in notes.rounds for i in r.batch if i.sample_id == sample]
        assert rounds.first_labels[sample] == mine[0][1].label
        assert rounds.weights[sample] == mine[-1][1].weight
        assert rounds.rounds_of[sample] == [r for r, _ in mine if not notes.is_undone(r)]
    for wanted in (Verdict.RELABEL, Verdict.DELETE):
        ever = {e.sample_id for r in notes.rounds for e in r.events if e.verdict is wanted}
        assert rounds.put_by(wanted) == ever
    assert rounds.put_by(Verdict.RELABEL, Verdict.DELETE) == (
        rounds.put_by(Verdict.RELABEL) | rounds.put_by(Verdict.DELETE)
    )


@given(notes=histories(), evaluated=st.sets(st.integers(0, 9)))
def test_the_history_counts_what_was_noted(notes, evaluated):
    rounds = Rounds(notes.rounds)
    rows = rounds.history({number: {"measured after": number} for number in evaluated})
    assert [row.round for row in rows] == [r.number for r in notes.rounds]
    assert json.loads(json.dumps([row.to_dict() for row in rows])) == [r.to_dict() for r in rows]
    for row, round_ in zip(rows, notes.rounds, strict=True):
        judged = [(i, o[0]) for i in round_.batch if (o := notes.outcome(round_, i.sample_id))]
        wrong = [(i, o) for i, o in judged if o in (Outcome.RELABELED, Outcome.DELETED)]
        assert (row.size, row.pool) == (len(round_.batch), sum(round_.pools.values()))
        assert (row.reviewed, row.errors_found) == (len(judged), len(wrong))
        assert row.n_controls == sum(i.control for i, _ in judged)
        assert row.control_errors == sum(i.control for i, _ in wrong)
        for outcome in Outcome:
            assert getattr(row, outcome.value) == sum(o is outcome for _, o in judged)
        assert row.undone == notes.is_undone(round_)
        assert row.counts == (round_ in rounds.counted)
        assert row.state == rounds.state(round_).value
        expected = {"measured after": row.round} if row.round in evaluated else None
        assert row.evaluation == expected
        # By class they add up to the same.
        counts = rounds.counts(round_)
        assert list(counts) == row.classes == list(round_.classes)
        for cls, count in counts.items():
            of_class = [(i, o) for i, o in judged if i.label == cls]
            assert count == ClassCount(
                len(of_class),
                sum(o.is_error for _, o in of_class),
                sum(i.control for i, _ in of_class),
                sum(i.control and o.is_error for i, o in of_class),
            )


def answers_of(rounds: Rounds):
    return (
        list(rounds), rounds.undone, rounds.open, rounds.counted, rounds.last_counted,
        rounds.states, rounds.waiting, rounds.in_conflict, rounds.first_labels, rounds.weights,
        rounds.rounds_of, rounds.outcomes(), rounds.history(),
        [(rounds.touched(r), rounds.complete(r), rounds.judged(r), rounds.counts(r))
         for r in rounds],
        [rounds.is_served(s, label) for s in "abcdef" for label in CLASSES],
    )  # fmt: skip


@given(notes=histories(), random=st.randoms(use_true_random=False))
def test_building_it_twice_in_any_order_gives_the_same(notes, random):
    rounds = Rounds(notes.rounds)
    first = answers_of(rounds)
    assert answers_of(rounds) == first
    shuffled = list(notes.rounds)
    random.shuffle(shuffled)
    assert answers_of(Rounds(shuffled)) == first
    for round_ in shuffled:  # one at a time, and each again in place of itself
        shuffled_rounds = Rounds([r for r in shuffled if r is not round_]).plus(round_)
        assert answers_of(shuffled_rounds) == answers_of(shuffled_rounds.plus(round_)) == first
        assert rounds.numbered(round_.number) is round_
    assert rounds.numbered(99) is None


@given(notes=histories(), pick=st.integers(0, 3))
def test_undoing_a_round_and_redoing_it_changes_no_answer(notes, pick):
    rounds = Rounds(notes.rounds)
    round_ = notes.rounds[pick % len(notes.rounds)]
    if round_.number in rounds.undone:
        return
    before = answers_of(rounds)[1:]
    events = list(round_.events)
    round_.events += [undo(round_.number, clock(900))]
    undone = Rounds(notes.rounds)
    assert rounds.open is None or undone.open != round_
    assert round_.number in undone.undone
    assert all(state.round != round_.number for state in undone.states.values())
    # What was judged in the round is still known of it.
    assert undone.judged(round_) == rounds.judged(Round(**{**vars(round_), "events": events}))
    round_.events += [redo(round_.number, clock(901))]
    after = answers_of(Rounds(notes.rounds))[1:]
    assert after == before


def test_no_rounds_answer_nothing():
    rounds = Rounds()
    assert (len(rounds), list(rounds), rounds.open, rounds.counted) == (0, [], None, ())
    assert (rounds.states, rounds.weights, rounds.outcomes(), rounds.history()) == ({}, {}, {}, [])
    assert rounds.last_counted is None
    assert not rounds.is_served("a", "cat")
    with pytest.raises(IndexError):
        rounds[-1]


def test_a_label_is_complete_when_enough_people_answered_it():
    items = [item(s) for s in "abc"]
    said = [
        ("a", "1", "ann"),
        ("a", "2", "ann"),
        ("b", "3", "ann"),
        ("b", "4", "bob"),
        ("c", "5", ""),
        ("c", "6", ""),
    ]
    events = [answer(1, s, i, Verdict.KEEP, who=who) for s, i, who in said]
    one, two = (make_round(1, items, k, events=events) for k in (1, 2))
    assert Rounds.complete(one) == Rounds.touched(two) == {"a", "b", "c"}
    assert Rounds.complete(two) == {"b", "c"}
    two.events = [*events, undo(1, clock(20))]
    assert Rounds.complete(two) == {"b", "c"}
    two.events = [*events, Event(EventKind.WITHDRAW, 1, "b", clock(30), "4")]
    assert Rounds.complete(two) == {"c"}


def test_what_is_judged_leaves_out_undone_labels_and_not_undone_rounds():
    events = [answer(1, s, "1", Verdict.DELETE) for s in "ab"]
    single = undo(1, clock(20), "a")
    round_ = make_round(1, [item("a"), item("b")], events=[*events, single, undo(1, clock(30))])
    assert set(Rounds.judged(round_)) == {"b"}
    round_.events.append(redo(1, clock(40), "a"))
    assert set(Rounds.judged(round_)) == {"a", "b"}
    assert Rounds([round_]).states == {}


def test_why_a_label_comes_up_again():
    def of(*events, closed_at="then", label="cat"):
        round_ = make_round(1, [item("a")], events=list(events), closed_at=closed_at)
        return Rounds([round_]).is_served("a", label)

    kept = answer(1, "a", "1", Verdict.KEEP)
    assert of(closed_at=None)  # it waits for an answer
    assert of(kept)
    assert not of()  # closed without an answer
    assert not of(kept, undo(1, clock(20)))
    assert not of(kept, undo(1, clock(20)), closed_at=None)
    assert not of(kept, undo(1, clock(20), "a"))
    assert not of(answer(1, "a", "1", Verdict.UNSURE))
    assert not of(kept, answer(1, "a", "2", Verdict.DELETE, who="bob"))  # a conflict
    assert not of(kept, label="dog")  # somebody has changed the label since
    relabeled = answer(1, "a", "1", Verdict.RELABEL, "dog")
    assert of(relabeled, label="dog")
    assert of(relabeled, label="cat")  # about to be written
    assert not of(relabeled, label="<b>&$ 🐈")


def test_what_a_round_says_of_itself():
    round_ = make_round(3, [item("a", "dog"), item("b", "cat"), item("c", "dog")], 2)
    assert round_.classes == ("dog", "cat")
    assert round_.sample_ids == {"a", "b", "c"}
    assert round_.reviewers == 2
    assert round_.desk == "labelstudio"  # rounds of version 0.1 name none
    round_.config["options"]["desk"] = "app"
    assert round_.desk == "app"
    round_.batch = []
    assert round_.classes == ("dog",)
