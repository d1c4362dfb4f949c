"""The words of a review: what one reviewer answers, and what the answers come to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TypeVar

from ..errors import DataError

_Word = TypeVar("_Word", bound=Enum)


class Outcome(str, Enum):
    """What the answers about one label come to: the one table of all that is said of it.

    Attributes
    ----------
    is_error : bool
        Whether the label was wrong.
    decides : bool
        Whether the label needs no further review.
    color : str
        The same in the grid, in the panel and wherever an outcome is shown.
    done_by_reviewers : str
        What reviewers did, for the description of the saved view; empty when it has none.
    of_objects : bool
        Whether only an object can come to it: a label of a whole image has no box.
    """

    is_error: bool
    decides: bool
    color: str
    done_by_reviewers: str
    of_objects: bool

    KEPT = "kept", False, True, "#3fb68b", "found right"
    RELABELED = "relabeled", True, True, "#ff6d04", "gave another label"
    DELETED = "deleted", True, True, "#e05563", "deleted (weight 0; nothing is removed)"
    UNSURE = "unsure", False, False, "#8a8f98", ""
    CONFLICT = "conflict", False, False, "#4c9be8", "disagree about"
    WRONG_BOX = "wrong_box", True, True, "#b07ce8", "want annotated again: the box is wrong", True

    def __new__(
        cls,
        value: str,
        is_error: bool,
        decides: bool,
        color: str,
        done_by_reviewers: str,
        of_objects: bool = False,
    ) -> Outcome:
        """Make a member that carries what is said of it."""
        outcome = str.__new__(cls, value)
        outcome._value_ = value
        outcome.is_error = is_error
        outcome.decides = decides
        outcome.color = color
        outcome.done_by_reviewers = done_by_reviewers
        outcome.of_objects = of_objects
        return outcome

    @classmethod
    def parse(cls, text: str) -> Outcome:
        """Return the outcome that `text` names, as `Verdict.parse` does with a verdict."""
        return _named(cls, "outcome", text)


class Verdict(str, Enum):
    """One reviewer's answer about one label.

    Attributes
    ----------
    outcome : Outcome
        What it comes to when most reviewers give it.
    """

    outcome: Outcome

    KEEP = "keep", Outcome.KEPT
    RELABEL = "relabel", Outcome.RELABELED
    DELETE = "delete", Outcome.DELETED
    UNSURE = "unsure", Outcome.UNSURE
    WRONG_BOX = "wrong_box", Outcome.WRONG_BOX

    def __new__(cls, value: str, outcome: Outcome) -> Verdict:
        """Make a member that carries its outcome."""
        verdict = str.__new__(cls, value)
        verdict._value_ = value
        verdict.outcome = outcome
        return verdict

    @classmethod
    def parse(cls, text: str) -> Verdict:
        """Return the verdict that `text` names.

        Raises
        ------
        DataError
            When `text` names none.

        Examples
        --------
        >>> Verdict.parse("relabel").outcome.value
        'relabeled'
        """
        return _named(cls, "verdict", text)


def _named(cls: type[_Word], what: str, text: str) -> _Word:
    for word in cls:
        if word.value == text:
            return word
    valid = ", ".join(word.value for word in cls)
    raise DataError(f"{what} must be one of {valid}, got {text!r}.", "Write one of these.")


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
