"""Which sure images of a class to show beside those under review."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..scoring.duplicates import DUPLICATE_COSINE


def pick_examples(vectors: ArrayLike, verified: ArrayLike, n: int) -> list[int]:
    """Return rows that show a class from different sides: verified ones first.

    The first row opens; then comes, again and again, the one that is least like all before it.
    Near-duplicates of those show nothing new and are left out.

    Parameters
    ----------
    vectors : array-like of shape (m, d)
        Embeddings of the candidates, the surest first.
    verified : array-like of bool, shape (m,)
        Whether a person has said that the candidate is of the class.
    n : int
        Rows wanted; there may be fewer.
    """
    x = np.asarray(vectors, dtype=np.float64)
    sure = np.asarray(verified, dtype=bool)
    if not len(x) or n < 1:
        return []
    x = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    picked: list[int] = []
    # Likeness to the nearest that is picked.
    likeness = np.full(len(x), -np.inf)
    while len(picked) < min(n, len(x)):
        new = likeness < DUPLICATE_COSINE
        if not new.any():
            break
        among = new & sure if (new & sure).any() else new
        row = int(np.argmin(np.where(among, likeness, np.inf)))
        picked.append(row)
        likeness = np.maximum(likeness, x @ x[row])
        likeness[row] = np.inf
    return picked
