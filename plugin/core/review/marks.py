"""What a verdict does to a label: class, weight, and what is kept to take it back."""

from __future__ import annotations

from dataclasses import dataclass

from .ledger import LabelState
from .verdicts import Outcome


@dataclass(frozen=True, slots=True)
class ReviewMark:
    """The review as it stands beside the label.

    Attributes
    ----------
    round : int
        The round that decided.
    verdict : str
        An outcome's value.
    reviewers : tuple of str
        Who answered.
    reviewed_at : str
        Time of the latest answer.
    answer_ids : tuple of str
        Their answers' ids.
    comment : str
        Their comments.
    """

    round: int
    verdict: str
    reviewers: tuple[str, ...]
    reviewed_at: str
    answer_ids: tuple[str, ...]
    comment: str


@dataclass(frozen=True, slots=True)
class Marks:
    """What stands on a label now.

    Attributes
    ----------
    label : str or None
        Present class.
    original : str or None
        The class that a verdict replaced; None where none did.
    weight : float or None
        Its weight.
    deleted : bool
        Whether a verdict set the weight to 0.
    review : ReviewMark or None
        The review that was written last.
    """

    label: str | None
    original: str | None
    weight: float | None
    deleted: bool
    review: ReviewMark | None


@dataclass(frozen=True, slots=True)
class Asked:
    """What the ledger knows of a label besides its state.

    Attributes
    ----------
    label : str
        The class that reviewers were asked about.
    weight : float
        The weight it had then, which taking back a deletion restores.
    relabeled_to : frozenset of str, default empty
        Classes that verdicts on record ever gave it.
    was_relabeled, was_deleted : bool, default True
        Whether such a verdict was ever on record, undone or not. What no verdict can have put
        there is not taken back: it is somebody else's.
    moved : bool, default False
        Whether the label is no longer about what reviewers saw: its box is elsewhere.
    """

    label: str
    weight: float
    was_relabeled: bool = True
    was_deleted: bool = True
    relabeled_to: frozenset[str] = frozenset()
    moved: bool = False


def given_label(marks: Marks, asked: Asked) -> str | None:
    """Return the class that a label has without our verdicts."""
    if marks.original is not None and asked.was_relabeled:
        return marks.original
    written = marks.review is not None and marks.review.verdict == Outcome.RELABELED.value
    if written and marks.label in asked.relabeled_to:
        return asked.label  # somebody has cleared the field that kept it
    return marks.label


def is_outdated(marks: Marks, state: LabelState | None, asked: Asked) -> bool:
    """Tell whether the answers are about another class, or box, than the one that is there now.

    Such answers are on record and change nothing: the reviewers never saw this label.
    """
    if state is None or _review_mark(state) == marks.review:
        return False
    return asked.moved or given_label(marks, asked) != asked.label


def apply_state(marks: Marks, state: LabelState | None, asked: Asked) -> Marks:
    """Return the marks that belong to a label's state in the ledger.

    It depends on what a verdict found there and on the state alone: going through other states
    first, or through the same one twice, comes to the same. A state that was written before is
    left as it is, with what a user has changed beside us since.

    Parameters
    ----------
    marks : Marks
        What stands on the label.
    state : LabelState or None
        What the ledger says of it; None when nothing counts.
    asked : Asked
        What reviewers were asked about.
    """
    if state is not None and _review_mark(state) == marks.review:
        return marks
    if is_outdated(marks, state, asked):
        state = None
    label, weight = given_label(marks, asked), marks.weight
    original = None if asked.was_relabeled else marks.original
    if marks.deleted and asked.was_deleted:
        weight = asked.weight
    deleted = state is not None and state.outcome is Outcome.DELETED
    if state is not None and state.outcome is Outcome.RELABELED:
        label, original = state.new_label, label
    if deleted:
        weight = 0.0
    return Marks(label, original, weight, deleted, None if state is None else _review_mark(state))


def _review_mark(state: LabelState) -> ReviewMark:
    return ReviewMark(
        round=state.round,
        verdict=state.outcome.value,
        reviewers=state.reviewers,
        reviewed_at=state.reviewed_at,
        answer_ids=state.answer_ids,
        comment=state.comment,
    )
