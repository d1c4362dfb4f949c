"""The names of everything this project puts on a dataset."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ..core.errors import DataError
from ..core.review.verdicts import Outcome

# Of the dataset, not of one label field.
EMBEDDINGS = "resnet18_embedding"
TAG_UNREADABLE = "cleaning:unreadable"
RUN_METHOD = "coreset_cleaning"


@dataclass(frozen=True)
class Names:
    """What our fields, tags and views of one label field are called.

    The first label field that is scored has the plain names; any other has its own name appended,
    so that each has marks of its own. A prefix comes before all of them: the way out where a user
    has something of that name.

    Parameters
    ----------
    prefix : str, default ""
        Lowercase letters, digits and underscores; begins with a letter.
    label_field : str, default ""
        What to append; empty for the plain names.
    root : str, default ""
        Where our fields are when they are attributes of each label, such as
        ``ground_truth.detections``; nothing is appended there, as each field has its own.

    Raises
    ------
    DataError
        When the prefix can't be part of a field's name.

    Examples
    --------
    >>> Names().importance, Names("qa_", "breed").importance
    ('coreset_importance', 'qa_coreset_importance_breed')
    """

    prefix: str = ""
    label_field: str = ""
    root: str = ""

    def __post_init__(self) -> None:
        if self.prefix and not re.fullmatch(r"[a-z][a-z0-9_]*", self.prefix):
            raise DataError(
                "prefix must be lowercase letters, digits and underscores and begin with a "
                f"letter, got {self.prefix!r}.",
                'Pass one like prefix="qa_".',
            )

    def _field(self, name: str) -> str:
        return f"{self.root}.{self.prefix}{name}" if self.root else self._key(name)

    def _key(self, name: str) -> str:
        suffix = "_" + re.sub(r"\W", "_", self.label_field) if self.label_field else ""
        return f"{self.prefix}{name}{suffix}"

    def _tag(self, name: str) -> str:
        return f"{self.prefix}{name}" + (f":{self.label_field}" if self.label_field else "")

    def _view(self, name: str) -> str:
        return f"{self.prefix}{name}" + (f" ({self.label_field})" if self.label_field else "")

    # ---- fields

    @property
    def importance(self) -> str:
        """The importance, which queues and rounds sort by."""
        return self._field("coreset_importance")

    @property
    def wrong(self) -> str:
        """How likely the label is wrong, by all but the label itself."""
        return self._field("wrong_probability")

    @property
    def suggested(self) -> str:
        """The most probable other class."""
        return self._field("suggested_label")

    @property
    def second_guess(self) -> str:
        """The most probable class but for the given one and the suggestion."""
        return f"{self.suggested}.second_guess"

    @property
    def disagreement(self) -> str:
        """Share of the nearest neighbours with another label."""
        return self._field("knn_disagreement")

    @property
    def influence(self) -> str:
        """How far the label moves a classifier."""
        return self._field("training_influence")

    @property
    def weight(self) -> str:
        """1, or 0 for deleted."""
        return self._field("sample_weight")

    @property
    def original(self) -> str:
        """The class before the first change."""
        return self._field("original_label")

    @property
    def review(self) -> str:
        """What reviewers decided."""
        return self._field("cleaning_review")

    @property
    def prediction(self) -> str:
        """The class that a fit without this label gives it."""
        return self._field("cleaning_prediction")

    @property
    def coreset_weight(self) -> str:
        """The weight in the coreset."""
        return self._field("coreset_weight")

    def fields(self) -> tuple[str, ...]:
        """Return the names of all our fields."""
        return (
            self.importance,
            self.wrong,
            self.suggested,
            self.disagreement,
            self.influence,
            self.weight,
            self.original,
            self.review,
            self.prediction,
            self.coreset_weight,
        )

    # ---- tags

    @property
    def queued(self) -> str:
        """The tag of a label that waits for an answer."""
        return self._tag("cleaning:queued")

    def outcome_tag(self, outcome: Outcome) -> str:
        """Return the tag of an outcome, for example ``cleaning:kept``."""
        return self._tag(f"cleaning:{outcome.value}")

    def round_tag(self, number: int) -> str:
        """Return the tag of a round's samples, for example ``cleaning:round-003``."""
        return self._tag(f"cleaning:round-{number:03d}")

    @property
    def coreset(self) -> str:
        """The tag of the coreset, and its saved view."""
        return self._tag("coreset")

    def review_tags(self) -> tuple[str, ...]:
        """Return the tags that tell of verdicts."""
        return (self.queued, *(self.outcome_tag(outcome) for outcome in Outcome))

    def ours_among(self, tags: Iterable[str]) -> list[str]:
        """Return those tags that are ours by name, those of rounds included."""
        pattern = re.escape(self._tag("cleaning:round-@")).replace("@", r"\d{3,}")
        fixed = {*self.review_tags(), self.coreset}
        return sorted(tag for tag in tags if tag in fixed or re.fullmatch(pattern, tag))

    # ---- saved views

    def queue_view(self, class_name: str | None) -> str:
        """Return the name of the saved view of a class's queue; None: of the whole dataset's."""
        return self._view("cleaning queue" + (f" {class_name}" if class_name else ""))

    def round_view(self, number: int) -> str:
        """Return the name of the saved view that holds a round."""
        return self._view(f"cleaning round {number:03d}")

    def outcome_view(self, outcome: Outcome) -> str:
        """Return the name of the saved view of an outcome."""
        return self._view(f"cleaning {outcome.value}")

    @property
    def coreset_view(self) -> str:
        """The saved view of the coreset."""
        return self._view("coreset")

    # ---- what else

    @property
    def sidebar_group(self) -> str:
        """The group of our fields in the App's side bar."""
        return self._view("label cleaning")

    def evaluation_key(self, round_: int) -> str:
        """Return the key of the FiftyOne evaluation after a round; 0 is before the first."""
        return self._key(f"cleaning_after_{round_:03d}")


def round_run_key(number: int) -> str:
    """Return the key of a round's custom run, for example ``cleaning_round_003``."""
    return f"cleaning_round_{number:03d}"


def field_run_key(kind: str, field: str) -> str:
    """Return a run key for a field: FiftyOne wants a Python identifier, fields may hold dots."""
    return f"cleaning_{kind}_" + re.sub(r"\W", "_", field)


def evaluation_run_key(subject: str, number: int) -> str:
    """Return the key of what was measured after a round, 0 for before the first."""
    return f"{field_run_key('evaluation', subject)}_{number:03d}"
