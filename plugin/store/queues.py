"""Queues as columns: what a draw and a prediction need of every label that waits for a review."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..core.review.queue import class_codes
from ..core.review.rounds import Rounds
from . import ownership
from .labels import LabelField
from .selection import Selection


@dataclass(frozen=True)
class Queue:
    """A queue, most important first, without vectors: those of a whole dataset may be too many.

    Attributes
    ----------
    ids, classes : list of str, length m
        Label ids and their classes.
    importance : float array of shape (m,)
    """

    ids: list[str]
    classes: list[str]
    importance: NDArray[np.float64]

    @cached_property
    def codes(self) -> NDArray[np.intp]:
        """The classes as numbers."""
        return class_codes(self.classes)

    def eligible(self, rounds: Rounds) -> NDArray[np.bool_]:
        """Return which labels a round after these may show."""
        served = map(rounds.is_served, self.ids, self.classes)
        return ~np.fromiter(served, dtype=bool, count=len(self.ids))

    def only(self, mask: NDArray[np.bool_]) -> Queue:
        """Return the queue of some of its labels."""
        rows = np.flatnonzero(mask).tolist()
        return Queue(
            [self.ids[row] for row in rows],
            [self.classes[row] for row in rows],
            self.importance[rows],
        )


@dataclass(frozen=True)
class Chances:
    """How likely the labels of a queue are wrong, by the scores, in its order.

    Attributes
    ----------
    classes : list of str, length m
    wrong : float array of shape (m,)
    unknown : int
        Further labels of the queue that were scored before there was such a number.
    """

    classes: list[str]
    wrong: NDArray[np.float64]
    unknown: int


def knows_chances(labels: LabelField) -> bool:
    """Tell whether the scores say how likely labels are wrong; those of older versions do not."""
    return ownership.is_ours(labels.dataset, labels.names.wrong)


def read_chances(labels: LabelField, queue: Selection, rounds: Rounds) -> Chances:
    """Read how likely the labels of a queue are wrong that a round may show."""
    ids, classes, known = labels.values(queue, [labels.path, labels.names.wrong])
    rows = [
        (name, p)
        for label_id, name, p in zip(ids, classes, known, strict=True)
        if not rounds.is_served(label_id, name)
    ]
    told = [(name, p) for name, p in rows if p is not None]
    return Chances(
        [name for name, _ in told],
        np.array([p for _, p in told], dtype=np.float64),
        len(rows) - len(told),
    )


def read_queue(labels: LabelField, queue: Selection) -> Queue:
    """Read the labels of a queue."""
    ids, classes, importance = labels.values(queue, [labels.path, labels.names.importance])
    return Queue(ids, classes, np.array(importance, dtype=np.float64))
