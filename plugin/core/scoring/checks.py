"""What every scorer demands of its arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError
from .linalg import Float, Int
from .rows import Partial, RowStore, run_rows

NAMED_ROWS = 10  # bad rows that an error names


def check_arrays(
    embeddings: Any,
    labels: ArrayLike,
    sample_weight: ArrayLike | None,
    n_classes: int | None,
) -> tuple[Any, Int, Float, int]:
    """Return embeddings, labels, weights and the number of classes, or raise DataError."""
    X = embeddings if isinstance(embeddings, RowStore) else np.asanyarray(embeddings)
    n = X.shape[0] if X.shape else 0
    if len(X.shape) != 2 or X.dtype.kind not in "fiu" or 0 in X.shape:
        raise DataError(
            "embeddings: must be a number array of shape (n, d) with n and d at least 1, "
            f"got shape {X.shape} of {X.dtype}.",
            "Stack one vector for each sample.",
        )
    y = np.asarray(labels)
    if y.shape != (n,) or y.dtype.kind not in "iu":
        raise DataError(
            f"labels: must be an int array of shape ({n},), one for each row of "
            f"embeddings, got shape {y.shape} of {y.dtype}.",
            "Encode class names as 0..K-1.",
        )
    y = y.astype(np.intp)
    K = int(y.max()) + 1 if n_classes is None else n_classes
    _check_range("labels", y, 0, K)
    weight = np.ones(n) if sample_weight is None else np.asarray(sample_weight, np.float64)
    if weight.shape != (n,) or not np.isfinite(weight).all() or (weight < 0).any():
        raise DataError(
            f"sample_weight: must be finite, not negative and of shape ({n},), "
            f"got shape {weight.shape}.",
            "Use 1 for a normal row and 0 for a deleted one.",
        )
    bad = not_finite_rows(X)
    if len(bad):
        named = ", ".join(map(str, bad[:NAMED_ROWS])) + (", …" if len(bad) > NAMED_ROWS else "")
        raise DataError(
            f"embeddings: must be finite, got NaN or infinity in {len(bad)} rows ({named}).",
            "Compute these embeddings again or leave the rows out.",
        )
    return X, y, weight, K


def check_verified(verified: ArrayLike | None, n: int, n_classes: int) -> Int:
    """Return the verified classes, all -1 by default, or raise DataError."""
    if verified is None:
        return np.full(n, -1)
    v = np.asarray(verified)
    if v.shape != (n,) or v.dtype.kind not in "iu":
        raise DataError(
            f"verified: must be an int array of shape ({n},), got shape {v.shape} of {v.dtype}.",
            "Pass the true class where a person has told it and -1 elsewhere.",
        )
    v = v.astype(np.intp)
    _check_range("verified", v, -1, n_classes)
    return v


def check_probabilities(
    probabilities: ArrayLike | None, n: int, n_classes: int, needed: bool
) -> NDArray[Any]:
    """Return the probabilities, of shape (n, 0) when there are none, or raise DataError."""
    if probabilities is None:
        if needed:
            raise DataError(
                "score_labels: must get embeddings, probabilities or both, got neither.",
                "Pass one vector for each row, or one probability for each row and class.",
            )
        return np.empty((n, 0), np.float32)
    P = np.asanyarray(probabilities)
    if P.shape != (n, n_classes) or P.dtype.kind != "f":
        raise DataError(
            f"probabilities: must be a float array of shape ({n}, {n_classes}), "
            f"got shape {P.shape} of {P.dtype}.",
            "Pass one column for each class, in the order of the class numbers.",
        )
    total = P.sum(axis=1, dtype=np.float64)
    # A row of zeros has no prediction.
    bad = np.flatnonzero(~((P >= 0).all(axis=1) & ((np.abs(total - 1) < 0.02) | (total == 0))))
    if len(bad):
        raise DataError(
            f"probabilities: must be 0 or more and add up to 1 in every row, got {len(bad)} rows "
            f"where they don't, such as row {bad[0]}.",
            "Apply the softmax to logits first; fill the rows without a prediction with 0.",
        )
    return P


def _check_range(name: str, values: Int, low: int, high: int) -> None:
    outside = np.flatnonzero((values < low) | (values >= high))
    if len(outside):
        raise DataError(
            f"{name}: must lie in {low}..{high - 1}, got {values[outside[0]]} in row {outside[0]} "
            f"({len(outside)} rows in all).",
            "Encode class names as 0..K-1.",
        )


def check_class_names(names: Sequence[str] | None, n_classes: int) -> tuple[str, ...] | None:
    """Return the names as a tuple, or raise DataError when they are not one for each class."""
    if names is None:
        return None
    if len(names) != n_classes or len(set(names)) != n_classes:
        raise DataError(
            f"class_names: must be {n_classes} different names, one for each class, "
            f"got {len(names)} with {len(set(names))} different.",
            "Pass the sorted class names that the labels were encoded with.",
        )
    return tuple(names)


def not_finite_rows(X: Any) -> Int:
    """Numbers of the rows that hold NaN or infinity."""
    return np.flatnonzero(run_rows(_not_finite, X)[1][0])


def _not_finite(block: NDArray[Any]) -> Partial:
    return (), (~np.isfinite(block).all(axis=1),)
