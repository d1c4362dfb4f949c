"""Nearest neighbours by cosine, and what their labels say about a row's label.

Identical rows count as one: they share a place in the neighbour lists with the sum of their weights
and never vote for each other. Doubling a weight is then the same as duplicating the row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.sparse import csr_array

from .linalg import Float, Float32, Int, unit_rows
from .rows import Partial, run_rows, take

N_NEIGHBORS = 30
SPARE_NEIGHBORS = 6  # kept beyond N_NEIGHBORS, so that a few deletions need no new search
MAX_REFERENCE = 50_000  # rows to compare with; above it, equally many of each class
EXACT_ROWS = 5_000  # above it, similarities are taken in the leading directions only
N_DIRECTIONS = 96
SIMILARITY_BYTES = 32 * 2**20  # of one block of similarities


@dataclass(frozen=True, slots=True, eq=False)
class Neighbors:
    """Neighbour lists that outlive changes of labels and weights.

    Attributes
    ----------
    group : int array of shape (n,)
        Number of the set of identical rows that a row belongs to.
    lists : int32 array of shape (n, at most 36)
        Groups by falling similarity, the row's own left out.
    """

    group: NDArray[np.int32]
    lists: NDArray[np.int32]

    @classmethod
    def none(cls, n: int) -> Neighbors:
        """No row has a neighbour."""
        return cls(np.arange(n, dtype=np.int32), np.empty((n, 0), np.int32))

    def class_shares(
        self, labels: Int, weight: Float, n_classes: int, count: int = N_NEIGHBORS
    ) -> csr_array:
        """Weighted share of each class among the `count` nearest live groups of every row.

        Parameters
        ----------
        labels : int array of shape (n,), in 0..n_classes-1 where the weight is positive
        weight : array of shape (n,)
        n_classes : int
        count : int, default 30
            At most that.

        Returns
        -------
        sparse array of shape (n, n_classes); a row without neighbours is empty
        """
        live = np.flatnonzero(weight > 0)
        n_groups = int(self.group.max()) + 1
        votes = csr_array(
            (weight[live], (self.group[live], labels[live])), shape=(n_groups, n_classes)
        )
        mass = np.bincount(self.group[live], weight[live], minlength=n_groups)
        alive = mass[self.lists] > 0
        alive &= np.cumsum(alive, axis=1) <= count
        counts = alive.sum(axis=1)
        indptr = np.concatenate([[0], np.cumsum(counts)])
        columns = self.lists[alive]
        total = np.bincount(np.repeat(np.arange(len(counts)), counts), mass[columns], len(counts))
        share = np.repeat(1 / np.maximum(total, 1e-300), counts)
        chosen = csr_array((share, columns, indptr), shape=(len(counts), n_groups))
        return csr_array(chosen @ votes)


def find_neighbors(X: Any, labels: Int, weight: Float, hashed: NDArray[np.uint64]) -> Neighbors:
    """Search the neighbours of every row among the rows of positive weight.

    Parameters
    ----------
    X : array or RowStore of shape (n, d)
    labels : int array of shape (n,)
        Only used to draw the reference above `MAX_REFERENCE` rows.
    weight : array of shape (n,)
    hashed : uint64 array of shape (n,)
        See `linalg.row_hash`.
    """
    group = np.unique(hashed, return_inverse=True)[1].astype(np.int32)
    live = np.flatnonzero(weight > 0)
    _, first = np.unique(group[live], return_index=True)
    reference = _balanced(live[first], labels, hashed)
    k = min(N_NEIGHBORS + SPARE_NEIGHBORS, len(reference) - 1)
    directions = _leading_directions(X, reference)
    order = np.argsort(reference, kind="stable")
    base = np.empty(
        (len(reference), X.shape[1] if directions is None else N_DIRECTIONS), np.float32
    )
    _, (base[order],) = run_rows(_unit_block, take(X, reference[order]), (), (directions,))
    position = np.full(int(group.max()) + 1, -1)
    position[group[reference]] = np.arange(len(reference))
    _, (lists,) = run_rows(
        _search,
        X,
        (position[group],),
        (group[reference], base, directions, k),
        width=len(reference),
        n_bytes=SIMILARITY_BYTES,
    )
    return Neighbors(group, lists)


def _search(
    block: NDArray[Any],
    own: Int,
    names: NDArray[np.int32],
    base: Float32,
    directions: Float32 | None,
    k: int,
) -> Partial:
    """The k most similar rows of `base`, by name; `own` is the row's own place in it, or -1."""
    return (), (names[most_similar(unit_rows(block, directions), base, own, k)],)


