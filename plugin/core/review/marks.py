"""What a verdict does to a sample: label, weight, and what is kept to take it back."""

from __future__ import annotations

from dataclasses import dataclass

from .ledger import SampleState
from .verdicts import Outcome


@dataclass(frozen=True, slots=True)
class ReviewMark:
    """The review as it stands on the sample.

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
    annotation_ids : tuple of int
        Their answers in Label Studio.
    comment : str
        Their comments.
    """

    round: int
    verdict: str
    reviewers: tuple[str, ...]
    reviewed_at: str
    annotation_ids: tuple[int, ...]
    comment: str


@dataclass(frozen=True, slots=True)
class Marks:
    """What stands on a sample now.

    Attributes
    ----------
    label : str or None
        Present label.
    original : str or None
        The label that a verdict replaced; None where none did.
    weight : float or None
        Sample weight.
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


def apply_state(marks: Marks, state: SampleState | None, weight_at_push: float) -> Marks:
    """Return the marks that belong to a sample's state in the ledger.

    It depends on what a verdict found there and on the state alone: going through other states
    first, or through the same one twice, comes to the same. A state that was written before is
    left as it is, with what a user has changed beside us since.

    Parameters
    ----------
    marks : Marks
        What stands on the sample.
    state : SampleState or None
        What the ledger says of it; None when nothing counts.
    weight_at_push : float
        The weight that taking back a deletion restores.
    """
    review = _review_mark(state)
    if review is not None and review == marks.review:
        return marks
    label, original, weight = marks.label, marks.original, marks.weight
    if original is not None:
        label, original = original, None
    if marks.deleted:
        weight = weight_at_push
    deleted = state is not None and state.outcome is Outcome.DELETED
    if state is not None and state.outcome is Outcome.RELABELED:
        label, original = state.new_label, label
    if deleted:
        weight = 0.0
    return Marks(label, original, weight, deleted, review)


def _review_mark(state: SampleState | None) -> ReviewMark | None:
    if state is None:
        return None
    return ReviewMark(
        round=state.round,
        verdict=state.outcome.value,
        reviewers=state.reviewers,
        reviewed_at=state.reviewed_at,
        annotation_ids=state.annotation_ids,
        comment=state.comment,
    )
