"""Near-duplicate images, which are reviewed side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import DataError
from .linalg import Float32, Int, row_chunks

DUPLICATE_COSINE = 0.98


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


def near_duplicates(
    queries: NDArray[Any], references: NDArray[Any], threshold: float = DUPLICATE_COSINE
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
    unit = _unit_rows(queries)
    none: Int = np.empty(0, dtype=np.intp)
    found: list[tuple[Int, Int, Float32]] = [(none, none, np.empty(0, dtype=np.float32))]
    for rows in row_chunks(len(references), max(references.shape[1], len(unit))):
        cosine = unit @ _unit_rows(references[rows]).T
        # Rounding leaves identical vectors a few units below 1.
        query, reference = np.nonzero(cosine >= threshold - 1e-6)
        found.append((query, reference + rows.start, cosine[query, reference]))
    query = np.concatenate([part[0] for part in found])
    reference = np.concatenate([part[1] for part in found])
    similarity = np.concatenate([part[2] for part in found])
    order = np.lexsort((reference, -similarity, query))
    return Matches(query[order], reference[order], similarity[order])


def _unit_rows(X: NDArray[Any]) -> Float32:
    values = np.asarray(X, dtype=np.float32)
    length = np.linalg.norm(values, axis=1, keepdims=True)
    return np.asarray(values / np.where(length > 0, length, 1), dtype=np.float32)