def most_similar(queries: Float32, base: Float32, own: Int, k: int) -> Int:
    """Places in `base` of the k rows with the largest products, largest first.

    Taken in parts of about √(n·k) rows of `base`, the k largest products lie in the k columns with
    the largest maxima over the parts. A maximum is cheap while a product is still in the cache, and
    leaves few columns to select from.

    Parameters
    ----------
    queries : float32 array of shape (m, d)
    base : float32 array of shape (n, d)
    own : int array of shape (m,)
        Each query's own place in `base`, which is never found; -1 for none.
    k : int
        At most n, or n - 1 where queries have a place of their own.

    Returns
    -------
    int array of shape (m, k)
    """
    m, n = len(queries), len(base)
    if k == 0:
        return np.empty((m, 0), dtype=np.intp)
    n_parts = int(np.sqrt(n / k))
    width = -(-n // n_parts)
    products = np.empty((n_parts, m, width), dtype=np.float32)
    products[-1] = -np.inf  # the last part may be narrower
    peak = np.full((m, width), -np.inf, dtype=np.float32)
    index, part_of_own = np.arange(m), np.where(own >= 0, own // width, -1)
    for part, of_part in enumerate(products):
        some = base[part * width : (part + 1) * width]
        np.matmul(queries, some.T, out=of_part[:, : len(some)])
        known = np.flatnonzero(part_of_own == part)
        of_part[known, own[known] % width] = -np.inf
        np.maximum(peak, of_part, out=peak)
    columns = np.argpartition(peak, width - k, axis=1)[:, width - k :]
    picked = products[:, index[:, None], columns].transpose(1, 0, 2).reshape(m, -1)
    best = np.argpartition(picked, picked.shape[1] - k, axis=1)[:, picked.shape[1] - k :]
    order = np.argsort(-np.take_along_axis(picked, best, axis=1), axis=1, kind="stable")
    best = np.take_along_axis(best, order, axis=1)
    return best // k * width + np.take_along_axis(columns, best % k, axis=1)


def _balanced(rows: Int, labels: Int, hashed: NDArray[np.uint64]) -> Int:
    """At most `MAX_REFERENCE` rows, as many of each class as there are, drawn by hash."""
    if len(rows) <= MAX_REFERENCE:
        return rows
    rows = rows[np.lexsort((hashed[rows], labels[rows]))]
    _, start, counts = np.unique(labels[rows], return_index=True, return_counts=True)
    rank = np.arange(len(rows)) - np.repeat(start, counts)
    order = np.lexsort((hashed[rows], rank))
    return np.sort(rows[order[:MAX_REFERENCE]])


def _leading_directions(X: Any, reference: Int) -> Float32 | None:
    """Directions that hold most of the (uncentred) spread, or None for few rows or columns."""
    if len(reference) <= EXACT_ROWS or X.shape[1] <= N_DIRECTIONS:
        return None
    sample = np.sort(reference[:: max(1, len(reference) // 20_000)])
    (total,), _ = run_rows(_unit_gram, take(X, sample))
    last = X.shape[1] - 1
    vectors = eigh(total, subset_by_index=(last - N_DIRECTIONS + 1, last))[1]
    return np.ascontiguousarray(vectors, dtype=np.float32)


def _unit_gram(block: NDArray[Any]) -> Partial:
    unit = unit_rows(block)
    return (unit.T @ unit,), ()


def _unit_block(block: NDArray[Any], directions: Float32 | None) -> Partial:
    return (), (unit_rows(block, directions),)
