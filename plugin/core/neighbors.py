"""Disagreement of a label with the labels of the nearest neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .linalg import Float32, row_chunks
from .logistic import Int

N_NEIGHBORS = 30


def unit_rows(X: NDArray[Any]) -> Float32:
    """Rows scaled to length 1 as float32; a zero row stays zero."""
    rows = np.array(X, dtype=np.float32)
    norms = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    rows /= np.where(norms > 0, norms, 1)[:, None]
    return rows


def nearest(X: NDArray[Any], reference: Int, k: int) -> Int:
    """Rows of the k most similar (cosine) reference rows of every row, itself left out.

    Parameters
    ----------
    X : array of shape (n, d)
    reference : int array of shape (m,)
        Row numbers that may be neighbours.
    k : int
        At most m − 1.

    Returns
    -------
    int array of shape (n, k), in no particular order
    """
    base = unit_rows(X[reference])
    position = np.full(X.shape[0], -1)
    position[reference] = np.arange(len(reference))
    result = np.empty((X.shape[0], k), dtype=np.intp)
    for rows in row_chunks(X.shape[0], len(reference)):
        similarity = unit_rows(X[rows]) @ base.T
        own = np.flatnonzero(position[rows] >= 0)
        similarity[own, position[rows][own]] = -np.inf
        best = largest(similarity, k)
        result[rows] = reference[best]
    return result


def largest(values: Float32, k: int) -> Int:
    """Columns of the k largest entries of each row.

    The k largest entries lie in the k groups with the largest maxima, so a cheap maximum over
    groups leaves few columns to select from.
    """
    n_rows, n_columns = values.shape
    size = 16
    n_groups = n_columns // size
    if n_groups <= 2 * k:
        return np.argpartition(values, n_columns - k, axis=1)[:, n_columns - k :]
    head = values[:, : n_groups * size]
    peak = np.maximum(head[:, :n_groups], head[:, n_groups : 2 * n_groups])
    for part in range(2, size):
        np.maximum(peak, head[:, part * n_groups : (part + 1) * n_groups], out=peak)
    groups = np.argpartition(peak, n_groups - k, axis=1)[:, n_groups - k :]
    columns = (groups[:, :, None] + n_groups * np.arange(size)).reshape(n_rows, -1)
    rest = np.broadcast_to(
        np.arange(n_groups * size, n_columns), (n_rows, n_columns - n_groups * size)
    )
    columns = np.concatenate([columns, rest], axis=1)
    picked = np.take_along_axis(values, columns, axis=1)
    best = np.argpartition(picked, picked.shape[1] - k, axis=1)[:, picked.shape[1] - k :]
    return np.take_along_axis(columns, best, axis=1)
