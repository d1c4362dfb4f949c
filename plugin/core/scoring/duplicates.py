"""Near-duplicate images: reviewed side by side, and offered the same correction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError
from .linalg import Float32, Int, unit_rows
from .rows import row_chunks

DUPLICATE_COSINE = 0.98  # see docs/rounds.md
# Two images that look alike do so without what all vectors share, too. Of fewer rows, their mean
# says little of what that is.
BEYOND_MEAN_COSINE = 0.9
_ROWS_FOR_A_MEAN = 50
_SAME = 1e-6  # rounding leaves identical vectors a few units below 1


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """Pairs of rows whose cosine reaches a threshold.

    Attributes
    ----------
    query, reference : int arrays of shape (p,)
        Rows of the two arrays, sorted by query and then by falling cosine.
    cosine : float32 array of shape (p,)
        Their similarity.
    """

    query: Int
    reference: Int
    cosine: Float32


@dataclass(frozen=True, slots=True)
class Proposal:
    """A correction offered to a near-duplicate of a corrected sample; never applied by itself.

    Attributes
    ----------
    row : int
        The duplicate.
    source : int
        The corrected sample.
    cosine : float
        Their similarity.
    new_label : int or None
        The class the source was given; None when it was deleted.
    """

    row: int
    source: int
    cosine: float
    new_label: int | None


def near_duplicates(
    queries: NDArray[Any],
    references: NDArray[Any],
    threshold: float = DUPLICATE_COSINE,
    beyond_mean: float = -1.0,
) -> Matches:
    """Return all pairs of a query and a reference whose cosine is at least the threshold.

    Meant for few queries, such as a batch: time and memory grow with queries times references,
    but never more than one chunk of references is held. Vectors of length 0 match nothing.

    Parameters
    ----------
    queries, references : float arrays of shape (q, d) and (n, d)
        Embeddings.
    threshold : float, default 0.98
        Least cosine, above 0 and at most 1.
    beyond_mean : float, default -1
        Least cosine of the differences from the references' mean, for pairs that are not the same:
        vectors that are mostly alike make different images pass the threshold. Not asked of fewer
        than 50 references.

    Raises
    ------
    DataError
        When the threshold is out of range or the widths differ.
    """
    if not 0 < threshold <= 1:
        raise DataError(f"threshold: must lie above 0 and at most at 1, got {threshold}.")
    if queries.ndim != 2 or references.ndim != 2 or queries.shape[1] != references.shape[1]:
        raise DataError(
            "queries and references: must be arrays of shape (q, d) and (n, d) of the same "
            f"network, got {queries.shape} and {references.shape}."
        )
    unit = unit_rows(queries)
    mean = rest = None
    if beyond_mean > -1 and len(references) >= _ROWS_FOR_A_MEAN:
        mean = _mean(references)
        rest = unit_rows(queries - mean)
    none: Int = np.empty(0, dtype=np.intp)
    found: list[tuple[Int, Int, Float32]] = [(none, none, np.empty(0, dtype=np.float32))]
    for rows in row_chunks(len(references), max(references.shape[1], len(unit))):
        cosine = unit @ unit_rows(references[rows]).T
        alike = cosine >= threshold - _SAME
        if rest is not None and alike.any():
            beyond = rest @ unit_rows(references[rows] - mean).T
            alike &= (beyond >= beyond_mean) | (cosine >= 1 - _SAME)
        query, reference = np.nonzero(alike)
        found.append((query, reference + rows.start, cosine[query, reference]))
    query = np.concatenate([part[0] for part in found])
    reference = np.concatenate([part[1] for part in found])
    similarity = np.concatenate([part[2] for part in found])
    order = np.lexsort((reference, -similarity, query))
    return Matches(query[order], reference[order], similarity[order])


def find_leaks(
    queries: NDArray[Any], references: NDArray[Any], threshold: float = DUPLICATE_COSINE
) -> Matches:
    """Return the queries that have a near-duplicate among the references, with the nearest one.

    Vectors of a network share a large common part, beside which different images look alike: the
    cosine is that of the differences from the references' mean. Of 500 digits of 8 x 8 pixels, 60
    have such a twin among 1,297 others by the plain cosine of 0.98, and 1 by this one.

    Parameters
    ----------
    queries, references : float arrays of shape (q, d) and (n, d)
        Embeddings of the test and the training samples. Memory grows with their sum, time with
        their product.
    threshold : float, default 0.98
        Least cosine.
    """
    none: Int = np.empty(0, dtype=np.intp)
    if not len(queries) or not len(references):
        return Matches(none, none, np.empty(0, dtype=np.float32))
    mean = _mean(references)
    unit = unit_rows(queries - mean)
    best = np.full(len(unit), -1.0, dtype=np.float32)
    nearest = np.zeros(len(unit), dtype=np.intp)
    for rows in row_chunks(len(references), max(references.shape[1], len(unit))):
        cosine = unit @ unit_rows(references[rows] - mean).T
        column = cosine.argmax(axis=1)
        found = cosine[np.arange(len(unit)), column]
        closer = found > best
        best[closer], nearest[closer] = found[closer], column[closer] + rows.start
    query = np.flatnonzero(best >= threshold - _SAME)
    return Matches(query, nearest[query], best[query])


def _mean(rows: NDArray[Any]) -> Float32:
    return np.asarray(rows.mean(axis=0, dtype=np.float64), dtype=np.float32)


def propose_corrections(
    embeddings: NDArray[Any],
    labels: ArrayLike,
    corrections: Mapping[int, int | None],
    *,
    threshold: float = DUPLICATE_COSINE,
) -> list[Proposal]:
    """Offer each correction to the near-duplicates that still carry the label it replaced.

    Parameters
    ----------
    embeddings : float array of shape (n, d)
        All rows that may get a proposal.
    labels : int array of shape (n,)
        Labels before the corrections.
    corrections : mapping of int to int or None
        Corrected row to its new class, or None when it was deleted.
    threshold : float, default 0.98
        Least cosine.

    Returns
    -------
    list of Proposal
        The most similar first; each row once, after its most similar corrected sample.
    """
    y = np.asarray(labels)
    sources = np.array(sorted(corrections), dtype=np.intp)
    matches = near_duplicates(embeddings[sources], embeddings, threshold)
    best: dict[int, Proposal] = {}
    pairs = zip(sources[matches.query].tolist(), matches.reference.tolist(), strict=True)
    for (source, row), cosine in zip(pairs, matches.cosine.tolist(), strict=True):
        if row in corrections or y[row] != y[source]:
            continue
        if row not in best or cosine > best[row].cosine:
            best[row] = Proposal(row, source, cosine, corrections[source])
    return sorted(best.values(), key=lambda proposal: (-proposal.cosine, proposal.row))
