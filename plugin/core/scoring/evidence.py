"""What is said of the rows' labels: as they were given, and as a person has verified them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .linalg import Float, Int


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Labels, verdicts and weights of all rows; classes by their place among the fitted ones.

    Attributes
    ----------
    given : int array of shape (n,)
        Class of the label as it was given; -1 where no row of positive weight has that class.
    verified : int array of shape (n,)
        True class where a person has told it, -1 elsewhere.
    weight : array of shape (n,)
    n_classes : int
    """

    given: Int
    verified: Int
    weight: Float
    n_classes: int

    @property
    def current(self) -> Int:
        """The class that is best known of each row: verified, else given."""
        return np.where(self.verified >= 0, self.verified, self.given)

    @property
    def symbols(self) -> Int:
        """What the channel [T | I] emits: the given class, or K + the verified one."""
        return np.where(self.verified >= 0, self.verified + self.n_classes, self.given)

    def known(self) -> Float:
        """Weight of the rows with a verdict, by true and given class: shape (K, K)."""
        counts = np.zeros((self.n_classes, self.n_classes))
        rows = np.flatnonzero((self.verified >= 0) & (self.weight > 0))
        np.add.at(counts, (self.verified[rows], self.given[rows]), self.weight[rows])
        return counts
