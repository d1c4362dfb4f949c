"""Gold images: hidden where nothing tells, and never taken for what is under review."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coreset_cleaning.core.judging.meter import meter
from coreset_cleaning.core.judging.tally import round_yields
from coreset_cleaning.core.review.audit import audit_rows
from coreset_cleaning.core.review.gold import GoldItem, choose_twins, draw_gold
from coreset_cleaning.core.review.ledger import Event, EventKind, redo, undo
from coreset_cleaning.core.review.marks import Asked, Marks, apply_state
from coreset_cleaning.core.review.queue import BatchItem
from coreset_cleaning.core.review.round import Round
from coreset_cleaning.core.review.rounds import Rounds
from coreset_cleaning.core.review.verdicts import Verdict

CLASSES = ["cat", "dog", "fox"]
LABELS = "abcdef"


def clock(n: int) -> str:
    return f"2026-01-01T00:{n // 60:02d}:{n % 60:02d}.000000Z"


def item(sample: str, rank: int, label: str = "cat", suggested: str = "dog", **more) -> BatchItem:
    return BatchItem(
        sample, rank, 1 / (rank + 1), label, 1.0, more.get("control", False), suggested,
        more.get("probability", 0.25 + rank / 100),
    )  # fmt: skip


def gold(sample: str, rank: int = 9, label: str = "cat", true: str = "dog") -> GoldItem:
    return GoldItem(sample, rank, label, true, true, 0.5, "a")


# ---- nothing leaks


@st.composite
def answered_rounds(draw):
    """Two rounds with gold images, some of which are under review in the other, and answers."""
    ids = draw(st.permutations(LABELS))
    first = [item(s, k, draw(st.sampled_from(CLASSES))) for k, s in enumerate(ids[:3])]
    second = [item(s, k, draw(st.sampled_from(CLASSES))) for k, s in enumerate(ids[2:4])]
    rounds = []
    for number, (batch, hidden) in enumerate([(first, ids[3:5]), (second, [ids[0], ids[4]])], 1):
        options = {"reviewers_per_task": draw(st.integers(1, 2))}
        config = {"created_at": clock(number), "options": options}
        golds = [gold(s, 9 + k) for k, s in enumerate(hidden)]
        pools = dict(Counter(i.label for i in batch))
        rounds.append(Round(number, "animal", "cat", None, config, batch, pools, gold=golds))
    events = []
    for at in range(10, 10 + draw(st.integers(0, 16))):
        round_ = draw(st.sampled_from(rounds))
        sample = draw(st.sampled_from(sorted(round_.shown_ids)))
        person = draw(st.sampled_from(["ann", "bob"]))
        answer_id = draw(st.sampled_from(["7", "70:3", "app:"])) + person
        match draw(st.sampled_from(["answer"] * 4 + ["withdraw", "undo", "redo"])):
            case "answer":
                verdict = draw(st.sampled_from(list(Verdict)))
                new = draw(st.sampled_from(CLASSES)) if verdict is Verdict.RELABEL else None
                event = Event(
                    EventKind.REVIEW, round_.number, sample, clock(at), answer_id, person, verdict,
                    new, lead_time=draw(st.sampled_from([None, 2.0, 9999.0])),
                    created_at=clock(at), updated_at=clock(at),
                )  # fmt: skip
            case "withdraw":
                event = Event(EventKind.WITHDRAW, round_.number, sample, clock(at), answer_id)
            case "undo":
                event = undo(round_.number, clock(at), draw(st.sampled_from([None, sample])))
            case _:
                event = redo(round_.number, clock(at), draw(st.sampled_from([None, sample])))
        events.append(event)
    return rounds, events


def everything(rounds: Rounds):
    """All that becomes of labels, scores and numbers."""
    marks = {}
    for label_id in rounds.weights:
        state = rounds.states.get(label_id)
        relabeled_to = frozenset(rounds.relabeled_to.get(label_id, ()))
        asked = Asked(
            rounds.first_labels[label_id], rounds.weights[label_id], bool(relabeled_to),
            label_id in rounds.put_by(Verdict.DELETE), relabeled_to,
        )  # fmt: skip
        marks[label_id] = apply_state(Marks(asked.label, None, 1.0, False, None), state, asked)
    return (
        marks, rounds.states, rounds.undone, rounds.waiting, rounds.in_conflict, rounds.outcomes(),
        rounds.first_labels, rounds.weights, rounds.relabeled_to, rounds.put_by(*Verdict),
        {i: [r.number for r in found] for i, found in rounds.rounds_of.items()},
        {i: rounds.true_class(s) for i, s in rounds.states.items()},
        [r.number for r in rounds.counted], rounds.history(),
        [(r.classes, r.sample_ids, rounds.judged(r), rounds.counts(r)) for r in rounds],
        [rounds.is_served(i, label) for i in LABELS for label in CLASSES],
        round_yields(rounds, "cat"), round_yields(rounds, None),
        replace(meter(rounds).total, gold_answered=0, gold_noticed=0), meter(rounds).random,
    )  # fmt: skip


@given(found=answered_rounds())
def test_whatever_is_answered_all_is_as_without_gold_images(found):
    rounds, events = found
    with_gold, without = [], []
    for round_ in rounds:
        mine = [event for event in events if event.round == round_.number]
        hidden = {i.sample_id for i in round_.gold}
        with_gold.append(round_.with_events(mine))
        real = [event for event in mine if event.sample_id not in hidden]
        without.append(replace(round_, gold=[], events=real))
    assert everything(Rounds(with_gold)) == everything(Rounds(without))
    for round_, plain in zip(with_gold, without, strict=True):
        assert round_.events == plain.events
        assert {e.sample_id for e in round_.gold_events} <= {i.sample_id for i in round_.gold}


@given(found=answered_rounds())
def test_a_round_is_complete_only_with_its_gold_images(found):
    rounds, events = found
    for round_ in rounds:
        after = round_.with_events(e for e in events if e.round == round_.number)
        people = {i: set() for i in round_.shown_ids}
        current = {}
        for event in events:
            if event.round == round_.number and event.answer_id:
                current[event.sample_id, event.answer_id] = event
        for (sample, _), event in current.items():
            if event.kind is EventKind.REVIEW:
                people[sample].add(event.reviewer)
        enough = {i for i, who in people.items() if len(who) >= round_.reviewers}
        assert Rounds.complete(after) == enough
        assert Rounds([after]).lost_unanswered(after) == round_.shown_ids - enough


# ---- the draw


@given(
    labels=st.lists(st.tuples(st.sampled_from(CLASSES), st.booleans()), min_size=1, max_size=12),
    k=st.integers(1, 6),
    plenty=st.integers(0, 4),
    seed=st.integers(0, 5),
)
def test_gold_images_stand_in_for_others_of_the_batch(labels, k, plenty, seed):
    labels.sort()  # one class after the other, as in a round of the whole dataset
    other = {"cat": "dog", "dog": "fox", "fox": "cat"}
    batch = [
        item(f"b{rank}", rank, label, other[label], control=control)
        for rank, (label, control) in enumerate(labels)
    ]
    sure = {name: [f"{name}{i}" for i in range(plenty)] for name in CLASSES} | {"dog": ["b0", "x"]}
    twins = choose_twins(batch, k, seed)
    after, hidden = draw_gold(batch, twins, sure, k, seed)
    assert [replace(i, rank=0) for i in after] == [replace(i, rank=0) for i in batch]
    shown = sorted([*after, *hidden], key=lambda i: i.rank)
    assert [i.rank for i in shown] == list(range(len(batch) + len(hidden)))
    assert [label for label, _ in labels] == sorted(i.label for i in batch)
    assert [i.label for i in shown] == sorted(i.label for i in shown)  # no class is broken up
    assert len({i.sample_id for i in shown}) == len(shown)
    by_id = {i.sample_id: i for i in batch}
    for found in hidden:
        twin = by_id[found.like]
        assert (found.label, found.suggested_label, found.suggested_probability) == (
            twin.label, twin.suggested_label, twin.suggested_probability,
        )  # fmt: skip
        assert found.true_label == twin.suggested_label != found.label
        assert found.sample_id in sure[found.true_label]
    room = sum(len(set(sure[c]) - set(by_id)) for c in {other[i.label] for i in batch})
    assert len(hidden) <= min(k, room)
    if plenty >= k:
        assert len(hidden) == k or all(i.suggested_label == "dog" for i in batch)


def test_controls_are_passed_for_only_where_the_queue_has_nothing():
    batch = [item("a", 0), item("b", 1, control=True), item("c", 2), item("d", 3, control=True)]
    for seed in range(5):
        twins = choose_twins(batch, 2, seed)
        assert {i.sample_id for i in twins[:2]} == {"a", "c"}
        assert {i.sample_id for i in twins[:4]} == set("abcd")
    assert [i.sample_id for i in choose_twins([batch[1]], 2)] == ["b", "b"]
    assert choose_twins([], 2) == []


def test_places_differ_from_draw_to_draw():
    batch = [item(f"b{rank}", rank) for rank in range(9)]
    ranks = set()
    for seed in range(40):
        [found] = draw_gold(batch, choose_twins(batch, 1, seed), {"dog": ["x"]}, 1, seed)[1]
        ranks.add(found.rank)
    assert {0, 9} <= ranks
    assert len(ranks) > 7


# ---- on record


def test_an_item_survives_its_record():
    found = gold("a", 3, "<b>&$ 🐈")
    assert GoldItem.from_dict(found.to_dict()) == found


def test_the_audit_names_gold_images():
    def answer(sample, answer_id):
        return Event(EventKind.REVIEW, 1, sample, clock(5), answer_id, "ann", Verdict.KEEP)

    events = [answer("a", "12:3"), answer("g", "app:ann"), undo(1, clock(6))]
    rows = audit_rows(events, [item("a", 0), gold("g")], {})
    assert [(r["gold"], r["pushed_label"], r["gold_true_label"]) for r in rows] == [
        (False, "cat", None), (True, "cat", "dog"), (False, None, None),
    ]  # fmt: skip
    assert [r["page"] for r in rows] == ["sheet", "app", None]


@pytest.mark.parametrize(
    ("said", "noticed"),
    [
        (["keep"], {"g": False}),
        (["relabel"], {"g": True}),
        (["delete"], {"g": True}),
        (["unsure"], {"g": True}),
        (["keep", "delete"], {"g": True}),  # a conflict: it comes up again
        (["keep", "keep", "delete"], {"g": False}),
        ([], {}),
    ],
)
def test_what_counts_as_noticed(said, noticed):
    batch = [item("a", 0)]
    round_ = Round(1, "animal", "cat", None, {"options": {}}, batch, gold=[gold("g")])
    events = [
        Event(
            EventKind.REVIEW, 1, "g", clock(k), str(k), f"person {k}", Verdict(verdict),
            "fox" if verdict == "relabel" else None, updated_at=clock(k),
        )
        for k, verdict in enumerate(said)
    ]  # fmt: skip
    assert Rounds.noticed(round_.with_events(events)) == noticed
