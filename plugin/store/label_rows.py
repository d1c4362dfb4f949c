"""Labels as arrays: what the maths sees of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Rows:
    """Labels as arrays, all in the same order.

    Attributes
    ----------
    ids : list of str
        Label ids.
    labels : ndarray of int, shape (n,)
        Index into `classes` of each present label.
    weights : ndarray of float, shape (n,)
        Weights; 0 for deleted.
    embeddings : ndarray of float32, shape (n, d)
        One row per label.
    classes : tuple of str
        Class names.
    """

    ids: list[str]
    labels: NDArray[np.int64]
    weights: NDArray[np.float64]
    embeddings: NDArray[np.float32]
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)


def weight_or_one(value: float | None) -> float:
    """Return a label's weight; none at all means 1."""
    return 1.0 if value is None else value
