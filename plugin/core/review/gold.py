"""Gold images: labels swapped on purpose, shown among a round's, to see how many people notice.

They measure reviewers, not labels. Their answers are kept apart from the ledger that is folded
(`Round.gold_events`), so that no rule that reads the ledger can take one for a verdict.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .queue import BatchItem


@dataclass(frozen=True, slots=True)
class GoldItem:
    """One gold image of a round: shown like any other, with a label that it does not have.

    Attributes
    ----------
    sample_id : str
        The label's id.
    rank : int
        Position in the round, from 0, as of a `BatchItem`.
    label : str
        The label that reviewers are shown.
    true_label : str
        The one that the dataset has, and keeps.
    suggested_label : str
        The suggestion that reviewers are shown: the true label.
    suggested_probability : float
        That of another image of the round, so that it tells nothing.
    like : str
        Id of the label of the round that it passes for; what is said of that one is said of it.
    """

    sample_id: str
    rank: int
    label: str
    true_label: str
    suggested_label: str
    suggested_probability: float
    like: str

    def to_dict(self) -> dict[str, Any]:
        """Return the item as JSON-able values."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> GoldItem:
        """Read what `to_dict` wrote."""
        return cls(**row)


def choose_twins(batch: Sequence[BatchItem], k: int, random_state: int = 0) -> list[BatchItem]:
    """Return the labels of a batch that gold images will pass for, most wanted first.

    They are drawn from what the queue chose: where it suspects a label, a wrong one must not stand
    out. Controls serve only where there is nothing else. Each is taken once before one is again.

    Parameters
    ----------
    batch : sequence of BatchItem
    k : int
        Gold images wanted; more are returned, for those that no image can be found for.
    random_state : int, default 0
        Seed.
    """
    rng = np.random.default_rng(random_state)
    queued = [item for item in batch if not item.control]
    controls = [item for item in batch if item.control]
    ordered = [
        group[i] for group in (queued, controls) for i in rng.permutation(len(group)).tolist()
    ]
    return ordered * k


def draw_gold(
    batch: Sequence[BatchItem],
    twins: Iterable[BatchItem],
    sure: Mapping[str, Sequence[str]],
    k: int,
    random_state: int = 0,
) -> tuple[list[BatchItem], list[GoldItem]]:
    """Hide gold images in a batch.

    Each takes the place, the suggestion and all that is said of another label of the batch, its
    twin: it is an image that is surely of the class suggested there, shown under the twin's label.
    So it looks like the wrong labels that the queue expects, and nothing but the image tells.

    Parameters
    ----------
    batch : sequence of BatchItem
        The round's labels, by rank.
    twins : iterable of BatchItem
        From `choose_twins`.
    sure : mapping of str to sequence of str
        Class to ids of labels that are surely right, the surest first; none of them in the batch.
    k : int
        Gold images wanted; fewer are made where there are not enough sure labels.
    random_state : int, default 0
        Seed.

    Returns
    -------
    batch : list of BatchItem
        The same labels with their new ranks.
    gold : list of GoldItem
    """
    rng = np.random.default_rng(random_state)
    left = {name: list(ids) for name, ids in sure.items()}
    taken: set[str] = {item.sample_id for item in batch}
    chosen: list[tuple[BatchItem, str]] = []
    for twin in twins:
        if len(chosen) == k:
            break
        found = next((i for i in left.get(twin.suggested_label, ()) if i not in taken), None)
        if found is not None and twin.suggested_label != twin.label:
            taken.add(found)
            chosen.append((twin, found))
    # Beside a random label of the same class: a batch of several shows one class after the other.
    places: dict[str, list[int]] = defaultdict(list)
    for position, item in enumerate(batch):
        places[item.label].append(position)
    shown: list[tuple[float, BatchItem | GoldItem]] = list(enumerate(batch))
    for twin, sample_id in chosen:
        beside = places[twin.label]
        at = beside[int(rng.integers(len(beside)))] + float(rng.choice([-1, 1]) * rng.random() / 2)
        gold = GoldItem(
            sample_id=sample_id,
            rank=0,
            label=twin.label,
            true_label=twin.suggested_label,
            suggested_label=twin.suggested_label,
            suggested_probability=twin.suggested_probability,
            like=twin.sample_id,
        )
        shown.append((at, gold))
    shown.sort(key=lambda pair: pair[0])
    ranked = [replace(item, rank=rank) for rank, (_, item) in enumerate(shown)]
    return (
        [item for item in ranked if isinstance(item, BatchItem)],
        [item for item in ranked if isinstance(item, GoldItem)],
    )
