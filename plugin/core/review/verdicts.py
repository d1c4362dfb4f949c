"""The words of a review: what one reviewer answers, and what the answers come to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from ..errors import DataError


class Verdict(str, Enum):
    """One reviewer's answer about one sample."""

    KEEP = "keep"
    RELABEL = "relabel"
    DELETE = "delete"
    UNSURE = "unsure"

    @classmethod
    def parse(cls, text: str) -> Verdict:
        """Return the verdict that `text` names.

        Raises
        ------
        DataError
            When `text` names none.

        Examples
        --------
        >>> Verdict.parse("relabel").value
        'relabel'
        """
        try:
            return cls(text)
        except ValueError:
            valid = ", ".join(verdict.value for verdict in cls)
            raise DataError(
                f"verdict must be one of {valid}, got {text!r}.", "Write one of these."
            ) from None


class Outcome(str, Enum):
    """What the answers about one sample come to."""

    KEPT = "kept"
    RELABELED = "relabeled"
    DELETED = "deleted"
    UNSURE = "unsure"
    CONFLICT = "conflict"

    @property
    def is_error(self) -> bool:
        """Whether the label was wrong."""
        return self in (Outcome.RELABELED, Outcome.DELETED)

    @property
    def decides(self) -> bool:
        """Whether the sample needs no further review."""
        return self not in (Outcome.UNSURE, Outcome.CONFLICT)


@dataclass(frozen=True, slots=True)
class Review:
    """One person's submitted answer to one task.

    Attributes
    ----------
    round : int
        Number of the round.
    sample_id : str
        Id of the sample.
    answer_id : str
        The desk's id of the answer; an edit keeps it.
    reviewer : str
        Name of the person, as the desk shows it.
    verdict : Verdict
        The answer.
    new_label : str or None
        The right class; only with `Verdict.RELABEL`.
    comment : str
        Free text, may be empty.
    lead_time : float or None
        Seconds spent on the task.
    created_at, updated_at : str
        ISO 8601 UTC with microseconds and ``Z``: sorts as text.
    """

    round: int
    sample_id: str
    answer_id: str
    reviewer: str
    verdict: Verdict
    new_label: str | None
    comment: str
    lead_time: float | None
    created_at: str
    updated_at: str


def settle(review: Review, label: str) -> Review:
    """Return what a review says of the label it was asked about: giving it again keeps it."""
    if review.verdict is Verdict.RELABEL and review.new_label == label:
        return replace(review, verdict=Verdict.KEEP, new_label=None)
    return review
