"""The ledger: every verdict event of every round, append-only; the state is its fold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from .consensus import combine
from .verdicts import Outcome, Review, Verdict

_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"

AnswerKey = tuple[int, str, str]  # round, sample id, answer id


class EventKind(str, Enum):
    """What happened."""

    REVIEW = "review"
    WITHDRAW = "withdraw"
    UNDO = "undo"
    REDO = "redo"


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the ledger; it is never changed.

    Attributes
    ----------
    kind : EventKind
        A reviewer's answer or edit (REVIEW), an answer taken back (WITHDRAW), answers left out
        (UNDO) or taken in again (REDO).
    round : int
        Number of the round.
    sample_id : str or None
        None means all samples of the round; only with UNDO and REDO.
    recorded_at : str
        When it entered the ledger, ISO 8601 UTC.
    answer_id, reviewer, verdict, new_label, comment, lead_time, created_at, updated_at
        As in `Review`; only with REVIEW. WITHDRAW has the answer's id alone.
    """

    kind: EventKind
    round: int
    sample_id: str | None
    recorded_at: str
    answer_id: str | None = None
    reviewer: str | None = None
    verdict: Verdict | None = None
    new_label: str | None = None
    comment: str = ""
    lead_time: float | None = None
    created_at: str | None = None
    updated_at: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the event as JSON-able values."""
        row = {name: getattr(self, name) for name in self.__slots__}
        row["kind"] = self.kind.value
        row["verdict"] = self.verdict.value if self.verdict else None
        return row

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> Event:
        """Read what `to_dict` wrote, in this version or an earlier one."""
        verdict, row = row["verdict"], dict(row)
        if "annotation_id" in row:  # up to schema 2: a number, and of Label Studio only
            number = row.pop("annotation_id")
            row["answer_id"] = None if number is None else str(number)
        return cls(
            **{
                **row,
                "kind": EventKind(row["kind"]),
                "verdict": Verdict.parse(verdict) if verdict else None,
            }
        )


@dataclass(frozen=True, slots=True)
class LabelState:
    """What the ledger says of one sample.

    Attributes
    ----------
    sample_id : str
        The sample.
    round : int
        The round that decided.
    outcome : Outcome
        What the answers come to.
    new_label : str or None
        The right class; only with `Outcome.RELABELED`.
    reviewers : tuple of str
        Who answered, by name.
    reviewed_at : str
        Time of the latest answer.
    answer_ids : tuple of str
        Their answers' ids.
    comment : str
        Their comments, one per line.
    """

    sample_id: str
    round: int
    outcome: Outcome
    new_label: str | None
    reviewers: tuple[str, ...]
    reviewed_at: str
    answer_ids: tuple[str, ...]
    comment: str


def new_events(
    ledger: Iterable[Event],
    reviews: Iterable[Review],
    withdrawn: Iterable[AnswerKey],
    recorded_at: str,
) -> list[Event]:
    """Return the events for what the ledger does not hold yet.

    Parameters
    ----------
    ledger : iterable of Event
        All events so far.
    reviews : iterable of Review
        Answers as they are at the desk now; those already recorded are passed over.
    withdrawn : iterable of (round, sample id, answer id)
        Answers that are no longer at the desk.
    recorded_at : str
        The present moment, ISO 8601 UTC.

    Returns
    -------
    list of Event
        To be appended. Calling it again after that returns none.
    """
    current = current_answers(ledger)
    events = []
    for review in sorted(reviews, key=lambda r: (r.updated_at, _by_id(r.answer_id))):
        key = (review.round, review.sample_id, review.answer_id)
        known = current.get(key)
        if known is not None and known.kind is EventKind.REVIEW:
            assert known.updated_at is not None
            if known.updated_at >= review.updated_at:
                continue
        event = Event(
            kind=EventKind.REVIEW,
            round=review.round,
            sample_id=review.sample_id,
            recorded_at=recorded_at,
            answer_id=review.answer_id,
            reviewer=review.reviewer,
            verdict=review.verdict,
            new_label=review.new_label,
            comment=review.comment,
            lead_time=review.lead_time,
            created_at=review.created_at,
            updated_at=review.updated_at,
        )
        current[key] = event
        events.append(event)
    for key in sorted(set(withdrawn)):
        known = current.get(key)
        if known is not None and known.kind is EventKind.REVIEW:
            event = Event(
                kind=EventKind.WITHDRAW,
                round=key[0],
                sample_id=key[1],
                recorded_at=recorded_at,
                answer_id=key[2],
            )
            current[key] = event
            events.append(event)
    return events


def recorded_answers(events: Iterable[Event]) -> set[AnswerKey]:
    """Return the answers that count as given: recorded, and not withdrawn since."""
    current = current_answers(events)
    return {key for key, event in current.items() if event.kind is EventKind.REVIEW}


def next_time(events: Iterable[Event], now: str) -> str:
    """Return when an event that is recorded now enters the ledger: after all that are there.

    Clocks of two machines differ, and are set back: what is recorded later must count as later.

    Parameters
    ----------
    events : iterable of Event
        All events so far.
    now : str
        The present moment by this machine's clock, ISO 8601 UTC.
    """
    last = max((event.recorded_at for event in events), default="")
    if last < now:
        return now
    return (datetime.strptime(last, _TIME) + timedelta(microseconds=1)).strftime(_TIME)


def undo(round: int, recorded_at: str, sample_id: str | None = None) -> Event:
    """Return the event that leaves a round's answers out, or those about one of its samples."""
    return Event(EventKind.UNDO, round, sample_id, recorded_at)


