"""The cleaned labels as arrays to train on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """The labels outside the test split, as arrays in the same order.

    Attributes
    ----------
    images : list of str
        Paths of the images.
    targets : int array of shape (n,)
        Index into `classes`.
    sample_weight : float array of shape (n,)
        0 for deleted labels: what scikit-learn and Keras call by this name.
    classes : tuple of str
        Class names.
    ids : list of str
        Ids of the labels.
    """

    images: list[str]
    targets: NDArray[np.int64]
    sample_weight: NDArray[np.float64]
    classes: tuple[str, ...]
    ids: list[str]

    def __len__(self) -> int:
        return len(self.ids)

    def sampler(self, num_samples: int | None = None, seed: int = 0) -> Any:
        """Return a sampler of torch that draws labels by their weight, deleted ones never.

        Parameters
        ----------
        num_samples : int, optional
            Draws in an epoch. Default: as many as there are labels with a weight.
        seed : int, default 0
            Of the draws.

        Returns
        -------
        torch.utils.data.WeightedRandomSampler
            For a ``DataLoader`` over a dataset in the order of `images`.
        """
        import torch
        from torch.utils.data import WeightedRandomSampler

        wanted = num_samples or int(np.count_nonzero(self.sample_weight))
        generator = torch.Generator().manual_seed(seed)
        return WeightedRandomSampler(
            self.sample_weight.tolist(), wanted, replacement=True, generator=generator
        )
