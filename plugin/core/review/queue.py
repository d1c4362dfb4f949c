"""Which samples the next round shows: the most important ones, and random controls."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError
from ..scoring.duplicates import BEYOND_MEAN_COSINE, DUPLICATE_COSINE, near_duplicates


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
    wrong_probability : float or None, default None
        How likely the label was wrong, by the scores; None in rounds of older versions.
    """

    sample_id: str
    rank: int
    importance: float
    label: str
    weight: float
    control: bool
    suggested_label: str
    suggested_probability: float
    wrong_probability: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the item as JSON-able values."""
        # `asdict` copies deeply what is flat already.
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> BatchItem:
        """Read what `to_dict` wrote."""
        return cls(**row)


# A queue is searched for near-duplicates as far down as this many batches: beyond, a label of the
# same class on nearly the same vector would have more importance.
_DEPTH = 20

Rows = NDArray[np.intp]
Name = TypeVar("Name", bound=Hashable)


def draw_batch(
    sample_ids: Sequence[str],
    importance: ArrayLike,
    eligible: ArrayLike,
    n: int,
    controls: int,
    random_state: int = 0,
    *,
    embeddings: NDArray[Any] | Callable[[Rows], NDArray[Any]] | None = None,
    duplicate_threshold: float = DUPLICATE_COSINE,
    first: ArrayLike | None = None,
    classes: Sequence[str] | None = None,
    max_per_class: int | None = None,
) -> list[tuple[int, bool]]:
    """Draw the next batch: the top of a queue, and controls among all that is in it.

    Controls are drawn uniformly from all eligible samples first, so that they measure the class or
    the dataset and not what the queue leaves over; the most important of the rest fill the batch.
    The order is shuffled and reveals neither.

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
    embeddings : float array of shape (m, d), or callable, optional
        When given, near-duplicates of a queued sample that carry the same label take the places of
        less important ones, and are shown next to it. A callable is given some rows and returns
        their embeddings: only the top of the queue is asked for.
    duplicate_threshold : float, default 0.98
        Least cosine of near-duplicates.
    first : bool array of shape (m,), optional
        Samples that come before all others, such as those on which reviewers disagreed.
    classes : sequence of str, length m, optional
        Class of each label, where a queue holds several. Those of one class are then shown one
        after the other: the classes in random order, and each one's labels, too.
    max_per_class : int, optional
        With `classes`: at most so many labels of a class, controls included, unless nothing else is
        left to fill the batch or more of them are controls. Default: no limit.

    Returns
    -------
    list of (int, bool)
        Row and whether it is a control, in the order they are shown.

    Raises
    ------
    DataError
        When n, controls or max_per_class is out of range, or the lengths differ.
    """
    values, mask = np.asarray(importance, dtype=float), np.asarray(eligible, dtype=bool)
    _check_draw(len(sample_ids), values, mask, embeddings, classes)
    _check_sizes(n, controls, max_per_class)
    codes = np.zeros(len(values), np.intp) if classes is None else class_codes(classes)
    # By id, so that the draw depends on the samples and not on the order of the rows.
    rows: Rows = np.flatnonzero(mask)
    rows = rows[np.argsort([sample_ids[row] for row in rows], kind="stable")]
    rng = np.random.default_rng(random_state)
    n = min(n, len(rows))
    drawn = rng.choice(rows, min(controls, n), replace=False)
    rest = rows[~np.isin(rows, drawn)]
    before = np.zeros(len(values), bool) if first is None else np.asarray(first, dtype=bool)
    queue = rest[np.lexsort((-values[rest], ~before[rest]))]
    wanted, room = n - len(drawn), np.full(codes.max(initial=0) + 1, n)
    if max_per_class is not None:
        room = np.maximum(max_per_class - np.bincount(codes[drawn], minlength=len(room)), 0)
    top = take_top(codes[queue], wanted, room)
    groups = [[row] for row in queue[top].tolist()]
    if embeddings is not None and groups:
        room = np.maximum(room, np.bincount(codes[queue[top]], minlength=len(room)))
        window = _window(codes[queue], top, room)
        near, leaders = queue[window], np.searchsorted(window, top)
        vectors = embeddings(near) if callable(embeddings) else embeddings[near]
        groups = _with_duplicates(near, leaders, codes[near], room, vectors, duplicate_threshold)
    shown = [[(row, False) for row in group] for group in groups]
    shown += [[(row, True)] for row in drawn.tolist()]
    order = rng.permutation(len(shown)).tolist()
    if classes is not None:
        names = sorted({classes[group[0][0]] for group in shown})
        place = dict(zip(names, rng.permutation(len(names)).tolist(), strict=True))
        order.sort(key=lambda position: place[classes[shown[position][0][0]]])
    return [item for position in order for item in shown[position]]


def take_top(codes: Rows, n: int, room: int | NDArray[np.intp]) -> Rows:
    """Return the first n positions of a queue, at most `room` of a class while others are left.

    Parameters
    ----------
    codes : int array of shape (m,)
        Class of each label, most important first.
    n : int
        How many to take.
    room : int or int array of shape (k,)
        The most of each class.

    Returns
    -------
    int array of shape (min(n, m),)
        Rising.
    """
    within = _place_in_class(codes) < (room if isinstance(room, int) else room[codes])
    top = np.flatnonzero(within)[:n]
    more = np.flatnonzero(~within)[: n - len(top)]
    return np.sort(np.concatenate([top, more]))


def default_max_per_class(n: int, n_classes: int) -> int:
    """Return the most labels of a class in a batch of several: half, or twice an even share.

    Half leaves room for others beside a class that is full of wrong labels, or that the scores
    misjudge; where there are only two or three classes, half would be no more than an even share.

    Examples
    --------
    >>> default_max_per_class(50, 10), default_max_per_class(50, 3), default_max_per_class(50, 2)
    (25, 34, 50)
    """
    return max(-(-n // 2), -(-2 * n // max(n_classes, 2)))


def _check_draw(
    n_ids: int,
    values: NDArray[Any],
    mask: NDArray[Any],
    embeddings: Any,
    classes: Sequence[str] | None,
) -> None:
    if not n_ids == len(values) == len(mask):
        raise DataError(
            "sample_ids, importance and eligible must have one entry per sample, got lengths "
            f"{n_ids}, {len(values)} and {len(mask)}.",
            "Give them in the order of the ids.",
        )
    if classes is not None and len(classes) != len(values):
        raise DataError(
            f"classes must have one entry per sample, got {len(classes)} for {len(values)} "
            "samples.",
            "Give them in the order of the ids.",
        )
    if isinstance(embeddings, np.ndarray) and len(embeddings) != len(values):
        raise DataError(
            f"embeddings must have one row per sample, got {len(embeddings)} rows for "
            f"{len(values)} samples.",
            "Compute the missing embeddings.",
        )


def _check_sizes(n: int, controls: int, max_per_class: int | None) -> None:
    if n < 1 or not 0 <= controls <= n:
        raise DataError(
            f"n must be at least 1 and controls between 0 and n, got n={n}, controls={controls}.",
            "Ask for fewer controls, or more samples.",
        )
    if max_per_class is not None and max_per_class < 1:
        raise DataError(
            f"max_per_class must be at least 1, got {max_per_class}.",
            "Leave it out to get the default.",
        )


def class_codes(classes: Iterable[str]) -> Rows:
    """Return the classes as numbers, in the order in which they turn up."""
    known: dict[str, int] = {}
    return np.array([known.setdefault(name, len(known)) for name in classes], np.intp)


def _place_in_class(codes: Rows) -> Rows:
    """Return how many labels of the same class come before each one in a queue."""
    by_class = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[by_class], codes[by_class])
    place = np.empty(len(codes), np.intp)
    place[by_class] = np.arange(len(codes)) - starts
    return place


def _window(codes: Rows, top: Rows, room: Rows) -> Rows:
    """Return the positions of a queue where near-duplicates of its top are looked for."""
    # A class that is cut off may fill the top: as deep in each class, so that no one crowds it.
    near = np.flatnonzero(_place_in_class(codes) < _DEPTH * room[codes])[: _DEPTH * len(top)]
    return np.union1d(near, top)


def _with_duplicates(
    rows: Rows,
    leaders: Rows,
    codes: Rows,
    room: NDArray[np.intp],
    embeddings: NDArray[Any],
    threshold: float,
) -> list[list[int]]:
    """Fill as many places as there are leaders, every one followed by its near-duplicates.

    Those of another class would not get the same answer, and come up by their own importance.
    """
    n, left = len(leaders), room.copy()
    matches = near_duplicates(embeddings[leaders], embeddings, threshold, BEYOND_MEAN_COSINE)
    groups: list[list[int]] = []
    group_of: dict[int, list[int]] = {}  # position to its group
    for k, position in enumerate(leaders.tolist()):
        near = matches.reference[matches.query == k]
        members = [position, *near[codes[near] == codes[position]].tolist()]
        # A duplicate of a duplicate joins the group that is there.
        group = group_of.get(position)
        if group is None:
            if len(group_of) == n or not left[codes[position]]:
                continue
            group = []
            groups.append(group)
        for member in members:
            if member not in group_of and len(group_of) < n and left[codes[member]]:
                group_of[member] = group
                group.append(int(rows[member]))
                left[codes[member]] -= 1
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


def share_controls(quotas: Mapping[Name, int], controls: int) -> dict[Name, int]:
    """Share controls among queues in proportion to their quotas, by largest remainders.

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
