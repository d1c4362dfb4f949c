"""Every question about the rounds of one label field, answered from what is on record.

`Rounds` is built once from what the store has read, and folds the ledger once. Five words that are
easily mixed up mean five things here:

- *touched*: a label with at least one answer on record,
- *complete*: a label with as many answers as were wanted,
- *judged*: a label whose answers come to an outcome, those that were undone left out,
- *decided*: a judged label that needs no further review (not unsure, not in conflict),
- *served*: a label that no new round may show, because it waits for an answer or is decided.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from .ledger import (
    Event,
    EventKind,
    LabelState,
    current_answers,
    fold,
    recorded_answers,
    undone_rounds,
    voice,
)
from .queue import BatchItem
from .round import ClassCount, HistoryRow, Round
from .states import RoundState
from .verdicts import Outcome, Verdict


class Rounds(Sequence[Round]):
    """The rounds of one label field, oldest first, and what they say together.

    Parameters
    ----------
    rounds : iterable of Round
        As the store has read them; later changes of them are not seen here.
    """

    def __init__(self, rounds: Iterable[Round] = ()) -> None:
        self._rounds = tuple(sorted(rounds, key=lambda round_: round_.number))

    def __len__(self) -> int:
        return len(self._rounds)

    def __iter__(self) -> Iterator[Round]:
        return iter(self._rounds)

    def __getitem__(self, index: Any) -> Any:
        return self._rounds[index]

    def plus(self, round_: Round) -> Rounds:
        """Return the rounds with another one, or with another version of one of them."""
        return Rounds([*(r for r in self if r.number != round_.number), round_])

    def numbered(self, number: int) -> Round | None:
        """Return a round by its number, or None."""
        return next((round_ for round_ in self if round_.number == number), None)

    # ---- the ledger

    @cached_property
    def events(self) -> list[Event]:
        """The events of all rounds, in the order they were recorded."""
        return sorted((e for r in self for e in r.events), key=lambda event: event.recorded_at)

    @property
    def answers(self) -> list[Event]:
        """The same with those about gold images: what was recorded, not what is folded."""
        return [event for round_ in self for event in round_.answers]

    @cached_property
    def states(self) -> dict[str, LabelState]:
        """Label id to what the ledger says of it: the fold."""
        return fold(self.events)

    @cached_property
    def undone(self) -> frozenset[int]:
        """Numbers of the rounds that are left out as a whole."""
        return frozenset(undone_rounds(self.events))

    def put_by(self, *verdicts: Verdict) -> set[str]:
        """Return the labels about which such a verdict was ever recorded, undone or not."""
        return {e.sample_id for e in self.events if e.sample_id and e.verdict in verdicts}

    @cached_property
    def relabeled_to(self) -> dict[str, set[str]]:
        """Label id to the classes that verdicts ever gave it, undone or not."""
        found: dict[str, set[str]] = defaultdict(set)
        for event in self.events:
            if event.sample_id and event.new_label:
                found[event.sample_id].add(event.new_label)
        return found

    def shown_box(self, label_id: str) -> list[float] | None:
        """Return the box that an object had when it was shown; None for whole images."""
        state = self.states.get(label_id)
        round_ = None if state is None else self.numbered(state.round)
        return None if round_ is None else round_.config.get("boxes", {}).get(label_id)

    # ---- where the rounds are

    def state(self, round_: Round) -> RoundState:
        """Return where a round is; one that is undone is not open."""
        if round_.number in self.undone:
            return RoundState.UNDONE
        return RoundState.OPEN if round_.closed_at is None else RoundState.CLOSED

    @cached_property
    def open(self) -> Round | None:
        """The round that is in review, or None."""
        waiting = [r for r in self if self.state(r) is RoundState.OPEN]
        return waiting[-1] if waiting else None

    def open_at(self, desk: str) -> Round | None:
        """The round that is in review, if it is at this desk."""
        return self.open if self.open and self.open.desk == desk else None

    @cached_property
    def counted(self) -> tuple[Round, ...]:
        """The rounds that count: something is judged, and they are not undone."""
        return tuple(r for r in self if r.number not in self.undone and self.judged(r))

    @property
    def last_counted(self) -> Round | None:
        """The round that an evaluation made now belongs to; None before the first."""
        standing = [r for r in self if r.number not in self.undone]
        return standing[-1] if standing else None

    # ---- what one round shows, gold images among it

    @staticmethod
    def touched(round_: Round) -> set[str]:
        """Return what a round shows that has at least one answer on record, undone or not."""
        return {sample_id for sample_id, voices in _voices(round_).items() if voices}

    @staticmethod
    def complete(round_: Round) -> set[str]:
        """Return what a round shows that has all the answers wanted, undone or not."""
        return {i for i, voices in _voices(round_).items() if len(voices) >= round_.reviewers}

    @staticmethod
    def answer_ids(round_: Round) -> dict[str, list[str]]:
        """Return label id to the ids of its answers on record in a round."""
        found: dict[str, list[str]] = defaultdict(list)
        for _, sample_id, answer_id in sorted(recorded_answers(round_.answers)):
            found[sample_id].append(answer_id)
        return found

    @staticmethod
    def lacking(round_: Round) -> dict[str, int]:
        """Return label id to the answers that it lacks, for those touched and not complete."""
        voices = {i: len(people) for i, people in _voices(round_).items()}
        return {i: round_.reviewers - n for i, n in voices.items() if n < round_.reviewers}

    @staticmethod
    def judged(round_: Round) -> dict[str, LabelState]:
        """Return label id to outcome in this round alone, as if it were not undone as a whole."""
        return fold(event for event in round_.events if event.sample_id is not None)

    def lost_unanswered(self, round_: Round) -> set[str]:
        """Return the labels whose task must be made again when it is gone from the desk.

        Those that lack an answer. A task with all its answers is not made again: without them it
        would look as if they had been taken back.
        """
        return round_.shown_ids - self.complete(round_)

    @staticmethod
    def noticed(round_: Round) -> dict[str, bool]:
        """Return id to whether people noticed that the label is wrong, of answered gold images.

        They have unless most said that it is right.
        """
        return {i: s.outcome is not Outcome.KEPT for i, s in fold(round_.gold_events).items()}

    # ---- labels of all rounds; gold images are none of them

    @cached_property
    def waiting(self) -> frozenset[str]:
        """Labels that are in review now."""
        return frozenset(i for r in self if self.state(r) is RoundState.OPEN for i in r.sample_ids)

    @cached_property
    def in_conflict(self) -> frozenset[str]:
        """Labels on which reviewers disagree: they come up first."""
        return frozenset(i for i, s in self.states.items() if s.outcome is Outcome.CONFLICT)

    def is_served(self, sample_id: str, label: str | None) -> bool:
        """Tell whether no new round may show a label.

        It comes up again only when its round is undone, or was closed without an answer, or the
        answer was unsure or a conflict, or was about another label than the one that is there now.
        """
        if sample_id in self.waiting:
            return True
        state = self.states.get(sample_id)
        if state is None or not state.outcome.decides:
            return False
        return label is not None and label in (self.asked(state).label, state.new_label)

    def asked(self, state: LabelState) -> BatchItem:
        """Return what was known of a label when the round that decided showed it."""
        return self._items[state.round, state.sample_id]

    def true_class(self, state: LabelState) -> str | None:
        """Return the class that reviewers found to be true; None when they named none."""
        if state.outcome is Outcome.KEPT:
            return self.asked(state).label
        return state.new_label if state.outcome is Outcome.RELABELED else None

    @cached_property
    def _items(self) -> dict[tuple[int, str], BatchItem]:
        return {(r.number, item.sample_id): item for r in self for item in r.batch}

    @cached_property
    def first_labels(self) -> dict[str, str]:
        """Label id to the class it had when it was first shown."""
        return {item.sample_id: item.label for r in reversed(self) for item in r.batch}

    @cached_property
    def weights(self) -> dict[str, float]:
        """Label id to its weight when it was last shown: what undoing a deletion restores."""
        return {item.sample_id: item.weight for r in self for item in r.batch}

    @cached_property
    def rounds_of(self) -> dict[str, list[Round]]:
        """Label id to the rounds that are not undone and show it, oldest first."""
        found: dict[str, list[Round]] = {i: [] for i in self.weights}
        for round_ in self:
            if round_.number not in self.undone:
                for sample_id in round_.sample_ids:
                    found[sample_id].append(round_)
        return found

    # ---- in numbers

    def total(self, round_: Round) -> ClassCount:
        """Return what all labels of a round came to."""
        counts = self.counts(round_).values()
        return ClassCount(
            *(sum(getattr(c, f) for c in counts) for f in ClassCount.__dataclass_fields__)
        )

    def counts(self, round_: Round) -> dict[str, ClassCount]:
        """Return class to what its labels in a round came to."""
        states = self.judged(round_)
        found: dict[str, ClassCount] = {cls: ClassCount() for cls in round_.classes}
        for item in round_.batch:
            state = states.get(item.sample_id)
            if state is None:
                continue
            wrong, old = state.outcome.is_error, found[item.label]
            found[item.label] = ClassCount(
                old.reviewed + 1,
                old.errors + wrong,
                old.n_controls + item.control,
                old.control_errors + (wrong and item.control),
            )
        return found

    def outcomes(self) -> dict[str, int]:
        """Return outcome to number of labels, over all rounds; those of none are left out."""
        found = Counter(state.outcome for state in self.states.values())
        return {outcome.value: found[outcome] for outcome in Outcome if found[outcome]}

    def history(
        self,
        evaluations: Mapping[int, dict[str, Any]] | None = None,
        meters: Mapping[int, dict[str, Any]] | None = None,
    ) -> list[HistoryRow]:
        """Return one row per round.

        Parameters
        ----------
        evaluations : mapping of int to dict, optional
            Round number to what was measured after it.
        meters : mapping of int to dict, optional
            Round number to what it cost.
        """
        return [
            self._row(r, (evaluations or {}).get(r.number), (meters or {}).get(r.number))
            for r in self
        ]

    def _row(
        self, round_: Round, evaluation: dict[str, Any] | None, meter: dict[str, Any] | None
    ) -> HistoryRow:
        judged, total = self.judged(round_), self.total(round_)
        by_outcome = {o.value: sum(s.outcome is o for s in judged.values()) for o in Outcome}
        return HistoryRow(
            round=round_.number,
            scope=round_.scope.value,
            class_of_interest=round_.reviewed_what,
            classes=list(round_.classes),
            rival=round_.rival,
            size=len(round_.batch),
            pool=sum(round_.pools.values()),
            reviewed=total.reviewed,
            errors_found=total.errors,
            **by_outcome,
            n_controls=total.n_controls,
            control_errors=total.control_errors,
            undone=round_.number in self.undone,
            state=self.state(round_).value,
            created_at=round_.config["created_at"],
            closed_at=round_.closed_at,
            url=round_.url or None,
            evaluation=evaluation,
            seconds_per_image=(meter or {}).get("seconds_per_image"),
            seconds_per_error=(meter or {}).get("seconds_per_error"),
            meter=meter,
            desk=round_.desk,
        )


def _voices(round_: Round) -> dict[str, set[str]]:
    """Return label id to who has answered about it."""
    people: dict[str, set[str]] = defaultdict(set)
    for (_, sample_id, _), event in current_answers(round_.answers).items():
        if event.kind is EventKind.REVIEW:
            people[sample_id].add(voice(event))
    return people
