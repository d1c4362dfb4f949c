"""Which samples the next round shows: the most important ones, and random controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError
from ..scoring.duplicates import DUPLICATE_COSINE, near_duplicates


@dataclass(frozen=True, slots=True)
class BatchItem:
    """One sample of a round, with what was known when it was pushed.

    Attributes
    ----------
    sample_id : str
        The sample.
    rank : int
        Position in the round, from 0; says nothing of importance or control.
    importance : float
        Coreset importance.
    label : str
        The label under review.
    weight : float
        Sample weight, which undoing a deletion restores.
    control : bool
        Whether it was drawn at random, to measure the class's noise rate.
    suggested_label : str
        Most probable other class.
    suggested_probability : float
        Its probability.
    """

    sample_id: str
    rank: int
    importance: float
    label: str
    weight: float
    control: bool
    suggested_label: str
    suggested_probability: float

    def to_dict(self) -> dict[str, Any]:
        """Return the item as JSON-able values."""
        # `asdict` copies deeply what is flat already.
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> BatchItem:
        """Read what `to_dict` wrote."""
        return cls(**row)


def draw_batch(
    sample_ids: Sequence[str],
    importance: ArrayLike,
    eligible: ArrayLike,
    n: int,
    controls: int,
    random_state: int = 0,
    *,
    embeddings: NDArray[Any] | None = None,
    duplicate_threshold: float = DUPLICATE_COSINE,
    first: ArrayLike | None = None,
) -> list[tuple[int, bool]]:
    """Draw the next batch of a class: the top of the queue, and controls among all the others.

    Controls are drawn uniformly from all eligible samples first, so that they measure the class
    and not what the queue leaves over; the most important of the rest fill the batch. The order
    is shuffled and reveals neither.

    Parameters
    ----------
    sample_ids : sequence of str, length m
        Ids; they break ties of importance, so that the order of rows does not matter.
    importance : array of shape (m,)
        Coreset importance.
    eligible : bool array of shape (m,)
        False for samples that must not be served.
    n : int
        Size of the batch; smaller when fewer samples are eligible.
    controls : int
        How many of them are controls, 0 to n.
    random_state : int, default 0
        Seed.
    embeddings : float array of shape (m, d), optional
        When given, near-duplicates of a queued sample take the places of less important ones, and
        are shown next to it.
    duplicate_threshold : float, default 0.98
        Least cosine of near-duplicates.
    first : bool array of shape (m,), optional
        Samples that come before all others, such as those on which reviewers disagreed.

    Returns
    -------
    list of (int, bool)
        Row and whether it is a control, in the order they are shown.

    Raises
    ------
    DataError
        When n or controls is out of range, or the lengths differ.
    """
    values, mask = np.asarray(importance, dtype=float), np.asarray(eligible, dtype=bool)
    if not len(sample_ids) == len(values) == len(mask):
        raise DataError(
            "sample_ids, importance and eligible must have one entry per sample, got lengths "
            f"{len(sample_ids)}, {len(values)} and {len(mask)}.",
            "Give them in the order of the ids.",
        )
    if embeddings is not None and len(embeddings) != len(values):
        raise DataError(
            f"embeddings must have one row per sample, got {len(embeddings)} rows for "
            f"{len(values)} samples.",
            "Compute the missing embeddings.",
        )
    if n < 1 or not 0 <= controls <= n:
        raise DataError(
            f"n must be at least 1 and controls between 0 and n, got n={n}, controls={controls}.",
            "Ask for fewer controls, or more samples.",
        )
    # By id, so that the draw depends on the samples and not on the order of the rows.
    rows: NDArray[np.intp] = np.flatnonzero(mask)
    rows = rows[np.argsort([sample_ids[row] for row in rows], kind="stable")]
    rng = np.random.default_rng(random_state)
    n = min(n, len(rows))
    drawn = rng.choice(rows, min(controls, n), replace=False)
    rest = rows[~np.isin(rows, drawn)]
    before = np.zeros(len(values), bool) if first is None else np.asarray(first, dtype=bool)
    queue = rest[np.lexsort((-values[rest], ~before[rest]))]
    groups = [[row] for row in queue[: n - len(drawn)].tolist()]
    if embeddings is not None and groups:
        groups = _with_duplicates(queue, n - len(drawn), embeddings, duplicate_threshold)
    shown = [[(row, False) for row in group] for group in groups]
    shown += [[(row, True)] for row in drawn.tolist()]
    return [item for position in rng.permutation(len(shown)) for item in shown[position]]


def _with_duplicates(
    queue: NDArray[np.intp], n: int, embeddings: NDArray[Any], threshold: float
) -> list[list[int]]:
    """Fill n places from the top of the queue, every sample followed by its near-duplicates."""
    matches = near_duplicates(embeddings[queue[:n]], embeddings[queue], threshold)
    groups: list[list[int]] = []
    group_of: dict[int, list[int]] = {}  # position in the queue to its group
    for position in range(n):
        if len(group_of) == n:
            break
        members = [position, *matches.reference[matches.query == position].tolist()]
        # A duplicate of a duplicate joins the group that is there.
        group = group_of.get(position)
        if group is None:
            group = []
            groups.append(group)
        for member in members:
            if member not in group_of and len(group_of) < n:
                group_of[member] = group
                group.append(int(queue[member]))
    return groups


def split_evenly(n: int, classes: Sequence[str]) -> dict[str, int]:
    """Split a batch among classes: as evenly as it goes, the first ones get what is over.

    Raises
    ------
    DataError
        When there are more classes than samples, none, or one of them twice.

    Examples
    --------
    >>> split_evenly(50, ["cat", "dog", "bird"])
    {'cat': 17, 'dog': 17, 'bird': 16}
    """
    if not classes or len(set(classes)) != len(classes):
        raise DataError(
            f"classes to review: must be one or more, each once, got {list(classes)}.",
            "Name each class once.",
        )
    if n < len(classes):
        raise DataError(
            f"a round of {len(classes)} classes must have at least as many samples, got n={n}.",
            "Ask for more samples, or fewer classes.",
        )
    each, over = divmod(n, len(classes))
    return {cls: each + (k < over) for k, cls in enumerate(classes)}


def share_controls(quotas: Mapping[str, int], controls: int) -> dict[str, int]:
    """Share controls among classes in proportion to their quotas, by largest remainders.

    Examples
    --------
    >>> share_controls({"cat": 30, "dog": 20}, 5)
    {'cat': 3, 'dog': 2}
    """
    n = sum(quotas.values())
    exact = {cls: controls * quota / n for cls, quota in quotas.items()}
    shares = {cls: int(value) for cls, value in exact.items()}
    by_remainder = sorted(quotas, key=lambda cls: shares[cls] - exact[cls])
    for cls in by_remainder[: controls - sum(shares.values())]:
        shares[cls] += 1
    return shares
