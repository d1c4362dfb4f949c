"""The two kinds of pages: what a task of each shows, and how an answer to it is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Protocol

from ...core.errors import DataError
from ...core.review.ledger import AnswerKey
from .answers import Answer, read_answer
from .keys import answer_id, earlier_answers, parse_push_key, sheet_number
from .sheets import read_sheet, slots_of


@dataclass(frozen=True)
class Shown:
    """What a task shows.

    Attributes
    ----------
    round : int
        Its round.
    samples : dict
        Slot to sample id; the only image of a page has no slot.
    earlier : dict
        Sample id to ids of answers on record that were given to a task before this one.
    """

    round: int
    samples: dict[str, str]
    earlier: dict[str, frozenset[str]] = field(default_factory=dict)

    def among(self, rounds: Mapping[int, AbstractSet[str]]) -> Shown | None:
        """Return it without samples that are not in these rounds; None when none is left."""
        ours = rounds.get(self.round, frozenset())
        samples = {slot: i for slot, i in self.samples.items() if i in ours}
        return Shown(self.round, samples, self.earlier) if samples else None

    @property
    def owners(self) -> Iterator[tuple[int, str]]:
        """The labels on it, each with the round."""
        return ((self.round, sample_id) for sample_id in self.samples.values())

    def earlier_of(self, sample_id: str) -> frozenset[str]:
        """Return the ids of answers about a sample that were given to a task before this one."""
        return self.earlier.get(sample_id, frozenset())

    def answer_keys(self, annotation_id: int) -> Iterator[AnswerKey]:
        """Return the keys of what an annotation says of each image."""
        for slot, sample_id in self.samples.items():
            answer = answer_id(annotation_id, self.earlier_of(sample_id), slot)
            yield self.round, sample_id, answer


class PageKind(Protocol):
    """How the tasks of a project are read."""

    def shown(self, data: Mapping[str, Any], dataset_id: str, label_field: str) -> Shown | None:
        """Return what a task shows; None when it is none of this dataset and field."""

    def read(
        self, result: Any, data: Mapping[str, Any], classes: Sequence[str]
    ) -> Mapping[str, Answer | DataError | None]:
        """Return slot to what an annotation says, as `read_sheet` does; raises as it does."""


class SinglePages:
    """Pages with one image."""

    def shown(self, data: Mapping[str, Any], dataset_id: str, label_field: str) -> Shown | None:
        """Return the sample that the push key names."""
        owner = parse_push_key(data.get("push_key"), dataset_id, label_field)
        if owner is None:
            return None
        return Shown(owner[0], {"": owner[1]}, {owner[1]: earlier_answers(data)})

    def read(self, result: Any, data: Mapping[str, Any], classes: Sequence[str]) -> dict[str, Any]:
        """Read the only answer."""
        return {"": read_answer(result, classes, suggested=data.get("suggested"))}


class Sheets:
    """Pages with several images."""

    def shown(self, data: Mapping[str, Any], dataset_id: str, label_field: str) -> Shown | None:
        """Return the samples in the slots."""
        key = parse_push_key(data.get("push_key"), dataset_id, label_field)
        if key is None or sheet_number(key[1]) is None:
            return None
        earlier = data.get("earlier_answers")
        by_sample = earlier if isinstance(earlier, dict) else {}
        before = {i: earlier_answers({"earlier_answers": by_sample.get(i)}) for i in by_sample}
        return Shown(key[0], slots_of(data), before)

    def read(
        self, result: Any, data: Mapping[str, Any], classes: Sequence[str]
    ) -> Mapping[str, Answer | DataError | None]:
        """Read what is said of each image."""
        return read_sheet(result, data, classes)
