"""What a classifier says of every row that it was not trained on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .checks import check_arrays
from .crossval import LabelState, Task
from .linalg import Float32


def out_of_fold_probabilities(
    embeddings: NDArray[Any],
    labels: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    n_classes: int,
    n_splits: int = 5,
    random_state: int = 0,
) -> Float32:
    """Return each row's class probabilities from a fit that has not seen its fold.

    Parameters
    ----------
    embeddings : float array of shape (n, d)
    labels : int array of shape (n,)
    sample_weight : array of shape (n,), default all 1
        Rows of weight 0 are predicted and not trained on.
    n_classes : int
        Labels are below it.
    n_splits : int, default 5
        Folds; fewer when a class has fewer rows.
    random_state : int, default 0
        Seed of the folds.

    Returns
    -------
    float32 array of shape (n, n_classes)
        0 for classes without a row.

    Raises
    ------
    DataError
        When fewer than two classes have two rows.
    """
    embeddings, y, weight, _ = check_arrays(embeddings, labels, sample_weight, None)
    present = np.unique(y)
    codes = np.searchsorted(present, y)
    task = Task(embeddings, codes, None, len(present), n_splits, random_state)
    probabilities = np.zeros((len(y), n_classes), dtype=np.float32)
    probabilities[:, present] = task.out_of_fold(LabelState(codes, weight))
    return probabilities
