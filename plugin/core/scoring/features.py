"""What the scorer sees of an embedding: the vector itself, or the roots of its activations."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .linalg import Float32, unit_rows
from .rows import MappedRows, Partial, RowStore, run_rows

# Fewer numbers are no activations of a network, and the length of a vector holds much of them.
LEAST_COLUMNS = 32


def as_features(X: RowStore) -> RowStore:
    """The rows as the classifier and the neighbour search see them.

    Vectors without a negative number are taken for activations, which a network's last ReLU gives:
    a few are large, and the larger one is on average, the more it varies. They are seen as the
    roots of the vector at length 1, which vary about alike everywhere. The root is the usual power
    normalisation of such features (Perronnin, Sánchez and Mensink, ECCV 2010; Arandjelović and
    Zisserman, CVPR 2012). Other vectors, and those of fewer than 32 numbers, stay as they are.

    Parameters
    ----------
    X : RowStore of shape (n, d)

    Returns
    -------
    RowStore of shape (n, d)
    """
    if X.shape[1] < LEAST_COLUMNS or not run_rows(_no_negative, X)[1][0].all():
        return X
    return MappedRows(X, roots)


def roots(block: NDArray[Any]) -> Float32:
    """Roots of the entries of rows that were scaled to length 1; a row of zeros stays zero."""
    unit = unit_rows(block)
    return np.sqrt(unit, out=unit)


def _no_negative(block: NDArray[Any]) -> Partial:
    return (), (block.min(axis=1) >= 0,)
