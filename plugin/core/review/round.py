"""One round, and what it comes to in numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from .gold import GoldItem
from .ledger import Event
from .queue import BatchItem
from .scope import WHOLE_DATASET, Scope


@dataclass
class Round:
    """One batch through review.

    Attributes
    ----------
    number : int
        1, 2, …; unique in the dataset.
    label_field, class_of_interest, rival : str
        What is reviewed; `rival` is None when the class was chosen by hand. Of several classes,
        the first; of the whole dataset, the one with the most labels in the batch.
    config : dict
        All that was fixed when the batch was drawn: seed, versions, options, the score record.
    batch : list of BatchItem
        The labels under review, by rank.
    pools : dict of str to int
        Class to the labels of it that could be served when the batch was drawn.
    events : list of Event
        Verdict events of this round, append-only.
    home : str
        Id of the dataset that drew it: the name by which the desk knows the round. Copies of the
        dataset have ids of their own and still find its answers.
    url : str
        Link to the round at its desk; empty before it was sent, or where there is none.
    unnamed_url : str
        Of a round of sheets: link to the pages of images marked there without a class.
    closed_at : str or None
        When the last answer was recorded, or the round was closed by hand.
    gold : list of GoldItem
        Images shown under a label that they don't have, to see who notices. They are in no batch:
        whoever asks what is under review does not see them.
    gold_events : list of Event
        Answers about them, append-only; nothing folds these.
    """

    number: int
    label_field: str
    class_of_interest: str
    rival: str | None
    config: dict[str, Any]
    batch: list[BatchItem]
    pools: dict[str, int] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    home: str = ""
    url: str = ""
    unnamed_url: str = ""
    closed_at: str | None = None
    gold: list[GoldItem] = field(default_factory=list)
    gold_events: list[Event] = field(default_factory=list)

    @property
    def shown(self) -> list[BatchItem | GoldItem]:
        """All that people are shown, by rank: the batch, and the gold images in it."""
        return sorted([*self.batch, *self.gold], key=lambda item: item.rank)

    @property
    def shown_ids(self) -> set[str]:
        """Ids of all labels that people are shown."""
        return self.sample_ids | {item.sample_id for item in self.gold}

    @property
    def answers(self) -> list[Event]:
        """The events about all that is shown: who asks what people did, not what it means."""
        return [*self.events, *self.gold_events]

    def with_events(self, events: Iterable[Event]) -> Round:
        """Return the round with further events, each in the list where it belongs."""
        real, gold = self.split(events)
        return replace(self, events=[*self.events, *real], gold_events=[*self.gold_events, *gold])

    def split(self, events: Iterable[Event]) -> tuple[list[Event], list[Event]]:
        """Take events apart: those of the batch and of the round, and those of gold images."""
        gold = {item.sample_id for item in self.gold}
        both: tuple[list[Event], list[Event]] = ([], [])
        for event in events:
            both[event.sample_id in gold].append(event)
        return both

    @property
    def sample_ids(self) -> set[str]:
        """Ids of the labels in this round."""
        return {item.sample_id for item in self.batch}

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes under review, in the order they are shown."""
        return tuple(dict.fromkeys(item.label for item in self.batch)) or (self.class_of_interest,)

    @property
    def scope(self) -> Scope:
        """Whether it was drawn from chosen classes or from the whole dataset."""
        return Scope(self.config["options"].get("scope", Scope.CLASS))

    @property
    def queues(self) -> tuple[str | None, ...]:
        """The queues it was drawn from, by class; None is that of the whole dataset."""
        return (None,) if self.scope is Scope.DATASET else self.classes

    @property
    def reviewed_what(self) -> str:
        """The classes under review as one text, for people."""
        return WHOLE_DATASET if self.scope is Scope.DATASET else ", ".join(self.classes)

    @property
    def reviewers(self) -> int:
        """Answers wanted of each label."""
        return int(self.config["options"]["reviewers_per_task"])

    @property
    def sheet(self) -> int:
        """Images on a page, at most; 0 where each has a page of its own."""
        return int(self.config["options"].get("sheet", 0))

    @property
    def desk(self) -> str:
        """Name of the desk it was given to."""
        return str(self.config["options"].get("desk", "labelstudio"))


@dataclass(frozen=True, slots=True)
class ClassCount:
    """What the labels of one class in a round came to.

    Attributes
    ----------
    reviewed, errors : int
        Judged labels, and those that were wrong; controls included.
    n_controls, control_errors : int
        The same, of the controls.
    """

    reviewed: int = 0
    errors: int = 0
    n_controls: int = 0
    control_errors: int = 0


@dataclass(frozen=True)
class HistoryRow:
    """One round in numbers: a column of the history is a field here.

    Attributes
    ----------
    round : int
        Its number.
    scope : str
        "class", or "dataset" where the queue was that of the whole dataset.
    class_of_interest : str
        The classes under review, as one text; "whole dataset" with that scope.
    classes : list of str
        The classes of the batch, one by one.
    rival : str or None
        The class it is confused with.
    size, pool : int
        Labels in the batch, and labels that could have been served.
    reviewed, errors_found : int
        Judged labels, and those relabeled, deleted or of a wrong box; controls included.
    kept, relabeled, deleted, unsure, conflict, wrong_box : int
        Labels by outcome.
    n_controls, control_errors : int
        `reviewed` and `errors_found` of the controls.
    undone : bool
        Whether the round is left out.
    state : str
        "open", "closed" or "undone".
    created_at, closed_at : str or None
        ISO 8601 UTC.
    url : str or None
        Link to its desk.
    evaluation : dict or None
        What was measured after it.
    desk : str
        Name of the desk it was given to.
    seconds_per_image, seconds_per_error : float or None
        People's time for a label that was answered, and for a wrong one found; None when it is not
        known.
    meter : dict or None
        The times by reviewer and kind of page, what a random review would have cost, and how many
        gold images were noticed; see `core.judging.meter`.
    """

    round: int
    scope: str
    class_of_interest: str
    classes: list[str]
    rival: str | None
    size: int
    pool: int
    reviewed: int
    errors_found: int
    kept: int
    relabeled: int
    deleted: int
    unsure: int
    conflict: int
    wrong_box: int
    n_controls: int
    control_errors: int
    undone: bool
    state: str
    created_at: str
    closed_at: str | None
    url: str | None
    evaluation: dict[str, Any] | None
    seconds_per_image: float | None = None
    seconds_per_error: float | None = None
    meter: dict[str, Any] | None = None
    desk: str = "labelstudio"

    @property
    def counts(self) -> bool:
        """Whether the round counts: something is judged, and it is not undone."""
        return bool(self.reviewed) and not self.undone

    def to_dict(self) -> dict[str, Any]:
        """Return the row as JSON-able values."""
        return asdict(self)
