"""A label as it leaves the project, and what reviewers changed about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .marks import ReviewMark
from .queue import BatchItem
from .verdicts import Outcome

CHANGE_COLUMNS = (
    "id",
    "filepath",
    "change",
    "from",
    "to",
    "weight",
    "reviewers",
    "reviewed_at",
    "comment",
    "round",
    "rank",
    "importance",
    "suggested_label",
    "suggested_probability",
    "control",
)


@dataclass(frozen=True, slots=True)
class CleanedLabel:
    """One label, with all that is known of how it came to be.

    Attributes
    ----------
    id : str
        Its id.
    image : str
        The path of its image.
    split : str
        "train" or "test".
    label : str
        Its class.
    weight : float
        0 for deleted, else 1 unless somebody set something else.
    original : str or None
        The class that a verdict replaced.
    review : ReviewMark or None
        What reviewers decided.
    asked : BatchItem or None
        Why they were asked: its place in the round that decided.
    """

    id: str
    image: str
    split: str
    label: str
    weight: float = 1.0
    original: str | None = None
    review: ReviewMark | None = None
    asked: BatchItem | None = None

    @property
    def change(self) -> str:
        """What reviewers did to it, "relabeled" or "deleted"; empty when nothing."""
        verdict = self.review.verdict if self.review else ""
        return verdict if verdict in (Outcome.RELABELED.value, Outcome.DELETED.value) else ""


def changes(labels: Iterable[CleanedLabel]) -> list[dict[str, Any]]:
    """Return one row for each label that reviewers changed: what, by whom, and why.

    Returns
    -------
    list of dict
        All with the keys `CHANGE_COLUMNS`. Why is the reviewers' comment, and what made them look:
        the round, the label's rank and importance in it, the class that was suggested, or that it
        was a random control.
    """
    rows = []
    for label in labels:
        if not label.change or label.review is None:
            continue
        asked = label.asked
        rows.append(
            {
                "id": label.id,
                "filepath": label.image,
                "change": label.change,
                "from": label.original or (asked.label if asked else label.label),
                "to": label.label if label.change == Outcome.RELABELED.value else None,
                "weight": label.weight,
                "reviewers": list(label.review.reviewers),
                "reviewed_at": label.review.reviewed_at,
                "comment": label.review.comment,
                "round": label.review.round,
                "rank": asked.rank if asked else None,
                "importance": asked.importance if asked else None,
                "suggested_label": asked.suggested_label if asked else None,
                "suggested_probability": asked.suggested_probability if asked else None,
                "control": asked.control if asked else None,
            }
        )
    return rows