def redo(round: int, recorded_at: str, sample_id: str | None = None) -> Event:
    """Return the event that takes them in again."""
    return Event(EventKind.REDO, round, sample_id, recorded_at)


def is_left_out(events: Iterable[Event], round: int, sample_id: str | None = None) -> bool:
    """Tell whether a round's answers, or those about one of its samples, are left out now."""
    return (round, sample_id) in _undone(events)


def undone_rounds(events: Iterable[Event]) -> set[int]:
    """Return the rounds that are left out as a whole."""
    return {number for number, sample_id in _undone(events) if sample_id is None}


def fold(events: Iterable[Event]) -> dict[str, LabelState]:
    """Return the state of every sample that has answers.

    Inside a round, each reviewer's latest answer counts and the majority decides; across rounds
    the latest round that decided wins, so that an unsure answer does not undo an earlier
    decision. Undone rounds and samples are left out.

    Parameters
    ----------
    events : iterable of Event
        In any order: times decide, and for events of the same time their position.

    Returns
    -------
    dict of str to LabelState
        By sample id.
    """
    events = list(events)
    undone = _undone(events)
    answers: dict[tuple[int, str], list[Event]] = defaultdict(list)
    for (round_, sample_id, _), event in sorted(current_answers(events).items()):
        left_out = (round_, None) in undone or (round_, sample_id) in undone
        if event.kind is EventKind.REVIEW and not left_out:
            answers[round_, sample_id].append(event)
    states: dict[str, LabelState] = {}
    for (round_, sample_id), group in sorted(answers.items()):
        state = _state(round_, sample_id, group)
        before = states.get(sample_id)
        if before is None or state.outcome.decides or not before.outcome.decides:
            states[sample_id] = state
    return states


def current_answers(events: Iterable[Event]) -> dict[AnswerKey, Event]:
    """Return the latest event of every answer; the order of arrival does not matter."""
    current: dict[AnswerKey, Event] = {}
    for event in events:
        if event.kind not in (EventKind.REVIEW, EventKind.WITHDRAW):
            continue
        assert event.sample_id is not None
        assert event.answer_id is not None
        key = (event.round, event.sample_id, event.answer_id)
        if key not in current or _order(event) > _order(current[key]):
            current[key] = event
    return current


def _order(event: Event) -> tuple[str, bool, str]:
    # An answer can be withdrawn only after it was recorded, so the ledger's own clock rules; two
    # states of one answer found by the same pull are told apart by Label Studio's.
    return event.recorded_at, event.kind is EventKind.WITHDRAW, event.updated_at or ""


def _undone(events: Iterable[Event]) -> set[tuple[int, str | None]]:
    latest: dict[tuple[int, str | None], Event] = {}
    for event in events:
        if event.kind in (EventKind.UNDO, EventKind.REDO):
            key = (event.round, event.sample_id)
            if key not in latest or event.recorded_at >= latest[key].recorded_at:
                latest[key] = event
    return {key for key, event in latest.items() if event.kind is EventKind.UNDO}


def _state(round_: int, sample_id: str, events: list[Event]) -> LabelState:
    latest: dict[str, Event] = {}
    for event in sorted(events, key=lambda e: (e.updated_at or "", _by_id(e.answer_id))):
        # Somebody who answered the same task twice has one voice.
        latest[voice(event)] = event
    counted = sorted(latest.values(), key=lambda e: _by_id(e.answer_id))
    outcome, new_label = combine([(e.verdict, e.new_label) for e in counted if e.verdict])
    return LabelState(
        sample_id=sample_id,
        round=round_,
        outcome=outcome,
        new_label=new_label,
        reviewers=tuple(sorted({e.reviewer or "" for e in counted})),
        reviewed_at=max(e.updated_at or "" for e in counted),
        answer_ids=tuple(e.answer_id or "" for e in counted),
        comment="\n".join(e.comment for e in counted if e.comment),
    )


def voice(event: Event) -> str:
    """Tell people apart; an answer whose author is not known counts as somebody's."""
    return event.reviewer or f"answer {event.answer_id}"


def _by_id(answer_id: str | None) -> tuple[int, str]:
    """Sort ids that are numbers as numbers."""
    return len(answer_id or ""), answer_id or ""
